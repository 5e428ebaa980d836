//! Values as JSON text.
//!
//! Boundary: compact form, names in order. What JSON lacks becomes a string: dates, times and
//! durations as ISO 8601, ranges as FEEL. A function becomes null.
//! Read first: [`write`].

use alloc::string::{String, ToString};
use core::fmt::Write;

use crate::temporal::WithOffset;
use crate::value::{Range, Value};

/// `value` as JSON text.
#[must_use]
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// Appends `value` as JSON. Values without a JSON form (dates, durations, ranges) become strings,
/// functions become null.
pub fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Function(_) => out.push_str("null"),
        Value::Boolean(true) => out.push_str("true"),
        Value::Boolean(false) => out.push_str("false"),
        Value::Number(number) => match number.to_i64() {
            Some(integer) => write_integer(integer, out),
            None => display(number, out),
        },
        Value::String(text) => write_string(text, out),
        Value::List(list) => {
            out.push('[');
            for (position, item) in list.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Context(context) => {
            out.push('{');
            for (position, (name, item)) in context.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        Value::Date(date) => quoted(date, out),
        Value::Time(time) => quoted(time, out),
        Value::DateTime(moment) => quoted(&WithOffset(moment), out),
        Value::DaysDuration(duration) => quoted(duration, out),
        Value::MonthsDuration(duration) => quoted(duration, out),
        Value::Range(range) => write_string(&range_text(range), out),
    }
}

/// Formatting through `core::fmt` takes several times as long.
fn write_integer(value: i64, out: &mut String) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push('-');
    }
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

fn display(value: &dyn core::fmt::Display, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{value}");
}

fn quoted(value: &dyn core::fmt::Display, out: &mut String) {
    out.push('"');
    display(value, out);
    out.push('"');
}

fn range_text(range: &Range) -> String {
    let mut text = String::from(if range.start_included { "[" } else { "(" });
    for (value, after) in [(&range.start, ".."), (&range.end, "")] {
        match value {
            Value::Null => {}
            Value::String(end) => write_string(end, &mut text),
            other => text.push_str(to_string(other).trim_matches('"').to_string().as_str()),
        }
        text.push_str(after);
    }
    text.push(if range.end_included { ']' } else { ')' });
    text
}

/// Appends `text` in double quotes, escaped.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.reserve(text.len() + 2);
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
        plain = at + 1;
    }
    out.push_str(&text[plain..]);
    out.push('"');
}
