//! Diagnostics as tests compare them.
//!
//! Boundary: text only.
//! Read first: [`check`].

use bpmn::{Diagnostic, Severity, read_text};
use expect_test::Expect;

/// What compiling the text form comes to: the number of elements, or every problem.
pub(crate) fn check(text: &str, expected: &Expect) {
    let shown = match read_text(text) {
        Ok(program) => format!("{} elements\n", program.elements.len()),
        Err(found) => found.iter().map(show).collect(),
    };
    expected.assert_eq(&shown);
}

/// A problem with its place and what to do.
pub(crate) fn show(found: &Diagnostic) -> String {
    let severity = match found.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let element = found.element.as_deref().unwrap_or("-");
    format!(
        "{severity}[{}] {}:{} ({element}) {}\n  hint: {}\n",
        found.code, found.place.line, found.place.column, found.message, found.hint
    )
}
