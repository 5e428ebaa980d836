//! What went wrong as a person at a terminal sees it, and the exit code that goes with it.
//!
//! Boundary: values and their plain rendering. Problems of the server arrive as problem+json and
//! are shown as they are; those of this program have codes of their own.
//! Read first: [`Failure`], then [`Problem`].

use std::fmt;

use serde_json::Value;

/// The codes of this crate and what they stand for; `xtask` pairs them with their pages.
#[cfg_attr(not(test), expect(dead_code, reason = "read by tests and by xtask"))]
pub(crate) const CODES: &[(&str, &str)] = &[
    (UNREACHABLE, "the server cannot be reached"),
    (CONFIGURATION, "the configuration is wrong"),
    (IN_USE, "another server uses the data directory"),
    (UNUSABLE, "the data directory cannot be used"),
    (ADDRESS, "the server cannot listen on an address"),
    (FILE, "a file cannot be read or written"),
    (ANSWER, "the server's answer is not understood"),
    (ARGUMENT, "an argument of the command is wrong"),
    (BROKEN, "an assumption of the program was broken"),
    (STORAGE, "the storage of large values cannot be used"),
    (BACKUP, "a backup cannot be used"),
    (DATABASE, "the database cannot be used"),
    (SECRET, "a secret is not where its reference says"),
    (INSECURE, "the connection to the server is not secure"),
    (EXPRESSION, "an expression is wrong"),
    (NO_RESULT, "an expression has no result"),
];

pub(crate) const UNREACHABLE: &str = "CLI-001";
pub(crate) const CONFIGURATION: &str = "CLI-002";
pub(crate) const IN_USE: &str = "CLI-003";
pub(crate) const UNUSABLE: &str = "CLI-004";
pub(crate) const ADDRESS: &str = "CLI-005";
pub(crate) const FILE: &str = "CLI-006";
pub(crate) const ANSWER: &str = "CLI-007";
pub(crate) const ARGUMENT: &str = "CLI-008";
pub(crate) const BROKEN: &str = "CLI-009";
pub(crate) const STORAGE: &str = "CLI-010";
pub(crate) const BACKUP: &str = "CLI-011";
pub(crate) const DATABASE: &str = "CLI-012";
pub(crate) const SECRET: &str = "CLI-020";
pub(crate) const INSECURE: &str = "CLI-021";
pub(crate) const EXPRESSION: &str = "CLI-040";
pub(crate) const NO_RESULT: &str = "CLI-041";
/// A code of `api`, whose check the configuration makes first.
pub(crate) const EXPOSED: &str = "API-007";

/// How a command ended, as the exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Refused = 1,
    WrongUse = 2,
    Unreachable = 3,
    Internal = 4,
    /// A deployment waited in vain for what was in flight.
    TimedOut = 5,
    /// A deployment was cancelled.
    Cancelled = 6,
    /// A deployment failed, and the original was put back.
    Failed = 7,
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// None if everything was said already.
    pub(crate) problem: Option<Box<Problem>>,
}

/// What a person needs to know.
#[derive(Debug, Default)]
pub(crate) struct Problem {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) place: Option<String>,
    pub(crate) hint: String,
    /// JSON pointers and messages, if a document does not fit its type.
    pub(crate) violations: Vec<(String, String)>,
    /// What is wrong with a package, if one was refused.
    pub(crate) findings: Vec<Value>,
}

impl Failure {
    fn new(exit: Exit, code: &str, message: String, hint: &str) -> Self {
        let problem =
            Problem { code: code.to_owned(), message, hint: hint.to_owned(), ..Problem::default() };
        Self { exit, problem: Some(Box::new(problem)) }
    }

    pub(crate) fn refused(code: &str, message: String, hint: &str) -> Self {
        Self::new(Exit::Refused, code, message, hint)
    }

    pub(crate) fn wrong_use(message: String, hint: &str) -> Self {
        Self::new(Exit::WrongUse, ARGUMENT, message, hint)
    }

    pub(crate) fn configuration(message: String, hint: &str) -> Self {
        Self::new(Exit::WrongUse, CONFIGURATION, message, hint)
    }

    pub(crate) fn unreachable(message: String, hint: &str) -> Self {
        Self::new(Exit::Unreachable, UNREACHABLE, message, hint)
    }

    pub(crate) fn internal(message: String) -> Self {
        Self::new(Exit::Internal, BROKEN, message, "please report this")
    }

    pub(crate) fn answer(message: String) -> Self {
        let hint = "is the server of the same version? see `pointsman --version`";
        Self::new(Exit::Internal, ANSWER, message, hint)
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(act: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let message = format!("cannot {act} `{}`", path.display());
        Self::refused(FILE, message, "check the path and its rights").because(error)
    }

    /// Files that cannot be used for TLS.
    pub(crate) fn tls(error: &api::tls::Error) -> Self {
        let failure = Self::refused(error.code(), error.to_string(), error.hint());
        match std::error::Error::source(error) {
            Some(source) => failure.because(source),
            None => failure,
        }
    }

    /// The same under another code.
    pub(crate) fn coded(mut self, code: &str) -> Self {
        if let Some(problem) = &mut self.problem {
            code.clone_into(&mut problem.code);
        }
        self
    }

    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.code == code)
    }

    /// Everything was said already.
    pub(crate) fn told(exit: Exit) -> Self {
        Self { exit, problem: None }
    }

    /// The same with a cause and what caused that.
    pub(crate) fn because(mut self, error: &dyn std::error::Error) -> Self {
        if let Some(problem) = &mut self.problem {
            problem.causes.push(error.to_string());
            let mut source = error.source();
            while let Some(cause) = source {
                problem.causes.push(cause.to_string());
                source = cause.source();
            }
        }
        self
    }

    /// The same at a place.
    pub(crate) fn at(mut self, place: String) -> Self {
        if let Some(problem) = &mut self.problem {
            problem.place = Some(place);
        }
        self
    }
}

impl Problem {
    /// Reads the server's problem+json; what is not there stays empty.
    pub(crate) fn from_json(problem: &Value) -> Self {
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        let list = |name: &str| problem[name].as_array().cloned().unwrap_or_default();
        let detail = text("detail");
        let message = if detail.is_empty() { text("title") } else { detail };
        let causes = list("causes");
        let mut causes: Vec<String> =
            causes.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if let Some(code) = problem["serviceError"].as_str() {
            causes.push(format!("the service's error `{code}`"));
        }
        let violations = list("violations");
        let violations = violations.iter().map(|violation| {
            let part = |name: &str| violation[name].as_str().unwrap_or_default().to_owned();
            (part("pointer"), part("message"))
        });
        Self {
            code: text("code"),
            message,
            causes,
            place: problem["place"].as_str().map(str::to_owned),
            hint: text("hint"),
            violations: violations.collect(),
            findings: list("problems"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code.is_empty() {
            write!(out, "error: {}", self.message)?;
        } else {
            write!(out, "error[{}]: {}", self.code, self.message)?;
        }
        for cause in &self.causes {
            write!(out, "\n  caused by: {cause}")?;
        }
        if let Some(place) = &self.place {
            write!(out, "\n  at: {place}")?;
        }
        // A single one is in the message already.
        for (pointer, message) in self.violations.iter().filter(|_| self.violations.len() > 1) {
            write!(out, "\n  at `{pointer}`: {message}")?;
        }
        if !self.hint.is_empty() {
            write!(out, "\nhint: {}", self.hint)?;
        }
        Ok(())
    }
}
