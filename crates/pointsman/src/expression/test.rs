//! `pointsman feel test`: cases in files, what failed, and how many.
//!
//! Boundary: what a case is and whether it passes is decided in `feel::cases`.
//! Read first: [`run`].

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use feel::cases;

use crate::output::{self, Format};
use crate::problem::{Exit, Failure};

/// What became of the cases of some files.
#[derive(Default)]
struct Report {
    passed: usize,
    failures: Vec<Value>,
}

/// Runs all cases below `path`.
///
/// # Errors
/// There are no cases, a file cannot be read, or a case failed.
pub(super) fn run(path: &Path, format: Format) -> Result<(), Failure> {
    let mut files = Vec::new();
    find(path, &mut files)?;
    if files.is_empty() {
        let message = format!("there are no `.jsonl` files in `{}`", path.display());
        return Err(Failure::wrong_use(message, "name a file, or a directory that holds some"));
    }
    let mut report = Report::default();
    for file in &files {
        let text =
            std::fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
        report.add(file, &text);
    }
    let (passed, failed) = (report.passed, report.failures.len());
    let data = json!({"passed": passed, "failed": failed, "failures": report.failures});
    output::show(format, &data, || {
        let mut lines: Vec<String> = report.failures.iter().map(line).collect();
        lines.push(format!("{passed} passed, {failed} failed"));
        lines.join("\n")
    })?;
    if failed == 0 { Ok(()) } else { Err(Failure::told(Exit::Refused)) }
}

/// The file, or the files below a directory, in the order of their names.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let failed = |error: std::io::Error| Failure::file("read", path, &error);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    for entry in entries {
        let is_cases = entry.extension().is_some_and(|extension| extension == "jsonl");
        if is_cases || (entry.is_dir() && !entry.is_symlink()) {
            find(&entry, files)?;
        }
    }
    Ok(())
}

impl Report {
    fn add(&mut self, file: &Path, text: &str) {
        let file = file.display().to_string();
        for case in cases::read(text) {
            match case {
                Ok(case) => match case.run() {
                    Ok(()) => self.passed += 1,
                    Err(mismatch) => self.failures.push(json!({
                        "file": file,
                        "line": case.line,
                        "suite": case.suite,
                        "test": case.name,
                        "expression": case.expression,
                        "expected": mismatch.expected,
                        "actual": mismatch.actual,
                    })),
                },
                Err(unreadable) => self.failures.push(json!({
                    "file": file,
                    "line": unreadable.line,
                    "suite": "",
                    "test": "",
                    "expression": "",
                    "expected": "a case",
                    "actual": unreadable.message,
                })),
            }
        }
    }
}

/// A failure as people read it.
fn line(failure: &Value) -> String {
    let text = |name: &str| output::text(failure, name);
    let title: Vec<String> =
        [text("suite"), text("test")].into_iter().filter(|part| !part.is_empty()).collect();
    let place = format!("{}:{}", text("file"), text("line"));
    let mut lines = vec![format!("failed  {place}  {}", title.join(": "))];
    lines.extend(text("expression").lines().map(|line| format!("        {line}")));
    lines.push(format!("        expected {}", text("expected")));
    lines.push(format!("        actual   {}", text("actual")));
    let trimmed: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    trimmed.join("\n") + "\n"
}
