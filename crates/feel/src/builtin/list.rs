//! Functions that take lists apart and build them.
//!
//! Boundary: see `builtin`; those that compare or compute over items are in `list_order`.
//! Read first: `TABLE`.

use alloc::vec::Vec;

use crate::builtin::{Arguments, Builtin, Work};
use crate::function::Function;
use crate::machine::{Machine, Outcome};
use crate::value::{List, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "count", parameters: &["list..."], work: Work::Plain(count) },
    Builtin { name: "is empty", parameters: &["list"], work: Work::Plain(is_empty) },
    Builtin {
        name: "sublist",
        parameters: &["list", "start position", "length?"],
        work: Work::Linear(sublist),
    },
    Builtin { name: "append", parameters: &["list", "*items..."], work: Work::Linear(append) },
    Builtin { name: "concatenate", parameters: &["*lists..."], work: Work::Linear(concatenate) },
    Builtin {
        name: "insert before",
        parameters: &["list", "position", "newItem"],
        work: Work::Linear(insert_before),
    },
    Builtin { name: "remove", parameters: &["list", "position"], work: Work::Linear(remove) },
    Builtin { name: "reverse", parameters: &["list"], work: Work::Linear(reverse) },
    Builtin { name: "flatten", parameters: &["list"], work: Work::Machine(flatten) },
    Builtin { name: "partition", parameters: &["list", "size"], work: Work::Linear(partition) },
    Builtin {
        name: "list replace",
        parameters: &["list", "position|match", "newItem"],
        work: Work::Machine(list_replace),
    },
];

fn count(arguments: &Arguments<'_>) -> Option<Value> {
    if let Value::List(list) = arguments.get(0) {
        return Some(Value::from(i64::try_from(list.len()).ok()?));
    }
    arguments.list(0).map(|_| Value::from(1))
}

fn is_empty(arguments: &Arguments<'_>) -> Option<Value> {
    match arguments.get(0) {
        Value::List(list) => Some(Value::Boolean(list.is_empty())),
        Value::Context(context) => Some(Value::Boolean(context.is_empty())),
        _ => None,
    }
}

/// The index of a position in a list of that length; the end of the list counts as one.
fn index(position: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let index = match position {
        0 => return None,
        1.. => position - 1,
        _ => length.checked_add(position)?,
    };
    usize::try_from(index).ok().filter(|index| *index as i64 <= length)
}

fn sublist(arguments: &Arguments<'_>) -> Option<Value> {
    let list = arguments.list(0)?;
    let start = index(arguments.integer(1)?, list.len())?;
    let end = if arguments.is_given(2) {
        let length = usize::try_from(arguments.integer(2)?).ok()?;
        start.saturating_add(length).min(list.len())
    } else {
        list.len()
    };
    Some(Value::from(list[start..end].to_vec()))
}

fn append(arguments: &Arguments<'_>) -> Option<Value> {
    let mut items = arguments.list(0)?.to_vec();
    items.extend_from_slice(&arguments.list(1)?);
    Some(Value::from(items))
}

fn concatenate(arguments: &Arguments<'_>) -> Option<Value> {
    let mut items = Vec::new();
    for list in &arguments.list(0)? {
        match list {
            Value::List(list) => items.extend_from_slice(list),
            Value::Null => return None,
            other => items.push(other.clone()),
        }
    }
    Some(Value::from(items))
}

fn insert_before(arguments: &Arguments<'_>) -> Option<Value> {
    let mut items = arguments.list(0)?.to_vec();
    items.insert(index(arguments.integer(1)?, items.len())?, arguments.get(2).clone());
    Some(Value::from(items))
}

fn remove(arguments: &Arguments<'_>) -> Option<Value> {
    let mut items = arguments.list(0)?.to_vec();
    match index(arguments.integer(1)?, items.len()) {
        Some(index) if index < items.len() => {
            items.remove(index);
            Some(Value::from(items))
        }
        _ => None,
    }
}

fn reverse(arguments: &Arguments<'_>) -> Option<Value> {
    let mut items = arguments.list(0)?.to_vec();
    items.reverse();
    Some(Value::from(items))
}

fn flatten(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    let Some(list) = arguments.list(0) else {
        return Ok(None);
    };
    machine.charge(list.weight() / 2)?;
    let mut items = Vec::new();
    flatten_into(&list, &mut items);
    Ok(Some(Value::from(items)))
}

/// Recursion is as deep as the list, which is limited where values are built.
fn flatten_into(list: &List, items: &mut Vec<Value>) {
    for item in list {
        match item {
            Value::List(inner) => flatten_into(inner, items),
            other => items.push(other.clone()),
        }
    }
}

fn partition(arguments: &Arguments<'_>) -> Option<Value> {
    let list = arguments.list(0)?;
    let size = usize::try_from(arguments.integer(1)?).ok().filter(|size| *size > 0)?;
    Some(Value::from(list.chunks(size).map(|part| Value::from(part.to_vec())).collect::<Vec<_>>()))
}

fn list_replace(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    let Some(list) = arguments.list(0) else {
        return Ok(None);
    };
    machine.charge(list.len() as u64)?;
    let mut items = list.to_vec();
    match arguments.get(1) {
        Value::Number(position) => {
            let found = position.to_i64().and_then(|position| index(position, items.len()));
            match found.and_then(|index| items.get_mut(index)) {
                Some(item) => *item = arguments.get(2).clone(),
                None => return Ok(None),
            }
        }
        Value::Function(function) => {
            replace_where(machine, function, &mut items, arguments.get(2))?
        }
        _ => return Ok(None),
    }
    Ok(Some(Value::from(items)))
}

fn replace_where(
    machine: &mut Machine<'_>,
    function: &Function,
    items: &mut [Value],
    new: &Value,
) -> Outcome<()> {
    if function.parameters().len() != 2 {
        return Ok(());
    }
    for item in items {
        let chosen = machine.apply(function, Vec::from([item.clone(), new.clone()]))?;
        if chosen == Value::Boolean(true) {
            *item = new.clone();
        }
    }
    Ok(())
}
