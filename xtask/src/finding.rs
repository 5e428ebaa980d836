//! One thing that is not as it should be, printed as `file:line: what: what to do`.
//!
//! Boundary: values and their printing; the checks live in `tidy`.
//! Read first: [`Findings`].

use std::fmt;

/// Whether a finding fails the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Printed only.
    Warning,
    /// The run fails.
    Error,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// From 1; 0 if the whole file is meant.
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) remedy: String,
    pub(crate) weight: Weight,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, what, remedy, weight } = self;
        write!(out, "{path}")?;
        if *line > 0 {
            write!(out, ":{line}")?;
        }
        if *weight == Weight::Warning {
            write!(out, ": warning")?;
        }
        write!(out, ": {what}: {remedy}")
    }
}

/// What the checks found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn error(&mut self, place: (&str, usize), what: impl Into<String>, remedy: &str) {
        self.push(place, what.into(), remedy, Weight::Error);
    }

    pub(crate) fn warning(&mut self, place: (&str, usize), what: impl Into<String>, remedy: &str) {
        self.push(place, what.into(), remedy, Weight::Warning);
    }

    /// Sorted by place; errors and warnings mixed.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.0.sort_by(|a, b| (&a.path, a.line, &a.what).cmp(&(&b.path, b.line, &b.what)));
        self.0
    }

    fn push(&mut self, place: (&str, usize), what: String, remedy: &str, weight: Weight) {
        let (path, line) = place;
        let (path, remedy) = (path.to_owned(), remedy.to_owned());
        self.0.push(Finding { path, line, what, remedy, weight });
    }
}
