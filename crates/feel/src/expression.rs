//! Compiling and evaluating one expression.
//!
//! Boundary: the public face of the crate; parser and evaluator are private.
//! Invariants: an evaluation never panics and ends within its budget of steps; messages never
//! contain values of variables.
//! Read first: [`Expression::compile`], then [`Expression::evaluate`].

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use crate::code::Comparison;
use crate::code::{Code, Test};
use crate::names::{Dialect, Names};
use crate::nearest::nearest;
use crate::session::Session;
use crate::syntax::{Compiled, Form, FreeName, compile};
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
    dialect: Dialect,
    variables: Vec<FreeName>,
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
    /// ```
    /// let wrong = feel::Expression::compile("if a 1").unwrap_err();
    /// assert_eq!(wrong.to_string(), "expected `then`, found `1` at byte 5");
    /// ```
    ///
    /// # Errors
    /// A [`Diagnostic`] with the position and what was expected there; for a call of an unknown
    /// function, the nearest known one.
    pub fn compile(text: &str) -> Result<Self, Diagnostic> {
        Self::compile_as(text, Form::Expression, None)?.known_functions_only()
    }

    /// Compiles `text` as [`Expression::compile`] does, but leaves calls of unknown functions to
    /// the evaluation, where they yield null and a warning (as Camunda does), unless the scope
    /// has a function of that name.
    ///
    /// # Errors
    /// A [`Diagnostic`] with the position and what was expected there.
    pub fn compile_tolerant(text: &str) -> Result<Self, Diagnostic> {
        Self::compile_as(text, Form::Expression, None)
    }

    /// Compiles `text` against declarations: names with spaces and operators, named types, the
    /// dialect. Names that are not declared are looked up in the scope, as ever; calls of unknown
    /// functions are left to the evaluation.
    ///
    /// # Errors
    /// A [`Diagnostic`] with the position and what was expected there.
    pub fn compile_with(text: &str, names: &Names) -> Result<Self, Diagnostic> {
        Self::compile_as(text, Form::Expression, Some(names))
    }

    /// Compiles unary tests, as [`Expression::compile_unary_tests`] does, against declarations.
    ///
    /// # Errors
    /// A [`Diagnostic`] with the position and what was expected there.
    pub fn compile_unary_tests_with(text: &str, names: &Names) -> Result<Self, Diagnostic> {
        Self::compile_as(text, Form::UnaryTests, Some(names))
    }

    /// Compiles unary tests, as in a cell of a decision table: `-`, `< 5`, `"a", "b"`,
    /// `not([1..3])`, `? > 3 and ? < 5`. The input is given to [`Expression::evaluate_with_input`].
    /// Calls of unknown functions are left to the evaluation.
    ///
    /// ```
    /// use feel::{Environment, Expression, NoVariables, Value};
    ///
    /// let tests = Expression::compile_unary_tests("[1..5), > 10")?;
    /// let environment = Environment { now_ms: 0, steps_max: 1_000 };
    /// let passes = |input: i64| {
    ///     tests.evaluate_with_input(&Value::from(input), &NoVariables, &environment).value
    /// };
    /// assert_eq!((passes(4), passes(5)), (Value::from(true), Value::from(false)));
    /// # Ok::<(), feel::Diagnostic>(())
    /// ```
    ///
    /// # Errors
    /// A [`Diagnostic`] with the position and what was expected there.
    pub fn compile_unary_tests(text: &str) -> Result<Self, Diagnostic> {
        Self::compile_as(text, Form::UnaryTests, None)
    }

    fn compile_as(text: &str, form: Form, names: Option<&Names>) -> Result<Self, Diagnostic> {
        let Compiled { code, variables, unknown_functions } = compile(text, form, names)?;
        let dialect = names.map_or(Dialect::Camunda, |names| names.dialect);
        let text = text.into();
        Ok(Self(Arc::new(Program { text, code, dialect, variables, unknown_functions })))
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
            dialect: Dialect::Camunda,
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
        self.0.variables.iter().map(|free| free.name.clone()).collect()
    }

    /// The variables it reads that are not among `known`: where each is read first, and the
    /// nearest name that exists. Names that may be entries of a filtered item are left out.
    ///
    /// ```
    /// let expression = feel::Expression::compile("ordre.total > 100")?;
    /// let unknown = expression.unknown_names(["order", "customer"]);
    /// assert_eq!(unknown[0].to_string(), "there is no `ordre`; the nearest is `order` at byte 0");
    /// # Ok::<(), feel::Diagnostic>(())
    /// ```
    #[must_use]
    pub fn unknown_names<'n>(&self, known: impl IntoIterator<Item = &'n str>) -> Vec<Diagnostic> {
        let known: BTreeSet<&str> = known.into_iter().collect();
        let unknown = self.0.variables.iter().filter(|free| {
            !free.perhaps_entry && &*free.name != "?" && !known.contains(&*free.name)
        });
        let diagnostics = unknown.map(|FreeName { name, offset, .. }| {
            let message = match nearest(name, known.iter().copied()) {
                Some(near) => format!("there is no `{name}`; the nearest is `{near}`"),
                None => format!("there is no `{name}`"),
            };
            Diagnostic { offset: *offset, message }
        });
        let mut diagnostics: Vec<Diagnostic> = diagnostics.collect();
        diagnostics.sort_by_key(|diagnostic| diagnostic.offset);
        diagnostics
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
        self.run(Session::new(environment), None, scope)
    }

    /// Evaluates with `input` as `?`.
    #[must_use]
    pub fn evaluate_with_input(
        &self,
        input: &Value,
        scope: &dyn Scope,
        environment: &Environment,
    ) -> Evaluation {
        self.run(Session::new(environment), Some(input), scope)
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
        self.run(Session::new(environment).with_seed(seed), None, scope)
    }

    fn run(
        &self,
        mut session: Session<'_>,
        input: Option<&Value>,
        scope: &dyn Scope,
    ) -> Evaluation {
        let value = match input {
            None => session.evaluate(self, scope),
            Some(input) => session.evaluate_with_input(self, input, scope),
        };
        session.finish(value)
    }

    /// The tests of compiled unary tests, and whether they are negated as a whole, so that a
    /// decision table can be indexed; `None` for an expression.
    #[must_use]
    pub fn tests(&self) -> Option<(bool, Vec<CellTest<'_>>)> {
        let Code::Tests(tests) = &self.0.code else { return None };
        let shown = tests.alternatives.iter().map(|test| match test {
            Test::Anything => CellTest::Anything,
            Test::Compare(comparison, Code::Constant(value)) => {
                CellTest::Compare(*comparison, value)
            }
            Test::Value(Code::Constant(value)) => CellTest::Value(value),
            Test::Compare(..) | Test::Value(_) | Test::Condition(_) => CellTest::Computed,
        });
        Some((tests.negated, shown.collect()))
    }

    pub(crate) fn code(&self) -> &Code {
        &self.0.code
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.0.dialect
    }
}

/// One of the tests in a cell of a decision table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CellTest<'e> {
    /// `-`: every input passes.
    Anything,
    /// The input is compared with a constant.
    Compare(Comparison, &'e Value),
    /// The input has to equal a constant, or to be in it if it is a range or list.
    Value(&'e Value),
    /// It has to be evaluated.
    Computed,
}
