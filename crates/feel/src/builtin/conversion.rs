//! Functions that turn values of one kind into another.
//!
//! Boundary: see `builtin`; those that make dates and times are in `temporal`.
//! Read first: `TABLE`.

use alloc::string::{String, ToString};
use core::fmt::Write;

use crate::builtin::{Arguments, Builtin, Work};
use crate::json;
use crate::value::{Number, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "string", parameters: &["from"], work: Work::Linear(string) },
    Builtin {
        name: "number",
        parameters: &["from", "grouping separator?", "decimal separator?"],
        work: Work::Linear(number),
    },
    Builtin { name: "to json", parameters: &["value"], work: Work::Linear(to_json) },
    Builtin { name: "from json", parameters: &["value"], work: Work::Linear(from_json) },
];

fn string(arguments: &Arguments<'_>) -> Option<Value> {
    match arguments.get(0) {
        Value::Null => Some(Value::Null),
        Value::String(text) => Some(Value::String(text.clone())),
        other => {
            let mut out = String::new();
            write_feel(other, &mut out);
            Some(Value::from(out))
        }
    }
}

/// Appends a value as FEEL shows it.
fn write_feel(value: &Value, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Null => write!(out, "null"),
        Value::Boolean(truth) => write!(out, "{truth}"),
        Value::Number(number) => write!(out, "{number}"),
        Value::String(text) => {
            json::write(&Value::String(text.clone()), out);
            Ok(())
        }
        Value::List(list) => {
            for (position, item) in list.iter().enumerate() {
                out.push_str(if position == 0 { "[" } else { ", " });
                write_feel(item, out);
            }
            out.push_str(if list.is_empty() { "[]" } else { "]" });
            Ok(())
        }
        Value::Context(context) => {
            out.push('{');
            for (position, (name, item)) in context.iter().enumerate() {
                out.push_str(if position == 0 { "" } else { ", " });
                out.push_str(name);
                out.push(':');
                write_feel(item, out);
            }
            out.push('}');
            Ok(())
        }
        Value::Date(date) => write!(out, "{date}"),
        Value::Time(time) => write!(out, "{time}"),
        Value::DateTime(moment) => write!(out, "{moment}"),
        Value::DaysDuration(duration) => write!(out, "{duration}"),
        Value::MonthsDuration(duration) => write!(out, "{duration}"),
        Value::Range(range) => {
            out.push(if range.start_included { '[' } else { '(' });
            write_feel(&range.start, out);
            out.push_str("..");
            write_feel(&range.end, out);
            out.push(if range.end_included { ']' } else { ')' });
            Ok(())
        }
        Value::Function(_) => write!(out, "function"),
    };
}

fn number(arguments: &Arguments<'_>) -> Option<Value> {
    let text = match arguments.get(0) {
        Value::Number(number) => return Some(Value::Number(*number)),
        Value::String(text) => text,
        _ => return None,
    };
    let separator = |position: usize, allowed: &[&str]| match arguments.get(position) {
        Value::Null => Some(None),
        Value::String(text) => allowed.contains(&&**text).then_some(Some(&**text)),
        _ => None,
    };
    let grouping = separator(1, &[" ", ",", "."])?;
    let decimal = separator(2, &[",", "."])?;
    if grouping.is_some() && grouping == decimal {
        return None;
    }
    let mut text = text.trim().to_string();
    if let Some(grouping) = grouping {
        text = text.replace(grouping, "");
    }
    if let Some(decimal) = decimal.filter(|decimal| *decimal != ".") {
        if text.contains('.') {
            return None;
        }
        text = text.replace(decimal, ".");
    }
    Number::parse(&text).map(Value::Number)
}

fn to_json(arguments: &Arguments<'_>) -> Option<Value> {
    Some(Value::from(json::to_string(arguments.get(0))))
}

fn from_json(arguments: &Arguments<'_>) -> Option<Value> {
    json::parse(arguments.string(0)?.as_bytes()).ok()
}
