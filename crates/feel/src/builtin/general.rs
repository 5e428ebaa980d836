//! Functions on any value: negation, presence, defaults, assertions.
//!
//! Boundary: see `builtin`.
//! Read first: `TABLE`.

use alloc::boxed::Box;
use alloc::string::ToString;

use crate::builtin::{Arguments, Builtin, Work};
use crate::machine::{Machine, Outcome, Stop};
use crate::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "not", parameters: &["negand"], work: Work::Plain(not) },
    Builtin { name: "is defined", parameters: &["value"], work: Work::Plain(is_defined) },
    Builtin { name: "get or else", parameters: &["value", "default"], work: Work::Plain(or_else) },
    Builtin {
        name: "assert",
        parameters: &["value", "condition", "cause?"],
        work: Work::Machine(assert),
    },
    Builtin { name: "is", parameters: &["value1", "value2"], work: Work::Linear(is) },
    Builtin {
        name: "fromAi",
        parameters: &["value", "description?", "type?", "schema?", "options?"],
        work: Work::Plain(from_ai),
    },
    Builtin { name: "uuid", parameters: &[], work: Work::Machine(uuid) },
    Builtin { name: "random number", parameters: &[], work: Work::Machine(random_number) },
];

fn not(arguments: &Arguments<'_>) -> Option<Value> {
    arguments.boolean(0).map(|truth| Value::Boolean(!truth))
}

fn is_defined(arguments: &Arguments<'_>) -> Option<Value> {
    Some(Value::Boolean(!arguments.get(0).is_null()))
}

fn or_else(arguments: &Arguments<'_>) -> Option<Value> {
    let value = arguments.get(0);
    Some(if value.is_null() { arguments.get(1).clone() } else { value.clone() })
}

fn assert(_: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    if arguments.get(1) == &Value::Boolean(true) {
        return Ok(Some(arguments.get(0).clone()));
    }
    let cause = arguments.string(2).map_or("The condition is not fulfilled", |cause| cause);
    Err(Stop::Failed(Box::from(cause)))
}

/// Whether both are of the same kind and the same in every part, offsets and zones included.
fn is(arguments: &Arguments<'_>) -> Option<Value> {
    Some(Value::Boolean(match (arguments.get(0), arguments.get(1)) {
        (Value::Time(left), Value::Time(right)) => {
            left.nanos() == right.nanos() && left.zone().is(right.zone())
        }
        (Value::DateTime(left), Value::DateTime(right)) => {
            left.date() == right.date()
                && left.time().nanos() == right.time().nanos()
                && left.time().zone().is(right.time().zone())
        }
        (left, right) => left == right,
    }))
}

fn from_ai(arguments: &Arguments<'_>) -> Option<Value> {
    Some(arguments.get(0).clone())
}

fn uuid(machine: &mut Machine<'_>, _: &Arguments<'_>) -> Outcome<Option<Value>> {
    let Some((high, low)) = machine.random().zip(machine.random()) else {
        return Ok(None);
    };
    // Version 4, variant 1, as RFC 9562 marks random identifiers.
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 1 << 63;
    let bits = u128::from(high) << 64 | u128::from(low);
    let hex = alloc::format!("{bits:032x}");
    let mut text = alloc::string::String::with_capacity(36);
    for (position, digit) in hex.chars().enumerate() {
        if matches!(position, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    Ok(Some(Value::from(text)))
}

fn random_number(machine: &mut Machine<'_>, _: &Arguments<'_>) -> Outcome<Option<Value>> {
    Ok(machine.random().and_then(|bits| {
        // 18 decimal digits below one.
        let digits = bits % 1_000_000_000_000_000_000;
        crate::value::Number::parse(&(digits.to_string() + "e-18")).map(Value::Number)
    }))
}
