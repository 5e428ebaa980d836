//! Compiling and evaluating one expression.
//!
//! Boundary: the public face of the crate; parser and evaluator are private.
//! Invariants: an evaluation never panics and ends within its budget of steps; messages never
//! contain values of variables.
//! Read first: [`Expression::compile`], then [`Expression::evaluate`].

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::code::Code;
use crate::machine::{Machine, Stop};
use crate::syntax::{Compiled, Dialect, compile};
use crate::value::{Str, Value};

/// Where an expression finds its variables. Lookups borrow.
pub trait Scope {
    /// The value of the variable `name`, if it exists.
    fn get(&self, name: &str) -> Option<&Value>;
}

/// A scope without variables.
#[derive(Debug, Clone, Copy)]
pub struct NoVariables;

impl Scope for NoVariables {
    fn get(&self, _name: &str) -> Option<&Value> {
        None
    }
}

impl Scope for crate::value::Context {
    fn get(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }
}

/// What the world has to say to an evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Environment {
    /// What `now()` and `today()` answer, in milliseconds since 1970 UTC.
    pub now_ms: i64,
    /// The most evaluation steps one expression may take.
    pub steps_max: u32,
}

/// A compiled expression: immutable, shared, evaluated any number of times.
#[derive(Debug, Clone)]
pub struct Expression(Arc<Program>);

#[derive(Debug)]
struct Program {
    text: Str,
    code: Code,
    variables: Vec<Str>,
    unknown_functions: Vec<Diagnostic>,
}

/// Equal when they were compiled from the same text, or yield the same constant.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.text == other.0.text && self.0.code == other.0.code)
    }
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Byte offset into the text.
    pub offset: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

impl core::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} at byte {}", self.message, self.offset)
    }
}

impl core::error::Error for Diagnostic {}

/// Something that an evaluation tolerated and turned into null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What kind of thing it was.
    pub kind: WarningKind,
    /// What was tolerated, without any value of a variable.
    pub message: String,
}

/// Kinds of warnings; the names follow Camunda's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WarningKind {
    /// A variable that does not exist.
    NoVariableFound,
    /// An entry that a context does not have.
    NoContextEntryFound,
    /// A property that a value does not have.
    NoPropertyFound,
    /// Values without a common order or equality.
    NotComparable,
    /// An operand of the wrong kind.
    InvalidType,
    /// A call of something that is no function, or with the wrong arguments.
    NoFunctionFound,
    /// A function that could do nothing with its arguments.
    FunctionInvocationFailure,
    /// The budget of steps, depth or size was used up; the result is null.
    LimitExceeded,
}

/// The result of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The value; null where FEEL is null-tolerant.
    pub value: Value,
    /// What was tolerated on the way.
    pub warnings: Vec<Warning>,
    /// Why there is no result: an `assert` of the expression's author failed. The value is null.
    pub failure: Option<String>,
}

impl Expression {
    /// Compiles `text` (without a leading `=`).
    ///
    /// # Errors
    /// A [`Diagnostic`] with the position and what was expected there; for a call of an unknown
    /// function, the nearest known one.
    pub fn compile(text: &str) -> Result<Self, Diagnostic> {
        Self::compile_as(text, Dialect::Expression)?.known_functions_only()
    }

    /// Compiles `text` as [`Expression::compile`] does, but leaves calls of unknown functions to
    /// the evaluation, where they yield null and a warning (as Camunda does), unless the scope
    /// has a function of that name.
    ///
    /// # Errors
    /// A [`Diagnostic`] with the position and what was expected there.
    pub fn compile_tolerant(text: &str) -> Result<Self, Diagnostic> {
        Self::compile_as(text, Dialect::Expression)
    }

    /// Compiles unary tests, as in a cell of a decision table: `-`, `< 5`, `"a", "b"`,
    /// `not([1..3])`, `? > 3 and ? < 5`. The input is given to [`Expression::evaluate_with_input`].
    /// Calls of unknown functions are left to the evaluation.
    ///
    /// # Errors
    /// A [`Diagnostic`] with the position and what was expected there.
    pub fn compile_unary_tests(text: &str) -> Result<Self, Diagnostic> {
        Self::compile_as(text, Dialect::UnaryTests)
    }

    fn compile_as(text: &str, dialect: Dialect) -> Result<Self, Diagnostic> {
        let Compiled { code, variables, unknown_functions } = compile(text, dialect)?;
        Ok(Self(Arc::new(Program { text: text.into(), code, variables, unknown_functions })))
    }

    fn known_functions_only(self) -> Result<Self, Diagnostic> {
        match self.0.unknown_functions.first() {
            Some(diagnostic) => Err(diagnostic.clone()),
            None => Ok(self),
        }
    }

    /// The names of all built-in functions, for completion and documentation.
    pub fn function_names() -> impl Iterator<Item = &'static str> {
        crate::builtin::names()
    }

    /// An expression that always yields `value`.
    #[must_use]
    pub fn constant(value: Value) -> Self {
        Self(Arc::new(Program {
            text: "".into(),
            code: Code::Constant(value),
            variables: Vec::new(),
            unknown_functions: Vec::new(),
        }))
    }

    /// The value if the expression is a literal that needs no variables.
    #[must_use]
    pub fn as_constant(&self) -> Option<&Value> {
        if let Code::Constant(value) = &self.0.code { Some(value) } else { None }
    }

    /// The source text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The names of the variables it reads, sorted, each once.
    #[must_use]
    pub fn variables(&self) -> Vec<Str> {
        self.0.variables.clone()
    }

    /// Calls of functions that are not built in, or not with these arguments; empty for an
    /// expression from [`Expression::compile`].
    #[must_use]
    pub fn unknown_functions(&self) -> &[Diagnostic] {
        &self.0.unknown_functions
    }

    /// Evaluates over `scope`. Never panics, never loops without bound. `?` is the variable of
    /// that name, if there is one.
    #[must_use]
    pub fn evaluate(&self, scope: &dyn Scope, environment: &Environment) -> Evaluation {
        self.run(Machine::new(scope, environment, None))
    }

    /// Evaluates with `input` as `?`.
    #[must_use]
    pub fn evaluate_with_input(
        &self,
        input: &Value,
        scope: &dyn Scope,
        environment: &Environment,
    ) -> Evaluation {
        self.run(Machine::new(scope, environment, Some(input)))
    }

    /// Evaluates with a source of randomness for `uuid()` and `random number()`, which are null
    /// without one. The same seed gives the same values.
    #[must_use]
    pub fn evaluate_with_seed(
        &self,
        seed: u64,
        scope: &dyn Scope,
        environment: &Environment,
    ) -> Evaluation {
        self.run(Machine::new(scope, environment, None).with_seed(seed))
    }

    fn run<'a>(&'a self, machine: Machine<'a>) -> Evaluation {
        let (outcome, mut warnings) = machine.run(&self.0.code);
        let mut failure = None;
        let value = outcome.unwrap_or_else(|stop| {
            let message = match stop {
                Stop::Steps => "the evaluation takes too many steps",
                Stop::Depth => "the evaluation is nested too deeply",
                Stop::Size => "a value is too large or nested too deeply",
                Stop::Failed(cause) => {
                    failure = Some(format!(
                        "Assertion failure on evaluate the expression '{}': {cause}",
                        self.0.text
                    ));
                    return Value::Null;
                }
            };
            warnings.push(Warning { kind: WarningKind::LimitExceeded, message: message.into() });
            Value::Null
        });
        Evaluation { value, warnings, failure }
    }
}
