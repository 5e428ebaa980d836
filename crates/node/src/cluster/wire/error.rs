//! Errors between servers: whoever asked sees the same code, text and hint as on the spot.
//!
//! Boundary: translation only.
//! Read first: [`Trouble`].

use minicbor::{Decode, Encode};

use crate::error::Error;

/// An error on its way.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Trouble {
    /// Its code.
    #[n(0)]
    code: String,
    /// The words that fill its variant, in order.
    #[n(1)]
    words: Vec<String>,
    /// Pointers and messages of a document's violations, in turn.
    #[n(2)]
    violations: Vec<String>,
    /// Problems of a package set.
    #[n(3)]
    findings: Vec<Finding>,
    /// How long was waited.
    #[n(4)]
    ms: u64,
}

/// A diagnostic on its way.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Finding {
    #[n(0)]
    code: String,
    #[n(1)]
    is_error: bool,
    #[n(2)]
    file: String,
    #[n(3)]
    line: u32,
    #[n(4)]
    column: u32,
    #[n(5)]
    element: Option<String>,
    #[n(6)]
    message: String,
    #[n(7)]
    hint: String,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let code = error.code().to_owned();
        let mut trouble =
            Self { code, words: Vec::new(), violations: Vec::new(), findings: Vec::new(), ms: 0 };
        trouble.words = match error {
            Error::NotFound { kind, name } => vec![kind.to_owned(), name],
            Error::State { detail }
            | Error::Invalid { detail }
            | Error::Exists { detail }
            | Error::Full { detail }
            | Error::Storage { detail }
            | Error::Internal { detail } => vec![detail],
            Error::Overloaded => Vec::new(),
            Error::Unavailable { doing } => vec![doing.to_owned()],
            Error::Format { detail } => vec![detail],
            Error::Maintenance { by, at } => vec![by, at],
            Error::Startup { package, why } => vec![package, why],
            Error::NotDeployed { outcome, reason } => vec![outcome.to_owned(), reason],
            Error::Switching { package, why } => vec![package, why.to_owned()],
            Error::Service { code, message, is_transient } => {
                trouble.ms = u64::from(is_transient);
                [Some(message), code].into_iter().flatten().collect()
            }
            Error::UnknownType { name, nearest } | Error::UnknownSetting { name, nearest } => {
                [Some(name), nearest].into_iter().flatten().collect()
            }
            Error::Schema { name, detail, violations } => {
                trouble.violations =
                    violations.into_iter().flat_map(|(at, what)| [at, what]).collect();
                vec![name, detail]
            }
            Error::Refused { problems } => {
                trouble.findings = problems.into_iter().map(Finding::from).collect();
                Vec::new()
            }
            Error::Timeout { what, ms } => {
                trouble.ms = ms;
                vec![what.to_owned()]
            }
        };
        trouble
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        let mut words = trouble.words.into_iter();
        let mut word = || words.next().unwrap_or_default();
        match trouble.code.as_str() {
            "NODE-001" => {
                let kind = known(&word());
                Self::NotFound { kind, name: word() }
            }
            "NODE-002" => Self::State { detail: word() },
            "NODE-003" => Self::Invalid { detail: word() },
            "NODE-004" => Self::Exists { detail: word() },
            "NODE-005" => Self::Overloaded,
            "NODE-006" => Self::Unavailable { doing: known(&word()) },
            "NODE-007" => Self::Full { detail: word() },
            "NODE-008" => Self::Storage { detail: word() },
            "NODE-010" => Self::UnknownType { name: word(), nearest: words.next() },
            "NODE-011" => {
                let mut texts = trouble.violations.into_iter();
                let mut violations = Vec::new();
                while let (Some(at), Some(what)) = (texts.next(), texts.next()) {
                    violations.push((at, what));
                }
                Self::Schema { name: word(), detail: word(), violations }
            }
            "NODE-012" => {
                let problems = trouble.findings.into_iter().map(host::Diagnostic::from);
                Self::Refused { problems: problems.collect() }
            }
            "NODE-020" => Self::UnknownSetting { name: word(), nearest: words.next() },
            "NODE-021" => Self::Maintenance { by: word(), at: word() },
            "NODE-022" => Self::Format { detail: word() },
            "NODE-023" => Self::Startup { package: word(), why: word() },
            "NODE-024" => Self::NotDeployed { outcome: known(&word()), reason: word() },
            "NODE-025" => Self::Switching { package: word(), why: known(&word()) },
            "NODE-026" => {
                Self::Service { message: word(), code: words.next(), is_transient: trouble.ms > 0 }
            }
            "NODE-013" => Self::Timeout { what: known(&word()), ms: trouble.ms },
            _ => Self::Internal { detail: word() },
        }
    }
}

/// Words that stand in the program; one of a newer version is replaced by a general one.
const KNOWN: &[&str] = &[
    "cancelled",
    "deployment",
    "document",
    "document type",
    "entry",
    "failed",
    "getting ready",
    "incident",
    "instance",
    "job",
    "lock",
    "message",
    "moving a shard",
    "package",
    "process",
    "recovering",
    "request",
    "resource",
    "server",
    "setting",
    "step",
    "stopping",
    "switching packages",
    "the deployment",
    "the instance",
    "the lock",
    "timed-out",
    "token",
    "trigger",
];

fn known(word: &str) -> &'static str {
    KNOWN.iter().find(|known| **known == word).copied().unwrap_or("thing")
}

impl From<host::Diagnostic> for Finding {
    fn from(problem: host::Diagnostic) -> Self {
        Self {
            code: problem.code.to_owned(),
            is_error: problem.severity == host::Severity::Error,
            file: problem.file,
            line: problem.line,
            column: problem.column,
            element: problem.element.map(|element| element.to_string()),
            message: problem.message,
            hint: problem.hint,
        }
    }
}

impl From<Finding> for host::Diagnostic {
    fn from(finding: Finding) -> Self {
        let all =
            host::CODES.iter().chain(bpmn::CODES).chain(dmn::CODES).chain(crate::error::CODES);
        let code = all.map(|(code, _)| *code).find(|code| *code == finding.code);
        Self {
            code: code.unwrap_or("PKG-001"),
            severity: if finding.is_error {
                host::Severity::Error
            } else {
                host::Severity::Warning
            },
            file: finding.file,
            line: finding.line,
            column: finding.column,
            element: finding.element.map(|element| element.as_str().into()),
            message: finding.message,
            hint: finding.hint,
        }
    }
}
