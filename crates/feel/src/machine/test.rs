//! Unary tests and `in`.
//!
//! Boundary: three-valued, as the comparisons are.
//! Read first: `Machine::any_test`.

use alloc::format;

use crate::code::{Code, Test, Tests};
use crate::expression::WarningKind;
use crate::machine::compare::contains;
use crate::machine::{Machine, Outcome, Ref};
use crate::value::Value;

impl<'a> Machine<'a> {
    #[inline(never)]
    pub(super) fn is_in(&mut self, value: &'a Code, tests: &'a Tests) -> Outcome<Ref<'a>> {
        let value = self.eval(value)?;
        let outer = self.input.replace(value);
        let result = self.tests_of_input(tests);
        self.input = outer;
        result
    }

    /// Whether one of the alternatives holds for `?`.
    pub(super) fn tests_of_input(&mut self, tests: &'a Tests) -> Outcome<Ref<'a>> {
        let input = self.input();
        let mut result = Some(false);
        for test in &tests.alternatives {
            match self.test(input.value(), test)? {
                Some(true) => {
                    result = Some(true);
                    break;
                }
                Some(false) => {}
                None => result = None,
            }
        }
        if tests.whole && self.is_standard() {
            // A cell passes or does not.
            result = result.or(Some(false));
        }
        let truth = if tests.negated { result.map(|truth| !truth) } else { result };
        Ok(Ref::Owned(truth.map_or(Value::Null, Value::Boolean)))
    }

    fn test(&mut self, input: &Value, test: &'a Test) -> Outcome<Option<bool>> {
        match test {
            Test::Anything => Ok(Some(true)),
            Test::Compare(operator, code) => {
                let value = self.eval(code)?;
                self.holds(*operator, input, value.value())
            }
            Test::Condition(code) => {
                let value = self.eval(code)?;
                if let Value::Boolean(truth) = value.value() {
                    return Ok(Some(*truth));
                }
                let kind = value.value().kind_name();
                self.warn(WarningKind::InvalidType, || {
                    format!("Expected boolean but found {kind}")
                });
                Ok(None)
            }
            // A literal is a value to be equal to. Against other inputs Camunda takes it, as any
            // boolean, as "holds".
            Test::Value(Code::Constant(Value::Boolean(wanted)))
                if self.is_standard() || matches!(input, Value::Boolean(_)) =>
            {
                Ok(Some(input.as_bool() == Some(*wanted)))
            }
            Test::Value(code) => {
                let value = self.eval(code)?;
                self.matches(input, value.value())
            }
        }
    }

    /// Whether the input equals the value, or is in it, or the value is simply true.
    fn matches(&mut self, input: &Value, value: &Value) -> Outcome<Option<bool>> {
        match value {
            Value::Range(range) => {
                let inside = contains(range, input);
                if inside.is_none() {
                    self.not_comparable(input, &range.start);
                }
                Ok(inside)
            }
            // In the standard a boolean is a value to be equal to; Camunda takes it as "holds".
            Value::Boolean(_) if self.is_standard() && matches!(input, Value::Boolean(_)) => {
                Ok(Some(input == value))
            }
            Value::Boolean(truth) if !matches!(input, Value::Boolean(_)) => Ok(Some(*truth)),
            Value::Boolean(true) => Ok(Some(true)),
            Value::List(list) if !matches!(input, Value::List(_)) => {
                self.among(input, list.iter().as_slice())
            }
            Value::List(list) => {
                if self.equal(input, value)? == Some(true) {
                    return Ok(Some(true));
                }
                self.among(input, list.iter().as_slice())
            }
            _ => {
                let equal = self.equal(input, value)?;
                if equal.is_none() {
                    self.not_comparable(input, value);
                }
                Ok(equal)
            }
        }
    }

    fn among(&mut self, input: &Value, items: &[Value]) -> Outcome<Option<bool>> {
        self.charge(items.len() as u64)?;
        for item in items {
            let found = match item {
                Value::Range(range) => contains(range, input),
                item => self.equal(input, item)?,
            };
            if found == Some(true) {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }
}
