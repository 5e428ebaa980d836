//! What is wrong with a file, where, and what to do about it.
//!
//! Boundary: values only; printing belongs to the faces.
//! Read first: [`Diagnostic`].

use feel::Str;

/// Line and column in the source, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The model works, but probably not as meant.
    Warning,
    /// The model is refused.
    Error,
}

/// One problem of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, for example `BPMN-007`; each has a page in `docs/errors`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The name of the file that it was found in; empty for a reader that is told none.
    pub file: Str,
    /// Where: line and column from 1.
    pub place: Place,
    /// The id of the element, if it has one.
    pub element: Option<Str>,
    /// What is wrong: lower case, names in backticks, no full stop.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Place { line, column } = self.place;
        write!(f, "{}:{line}:{column}: [{}] {}", self.file, self.code, self.message)
    }
}
