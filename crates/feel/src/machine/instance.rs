//! `instance of`.
//!
//! Boundary: what a type means is in `types`.
//! Read first: `Machine::instance_of`.

use crate::code::Code;
use crate::machine::{Machine, Outcome, Ref};
use crate::types::Type;
use crate::value::Value;

impl<'a> Machine<'a> {
    #[inline(never)]
    pub(super) fn instance_of(&mut self, code: &'a Code, wanted: &Type) -> Outcome<Ref<'a>> {
        let value = self.eval(code)?;
        self.charge(value.value().weight() / 8)?;
        Ok(Ref::Owned(Value::Boolean(wanted.has(value.value()))))
    }
}
