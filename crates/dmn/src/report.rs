//! Collects what is wrong with one file while it is read and compiled.
//!
//! Boundary: the only place that makes a [`Diagnostic`].
//! Invariants: DRP-1 the list handed out is sorted by place and holds at most `LISTED_MAX` + 1.
//! Read first: [`Report`], then [`Spot`].

use feel::Str;

use crate::code::{self, Code};
use crate::diagnostic::Place;
use crate::diagnostic::{Diagnostic, Severity};
use crate::place::Lines;

/// Problems that one report lists; the rest is only counted.
const LISTED_MAX: usize = 1000;
/// Characters of a user's text that a message shows.
pub(crate) const SHOWN_MAX: usize = 60;
/// Characters of a message, and of the id of an element.
const MESSAGE_MAX: usize = 1000;

/// Where something is wrong: a byte offset, and the DMN element if it has an id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot<'s> {
    pub(crate) at: u32,
    pub(crate) element: Option<&'s str>,
}

impl<'s> Spot<'s> {
    /// A spot outside of all elements.
    pub(crate) fn file(at: u32) -> Self {
        Self { at, element: None }
    }

    pub(crate) fn element(at: u32, id: &'s str) -> Self {
        Self { at, element: (!id.is_empty()).then_some(id) }
    }

    /// The same element at a more precise offset.
    pub(crate) fn moved(self, at: u32) -> Self {
        Self { at, ..self }
    }
}

/// What has been found so far.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    file: Str,
    lines: Lines<'a>,
    found: Vec<Diagnostic>,
    errors: usize,
    unlisted: usize,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &str, text: &'a str) -> Self {
        Self {
            file: file.into(),
            lines: Lines::new(text),
            found: Vec::new(),
            errors: 0,
            unlisted: 0,
        }
    }

    /// Notes something that refuses the model.
    pub(crate) fn error(&mut self, code: Code, spot: Spot<'_>, message: String, hint: &str) {
        self.errors += 1;
        self.push(Severity::Error, (code, spot), message, hint);
    }

    /// Notes something that is probably not meant.
    pub(crate) fn warning(&mut self, code: Code, spot: Spot<'_>, message: String, hint: &str) {
        self.push(Severity::Warning, (code, spot), message, hint);
    }

    /// How many errors there are so far.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// The offset of a place.
    pub(crate) fn offset(&self, place: Place) -> u32 {
        self.lines.offset(place)
    }

    /// Everything that was found, sorted by place.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by(|a, b| (a.place, a.code).cmp(&(b.place, b.code)));
        if self.unlisted > 0 {
            let severity = if self.errors > 0 { Severity::Error } else { Severity::Warning };
            self.found.push(Diagnostic {
                code: code::MORE_PROBLEMS.0,
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
pub(crate) fn short(text: &str) -> String {
    cut(text, SHOWN_MAX)
}

fn cut(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
