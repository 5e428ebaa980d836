//! TOML read by hand, so that one pass finds every problem of a file with its place.
//!
//! Boundary: knows TOML and FEEL, not what the keys mean; that stands in `manifest/read.rs` and
//! `scenario/read.rs`. Nothing stops at the first problem: a value that is wrong is reported and
//! yields None.
//! Read first: [`Problems`], then [`Section`], then [`Entry`].

use std::ops::Range;

use feel::Expression;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{self, Diagnostic, Place, place_of};
use crate::package::duration;
use crate::package::nearest::nearest;
use crate::service::{SecretReference, Template};

/// One TOML file and everything found wrong with it so far.
pub(crate) struct Problems<'t> {
    file: String,
    text: &'t str,
    found: Vec<Diagnostic>,
}

impl<'t> Problems<'t> {
    pub(crate) fn new(file: &str, text: &'t str) -> Self {
        Self { file: file.to_owned(), text, found: Vec::new() }
    }

    /// Parses the file; None after syntax errors, which make the rest unreliable.
    pub(crate) fn parse(&mut self) -> Option<Spanned<DeTable<'t>>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let offset = error.span().map_or(0, |span| span.start);
            let message = error.message().trim().replace('\n', "; ");
            self.found.push(
                Diagnostic::error(
                    diagnostic::NOT_TOML,
                    &self.file,
                    format!("not valid TOML: {message}"),
                    "see https://toml.io for the syntax; texts need quotes",
                )
                .at(place_of(self.text, offset)),
            );
        }
        self.found.is_empty().then_some(table)
    }

    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        place_of(self.text, span.start)
    }

    pub(crate) fn report(&mut self, code: &'static str, subject: Subject<'_>, why: (String, &str)) {
        let place = self.place(subject.span);
        let problem = Diagnostic::error(code, &self.file, why.0, why.1).at(place);
        self.found.push(problem.about(subject.path));
    }

    pub(crate) fn into_found(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|problem| (problem.line, problem.column));
        self.found
    }
}

/// What a problem is about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) path: &'a str,
    pub(crate) span: &'a Range<usize>,
}

/// One table whose keys are taken one by one; what is left over at the end is unknown.
pub(crate) struct Section<'t> {
    pub(crate) path: String,
    pub(crate) span: Range<usize>,
    table: &'t DeTable<'t>,
    known: Vec<&'static str>,
}

impl<'t> Section<'t> {
    pub(crate) fn root(table: &'t Spanned<DeTable<'t>>) -> Self {
        Self { path: String::new(), span: 0..0, table: table.get_ref(), known: Vec::new() }
    }

    /// The value of `key`, if present; `key` is known from now on.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Entry<'t>> {
        self.known.push(key);
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref() == key)?;
        Some(Entry { path: self.path_of(key), value })
    }

    /// As [`Self::take`], but its absence is a problem.
    pub(crate) fn require(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'t>,
    ) -> Option<Entry<'t>> {
        let entry = self.take(key);
        if entry.is_none() {
            let path = self.path_of(key);
            let place = match self.path.as_str() {
                "" => "the file".to_owned(),
                path => format!("`{path}`"),
            };
            problems.report(
                diagnostic::MISSING_KEY,
                Subject { path: &path, span: &self.span },
                (format!("{place} lacks the key `{key}`"), &format!("add `{key} = …`")),
            );
        }
        entry
    }

    /// All entries, for tables whose keys are names.
    pub(crate) fn entries(&self) -> Vec<(&'t str, Entry<'t>)> {
        let entries = self.table.iter().map(|(name, value)| {
            let name: &'t str = name.get_ref();
            (name, Entry { path: self.path_of(name), value })
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|(_, entry)| entry.value.span().start);
        entries
    }

    /// Reports every key that nobody took.
    pub(crate) fn finish(self, problems: &mut Problems<'t>) {
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if self.known.contains(&name) {
                continue;
            }
            let hint = match nearest(name, &self.known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known keys: {}", quoted(&self.known)),
            };
            let path = self.path_of(name);
            problems.report(
                diagnostic::UNKNOWN_KEY,
                Subject { path: &path, span: &key.span() },
                (format!("unknown key `{name}`"), &hint),
            );
        }
    }

    fn path_of(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

/// One value with the path of keys that leads to it.
#[derive(Clone)]
pub(crate) struct Entry<'t> {
    pub(crate) path: String,
    value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Entry<'t> {
    pub(crate) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    pub(crate) fn value(&self) -> &'t DeValue<'t> {
        self.value.get_ref()
    }

    pub(crate) fn place(&self, problems: &Problems<'t>) -> Place {
        problems.place(&self.span())
    }

    /// Reports that this value is not what was `expected`.
    pub(crate) fn refuse(&self, problems: &mut Problems<'t>, expected: &str) {
        let found = match self.value() {
            DeValue::String(text) => format!("`{text}`"),
            DeValue::Integer(number) => format!("`{number}`"),
            DeValue::Float(number) => format!("`{}`", number.as_str()),
            DeValue::Boolean(value) => format!("`{value}`"),
            DeValue::Datetime(value) => format!("`{value}`"),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        let message = format!("`{}` is {found}, expected {expected}", self.path);
        self.report(problems, diagnostic::BAD_VALUE, (message, ""));
    }

    pub(crate) fn report(
        &self,
        problems: &mut Problems<'t>,
        code: &'static str,
        why: (String, &str),
    ) {
        problems.report(code, Subject { path: &self.path, span: &self.span() }, why);
    }

    pub(crate) fn text(&self, problems: &mut Problems<'t>) -> Option<&'t str> {
        self.parse(problems, "a text", Some)
    }

    /// A text that `parse` understands.
    pub(crate) fn parse<T>(
        &self,
        problems: &mut Problems<'t>,
        expected: &str,
        parse: impl FnOnce(&'t str) -> Option<T>,
    ) -> Option<T> {
        let parsed = self.value().as_str().and_then(parse);
        if parsed.is_none() {
            self.refuse(problems, expected);
        }
        parsed
    }

    pub(crate) fn boolean(&self, problems: &mut Problems<'t>) -> Option<bool> {
        let value = self.value().as_bool();
        if value.is_none() {
            self.refuse(problems, "`true` or `false`");
        }
        value
    }

    pub(crate) fn integer(
        &self,
        problems: &mut Problems<'t>,
        allowed: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let number = self.value().as_integer();
        let number = number.and_then(|n| u32::from_str_radix(n.as_str(), n.radix()).ok());
        let number = number.filter(|number| allowed.contains(number));
        if number.is_none() {
            let (from, to) = allowed.into_inner();
            self.refuse(problems, &format!("a whole number from {from} to {to}"));
        }
        number
    }

    pub(crate) fn duration_ms(&self, problems: &mut Problems<'t>) -> Option<u64> {
        let expected = "an ISO 8601 duration without years and months such as `PT30S` or `P30D`";
        self.parse(problems, expected, duration::parse_ms)
    }

    /// One of the named choices.
    pub(crate) fn choice<T: Copy>(
        &self,
        problems: &mut Problems<'t>,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        self.parse(problems, &format!("one of {}", quoted(&names)), |text| {
            choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice)
        })
    }

    pub(crate) fn section(&self, problems: &mut Problems<'t>) -> Option<Section<'t>> {
        let table = self.value().as_table();
        if table.is_none() {
            self.refuse(problems, "a table");
        }
        let path = self.path.clone();
        table.map(|table| Section { path, span: self.span(), table, known: Vec::new() })
    }

    pub(crate) fn list(&self, problems: &mut Problems<'t>) -> Option<Vec<Entry<'t>>> {
        let list = self.value().as_array();
        if list.is_none() {
            self.refuse(problems, "a list");
        }
        let item = |(position, value)| Entry { path: format!("{}[{position}]", self.path), value };
        list.map(|list| list.iter().enumerate().map(item).collect())
    }

    /// A FEEL expression: a text that starts with `=`.
    pub(crate) fn feel(&self, problems: &mut Problems<'t>) -> Option<Expression> {
        let expected = "a FEEL expression: a text that starts with `=`";
        let text = self.parse(problems, expected, |text| text.strip_prefix('='))?;
        match Expression::compile(text) {
            Ok(expression) => Some(expression),
            Err(error) => {
                let offset = self.raw_offset(problems.text, error.offset + 1);
                let path = self.path.clone();
                let message = format!("`{path}` is no FEEL expression: {}", error.message);
                let subject = Subject { path: &path, span: &(offset..offset) };
                let hint = "the position is that inside the expression";
                problems.report(diagnostic::BAD_FEEL, subject, (message, hint));
                None
            }
        }
    }

    /// A text that may be a FEEL expression (starts with `=`) or hold a secret at its end.
    pub(crate) fn template(&self, problems: &mut Problems<'t>) -> Option<Template> {
        let text = self.text(problems)?;
        if text.starts_with('=') {
            return self.feel(problems).map(Template::Feel);
        }
        let Some((prefix, reference)) = text.split_once("secret:") else {
            return Some(Template::Text(text.to_owned()));
        };
        let Some(reference) = SecretReference::parse(reference) else {
            self.refuse(problems, "`secret:env:NAME` or `secret:file:/PATH`");
            return None;
        };
        Some(Template::Secret { prefix: prefix.to_owned(), reference })
    }

    /// Where the decoded byte `decoded` of this text stands in the file.
    fn raw_offset(&self, file: &str, decoded: usize) -> usize {
        let span = self.span();
        let raw = &file[span.clone()];
        let (quote, escapes) = match raw.as_bytes() {
            [b'"', b'"', b'"', ..] => (3, true),
            [b'\'', b'\'', b'\'', ..] => (3, false),
            [b'"', ..] => (1, true),
            _ => (1, false),
        };
        let mut rest = &raw[quote.min(raw.len())..];
        if quote == 3 {
            rest = rest.strip_prefix("\r\n").or(rest.strip_prefix('\n')).unwrap_or(rest);
        }
        let mut decoded_left = decoded;
        while decoded_left > 0 && !rest.is_empty() {
            let (raw_bytes, decoded_bytes) = one_step(rest, escapes);
            rest = rest.get(raw_bytes..).unwrap_or("");
            decoded_left = decoded_left.saturating_sub(decoded_bytes);
        }
        span.end - rest.len()
    }
}

/// How many bytes of the file the next character takes, and how many of the decoded text.
fn one_step(rest: &str, escapes: bool) -> (usize, usize) {
    let mut characters = rest.chars();
    let first = characters.next().map_or(1, char::len_utf8);
    if !escapes || !rest.starts_with('\\') {
        return (first, first);
    }
    let digits = match characters.next() {
        Some('x') => 2,
        Some('u') => 4,
        Some('U') => 8,
        Some(' ' | '\t' | '\r' | '\n') => {
            return (rest.len() - rest[1..].trim_start().len(), 0);
        }
        _ => return (2, 1),
    };
    let code = rest.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    (2 + digits, code.and_then(char::from_u32).map_or(1, char::len_utf8))
}

/// Names in backticks, separated by commas.
pub(crate) fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
