//! What is wrong with a file, where, and what to do about it.
//!
//! Boundary: values only; printing belongs to the faces.
//! Read first: [`Diagnostic`].

use feel::Str;

use crate::program::Place;

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
    /// Where: line and column from 1.
    pub place: Place,
    /// The id of the BPMN element, if it has one.
    pub element: Option<Str>,
    /// What is wrong: lower case, names in backticks, no full stop.
    pub message: String,
    /// What to do.
    pub hint: String,
}
