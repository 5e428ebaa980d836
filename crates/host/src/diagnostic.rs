//! What is wrong with a package, where, and what to do about it.
//!
//! Boundary: values and their one plain rendering; colour and JSON belong to the faces.
//! Invariants: every code that is reported stands in [`CODES`].
//! Read first: [`Diagnostic`], then [`CODES`].

use std::fmt;

use feel::Str;

/// Every code this crate reports, with its title. Codes are never reused.
pub const CODES: &[(&str, &str)] = &[
    (UNREADABLE, "the package cannot be read"),
    (NOT_TOML, "the file is not valid TOML"),
    (UNKNOWN_KEY, "a key is not known"),
    (MISSING_KEY, "a required key is missing"),
    (BAD_VALUE, "a value has the wrong type or form"),
    (BAD_FEEL, "a FEEL expression does not parse"),
    (TOO_LARGE, "the package exceeds a limit"),
    (BAD_PATH, "a path is not allowed in a package"),
    (BAD_ARCHIVE, "the archive is damaged or foreign"),
    (BAD_SCHEMA, "a document type is not a valid JSON Schema"),
    (STRAY_FILE, "a file has no meaning in a package"),
    (UNKNOWN_NAME, "a name refers to nothing"),
    (UNDECLARED, "another package is used without a declared dependency"),
    (DEPENDENCY_MISSING, "a dependency is neither in the set nor installed"),
    (DEPENDENCY_VERSION, "a dependency has an unsuitable version"),
    (DEPENDENCY_CYCLE, "packages depend on each other in a cycle"),
    (DUPLICATE_PACKAGE, "two packages of the set have the same name"),
    (DUPLICATE_NAME, "a name is declared twice"),
    (BAD_COMPONENT, "a file is no component that can be a service"),
    (NOT_GRANTED, "a component wants what it is not granted"),
    (TRAPPED, "a component stopped in the middle of a call"),
    (OUT_OF_MEMORY, "a component wanted more memory than its service has"),
    (OUT_OF_STACK, "a component called itself too deep"),
    (BUSY, "no place is free for one more component"),
    (BAD_ANSWER, "what a component answered cannot be used"),
];

pub(crate) const UNREADABLE: &str = "PKG-001";
pub(crate) const NOT_TOML: &str = "PKG-002";
pub(crate) const UNKNOWN_KEY: &str = "PKG-003";
pub(crate) const MISSING_KEY: &str = "PKG-004";
pub(crate) const BAD_VALUE: &str = "PKG-005";
pub(crate) const BAD_FEEL: &str = "PKG-006";
pub(crate) const TOO_LARGE: &str = "PKG-007";
pub(crate) const BAD_PATH: &str = "PKG-008";
pub(crate) const BAD_ARCHIVE: &str = "PKG-009";
pub(crate) const BAD_SCHEMA: &str = "PKG-010";
pub(crate) const STRAY_FILE: &str = "PKG-011";
pub(crate) const UNKNOWN_NAME: &str = "PKG-012";
pub(crate) const UNDECLARED: &str = "PKG-013";
pub(crate) const DEPENDENCY_MISSING: &str = "PKG-015";
pub(crate) const DEPENDENCY_VERSION: &str = "PKG-016";
pub(crate) const DEPENDENCY_CYCLE: &str = "PKG-017";
pub(crate) const DUPLICATE_PACKAGE: &str = "PKG-018";
pub(crate) const DUPLICATE_NAME: &str = "PKG-019";
pub(crate) const BAD_COMPONENT: &str = "PKG-030";
pub(crate) const NOT_GRANTED: &str = "PKG-031";
pub(crate) const TRAPPED: &str = "SVC-001";
pub(crate) const OUT_OF_MEMORY: &str = "SVC-002";
pub(crate) const OUT_OF_STACK: &str = "SVC-003";
pub(crate) const BUSY: &str = "SVC-004";
pub(crate) const BAD_ANSWER: &str = "SVC-005";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The package works, but probably not as meant.
    Warning,
    /// The package is refused.
    Error,
}

/// Line and column in a file, both from 1; zero where a problem concerns the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One problem of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, for example `PKG-003`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file, relative to the package; with the package's name before it where several
    /// packages are looked at together.
    pub file: String,
    /// Line from 1; 0 if the whole file is meant.
    pub line: u32,
    /// Column in characters from 1; 0 if the whole file is meant.
    pub column: u32,
    /// What in the file is meant: a key path such as `services.score.program`.
    pub element: Option<Str>,
    /// What is wrong: lower case, names in backticks, no full stop.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Diagnostic {
    /// An error that concerns the whole file.
    #[must_use]
    pub fn error(code: &'static str, file: &str, message: String, hint: &str) -> Self {
        Self {
            code,
            severity: Severity::Error,
            file: file.to_owned(),
            line: 0,
            column: 0,
            element: None,
            message,
            hint: hint.to_owned(),
        }
    }

    /// The same as a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The same at a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.line = place.line;
        self.column = place.column;
        self
    }

    pub(crate) fn about(mut self, element: &str) -> Self {
        self.element = Some(element.into());
        self
    }

    /// The same problem seen from outside the package `package`.
    #[must_use]
    pub fn in_package(mut self, package: &str) -> Self {
        self.file = format!("{package}/{}", self.file);
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(out, "{severity}[{}]: {}\n  at: {}", self.code, self.message, self.file)?;
        if self.line > 0 {
            write!(out, ":{}:{}", self.line, self.column)?;
        }
        if let Some(element) = &self.element {
            write!(out, " ({element})")?;
        }
        if !self.hint.is_empty() {
            write!(out, "\nhint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// The place of the byte `offset` in `text`; the end of the text if it lies beyond.
pub(crate) fn place_of(text: &str, offset: usize) -> Place {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    Place {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    }
}
