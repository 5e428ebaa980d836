//! Calls: of built-in functions and of function values.
//!
//! Boundary: a body runs in a machine of its own, which takes the steps, the depth and the
//! warnings along and gives them back.
//! Read first: `Machine::call`, then `Machine::apply`.

use alloc::format;
use alloc::vec::Vec;

use crate::builtin::{Arguments, Work};
use crate::code::{Call, Code, Invoke};
use crate::expression::WarningKind;
use crate::function::Function;
use crate::machine::compare::contains;
use crate::machine::{DEPTH_MAX, Machine, Outcome, Ref, Stop};
use crate::value::{Str, Value};

/// What roots and logarithms cost, in steps.
pub(super) const COSTLY_STEPS: u64 = 64;
/// What entering a function body adds to the depth.
const DEPTH_OF_BODY: u32 = 4;

impl<'a> Machine<'a> {
    #[inline(never)]
    pub(super) fn call(&mut self, call: &'a Call) -> Outcome<Ref<'a>> {
        let warnings = self.warnings_count();
        let result = match &*call.arguments {
            [] => self.call_with(call, &[]),
            [first] => {
                let first = self.eval(first)?;
                self.call_with(call, core::slice::from_ref(first.value()))
            }
            [first, second] => {
                let first = self.eval(first)?.into_value();
                let second = self.eval(second)?.into_value();
                self.call_with(call, &[first, second])
            }
            many => {
                let mut values = Vec::with_capacity(many.len());
                for code in many {
                    values.push(self.eval(code)?.into_value());
                }
                self.call_with(call, &values)
            }
        };
        if call.builtin.tolerates_missing() {
            self.forget_warnings(warnings);
        }
        result.map(Ref::Owned)
    }

    fn call_with(&mut self, call: &'a Call, values: &[Value]) -> Outcome<Value> {
        let arguments = Arguments { values, pattern: call.pattern.as_ref() };
        let result = match call.builtin.work {
            Work::Plain(work) => work(&arguments),
            Work::Linear(work) => {
                let weight =
                    values.iter().fold(0u64, |sum, value| sum.saturating_add(value.weight()));
                self.charge(weight / 4)?;
                work(&arguments)
            }
            Work::Costly(work) => {
                self.charge(COSTLY_STEPS)?;
                work(&arguments)
            }
            Work::Machine(work) => work(self, &arguments)?,
        };
        match result {
            Some(value @ (Value::Null | Value::Boolean(_) | Value::Number(_))) => Ok(value),
            Some(value) => self.built(value),
            None => Ok(self.call_failed(call, values)),
        }
    }

    #[cold]
    fn call_failed(&mut self, call: &Call, values: &[Value]) -> Value {
        self.warn(WarningKind::FunctionInvocationFailure, || {
            let mut kinds = alloc::string::String::new();
            for (position, value) in values.iter().enumerate() {
                kinds.push_str(if position > 0 { ", " } else { "" });
                kinds.push_str(value.kind_name());
            }
            format!("Failed to invoke function '{}' with ({kinds})", call.builtin.name)
        });
        Value::Null
    }

    #[inline(never)]
    pub(super) fn invoke(&mut self, invoke: &'a Invoke) -> Outcome<Ref<'a>> {
        let callee = match &invoke.callee {
            Code::Variable(name) => match self.scope.get(name) {
                Some(value) => Ref::Borrowed(value),
                None => return Ok(self.no_function(name)),
            },
            code => self.eval(code)?,
        };
        let mut values: Vec<(Option<&Str>, Value)> = Vec::with_capacity(invoke.arguments.len());
        for (name, code) in &invoke.arguments {
            values.push((name.as_ref(), self.eval(code)?.into_value()));
        }
        match callee.value() {
            Value::Function(function) => {
                let parameters = &function.lambda().parameters;
                match placed(parameters, values) {
                    Some(values) => self.apply(function, values).map(Ref::Owned),
                    None => {
                        let wanted = parameters.len();
                        self.warn(WarningKind::NoFunctionFound, || {
                            format!("The function takes {wanted} arguments, or has other names")
                        });
                        Ok(Ref::Owned(Value::Null))
                    }
                }
            }
            Value::Range(range) if values.len() == 1 => {
                let inside = contains(range, &values[0].1);
                Ok(Ref::Owned(inside.map_or(Value::Null, Value::Boolean)))
            }
            other => {
                let kind = other.kind_name();
                self.warn(WarningKind::NoFunctionFound, || format!("Can't call {kind}"));
                Ok(Ref::Owned(Value::Null))
            }
        }
    }

    #[cold]
    fn no_function(&mut self, name: &str) -> Ref<'a> {
        self.warn(WarningKind::NoFunctionFound, || format!("No function found with name '{name}'"));
        Ref::Owned(Value::Null)
    }

    /// Runs a function with values for all its parameters.
    pub(crate) fn apply(&mut self, function: &Function, values: Vec<Value>) -> Outcome<Value> {
        if self.depth + DEPTH_OF_BODY > DEPTH_MAX {
            return Err(Stop::Depth);
        }
        self.charge(1 + values.len() as u64)?;
        let lambda = function.lambda();
        let mut inner = Machine {
            scope: self.scope,
            environment: self.environment,
            steps: self.steps,
            depth: self.depth + DEPTH_OF_BODY,
            locals: values.into_iter().map(Ref::Owned).collect(),
            captured: function.captured(),
            function: Some(function.clone()),
            input: self.input.clone(),
            warnings: core::mem::take(&mut self.warnings),
            random: self.random,
        };
        let result = inner.eval(&lambda.body).map(Ref::into_value);
        self.steps = inner.steps;
        self.random = inner.random;
        self.warnings = core::mem::take(&mut inner.warnings);
        result
    }
}

/// The arguments in the order of the parameters.
fn placed(parameters: &[Str], arguments: Vec<(Option<&Str>, Value)>) -> Option<Vec<Value>> {
    if arguments.len() != parameters.len() {
        return None;
    }
    if arguments.iter().all(|(name, _)| name.is_none()) {
        return Some(arguments.into_iter().map(|(_, value)| value).collect());
    }
    let mut values = alloc::vec![None; parameters.len()];
    for (name, value) in arguments {
        let position = parameters.iter().position(|known| Some(known) == name)?;
        values[position] = Some(value);
    }
    values.into_iter().collect()
}
