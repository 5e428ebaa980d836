//! Calls: of built-in functions and of function values.
//!
//! Boundary: a body runs in a machine of its own, which takes the steps, the depth and the
//! warnings along and gives them back.
//! Read first: `Machine::call`, then `Machine::apply`.

use alloc::format;
use alloc::vec::Vec;

use crate::builtin::{Arguments, Work};
use crate::code::{Call, Code, Invoke};
use crate::expression::{Scope, WarningKind};
use crate::function::{Body, Callable, Closure, Function, Parameter};
use crate::machine::compare::contains;
use crate::machine::{DEPTH_MAX, Machine, Outcome, Ref, Stop};
use crate::session::Session;
use crate::types::Type;
use crate::value::{Str, Value};

/// What roots and logarithms cost, in steps.
pub(super) const COSTLY_STEPS: u64 = 64;
/// What entering a function body adds to the depth.
const DEPTH_OF_BODY: u32 = 4;
/// What calling a function of the host adds to the depth.
const DEPTH_OF_HOST: u32 = 8;

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
        if self.is_standard() && refused_by_standard(call.builtin.name, values) {
            return Ok(self.call_failed(call, values));
        }
        let mut result = self.call_once(call, values)?;
        if result.is_none() && self.is_standard() && values.iter().any(|v| single(v).is_some()) {
            // The standard takes a list of one for its item where an item is wanted.
            let items: Vec<Value> =
                values.iter().map(|value| single(value).unwrap_or(value).clone()).collect();
            result = self.call_once(call, &items)?;
        }
        match result {
            Some(value @ (Value::Null | Value::Boolean(_) | Value::Number(_))) => Ok(value),
            Some(value) => self.built(value),
            None => Ok(self.call_failed(call, values)),
        }
    }

    #[inline]
    fn call_once(&mut self, call: &'a Call, values: &[Value]) -> Outcome<Option<Value>> {
        let arguments = Arguments { values, pattern: call.pattern.as_ref() };
        Ok(match call.builtin.work {
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
        })
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
            Value::Function(function) => match placed(function.parameters(), values) {
                Some(values) => self.apply(function, values).map(Ref::Owned),
                None => Ok(Ref::Owned(self.wrong_arguments(function))),
            },
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

    #[cold]
    fn wrong_arguments(&mut self, function: &Function) -> Value {
        let wanted = function.parameters().len();
        self.warn(WarningKind::NoFunctionFound, || {
            format!("The function takes {wanted} arguments, or has other names")
        });
        Value::Null
    }

    /// Calls a function from outside of any expression.
    pub(crate) fn call_function(
        &mut self,
        function: &Function,
        values: Vec<Value>,
    ) -> Outcome<Value> {
        if function.parameters().len() != values.len() {
            return Ok(self.wrong_arguments(function));
        }
        self.apply(function, values)
    }

    /// Runs a function with values for all its parameters.
    pub(crate) fn apply(&mut self, function: &Function, values: Vec<Value>) -> Outcome<Value> {
        self.charge(1 + values.len() as u64)?;
        let Some(values) = self.typed(function, values)? else {
            return Ok(Value::Null);
        };
        match function.body() {
            Body::Closure(closure) => self.apply_closure(function, closure, values),
            Body::Host(callable) => self.apply_host(callable, values),
        }
    }

    /// The arguments as values of the parameters' types.
    fn typed(&mut self, function: &Function, values: Vec<Value>) -> Outcome<Option<Vec<Value>>> {
        if function.parameters().iter().all(|parameter| parameter.kind == Type::Any) {
            return Ok(Some(values));
        }
        let mut typed = Vec::with_capacity(values.len());
        for (parameter, value) in function.parameters().iter().zip(values) {
            self.charge(value.weight() / 8)?;
            let Some(value) = parameter.kind.coerce(value) else {
                let name = &parameter.name;
                self.warn(WarningKind::InvalidType, || {
                    format!("The argument for '{name}' is not of the type that is declared")
                });
                return Ok(None);
            };
            typed.push(value);
        }
        Ok(Some(typed))
    }

    fn deeper(&self, by: u32) -> Outcome<u32> {
        let depth = self.depth + by;
        if depth > DEPTH_MAX { Err(Stop::Depth) } else { Ok(depth) }
    }

    fn apply_closure(
        &mut self,
        function: &Function,
        closure: &Closure,
        values: Vec<Value>,
    ) -> Outcome<Value> {
        let scope = ClosureScope { variables: &closure.variables, outer: self.scope };
        let mut inner = Machine {
            scope: if closure.variables.is_empty() { self.scope } else { &scope },
            environment: self.environment,
            steps: self.steps,
            depth: self.deeper(DEPTH_OF_BODY)?,
            locals: values.into_iter().map(Ref::Owned).collect(),
            captured: &closure.captured,
            function: Some(function.clone()),
            input: self.input.clone(),
            warnings: core::mem::take(&mut self.warnings),
            random: self.random,
            dialect: self.dialect,
        };
        let result = inner.eval(&closure.lambda.body).map(Ref::into_value);
        self.steps = inner.steps;
        self.random = inner.random;
        self.warnings = core::mem::take(&mut inner.warnings);
        result
    }

    fn apply_host(&mut self, callable: &dyn Callable, values: Vec<Value>) -> Outcome<Value> {
        let mut session = Session {
            environment: self.environment,
            steps: self.steps,
            depth: self.deeper(DEPTH_OF_HOST)?,
            warnings: core::mem::take(&mut self.warnings),
            random: self.random,
            stop: None,
        };
        let value = callable.call(values, &mut session);
        self.steps = session.steps;
        self.random = session.random;
        self.warnings = session.warnings;
        match session.stop {
            Some(stop) => Err(stop),
            None => self.built(value),
        }
    }
}

/// Arguments that Camunda's functions take and those of the standard do not.
pub(crate) fn refused_by_standard(name: &str, values: &[Value]) -> bool {
    match (name, values) {
        ("substring", [_, _, Value::Number(length)]) => length.is_zero() || length.is_negative(),
        ("context", [Value::List(entries)]) => {
            let key = |entry: &Value| entry.as_context()?.get("key")?.as_str().map(Str::from);
            let mut keys: Vec<Str> = entries.iter().filter_map(key).collect();
            let count = keys.len();
            keys.sort();
            keys.dedup();
            keys.len() < count
        }
        _ => false,
    }
}

/// The variables that a function took along, then those of whoever calls it.
struct ClosureScope<'c> {
    variables: &'c [(Str, Value)],
    outer: &'c dyn Scope,
}

impl Scope for ClosureScope<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        let own = self.variables.iter().find(|(known, _)| &**known == name);
        own.map(|(_, value)| value).or_else(|| self.outer.get(name))
    }
}

/// The item of a list of one.
fn single(value: &Value) -> Option<&Value> {
    match value {
        Value::List(list) => {
            if let [item] = &**list {
                Some(item)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// The arguments in the order of the parameters.
fn placed(parameters: &[Parameter], arguments: Vec<(Option<&Str>, Value)>) -> Option<Vec<Value>> {
    if arguments.len() != parameters.len() {
        return None;
    }
    if arguments.iter().all(|(name, _)| name.is_none()) {
        return Some(arguments.into_iter().map(|(_, value)| value).collect());
    }
    let mut values = alloc::vec![None; parameters.len()];
    for (name, value) in arguments {
        let name = name?;
        let position = parameters.iter().position(|known| spelled_alike(&known.name, name))?;
        values[position] = Some(value);
    }
    values.into_iter().collect()
}

/// Whether two names differ by white space at most.
fn spelled_alike(left: &str, right: &str) -> bool {
    left == right
        || left
            .chars()
            .filter(|c| !c.is_whitespace())
            .eq(right.chars().filter(|c| !c.is_whitespace()))
}
