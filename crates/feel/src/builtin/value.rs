//! Built-in functions as values, which the standard allows to be passed to other functions.
//!
//! Boundary: such a value takes the parameters that are required, without types.
//! Read first: [`value`].

use alloc::vec::Vec;

use crate::builtin::{Builtin, bind, find};
use crate::code::Code;
use crate::function::{Callable, Function, Parameter};
use crate::names::Dialect;
use crate::session::Session;
use crate::types::Type;
use crate::value::Value;

/// The built-in function of that name as a value.
pub(crate) fn value(name: &str) -> Option<Function> {
    let builtin = find(name)?;
    let required = builtin.parameters.iter().take(builtin.required().max(1));
    let parameters = required.map(|name| {
        let end = name.find(['|', '?', '.']).unwrap_or(name.len());
        Parameter { name: name[..end].into(), kind: Type::Any }
    });
    Some(Function::host(Passed { builtin, parameters: parameters.collect() }))
}

#[derive(Debug)]
struct Passed {
    builtin: &'static Builtin,
    parameters: Vec<Parameter>,
}

impl Callable for Passed {
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn call(&self, arguments: Vec<Value>, session: &mut Session<'_>) -> Value {
        let arguments = arguments.into_iter().map(|value| (None, Code::Constant(value)));
        match bind(self.builtin, arguments.collect(), Dialect::Standard) {
            Ok(code) => session.run_code(&code),
            Err(message) => {
                session.warn(crate::WarningKind::NoFunctionFound, message);
                Value::Null
            }
        }
    }
}
