//! Functions that make dates, times and durations and ask about them.
//!
//! Boundary: the calendar lives in the module `temporal` of the crate; `now()` and `today()` take
//! their value from the environment.
//! Read first: `TABLE`.

use crate::builtin::{Arguments, Builtin, Work};
use crate::machine::{Machine, Outcome};
use crate::temporal::{Date, DateTime, Time, Zone, parse_duration};
use crate::value::{Number, Rounding, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "now", parameters: &[], work: Work::Machine(now) },
    Builtin { name: "today", parameters: &[], work: Work::Machine(today) },
    Builtin {
        name: "date",
        parameters: &["from|year", "month?", "day?"],
        work: Work::Linear(date),
    },
    Builtin {
        name: "time",
        parameters: &["from|hour", "minute?", "second?", "offset?"],
        work: Work::Linear(time),
    },
    Builtin {
        name: "date and time",
        parameters: &["from|date|value", "time|timezone?"],
        work: Work::Linear(date_and_time),
    },
    Builtin { name: "duration", parameters: &["from"], work: Work::Linear(duration) },
    Builtin {
        name: "years and months duration",
        parameters: &["from", "to"],
        work: Work::Plain(months_between),
    },
    Builtin { name: "day of year", parameters: &["date"], work: Work::Plain(day_of_year) },
    Builtin { name: "day of week", parameters: &["date"], work: Work::Plain(day_of_week) },
    Builtin { name: "month of year", parameters: &["date"], work: Work::Plain(month_of_year) },
    Builtin { name: "week of year", parameters: &["date"], work: Work::Plain(week_of_year) },
    Builtin { name: "last day of month", parameters: &["date"], work: Work::Plain(last_day) },
];

fn now(machine: &mut Machine<'_>, _: &Arguments<'_>) -> Outcome<Option<Value>> {
    Ok(DateTime::from_epoch_ms(machine.environment().now_ms).map(Value::from))
}

fn today(machine: &mut Machine<'_>, _: &Arguments<'_>) -> Outcome<Option<Value>> {
    let now = DateTime::from_epoch_ms(machine.environment().now_ms);
    Ok(now.map(|now| Value::Date(now.date())))
}

fn date(arguments: &Arguments<'_>) -> Option<Value> {
    if !arguments.is_given(1) {
        return match arguments.get(0) {
            Value::String(text) => Date::parse(text).map(Value::Date),
            _ => arguments.date(0).map(Value::Date),
        };
    }
    let year = i32::try_from(arguments.integer(0)?).ok()?;
    let month = u8::try_from(arguments.integer(1)?).ok()?;
    let day = u8::try_from(arguments.integer(2)?).ok()?;
    Date::new(year, month, day).map(Value::Date)
}

fn time(arguments: &Arguments<'_>) -> Option<Value> {
    if !arguments.is_given(1) {
        return match arguments.get(0) {
            Value::String(text) => Time::parse(text).map(Value::Time),
            Value::DateTime(moment) => Some(Value::Time(moment.time().clone())),
            Value::Date(_) => Time::new(0, 0, 0, 0, Zone::utc()).map(Value::Time),
            _ => arguments.time(0).cloned().map(Value::Time),
        };
    }
    let hour = u8::try_from(arguments.integer(0)?).ok()?;
    let minute = u8::try_from(arguments.integer(1)?).ok()?;
    let seconds = arguments.number(2)?;
    let second = seconds.round(0, Rounding::Floor)?;
    let nanos = seconds.sub(&second)?.mul(&Number::from(1_000_000_000i64))?;
    let zone = match arguments.get(3) {
        Value::Null => Zone::local(),
        Value::DaysDuration(offset) => {
            let seconds = offset.nanos() / crate::temporal::NANOS_PER_SECOND;
            Zone::offset(i32::try_from(seconds).ok()?)?
        }
        _ => return None,
    };
    let second = u8::try_from(second.to_i64()?).ok()?;
    let nanos = u32::try_from(nanos.round(0, Rounding::Down)?.to_i64()?).ok()?;
    Time::new(hour, minute, second, nanos, zone).map(Value::Time)
}

fn date_and_time(arguments: &Arguments<'_>) -> Option<Value> {
    if !arguments.is_given(1) {
        return match arguments.get(0) {
            Value::String(text) => match DateTime::parse(text) {
                Some(moment) => Some(Value::from(moment)),
                None => {
                    let midnight = Time::new(0, 0, 0, 0, Zone::local())?;
                    Some(Value::from(DateTime::new(Date::parse(text)?, midnight)))
                }
            },
            _ => arguments.moment(0).map(Value::from),
        };
    }
    if let Value::String(name) = arguments.get(1) {
        return in_zone(&arguments.moment(0)?, name);
    }
    let date = arguments.date(0)?;
    Some(Value::from(DateTime::new(date, arguments.time(1)?.clone())))
}

/// The moment as seen in a zone; a local one is taken to be in that zone.
fn in_zone(moment: &DateTime, name: &str) -> Option<Value> {
    let zone = match name {
        "Z" | "z" => Zone::utc(),
        name if name.starts_with(['+', '-']) => {
            Time::parse(&alloc::format!("00:00:00{name}"))?.zone().clone()
        }
        name => Zone::named(name)?,
    };
    match moment.epoch_nanos() {
        Some(nanos) => DateTime::from_epoch_nanos(nanos, zone).map(Value::from),
        None => {
            let time = Time::from_nanos(moment.time().nanos(), zone)?;
            Some(Value::from(DateTime::new(moment.date(), time)))
        }
    }
}

fn duration(arguments: &Arguments<'_>) -> Option<Value> {
    match arguments.get(0) {
        Value::String(text) => parse_duration(text),
        value @ (Value::DaysDuration(_) | Value::MonthsDuration(_)) => Some(value.clone()),
        _ => None,
    }
}

fn months_between(arguments: &Arguments<'_>) -> Option<Value> {
    let (from, to) = (arguments.date(0)?, arguments.date(1)?);
    Some(Value::MonthsDuration(from.months_until(&to)))
}

fn day_of_year(arguments: &Arguments<'_>) -> Option<Value> {
    Some(Value::from(i64::from(arguments.date(0)?.day_of_year())))
}

fn day_of_week(arguments: &Arguments<'_>) -> Option<Value> {
    const NAMES: [&str; 7] =
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let weekday = arguments.date(0)?.weekday();
    NAMES.get(usize::from(weekday) - 1).map(|name| Value::from(*name))
}

fn month_of_year(arguments: &Arguments<'_>) -> Option<Value> {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let month = arguments.date(0)?.month();
    NAMES.get(usize::from(month) - 1).map(|name| Value::from(*name))
}

fn week_of_year(arguments: &Arguments<'_>) -> Option<Value> {
    Some(Value::from(i64::from(arguments.date(0)?.week_of_year())))
}

fn last_day(arguments: &Arguments<'_>) -> Option<Value> {
    Some(Value::Date(arguments.date(0)?.last_day_of_month()))
}
