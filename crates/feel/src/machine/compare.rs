//! Equality and order of values, and the operators on them.
//!
//! Boundary: `None` is "not comparable", which FEEL turns into null.
//! Invariants: deep comparisons cost steps by the weight of the smaller side.
//! Read first: [`equal`], then [`order`].

use alloc::format;
use core::cmp::Ordering;

use crate::code::{Code, Comparison};
use crate::expression::WarningKind;
use crate::machine::{Machine, Outcome, Ref};
use crate::temporal::{DateTime, Time};
use crate::value::{Range, Value};

impl<'a> Machine<'a> {
    pub(super) fn compare(
        &mut self,
        operator: Comparison,
        left: &'a Code,
        right: &'a Code,
    ) -> Outcome<Ref<'a>> {
        let is_equality = matches!(operator, Comparison::Equal | Comparison::NotEqual);
        let truth = match (self.peek(left), self.peek(right)) {
            (Some(left), Some(right)) => {
                self.charge(2)?;
                self.holds(operator, left, right)?
            }
            _ if is_equality && self.differ_in_length(left, right) => {
                self.charge(2)?;
                Some(operator == Comparison::NotEqual)
            }
            _ => {
                let left = self.eval(left)?;
                let right = self.eval(right)?;
                self.holds(operator, left.value(), right.value())?
            }
        };
        Ok(Ref::Owned(truth.map_or(Value::Null, Value::Boolean)))
    }

    /// Whether a list that a local holds itself has another length than a constant one, so that it
    /// needs not be shared to be compared: `partial = []`.
    fn differ_in_length(&self, left: &Code, right: &Code) -> bool {
        match right {
            Code::Constant(Value::List(right)) => {
                self.local_list(left).is_some_and(|left| left.len() != right.len())
            }
            _ => false,
        }
    }

    /// Whether the comparison holds; `None` (and a warning) if the values are not comparable.
    pub(crate) fn holds(
        &mut self,
        operator: Comparison,
        left: &Value,
        right: &Value,
    ) -> Outcome<Option<bool>> {
        let truth = match operator {
            Comparison::Equal => self.equal(left, right)?,
            Comparison::NotEqual => self.equal(left, right)?.map(|equal| !equal),
            Comparison::Less => order(left, right).map(Ordering::is_lt),
            Comparison::LessOrEqual => order(left, right).map(Ordering::is_le),
            Comparison::Greater => order(left, right).map(Ordering::is_gt),
            Comparison::GreaterOrEqual => order(left, right).map(Ordering::is_ge),
        };
        if truth.is_none() {
            self.not_comparable(left, right);
        }
        Ok(truth)
    }

    #[cold]
    pub(crate) fn not_comparable(&mut self, left: &Value, right: &Value) {
        let (left, right) = (left.kind_name(), right.kind_name());
        self.warn(WarningKind::NotComparable, || format!("Can't compare {left} with {right}"));
    }

    /// Equality that pays for large values.
    #[inline]
    pub(crate) fn equal(&mut self, left: &Value, right: &Value) -> Outcome<Option<bool>> {
        if matches!(left, Value::List(_) | Value::Context(_) | Value::Range(_) | Value::String(_)) {
            self.charge(left.weight().min(right.weight()) / 2)?;
        }
        if self.is_standard()
            && let Some(truth) = equal_to_the_second(left, right)
        {
            return Ok(Some(truth));
        }
        Ok(equal(left, right))
    }

    #[inline(never)]
    pub(super) fn between(&mut self, operands: &'a [Code; 3]) -> Outcome<Ref<'a>> {
        let [value, low, high] = operands;
        let value = self.eval(value)?;
        let low = self.eval(low)?;
        let high = self.eval(high)?;
        let above = self.holds(Comparison::GreaterOrEqual, value.value(), low.value())?;
        let below = self.holds(Comparison::LessOrEqual, value.value(), high.value())?;
        Ok(Ref::Owned(match (above, below) {
            (Some(above), Some(below)) => Value::Boolean(above && below),
            _ => Value::Null,
        }))
    }
}

/// The standard compares times by hour, minute and second; `None` for anything else.
fn equal_to_the_second(left: &Value, right: &Value) -> Option<bool> {
    let cut = |value: &Value| match value {
        Value::Time(time) => whole_second(time).map(Value::Time),
        Value::DateTime(moment) => {
            whole_second(moment.time()).map(|time| Value::from(DateTime::new(moment.date(), time)))
        }
        _ => None,
    };
    let (left_cut, right_cut) = (cut(left), cut(right));
    if left_cut.is_none() && right_cut.is_none() {
        return None;
    }
    equal(left_cut.as_ref().unwrap_or(left), right_cut.as_ref().unwrap_or(right))
}

/// The time without its fraction of a second, if it has one.
fn whole_second(time: &Time) -> Option<Time> {
    let fraction = u64::from(time.subsecond_nanos());
    let whole = Time::from_nanos(time.nanos() - fraction, time.zone().clone());
    whole.filter(|_| fraction > 0)
}

/// Whether two values are equal; `None` if they are of kinds that cannot be.
pub(crate) fn equal(left: &Value, right: &Value) -> Option<bool> {
    match (left, right) {
        (Value::Null, Value::Null) => Some(true),
        (Value::Null, _) | (_, Value::Null) => Some(false),
        (Value::Boolean(left), Value::Boolean(right)) => Some(left == right),
        (Value::Number(left), Value::Number(right)) => Some(left == right),
        (Value::String(left), Value::String(right)) => Some(left == right),
        (Value::List(left), Value::List(right)) => Some(
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| equal(left, right) == Some(true)),
        ),
        (Value::List(list), other) | (other, Value::List(list)) => match &**list {
            [item] => equal(item, other),
            _ => None,
        },
        (Value::Context(left), Value::Context(right)) => Some(
            left.len() == right.len()
                && left.iter().all(|(name, value)| {
                    right.get(name).is_some_and(|other| equal(value, other) == Some(true))
                }),
        ),
        (Value::Date(left), Value::Date(right)) => Some(left == right),
        (Value::Time(left), Value::Time(right)) => {
            if left.zone().is_local() == right.zone().is_local() {
                Some(left == right)
            } else {
                None
            }
        }
        (Value::DateTime(left), Value::DateTime(right)) => left.compare(right).map(Ordering::is_eq),
        (Value::DaysDuration(left), Value::DaysDuration(right)) => Some(left == right),
        (Value::MonthsDuration(left), Value::MonthsDuration(right)) => Some(left == right),
        (Value::Range(left), Value::Range(right)) => Some(
            left.start_included == right.start_included
                && left.end_included == right.end_included
                && equal(&left.start, &right.start) == Some(true)
                && equal(&left.end, &right.end) == Some(true),
        ),
        (Value::Function(left), Value::Function(right)) => Some(left == right),
        _ => None,
    }
}

/// Which of two values comes first; `None` if they have no order.
#[inline]
pub(crate) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Date(left), Value::Date(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => left.compare(right),
        (Value::DateTime(left), Value::DateTime(right)) => left.compare(right),
        (Value::DaysDuration(left), Value::DaysDuration(right)) => Some(left.cmp(right)),
        (Value::MonthsDuration(left), Value::MonthsDuration(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// Whether `value` is in the interval; `None` if it is not comparable with its ends.
pub(crate) fn contains(range: &Range, value: &Value) -> Option<bool> {
    let above = match &range.start {
        Value::Null if !range.start_included => None,
        start => Some(match order(value, start)? {
            Ordering::Greater => true,
            Ordering::Equal => range.start_included,
            Ordering::Less => false,
        }),
    };
    let below = match &range.end {
        Value::Null if !range.end_included => None,
        end => Some(match order(value, end)? {
            Ordering::Less => true,
            Ordering::Equal => range.end_included,
            Ordering::Greater => false,
        }),
    };
    match (above, below) {
        (None, None) => None,
        (above, below) => Some(above.unwrap_or(true) && below.unwrap_or(true)),
    }
}
