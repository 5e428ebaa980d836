//! Values as the conformance tests write them, and when two of them are the same.
//!
//! Boundary: types come from `xsi:type`, never from the model.
//! Read first: [`read`], then [`same`].

use feel::{
    Context, Environment, Expression, List, Number, Value, json, parse_duration, parse_temporal,
};
use roxmltree::Node;

use crate::tck::{name, named};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// By how much numbers may differ: expected ones are often rounded.
const TOLERANCE: &str = "0.00000001";

/// The value inside of `node`: `list`, `component`s or `value`.
pub(super) fn read(node: Node<'_, '_>) -> Value {
    if let Some(list) = named(node, "list").next() {
        if nil(list) {
            return Value::Null;
        }
        return Value::List(named(list, "item").map(read).collect::<List>());
    }
    let mut components = named(node, "component").peekable();
    if components.peek().is_some() {
        let entries = components.map(|node| (name(node).as_str().into(), read(node)));
        return Value::Context(Context::new(entries.collect()));
    }
    match named(node, "value").next() {
        Some(value) => scalar(value),
        None => Value::Null,
    }
}

fn nil(node: Node<'_, '_>) -> bool {
    matches!(node.attribute((XSI, "nil")), Some("true" | "1"))
}

fn scalar(node: Node<'_, '_>) -> Value {
    if nil(node) {
        return Value::Null;
    }
    let mut text = String::new();
    for piece in node.children().filter_map(|child| child.text()) {
        text.push_str(piece);
    }
    let kind = node.attribute((XSI, "type")).unwrap_or_default();
    let kind = kind.rsplit(':').next().unwrap_or_default();
    let trimmed = text.trim();
    match kind {
        "decimal" | "double" | "float" | "integer" | "int" | "long" | "short" => {
            Number::parse(trimmed.trim_start_matches('+'))
                .map(Value::Number)
                .or_else(|| negative(trimmed))
                .unwrap_or_default()
        }
        "boolean" => match trimmed {
            "true" | "1" => Value::Boolean(true),
            "false" | "0" => Value::Boolean(false),
            _ => Value::Null,
        },
        "date" | "time" | "dateTime" => parse_temporal(trimmed).unwrap_or_default(),
        "duration" | "dayTimeDuration" | "yearMonthDuration" => {
            parse_duration(trimmed).unwrap_or_default()
        }
        _ => Value::from(text),
    }
}

fn negative(text: &str) -> Option<Value> {
    let number = Number::parse(text.strip_prefix('-')?)?;
    Some(Value::Number(number.negated()))
}

/// Whether the actual value is the expected one: numbers almost, all else exactly.
pub(super) fn same(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Number(expected), Value::Number(actual)) => {
            let apart = expected.sub(actual).map(|difference| difference.abs());
            let most = Number::parse(TOLERANCE).zip(apart);
            expected == actual || most.is_some_and(|(most, apart)| apart <= most)
        }
        (Value::List(expected), Value::List(actual)) => {
            expected.len() == actual.len()
                && expected.iter().zip(actual.iter()).all(|(one, other)| same(one, other))
        }
        (Value::Context(expected), Value::Context(actual)) => {
            expected.len() == actual.len()
                && expected
                    .iter()
                    .all(|(name, value)| actual.get(name).is_some_and(|actual| same(value, actual)))
        }
        (expected, actual) => {
            expected == actual
                || (expected.kind_name() == actual.kind_name() && equal(expected, actual))
        }
    }
}

/// Equality as FEEL has it, which knows that `Z` and `+00:00` are one offset.
fn equal(expected: &Value, actual: &Value) -> bool {
    let Ok(equal) = Expression::compile("expected = actual") else { return false };
    let scope = Context::builder()
        .with("expected", expected.clone())
        .with("actual", actual.clone())
        .build();
    let environment = Environment { now_ms: 0, steps_max: 10_000 };
    equal.evaluate(&scope, &environment).value == Value::Boolean(true)
}

/// A value as text.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::List(list) => {
            let items: Vec<String> = list.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Context(context) => {
            let entries = context.iter().map(|(name, value)| format!("{name}: {}", shown(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Function(_) => "a function".to_owned(),
        Value::Range(range) => {
            let (open, close) = match (range.start_included, range.end_included) {
                (true, true) => ('[', ']'),
                (true, false) => ('[', ')'),
                (false, true) => ('(', ']'),
                (false, false) => ('(', ')'),
            };
            format!("{open}{}..{}{close}", shown(&range.start), shown(&range.end))
        }
        other => json::to_string(other),
    }
}
