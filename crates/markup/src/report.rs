//! Collects what is wrong with one file while it is read and compiled.
//!
//! Boundary: the only place that makes a [`Diagnostic`].
//! Invariants: RPT-1 the list handed out is sorted by place and holds at most `LISTED_MAX` + 1.
//! Read first: [`Report`], then [`Spot`].

use feel::Str;

use crate::place::Lines;
use crate::{Code, Diagnostic, Format, Place, Severity};

/// Problems that one report lists; the rest is only counted.
const LISTED_MAX: usize = 1000;
/// Characters of a user's text that a message shows.
pub const SHOWN_MAX: usize = 60;
/// Characters of a message, and of the id of an element.
const MESSAGE_MAX: usize = 1000;

/// Where something is wrong: a byte offset, and the element if it has an id.
#[derive(Debug, Clone, Copy)]
pub struct Spot<'s> {
    /// The offset.
    pub at: u32,
    /// The element's id.
    pub element: Option<&'s str>,
}

impl<'s> Spot<'s> {
    /// A spot outside of all elements.
    #[must_use]
    pub fn file(at: u32) -> Self {
        Self { at, element: None }
    }

    /// A spot in the element with this id, which may be empty.
    #[must_use]
    pub fn element(at: u32, id: &'s str) -> Self {
        Self { at, element: (!id.is_empty()).then_some(id) }
    }

    /// The same element at a more precise offset.
    #[must_use]
    pub fn moved(self, at: u32) -> Self {
        Self { at, ..self }
    }
}

/// What has been found so far.
#[derive(Debug)]
pub struct Report<'a> {
    format: &'static Format,
    file: Str,
    lines: Lines<'a>,
    found: Vec<Diagnostic>,
    errors: usize,
    unlisted: usize,
}

impl<'a> Report<'a> {
    /// Nothing yet, about the file of this name, which may be empty, with this text.
    #[must_use]
    pub fn new(format: &'static Format, file: &str, text: &'a str) -> Self {
        Self {
            format,
            file: file.into(),
            lines: Lines::new(text),
            found: Vec::new(),
            errors: 0,
            unlisted: 0,
        }
    }

    /// What kind of file it is about.
    #[must_use]
    pub fn format(&self) -> &'static Format {
        self.format
    }

    /// Notes something that refuses the model.
    pub fn error(&mut self, code: Code, spot: Spot<'_>, message: String, hint: &str) {
        self.errors += 1;
        self.push(Severity::Error, (code, spot), message, hint);
    }

    /// Notes something that is probably not meant.
    pub fn warning(&mut self, code: Code, spot: Spot<'_>, message: String, hint: &str) {
        self.push(Severity::Warning, (code, spot), message, hint);
    }

    /// How many errors there are so far.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// The place of an offset.
    #[must_use]
    pub fn place(&self, at: u32) -> Place {
        self.lines.place(at)
    }

    /// The offset of a place.
    #[must_use]
    pub fn offset(&self, place: Place) -> u32 {
        self.lines.offset(place)
    }

    /// Everything that was found, sorted by place.
    #[must_use]
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by(|a, b| (a.place, a.code).cmp(&(b.place, b.code)));
        if self.unlisted > 0 {
            let severity = if self.errors > 0 { Severity::Error } else { Severity::Warning };
            self.found.push(Diagnostic {
                code: self.format.codes.more_problems.0,
                severity,
                file: self.file.clone(),
                place: self.lines.place(u32::MAX),
                element: None,
                message: format!("{} more problems are not listed", self.unlisted),
                hint: "solve the listed ones and check again".to_owned(),
            });
        }
        self.found
    }

    fn push(&mut self, severity: Severity, at: (Code, Spot<'_>), mut message: String, hint: &str) {
        if self.found.len() >= LISTED_MAX {
            self.unlisted += 1;
            return;
        }
        let (code, spot) = at;
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_MAX) {
            message.truncate(end);
            message.push('…');
        }
        self.found.push(Diagnostic {
            code: code.0,
            severity,
            file: self.file.clone(),
            place: self.lines.place(spot.at),
            element: spot.element.map(|id| cut(id, MESSAGE_MAX).into()),
            message,
            hint: hint.to_owned(),
        });
    }
}

/// `text`, cut to what fits into a message.
#[must_use]
pub fn short(text: &str) -> String {
    cut(text, SHOWN_MAX)
}

fn cut(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
