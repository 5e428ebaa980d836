//! `instance of`.
//!
//! Boundary: structural; the types of a function's parameters are not known, only their number.
//! Read first: `is_instance`.

use crate::code::{Code, Type};
use crate::machine::{Machine, Outcome, Ref};
use crate::value::Value;

impl<'a> Machine<'a> {
    #[inline(never)]
    pub(super) fn instance_of(&mut self, code: &'a Code, wanted: &Type) -> Outcome<Ref<'a>> {
        let value = self.eval(code)?;
        self.charge(value.value().weight() / 8)?;
        Ok(Ref::Owned(Value::Boolean(is_instance(value.value(), wanted))))
    }
}

fn is_instance(value: &Value, wanted: &Type) -> bool {
    match (wanted, value) {
        (Type::Kind("null"), Value::Null) => true,
        (_, Value::Null) => false,
        (Type::Any, _) => true,
        (Type::Kind(name), value) => value.kind_name() == *name,
        (Type::List(item), Value::List(list)) => list.iter().all(|value| is_instance(value, item)),
        (Type::Range(end), Value::Range(range)) => {
            let fits = |value: &Value| value.is_null() || is_instance(value, end);
            fits(&range.start) && fits(&range.end)
        }
        (Type::Context(entries), Value::Context(context)) => {
            entries.iter().all(|(name, wanted)| {
                context.get(name).is_some_and(|value| is_instance(value, wanted))
            })
        }
        (Type::Function(parameters), Value::Function(function)) => {
            *parameters == u32::MAX || function.lambda().parameters.len() == *parameters as usize
        }
        _ => false,
    }
}
