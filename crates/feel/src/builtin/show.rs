//! Values as FEEL shows them: what `string()` yields.
//!
//! Boundary: the dialects differ in contexts and empty durations.
//! Read first: [`write`].

use alloc::string::String;
use core::fmt::Write;

use crate::json;
use crate::names::Dialect;
use crate::value::{Context, Str, Value};

/// Appends a value as FEEL shows it.
pub(super) fn write(value: &Value, dialect: Dialect, out: &mut String) {
    let standard = dialect == Dialect::Standard;
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Null => write!(out, "null"),
        Value::Boolean(truth) => write!(out, "{truth}"),
        Value::Number(number) => write!(out, "{number}"),
        Value::String(text) => {
            write_text(text, out);
            Ok(())
        }
        Value::List(list) => {
            for (position, item) in list.iter().enumerate() {
                out.push_str(if position == 0 { "[" } else { ", " });
                write(item, dialect, out);
            }
            out.push_str(if list.is_empty() { "[]" } else { "]" });
            Ok(())
        }
        Value::Context(context) => {
            write_context(context, dialect, out);
            Ok(())
        }
        Value::Date(date) => write!(out, "{date}"),
        Value::Time(time) => write!(out, "{time}"),
        Value::DateTime(moment) => write!(out, "{moment}"),
        Value::DaysDuration(duration) if standard && duration.nanos() == 0 => write!(out, "PT0S"),
        Value::DaysDuration(duration) => write!(out, "{duration}"),
        Value::MonthsDuration(duration) if standard && duration.months() == 0 => {
            write!(out, "P0M")
        }
        Value::MonthsDuration(duration) => write!(out, "{duration}"),
        Value::Range(range) => {
            out.push(if range.start_included { '[' } else { '(' });
            write(&range.start, dialect, out);
            out.push_str("..");
            write(&range.end, dialect, out);
            out.push(if range.end_included { ']' } else { ')' });
            Ok(())
        }
        Value::Function(_) => write!(out, "function"),
    };
}

fn write_text(text: &Str, out: &mut String) {
    json::write(&Value::String(text.clone()), out);
}

/// The standard puts a space behind the colon, and quotes around names that need them.
fn write_context(context: &Context, dialect: Dialect, out: &mut String) {
    out.push('{');
    for (position, (name, item)) in context.iter().enumerate() {
        out.push_str(if position == 0 { "" } else { ", " });
        let standard = dialect == Dialect::Standard;
        let plain = |c: char| c.is_alphanumeric() || "_ ?'./-+*".contains(c);
        if standard && (!name.chars().all(plain) || name.is_empty()) {
            write_text(name, out);
        } else {
            out.push_str(name);
        }
        out.push_str(if standard { ": " } else { ":" });
        write(item, dialect, out);
    }
    out.push('}');
}
