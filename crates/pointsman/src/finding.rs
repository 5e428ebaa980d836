//! What is wrong with a package, shown as a compiler shows it: place, line, caret, what to do.
//!
//! Boundary: takes findings of this program and of a server alike; the lines come from the files
//! on disk, if they are there and are text.
//! Read first: [`Finding`], then [`Sources::render`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use host::package::PackageSource;

use crate::output::count;

/// Characters of a source line that are shown.
const WIDTH: usize = 96;

/// One finding.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) severity: String,
    pub(crate) code: String,
    pub(crate) message: String,
    /// `package/path`.
    #[serde(default)]
    pub(crate) file: String,
    /// From 1; 0 if the whole file is meant.
    #[serde(default)]
    pub(crate) line: u32,
    /// In characters from 1; 0 if the whole file is meant.
    #[serde(default)]
    pub(crate) column: u32,
    #[serde(default)]
    pub(crate) element: Option<String>,
    #[serde(default)]
    pub(crate) hint: String,
}

impl From<&host::Diagnostic> for Finding {
    fn from(found: &host::Diagnostic) -> Self {
        let severity = match found.severity {
            host::Severity::Warning => "warning",
            host::Severity::Error => "error",
        };
        Self {
            severity: severity.to_owned(),
            code: found.code.to_owned(),
            message: found.message.clone(),
            file: found.file.clone(),
            line: found.line,
            column: found.column,
            element: found.element.as_ref().map(ToString::to_string),
            hint: found.hint.clone(),
        }
    }
}

/// Where the files of packages are, by package name.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    packages: BTreeMap<String, (PathBuf, BTreeMap<String, String>)>,
}

impl Sources {
    /// Remembers the text files of a package that was read from `path`.
    pub(crate) fn add(&mut self, path: PathBuf, source: &PackageSource) {
        let texts = source.files.iter().filter_map(|(name, bytes)| {
            Some((name.clone(), String::from_utf8(bytes.clone()).ok()?))
        });
        let mut texts: BTreeMap<String, String> = texts.collect();
        texts.insert(host::package::MANIFEST.to_owned(), source.manifest_text.clone());
        self.packages.insert(source.manifest.name.clone(), (path, texts));
    }

    /// A finding in several lines.
    pub(crate) fn render(&self, finding: &Finding) -> String {
        let Finding { severity, code, message, hint, .. } = finding;
        let mut out = format!("{severity}[{code}]: {message}\n");
        let known = finding
            .file
            .split_once('/')
            .and_then(|(package, file)| Some((self.packages.get(package)?, file)));
        let shown = match known {
            Some(((path, _), file)) => path.join(file).display().to_string(),
            None => finding.file.clone(),
        };
        if !shown.is_empty() {
            out.push_str(&format!(" --> {shown}"));
        }
        if finding.line > 0 {
            out.push_str(&format!(":{}:{}", finding.line, finding.column.max(1)));
        }
        if let Some(element) = &finding.element {
            out.push_str(&format!(" ({element})"));
        }
        out.push('\n');
        let text = match known {
            Some(((_, texts), file)) => texts.get(file).cloned(),
            // A package that could not be read as a whole.
            None => std::fs::read_to_string(&finding.file).ok(),
        };
        let number = usize::try_from(finding.line).unwrap_or(0);
        let line = text.as_deref().and_then(|text| text.lines().nth(number.checked_sub(1)?));
        if let Some(line) = line {
            out.push_str(&excerpt(line, finding.line, finding.column));
        }
        if !hint.is_empty() {
            out.push_str(&format!("hint: {hint}\n"));
        }
        out
    }
}

/// The line with a caret below the column; a part of the line if it is long.
fn excerpt(line: &str, number: u32, column: u32) -> String {
    let at = usize::try_from(column).unwrap_or(0).saturating_sub(1);
    let letters: Vec<char> =
        line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let at = at.min(letters.len());
    let start = if letters.len() <= WIDTH || at < WIDTH * 2 / 3 { 0 } else { at - WIDTH / 2 };
    let end = letters.len().min(start + WIDTH);
    let part: String = letters[start..end].iter().collect();
    let number = number.to_string();
    let margin = " ".repeat(number.len());
    let mut out = format!("{margin} |\n{number} | {}\n{margin} |", part.trim_end());
    if column > 0 {
        out.push_str(&format!(" {}^", " ".repeat(at - start)));
    }
    out.push('\n');
    out
}

/// Errors and warnings in one line.
pub(crate) fn summary(findings: &[Finding]) -> String {
    let errors = findings.iter().filter(|finding| finding.severity == "error").count();
    let warnings = findings.len() - errors;
    format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn the_caret_stands_below_the_column() {
        assert_eq!(excerpt("\tab = 1", 7, 2), "  |\n7 |  ab = 1\n  |  ^\n");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_column_is_shown() {
        let line = "x".repeat(500) + "!" + &"y".repeat(500);
        let shown = excerpt(&line, 12, 501);
        let mut lines = shown.lines().skip(1);
        let (source, caret) = (lines.next().unwrap(), lines.next().unwrap());
        assert_eq!(source.find('!'), caret.find('^'));
        assert!(source.len() < 110);
    }
}
