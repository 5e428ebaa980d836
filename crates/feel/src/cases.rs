//! Cases: expressions with what they are expected to yield, one JSON object a line.
//!
//! Boundary: text in, outcomes out; who reads files and prints is elsewhere.
//! Read first: [`read`], then [`Case::run`].   Tests: `tests/conformance.rs`

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::expression::{Diagnostic, Environment, Evaluation, Expression, WarningKind};
use crate::json;
use crate::names::{Dialect, Names};
use crate::temporal::{DateTime, Time, parse_duration, parse_temporal};
use crate::types::Type;
use crate::value::{Context, Value};

/// The time of all cases and a budget that no sensible case uses up.
pub const ENVIRONMENT: Environment =
    Environment { now_ms: 1_795_000_000_000, steps_max: 20_000_000 };

/// An expression and what is expected of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// The line of its file, from 1.
    pub line: usize,
    /// Where it comes from.
    pub suite: String,
    /// Its name there; several cases may share one.
    pub name: String,
    /// The expression, or unary tests.
    pub expression: String,
    /// Whose rules it follows, if it says so.
    pub dialect: Option<Dialect>,
    variables: Context,
    /// What unary tests are applied to.
    input: Option<Value>,
    expected: Expected,
}

#[derive(Debug, Clone)]
enum Expected {
    Value(Value),
    /// A message that contains this text.
    Failure(String),
    /// A warning of this type, and null.
    Warning(String),
}

/// Why a line is no case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

impl core::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl core::error::Error for Unreadable {}

/// Reads a file of cases, one a line; empty lines are skipped. A file that marks some of its
/// cases with `dialect` holds cases of the standard otherwise, any other file Camunda's. A line
/// that is no case stands as what is wrong with it.
#[must_use]
pub fn read(text: &str) -> Vec<Result<Case, Unreadable>> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let mut cases: Vec<_> = lines
        .map(|(number, line)| match Case::read(line) {
            Ok(case) => Ok(Case { line: number, ..case }),
            Err(message) => Err(Unreadable { line: number, message }),
        })
        .collect();
    if cases.iter().flatten().any(|case| case.dialect.is_some()) {
        for case in cases.iter_mut().flatten() {
            case.dialect.get_or_insert(Dialect::Standard);
        }
    }
    cases
}

/// A case that did not end as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What was expected, as text.
    pub expected: String,
    /// What came instead.
    pub actual: String,
}

impl Case {
    /// Reads a line: an object with `expression`, optionally `kind` (`unary-tests`), `suite`,
    /// `test`, `variables`, `input` and `dialect`, and one of `expected`, `fails`, `reports`.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn read(line: &str) -> Result<Self, String> {
        let value = json::parse(line.as_bytes()).map_err(|error| error.to_string())?;
        let Value::Context(case) = value else {
            return Err("expected an object".to_string());
        };
        let text = |name| case.get(name).and_then(Value::as_str).map(ToString::to_string);
        let unary = match text("kind").as_deref() {
            None | Some("expression") => false,
            Some("unary-tests") => true,
            Some(other) => {
                return Err(format!("expected kind `expression` or `unary-tests`, not `{other}`"));
            }
        };
        let expected = match (text("fails"), case.get("reports")) {
            (Some(message), _) => Expected::Failure(message),
            (None, Some(Value::Context(warning))) => Expected::Warning(
                warning.get("type").and_then(Value::as_str).unwrap_or_default().to_string(),
            ),
            _ => Expected::Value(typed(case.get("expected").unwrap_or(&Value::Null))?),
        };
        let variables = match case.get("variables").map(typed).transpose()? {
            None | Some(Value::Null) => Context::default(),
            Some(Value::Context(variables)) => variables,
            Some(_) => return Err("expected `variables` to be an object".to_string()),
        };
        let input = case.get("input").map(typed).transpose()?;
        Ok(Self {
            line: 1,
            suite: text("suite").unwrap_or_default(),
            name: text("test").unwrap_or_default(),
            expression: text("expression").ok_or("expected `expression`, a string")?,
            dialect: match text("dialect").as_deref() {
                None => None,
                Some("camunda") => Some(Dialect::Camunda),
                Some("standard") => Some(Dialect::Standard),
                Some(other) => {
                    return Err(format!("expected dialect `camunda` or `standard`, not `{other}`"));
                }
            },
            variables,
            input: unary.then(|| input.unwrap_or_default()),
            expected,
        })
    }

    /// Compiles, evaluates and compares.
    ///
    /// # Errors
    /// What was expected and what came instead.
    pub fn run(&self) -> Result<(), Mismatch> {
        let result = self.evaluate();
        match &self.expected {
            Expected::Value(value) => match result {
                Ok(evaluation) if evaluation.failure.is_some() => {
                    Err(mismatch(shown(value), evaluation.failure.unwrap_or_default()))
                }
                Ok(evaluation) if same(&evaluation.value, value) => Ok(()),
                Ok(evaluation) => Err(mismatch(shown(value), shown(&evaluation.value))),
                Err(diagnostic) => Err(mismatch(shown(value), diagnostic.to_string())),
            },
            Expected::Failure(message) => match result {
                Err(_) if message.contains("failed to parse") => Ok(()),
                Err(diagnostic) => Err(mismatch(message.clone(), diagnostic.to_string())),
                Ok(Evaluation { failure: Some(failure), .. }) if failure.contains(message) => {
                    Ok(())
                }
                Ok(Evaluation { failure: Some(failure), .. }) => {
                    Err(mismatch(message.clone(), failure))
                }
                Ok(evaluation) => Err(mismatch(message.clone(), shown(&evaluation.value))),
            },
            Expected::Warning(kind) => match result {
                Ok(Evaluation { warnings, .. })
                    if warnings.iter().any(|warning| warning.kind.code() == kind) =>
                {
                    Ok(())
                }
                Ok(Evaluation { warnings, .. }) => Err(mismatch(kind.clone(), {
                    let kinds = warnings.iter().map(|warning| warning.kind.code());
                    kinds.collect::<Vec<_>>().join(", ")
                })),
                Err(diagnostic) => Err(mismatch(kind.clone(), diagnostic.to_string())),
            },
        }
    }

    fn evaluate(&self) -> Result<Evaluation, Diagnostic> {
        let mut names = Names::of(self.dialect.unwrap_or_default());
        for (name, _) in self.variables.iter() {
            names.declare(name, Type::Any);
        }
        match &self.input {
            Some(input) => {
                let tests = Expression::compile_unary_tests_with(&self.expression, &names)?;
                Ok(tests.evaluate_with_input(input, &self.variables, &ENVIRONMENT))
            }
            None => {
                let expression = Expression::compile_with(&self.expression, &names)?;
                Ok(expression.evaluate(&self.variables, &ENVIRONMENT))
            }
        }
    }
}

impl WarningKind {
    /// The name that Camunda gives it: `NO_VARIABLE_FOUND`, ...
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoVariableFound => "NO_VARIABLE_FOUND",
            Self::NoContextEntryFound => "NO_CONTEXT_ENTRY_FOUND",
            Self::NoPropertyFound => "NO_PROPERTY_FOUND",
            Self::NotComparable => "NOT_COMPARABLE",
            Self::InvalidType => "INVALID_TYPE",
            Self::NoFunctionFound => "NO_FUNCTION_FOUND",
            Self::FunctionInvocationFailure => "FUNCTION_INVOCATION_FAILURE",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
        }
    }
}

fn mismatch(expected: String, actual: String) -> Mismatch {
    Mismatch { expected, actual }
}

fn shown(value: &Value) -> String {
    json::to_string(value)
}

/// A value as case files write it: objects with `$type` and `$value` are temporal values.
///
/// # Errors
/// A text that is none of its type.
pub fn typed(value: &Value) -> Result<Value, String> {
    Ok(match value {
        Value::List(items) => Value::List(items.iter().map(typed).collect::<Result<_, _>>()?),
        Value::Context(entries) => {
            if let (Some(kind), Some(text)) = (
                entries.get("$type").and_then(Value::as_str),
                entries.get("$value").and_then(Value::as_str),
            ) {
                return temporal(kind, text)
                    .ok_or_else(|| format!("expected a value of type `{kind}`, found `{text}`"));
            }
            let mut typed_entries = Context::builder();
            for (name, value) in entries.iter() {
                typed_entries.push(name.clone(), typed(value)?);
            }
            Value::Context(typed_entries.build())
        }
        other => other.clone(),
    })
}

fn temporal(kind: &str, text: &str) -> Option<Value> {
    match kind {
        "local time" | "time" => Time::parse(text).map(Value::Time),
        "local date time" | "date time" => DateTime::parse(text).map(Value::from),
        "date" => parse_temporal(text),
        _ => parse_duration(text),
    }
}

/// Equal by meaning: numbers to 13 digits (expected ones may have been binary floats), moments by
/// instant.
#[must_use]
pub fn same(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.to_f64(), b.to_f64());
            a == b || (a - b).abs() <= 1e-13 * a.abs().max(b.abs())
        }
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b))
        }
        (Value::Context(a), Value::Context(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (Value::DateTime(a), Value::DateTime(b)) => {
            a.compare(b).is_some_and(core::cmp::Ordering::is_eq)
        }
        (Value::Time(a), Value::Time(b)) => {
            a.nanos() == b.nanos() && a.offset_seconds() == b.offset_seconds()
        }
        (a, b) => a == b,
    }
}
