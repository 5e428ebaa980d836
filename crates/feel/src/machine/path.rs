//! Names inside values: entries of contexts, properties of temporal values and ranges, over lists.
//!
//! Boundary: reads only; a borrowed value stays borrowed.
//! Read first: `Machine::path`.

use alloc::format;
use alloc::vec::Vec;

use crate::code::{Code, Member};
use crate::expression::WarningKind;
use crate::machine::{Machine, NULL, Outcome, Ref};
use crate::temporal::DaysDuration;
use crate::value::{Number, Str, Value};

impl<'a> Machine<'a> {
    #[inline(never)]
    pub(super) fn path(&mut self, base: &'a Code, names: &'a [Str]) -> Outcome<Ref<'a>> {
        let mut current = self.eval(base)?;
        for name in names {
            current = self.step(current, name)?;
        }
        Ok(current)
    }

    fn step(&mut self, base: Ref<'a>, name: &str) -> Outcome<Ref<'a>> {
        self.charge(1)?;
        match base {
            Ref::Borrowed(Value::Context(context)) => match context.get(name) {
                Some(value) => Ok(Ref::Borrowed(value)),
                None => Ok(self.no_entry(name)),
            },
            Ref::Owned(Value::Context(context)) => match context.get(name) {
                Some(value) => Ok(Ref::Owned(value.clone())),
                None => Ok(self.no_entry(name)),
            },
            Ref::Borrowed(Value::List(list)) => self.step_items(list, name),
            Ref::Owned(Value::List(list)) => self.step_items(&list, name),
            other => Ok(self.property(other.value(), name)),
        }
    }

    fn step_items(&mut self, items: &[Value], name: &str) -> Outcome<Ref<'a>> {
        self.charge(items.len() as u64)?;
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(match item {
                Value::Context(context) => match context.get(name) {
                    Some(value) => value.clone(),
                    None => self.no_entry(name).into_value(),
                },
                other => self.property(other, name).into_value(),
            });
        }
        self.built(Value::from(values)).map(Ref::Owned)
    }

    #[cold]
    fn no_entry(&mut self, name: &str) -> Ref<'a> {
        self.warn(WarningKind::NoContextEntryFound, || {
            format!("No context entry found with key '{name}'")
        });
        Ref::Borrowed(&NULL)
    }

    fn property(&mut self, value: &Value, name: &str) -> Ref<'a> {
        if let Some(found) = property(value, name) {
            return Ref::Owned(found);
        }
        let kind = value.kind_name();
        let type_kind = if value.is_null() {
            WarningKind::NoContextEntryFound
        } else {
            WarningKind::NoPropertyFound
        };
        self.warn(type_kind, || format!("No property found with name '{name}' of a {kind}"));
        Ref::Borrowed(&NULL)
    }

    /// A name inside a filter.
    #[inline(never)]
    pub(super) fn member(&mut self, member: &'a Member) -> Outcome<Ref<'a>> {
        for slot in &member.items {
            match self.slot(*slot) {
                Ref::Borrowed(Value::Context(context)) => {
                    if let Some(value) = context.get(&member.name) {
                        return Ok(Ref::Borrowed(value));
                    }
                }
                Ref::Owned(Value::Context(context)) => {
                    if let Some(value) = context.get(&member.name) {
                        return Ok(Ref::Owned(value.clone()));
                    }
                }
                _ => {}
            }
        }
        self.eval(&member.otherwise)
    }
}

fn number(value: impl Into<i64>) -> Option<Value> {
    Some(Value::Number(Number::from(value.into())))
}

fn offset(seconds: Option<i32>) -> Option<Value> {
    Some(seconds.map_or(Value::Null, |seconds| {
        Value::DaysDuration(DaysDuration::from_seconds(seconds.into()))
    }))
}

fn text(value: Option<&Str>) -> Option<Value> {
    Some(value.map_or(Value::Null, |text| Value::String(text.clone())))
}

fn property(value: &Value, name: &str) -> Option<Value> {
    match value {
        Value::Date(date) => match name {
            "year" => number(date.year()),
            "month" => number(date.month()),
            "day" => number(date.day()),
            "weekday" => number(date.weekday()),
            _ => None,
        },
        Value::Time(time) => time_property(time, time.offset_seconds(), name),
        Value::DateTime(moment) => match name {
            "hour" | "minute" | "second" | "time offset" | "timezone" => {
                time_property(moment.time(), moment.offset_seconds(), name)
            }
            _ => property(&Value::Date(moment.date()), name),
        },
        Value::DaysDuration(duration) => {
            let seconds = i64::try_from(duration.nanos() / 1_000_000_000).ok()?;
            match name {
                "days" => number(seconds / 86_400),
                "hours" => number(seconds / 3600 % 24),
                "minutes" => number(seconds / 60 % 60),
                "seconds" => number(seconds % 60),
                _ => None,
            }
        }
        Value::MonthsDuration(duration) => match name {
            "years" => number(duration.months() / 12),
            "months" => number(duration.months() % 12),
            _ => None,
        },
        Value::Range(range) => match name {
            "start" => Some(range.start.clone()),
            "end" => Some(range.end.clone()),
            "start included" => Some(Value::Boolean(range.start_included)),
            "end included" => Some(Value::Boolean(range.end_included)),
            _ => None,
        },
        _ => None,
    }
}

fn time_property(time: &crate::temporal::Time, seconds: Option<i32>, name: &str) -> Option<Value> {
    match name {
        "hour" => number(time.hour()),
        "minute" => number(time.minute()),
        "second" => number(time.second()),
        "time offset" => offset(seconds),
        "timezone" => text(time.zone().name()),
        _ => None,
    }
}
