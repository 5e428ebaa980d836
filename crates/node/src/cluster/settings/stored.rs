//! The text that stands for a setting in the store: its value, when it was set, and by whom.
//!
//! Boundary: three lines, of which later programs may add more; the value comes first.
//! Read first: [`Stored`].

use feel::Str;

/// A setting as somebody set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its value.
    pub value: Str,
    /// When it was set, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// Who set it.
    pub by: Str,
}

impl Stored {
    /// From the text in the store.
    pub(crate) fn read(text: &str) -> Self {
        let mut lines = text.split('\n');
        let mut line = || lines.next().unwrap_or_default();
        Self { value: line().into(), at_ms: line().parse().unwrap_or(0), by: line().into() }
    }

    /// The text for the store.
    pub(crate) fn write(&self) -> Str {
        // A line break would begin another field.
        let by = self.by.replace('\n', " ");
        format!("{}\n{}\n{by}", self.value, self.at_ms).into()
    }
}
