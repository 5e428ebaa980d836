//! What makes larger values: lists, contexts, ranges and functions.
//!
//! Boundary: built-in functions make values, too, and hand them to `Machine::built`.
//! Invariants: MAC-3 a list, context or string that is built is within [`WEIGHT_MAX`].
//! Read first: `Machine::built`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::code::{Code, Lambda, RangeCode};
use crate::expression::WarningKind;
use crate::function::{Closure, Function};
use crate::machine::{Machine, NULL, Outcome, Ref, Stop};
use crate::value::{Context, Range, Str, Value};

/// The largest value that may be built, in units of [`Value::weight`].
const WEIGHT_MAX: u64 = 1 << 23;
/// The deepest value that may be built.
const VALUE_DEPTH_MAX: u32 = 200;

/// Refuses values that are too large or too deep.
pub(super) fn within_limits(weight: u64, depth: u32) -> Outcome<()> {
    if weight > WEIGHT_MAX || depth > VALUE_DEPTH_MAX { Err(Stop::Size) } else { Ok(()) }
}

impl<'a> Machine<'a> {
    /// Refuses values that are too large or too deep; large ones cost steps.
    pub(crate) fn built(&mut self, value: Value) -> Outcome<Value> {
        let weight = value.weight();
        within_limits(weight, value.depth())?;
        self.charge(weight / 64)?;
        Ok(value)
    }

    #[inline(never)]
    pub(super) fn list(&mut self, items: &'a [Code]) -> Outcome<Ref<'a>> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.eval(item)?.into_value());
        }
        self.built(Value::from(values)).map(Ref::Owned)
    }

    #[inline(never)]
    pub(super) fn context(&mut self, entries: &'a [(Str, Code)]) -> Outcome<Ref<'a>> {
        let bottom = self.locals.len();
        let mut values = Vec::with_capacity(entries.len());
        for (name, code) in entries {
            let result = self.eval(code);
            match result {
                Ok(value) => {
                    values.push((name.clone(), value.value().clone()));
                    self.locals.push(value);
                }
                Err(stop) => {
                    self.locals.truncate(bottom);
                    return Err(stop);
                }
            }
        }
        self.locals.truncate(bottom);
        let count = values.len();
        let context = Context::new(values);
        if self.is_standard() && context.len() < count {
            self.warn(WarningKind::InvalidType, || "A context has an entry twice".into());
            return Ok(Ref::Borrowed(&NULL));
        }
        self.built(Value::Context(context)).map(Ref::Owned)
    }

    #[inline(never)]
    pub(super) fn range(&mut self, range: &'a RangeCode) -> Outcome<Ref<'a>> {
        let start = self.eval(&range.start)?.into_value();
        let end = self.eval(&range.end)?.into_value();
        self.built(Value::from(Range {
            start,
            start_included: range.start_included,
            end,
            end_included: range.end_included,
        }))
        .map(Ref::Owned)
    }

    #[inline(never)]
    pub(super) fn function(&mut self, lambda: &'a Arc<Lambda>) -> Outcome<Ref<'a>> {
        let captured = lambda.captures.iter().map(|slot| self.slot(*slot).into_value()).collect();
        let known = lambda
            .variables
            .iter()
            .filter_map(|name| self.scope.get(name).map(|value| (name.clone(), value.clone())));
        let variables = known.collect();
        let closure = Closure { lambda: lambda.clone(), captured, variables };
        self.built(Value::Function(Function::closure(closure))).map(Ref::Owned)
    }
}
