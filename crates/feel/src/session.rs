//! Several evaluations under one budget, as a decision with many cells needs them.
//!
//! Boundary: what an [`Expression`] does on its own, repeated; who evaluates what is up to the
//! host.
//! Invariants: SES-1 after a limit or a failure nothing is evaluated any more.
//! Read first: [`Session`].

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::code::Code;
use crate::expression::{
    Environment, Evaluation, Expression, NoVariables, Scope, Warning, WarningKind,
};
use crate::function::Function;
use crate::machine::{Machine, Outcome, Stop};
use crate::value::Value;

/// A budget of steps and depth, the warnings so far, and whether it is over.
///
/// ```
/// use feel::{Environment, Expression, NoVariables, Session, Value};
///
/// let environment = Environment { now_ms: 0, steps_max: 1_000 };
/// let mut session = Session::new(&environment);
/// let (one, two) = (Expression::compile("1 + 1")?, Expression::compile("missing + 1")?);
/// assert_eq!(session.evaluate(&one, &NoVariables), Value::from(2));
/// let last = session.evaluate(&two, &NoVariables);
/// let evaluation = session.finish(last);
/// assert!(evaluation.value.is_null() && !evaluation.warnings.is_empty());
/// # Ok::<(), feel::Diagnostic>(())
/// ```
#[derive(Debug)]
pub struct Session<'e> {
    pub(crate) environment: &'e Environment,
    pub(crate) steps: u32,
    pub(crate) depth: u32,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) random: Option<u64>,
    pub(crate) stop: Option<Stop>,
}

impl<'e> Session<'e> {
    /// A session with the whole budget of `environment`.
    #[must_use]
    pub fn new(environment: &'e Environment) -> Self {
        Self {
            environment,
            steps: environment.steps_max,
            depth: 0,
            warnings: Vec::new(),
            random: None,
            stop: None,
        }
    }

    /// With a source of randomness for `uuid()` and `random number()`.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { random: Some(seed), ..self }
    }

    /// The value of `expression` over `scope`; null once the session is stopped.
    pub fn evaluate(&mut self, expression: &Expression, scope: &dyn Scope) -> Value {
        self.run((scope, None), expression.text(), |machine| machine.evaluate(expression))
    }

    /// The value of `expression` with `input` as `?`.
    pub fn evaluate_with_input(
        &mut self,
        expression: &Expression,
        input: &Value,
        scope: &dyn Scope,
    ) -> Value {
        self.run((scope, Some(input)), expression.text(), |machine| machine.evaluate(expression))
    }

    /// Calls a function with a value for each of its parameters.
    pub fn call(&mut self, function: &Function, arguments: Vec<Value>) -> Value {
        self.run((&NoVariables, None), "", |machine| machine.call_function(function, arguments))
    }

    pub(crate) fn run_code(&mut self, code: &Code) -> Value {
        self.run((&NoVariables, None), "", |machine| machine.evaluate_code(code))
    }

    /// Pays for work that the host does itself; false once the session is stopped.
    pub fn charge(&mut self, steps: u64) -> bool {
        match u32::try_from(steps).ok().and_then(|steps| self.steps.checked_sub(steps)) {
            Some(left) => self.steps = left,
            None => {
                self.steps = 0;
                self.stop.get_or_insert(Stop::Steps);
            }
        }
        self.stop.is_none()
    }

    /// Adds a warning of the host.
    pub fn warn(&mut self, kind: WarningKind, message: String) {
        if self.warnings.len() < crate::machine::WARNINGS_MAX {
            self.warnings.push(Warning { kind, message });
        }
    }

    /// What has been tolerated so far.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Whether a limit was reached or an assertion failed.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.is_some()
    }

    /// Ends the session with its result; null if it was stopped.
    #[must_use]
    pub fn finish(mut self, value: Value) -> Evaluation {
        let mut failure = None;
        let value = match self.stop {
            None => value,
            Some(Stop::Failed(cause)) => {
                failure = Some(cause.into());
                Value::Null
            }
            Some(stop) => {
                let message = stop.message().into();
                self.warnings.push(Warning { kind: WarningKind::LimitExceeded, message });
                Value::Null
            }
        };
        Evaluation { value, warnings: self.warnings, failure }
    }

    // SES-1
    fn run<'a>(
        &mut self,
        world: (&'a dyn Scope, Option<&'a Value>),
        text: &str,
        work: impl FnOnce(&mut Machine<'a>) -> Outcome<Value>,
    ) -> Value
    where
        'e: 'a,
    {
        if self.is_stopped() {
            return Value::Null;
        }
        let mut machine = Machine::in_session(self, world);
        let outcome = work(&mut machine);
        machine.leave(self);
        outcome.unwrap_or_else(|stop| {
            self.stop = Some(match stop {
                Stop::Failed(cause) if !text.is_empty() => Stop::Failed(
                    format!("Assertion failure on evaluate the expression '{text}': {cause}")
                        .into(),
                ),
                stop => stop,
            });
            Value::Null
        })
    }
}
