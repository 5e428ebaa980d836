//! Compiling and evaluating one expression.
//!
//! Boundary: the public face of the crate; parser and evaluator are private.
//! Read first: [`Expression::compile`], then [`Expression::evaluate`].

use alloc::string::String;
use alloc::vec::Vec;

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
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    text: Str,
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Byte offset into the text.
    pub offset: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

/// Something that an evaluation tolerated and turned into null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What was tolerated, without any value of a variable.
    pub message: String,
}

/// The result of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The value; null where FEEL is null-tolerant.
    pub value: Value,
    /// What was tolerated on the way.
    pub warnings: Vec<Warning>,
}

impl Expression {
    /// Compiles `text` (without a leading `=`).
    ///
    /// # Errors
    /// A [`Diagnostic`] with the position and what was expected there.
    pub fn compile(text: &str) -> Result<Self, Diagnostic> {
        Ok(Self { text: text.into() })
    }

    /// An expression that always yields `value`.
    #[must_use]
    pub fn constant(_value: Value) -> Self {
        Self { text: "".into() }
    }

    /// The value if the expression is a literal that needs no variables.
    #[must_use]
    pub fn as_constant(&self) -> Option<&Value> {
        None
    }

    /// The source text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names of the variables it reads.
    #[must_use]
    pub fn variables(&self) -> Vec<Str> {
        Vec::new()
    }

    /// Evaluates over `scope`. Never panics, never loops without bound.
    #[must_use]
    pub fn evaluate(&self, _scope: &dyn Scope, _environment: &Environment) -> Evaluation {
        Evaluation { value: Value::Null, warnings: Vec::new() }
    }
}
