//! Functions on numbers.
//!
//! Boundary: see `builtin`; `abs` also takes durations.
//! Read first: `TABLE`.

use crate::builtin::{Arguments, Builtin, Work};
use crate::temporal::{DaysDuration, MonthsDuration};
use crate::value::{Number, Rounding, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "decimal", parameters: &["n", "scale", "mode?"], work: Work::Plain(decimal) },
    Builtin { name: "floor", parameters: &["n", "scale?"], work: Work::Plain(floor) },
    Builtin { name: "ceiling", parameters: &["n", "scale?"], work: Work::Plain(ceiling) },
    Builtin { name: "round up", parameters: &["n", "scale?"], work: Work::Plain(round_up) },
    Builtin { name: "round down", parameters: &["n", "scale?"], work: Work::Plain(round_down) },
    Builtin {
        name: "round half up",
        parameters: &["n", "scale?"],
        work: Work::Plain(round_half_up),
    },
    Builtin {
        name: "round half down",
        parameters: &["n", "scale?"],
        work: Work::Plain(round_half_down),
    },
    Builtin { name: "abs", parameters: &["n|number"], work: Work::Plain(abs) },
    Builtin { name: "modulo", parameters: &["dividend", "divisor"], work: Work::Plain(modulo) },
    Builtin { name: "sqrt", parameters: &["number"], work: Work::Costly(sqrt) },
    Builtin { name: "log", parameters: &["number"], work: Work::Costly(log) },
    Builtin { name: "exp", parameters: &["number"], work: Work::Costly(exp) },
    Builtin { name: "odd", parameters: &["number"], work: Work::Plain(odd) },
    Builtin { name: "even", parameters: &["number"], work: Work::Plain(even) },
];

fn number(number: Option<Number>) -> Option<Value> {
    number.map(Value::Number)
}

fn rounded(arguments: &Arguments<'_>, rounding: Rounding) -> Option<Value> {
    let value = arguments.number(0)?;
    let scale = if arguments.is_given(1) { scale(arguments)? } else { 0 };
    number(value.round(scale, rounding))
}

fn scale(arguments: &Arguments<'_>) -> Option<i32> {
    let scale = i32::try_from(arguments.number(1)?.round(0, Rounding::Down)?.to_i64()?).ok()?;
    (-6111..=6176).contains(&scale).then_some(scale)
}

fn decimal(arguments: &Arguments<'_>) -> Option<Value> {
    let rounding = if arguments.is_given(2) {
        let mode = arguments.string(2)?.to_lowercase();
        match mode.as_str() {
            "up" => Rounding::Up,
            "down" => Rounding::Down,
            "ceiling" => Rounding::Ceiling,
            "floor" => Rounding::Floor,
            "half_up" => Rounding::HalfUp,
            "half_down" => Rounding::HalfDown,
            "half_even" => Rounding::HalfEven,
            _ => return None,
        }
    } else {
        Rounding::HalfEven
    };
    number(arguments.number(0)?.round(scale(arguments)?, rounding))
}

fn floor(arguments: &Arguments<'_>) -> Option<Value> {
    rounded(arguments, Rounding::Floor)
}

fn ceiling(arguments: &Arguments<'_>) -> Option<Value> {
    rounded(arguments, Rounding::Ceiling)
}

fn round_up(arguments: &Arguments<'_>) -> Option<Value> {
    rounded(arguments, Rounding::Up)
}

fn round_down(arguments: &Arguments<'_>) -> Option<Value> {
    rounded(arguments, Rounding::Down)
}

fn round_half_up(arguments: &Arguments<'_>) -> Option<Value> {
    rounded(arguments, Rounding::HalfUp)
}

fn round_half_down(arguments: &Arguments<'_>) -> Option<Value> {
    rounded(arguments, Rounding::HalfDown)
}

fn abs(arguments: &Arguments<'_>) -> Option<Value> {
    match arguments.get(0) {
        Value::Number(value) => Some(Value::Number(value.abs())),
        Value::DaysDuration(duration) => {
            DaysDuration::from_nanos(duration.nanos().abs()).map(Value::DaysDuration)
        }
        Value::MonthsDuration(duration) => duration
            .months()
            .checked_abs()
            .map(|months| Value::MonthsDuration(MonthsDuration::from_months(months))),
        _ => None,
    }
}

fn modulo(arguments: &Arguments<'_>) -> Option<Value> {
    number(arguments.number(0)?.modulo(&arguments.number(1)?))
}

fn sqrt(arguments: &Arguments<'_>) -> Option<Value> {
    number(arguments.number(0)?.sqrt())
}

fn log(arguments: &Arguments<'_>) -> Option<Value> {
    number(arguments.number(0)?.ln())
}

fn exp(arguments: &Arguments<'_>) -> Option<Value> {
    number(arguments.number(0)?.exp())
}

fn odd(arguments: &Arguments<'_>) -> Option<Value> {
    remainder_of_two(arguments).map(|rest| Value::Boolean(rest == Number::ONE))
}

fn even(arguments: &Arguments<'_>) -> Option<Value> {
    remainder_of_two(arguments).map(|rest| Value::Boolean(rest.is_zero()))
}

fn remainder_of_two(arguments: &Arguments<'_>) -> Option<Number> {
    arguments.number(0)?.modulo(&Number::from(2))
}
