//! Functions that turn values of one kind into another.
//!
//! Boundary: see `builtin`; those that make dates and times are in `temporal`.
//! Read first: `TABLE`.

use alloc::string::{String, ToString};

use crate::builtin::{Arguments, Builtin, Work, show};
use crate::expression::Expression;
use crate::json;
use crate::machine::{Machine, Outcome, order};
use crate::value::{Number, Range, Value};

/// The longest text of a range, in bytes.
const RANGE_TEXT_MAX: usize = 1000;
/// What reading a range costs, in steps.
const RANGE_STEPS: u64 = 200;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "string", parameters: &["from"], work: Work::Machine(string) },
    Builtin {
        name: "number",
        parameters: &["from", "grouping separator?", "decimal separator?"],
        work: Work::Linear(number),
    },
    Builtin { name: "range", parameters: &["from"], work: Work::Machine(range) },
    Builtin { name: "to json", parameters: &["value"], work: Work::Linear(to_json) },
    Builtin { name: "from json", parameters: &["value"], work: Work::Linear(from_json) },
];

fn string(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    machine.charge(arguments.get(0).weight() / 4)?;
    Ok(Some(match arguments.get(0) {
        Value::Null => Value::Null,
        Value::String(text) => Value::String(text.clone()),
        other => {
            let mut out = String::new();
            show::write(other, machine.dialect(), &mut out);
            Value::from(out)
        }
    }))
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

/// The range that a text writes, with literals as its ends.
fn range(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    let Some(text) = arguments.string(0).filter(|text| text.len() <= RANGE_TEXT_MAX) else {
        return Ok(None);
    };
    machine.charge(RANGE_STEPS)?;
    Ok(match Expression::compile(text).ok().as_ref().and_then(Expression::as_constant) {
        Some(value @ Value::Range(range)) if same_kind(range) => Some(value.clone()),
        _ => None,
    })
}

/// Whether the ends can be compared, and one of them is given.
fn same_kind(range: &Range) -> bool {
    match (&range.start, &range.end) {
        (Value::Null, end) => order(end, end).is_some(),
        (start, Value::Null) => order(start, start).is_some(),
        (start, end) => order(start, end).is_some_and(|order| order.is_le()),
    }
}

fn to_json(arguments: &Arguments<'_>) -> Option<Value> {
    Some(Value::from(json::to_string(arguments.get(0))))
}

fn from_json(arguments: &Arguments<'_>) -> Option<Value> {
    json::parse(arguments.string(0)?.as_bytes()).ok()
}
