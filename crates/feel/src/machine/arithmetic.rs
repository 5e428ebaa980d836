//! Arithmetic of numbers, strings, dates, times and durations.
//!
//! Boundary: what FEEL allows to be combined; the arithmetic itself lives with the types.
//! Read first: `Machine::operate`.

use alloc::format;
use alloc::string::String;

use crate::code::{Code, Operator};
use crate::expression::WarningKind;
use crate::machine::invoke::COSTLY_STEPS;
use crate::machine::{Machine, Outcome, Ref};
use crate::temporal::{DaysDuration, MonthsDuration};
use crate::value::{Number, Rounding, Value};

impl<'a> Machine<'a> {
    #[inline(never)]
    pub(super) fn arithmetic(
        &mut self,
        first: &'a Code,
        rest: &'a [(Operator, Code)],
    ) -> Outcome<Ref<'a>> {
        let mut left = self.eval(first)?;
        for (operator, code) in rest {
            let result = match self.peek(code) {
                Some(right) => {
                    self.charge(1)?;
                    self.operate(*operator, left.value(), right)?
                }
                None => {
                    let right = self.eval(code)?;
                    self.operate(*operator, left.value(), right.value())?
                }
            };
            left = Ref::Owned(result);
        }
        Ok(left)
    }

    fn operate(&mut self, operator: Operator, left: &Value, right: &Value) -> Outcome<Value> {
        if let (Value::Number(a), Value::Number(b)) = (left, right) {
            let result = match operator {
                Operator::Add => a.add(b),
                Operator::Subtract => a.sub(b),
                Operator::Multiply => a.mul(b),
                Operator::Divide => a.div(b),
                Operator::Power => {
                    self.charge(COSTLY_STEPS)?;
                    a.power(b)
                }
            };
            return Ok(match result {
                Some(number) => Value::Number(number),
                None => self.no_number(operator),
            });
        }
        if let (Operator::Add, Value::String(a), Value::String(b)) = (operator, left, right) {
            let mut text = String::with_capacity(a.len() + b.len());
            text.push_str(a);
            text.push_str(b);
            return self.built(Value::from(text));
        }
        let result = match operator {
            Operator::Add => add(left, right).or_else(|| add(right, left)),
            Operator::Subtract => subtract(left, right),
            Operator::Multiply => multiply(left, right).or_else(|| multiply(right, left)),
            Operator::Divide => divide(left, right),
            Operator::Power => None,
        };
        Ok(result.unwrap_or_else(|| self.no_operands(operator, left, right)))
    }

    #[cold]
    fn no_number(&mut self, operator: Operator) -> Value {
        self.warn(WarningKind::InvalidType, || match operator {
            Operator::Divide => String::from("Can't divide by zero"),
            _ => String::from("The result is no number or too large"),
        });
        Value::Null
    }

    #[cold]
    fn no_operands(&mut self, operator: Operator, left: &Value, right: &Value) -> Value {
        let (left, right) = (left.kind_name(), right.kind_name());
        self.warn(WarningKind::InvalidType, || match operator {
            Operator::Add => format!("Can't add {right} to {left}"),
            Operator::Subtract => format!("Can't subtract {right} from {left}"),
            Operator::Multiply => format!("Can't multiply {left} by {right}"),
            Operator::Divide => format!("Can't divide {left} by {right}"),
            Operator::Power => format!("Can't raise {left} to the power of {right}"),
        });
        Value::Null
    }

    #[inline(never)]
    pub(super) fn negate(&mut self, code: &'a Code) -> Outcome<Ref<'a>> {
        let value = self.eval(code)?;
        let negated = match value.value() {
            Value::Number(number) => Value::Number(number.negated()),
            Value::DaysDuration(duration) => {
                DaysDuration::from_nanos(-duration.nanos()).map_or(Value::Null, Value::DaysDuration)
            }
            Value::MonthsDuration(duration) => duration
                .months()
                .checked_neg()
                .map_or(Value::Null, |m| Value::MonthsDuration(MonthsDuration::from_months(m))),
            other => {
                let kind = other.kind_name();
                self.warn(WarningKind::InvalidType, || format!("Can't negate {kind}"));
                Value::Null
            }
        };
        Ok(Ref::Owned(negated))
    }
}

fn add(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Date(date), Value::DaysDuration(days)) => date.plus(*days).map(Value::Date),
        (Value::Date(date), Value::MonthsDuration(months)) => {
            date.plus_months(*months).map(Value::Date)
        }
        (Value::DateTime(moment), Value::DaysDuration(days)) => moment.plus(*days).map(Value::from),
        (Value::DateTime(moment), Value::MonthsDuration(months)) => {
            moment.plus_months(*months).map(Value::from)
        }
        (Value::Time(time), Value::DaysDuration(days)) => Some(Value::Time(time.plus(*days))),
        (Value::DaysDuration(left), Value::DaysDuration(right)) => {
            DaysDuration::from_nanos(left.nanos() + right.nanos()).map(Value::DaysDuration)
        }
        (Value::MonthsDuration(left), Value::MonthsDuration(right)) => {
            months(left.months().checked_add(right.months())?)
        }
        _ => None,
    }
}

fn subtract(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Date(left), Value::Date(right)) => days(
            (i128::from(left.epoch_days()) - i128::from(right.epoch_days()))
                * crate::temporal::NANOS_PER_DAY,
        ),
        (Value::DateTime(left), Value::DateTime(right)) => {
            left.since(right).map(Value::DaysDuration)
        }
        // A date is its midnight in UTC; a local time is not comparable with that.
        (Value::DateTime(left), Value::Date(right)) => days(
            left.epoch_nanos()? - i128::from(right.epoch_days()) * crate::temporal::NANOS_PER_DAY,
        ),
        (Value::Date(left), Value::DateTime(right)) => days(
            i128::from(left.epoch_days()) * crate::temporal::NANOS_PER_DAY - right.epoch_nanos()?,
        ),
        (Value::Time(left), Value::Time(right)) => {
            let shift = match (left.offset_seconds(), right.offset_seconds()) {
                (None, None) => 0,
                (Some(left), Some(right)) => i128::from(right) - i128::from(left),
                _ => return None,
            };
            let nanos = i128::from(left.nanos()) - i128::from(right.nanos());
            days(nanos + shift * crate::temporal::NANOS_PER_SECOND)
        }
        (_, Value::DaysDuration(duration)) => {
            add(left, &Value::DaysDuration(DaysDuration::from_nanos(-duration.nanos())?))
        }
        (_, Value::MonthsDuration(duration)) => {
            add(left, &months(duration.months().checked_neg()?)?)
        }
        _ => None,
    }
}

fn multiply(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::DaysDuration(duration), Value::Number(factor)) => {
            days(whole(&Number::from_i128(duration.nanos()).mul(factor)?)?)
        }
        (Value::MonthsDuration(duration), Value::Number(factor)) => {
            months(i64::try_from(whole(&Number::from(duration.months()).mul(factor)?)?).ok()?)
        }
        _ => None,
    }
}

fn divide(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::DaysDuration(left), Value::DaysDuration(right)) => Number::from_i128(left.nanos())
            .div(&Number::from_i128(right.nanos()))
            .map(Value::Number),
        (Value::MonthsDuration(left), Value::MonthsDuration(right)) => {
            Number::from(left.months()).div(&Number::from(right.months())).map(Value::Number)
        }
        (Value::DaysDuration(duration), Value::Number(divisor)) => {
            days(whole(&Number::from_i128(duration.nanos()).div(divisor)?)?)
        }
        (Value::MonthsDuration(duration), Value::Number(divisor)) => {
            months(i64::try_from(whole(&Number::from(duration.months()).div(divisor)?)?).ok()?)
        }
        _ => None,
    }
}

fn days(nanos: i128) -> Option<Value> {
    DaysDuration::from_nanos(nanos).map(Value::DaysDuration)
}

fn months(months: i64) -> Option<Value> {
    Some(Value::MonthsDuration(MonthsDuration::from_months(months)))
}

/// The integer part; `None` if it is too large for a duration.
fn whole(number: &Number) -> Option<i128> {
    number.round(0, Rounding::Down)?.to_i128()
}
