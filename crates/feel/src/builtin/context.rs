//! Functions on contexts.
//!
//! Boundary: see `builtin`.
//! Read first: `TABLE`.

use alloc::vec::Vec;

use crate::builtin::{Arguments, Builtin, Work};
use crate::value::{Context, Str, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin {
        name: "get value",
        parameters: &["context|m", "key|keys"],
        work: Work::Plain(get_value),
    },
    Builtin { name: "get entries", parameters: &["context|m"], work: Work::Linear(get_entries) },
    Builtin {
        name: "context put",
        parameters: &["context", "key|keys", "value"],
        work: Work::Linear(context_put),
    },
    Builtin { name: "context merge", parameters: &["contexts..."], work: Work::Linear(merge) },
    Builtin { name: "put all", parameters: &["contexts..."], work: Work::Linear(merge) },
    Builtin { name: "context", parameters: &["entries"], work: Work::Linear(from_entries) },
];

/// The names of a path: one string or a list of strings.
fn path(value: &Value) -> Option<Vec<Str>> {
    match value {
        Value::String(name) => Some(Vec::from([name.clone()])),
        Value::List(names) => names
            .iter()
            .map(|name| if let Value::String(name) = name { Some(name.clone()) } else { None })
            .collect(),
        _ => None,
    }
}

fn get_value(arguments: &Arguments<'_>) -> Option<Value> {
    let path = path(arguments.get(1))?;
    let mut current = Value::Context(arguments.context(0)?.clone());
    for name in path {
        let Value::Context(context) = &current else {
            return Some(Value::Null);
        };
        let Some(next) = context.get(&name).cloned() else {
            return Some(Value::Null);
        };
        current = next;
    }
    Some(current)
}

fn get_entries(arguments: &Arguments<'_>) -> Option<Value> {
    let entries = arguments.context(0)?.iter().map(|(name, value)| {
        Value::Context(
            Context::builder().with("key", name.clone()).with("value", value.clone()).build(),
        )
    });
    Some(Value::from(entries.collect::<Vec<_>>()))
}

fn context_put(arguments: &Arguments<'_>) -> Option<Value> {
    let path = path(arguments.get(1)).filter(|path| !path.is_empty() && path.len() < 100)?;
    let changed = arguments.context(0)?.with_path(&path, arguments.get(2).clone());
    Some(Value::Context(changed))
}

fn merge(arguments: &Arguments<'_>) -> Option<Value> {
    let mut entries = Vec::new();
    for context in &arguments.list(0)? {
        let context = context.as_context()?;
        entries.extend(context.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    Some(Value::Context(Context::new(entries)))
}

fn from_entries(arguments: &Arguments<'_>) -> Option<Value> {
    let mut entries = Vec::new();
    for entry in &arguments.list(0)? {
        let entry = entry.as_context()?;
        let Value::String(name) = entry.get("key")? else {
            return None;
        };
        entries.push((name.clone(), entry.get("value")?.clone()));
    }
    Some(Value::Context(Context::new(entries)))
}
