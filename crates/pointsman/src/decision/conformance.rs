//! `pointsman decision test`: conformance tests in the layout of the DMN TCK.
//!
//! Boundary: finds the files; `dmn::tck` reads and judges them.
//! Read first: [`run`].   Tests: tests/decision.rs

use std::path::{Path, PathBuf};

use dmn::tck::{Suite, Verdict};
use dmn::{Limits, Source};
use feel::Environment;
use serde_json::{Value, json};

use crate::decision::{STEPS_MAX, files, read, sources};
use crate::output::{self, Format};
use crate::problem::{Exit, Failure};

/// All tests think that it is this moment, so that two runs agree.
const ENVIRONMENT: Environment = Environment { now_ms: 1_795_000_000_000, steps_max: STEPS_MAX };

/// How the results of all files came out.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: Vec<(String, Verdict)>,
}

/// Runs the tests of all files and directories.
///
/// # Errors
/// Nothing can be read there, or a test fails.
pub(crate) fn run(paths: &[PathBuf], format: Format) -> Result<(), Failure> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            search(path, &mut found)?;
        } else {
            found.push(path.clone());
        }
    }
    found.sort();
    if found.is_empty() {
        let message = "there are no files of tests".to_owned();
        let hint = "name a directory with files `*.xml` whose root is `testCases`";
        return Err(Failure::wrong_use(message, hint));
    }
    let mut tally = Tally::default();
    for path in &found {
        run_file(path, &mut tally)?;
    }
    let (passed, failed) = (tally.passed, tally.failed.len());
    let failures: Vec<Value> = tally.failed.iter().map(shown).collect();
    let data = json!({ "passed": passed, "failed": failed, "failures": failures });
    output::show(format, &data, || {
        let mut lines: Vec<String> = tally.failed.iter().map(line).collect();
        lines.push(format!("{passed} passed, {failed} failed"));
        lines.join("\n")
    })?;
    match failed {
        0 => Ok(()),
        _ => Err(Failure::told(Exit::Refused)),
    }
}

/// Adds the files of tests below a directory.
fn search(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error| Failure::file("read", directory, &error);
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let is_link = entry.file_type().map_err(unreadable)?.is_symlink();
        if path.is_dir() && !is_link {
            search(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "xml")
            && Suite::is_one(&read(&path)?)
        {
            found.push(path);
        }
    }
    Ok(())
}

fn run_file(path: &Path, tally: &mut Tally) -> Result<(), Failure> {
    let name = path.display().to_string();
    let text = read(path)?;
    let suite = match Suite::read(&Source { name: &name, xml: &text }, &Limits::default()) {
        Ok(suite) => suite,
        Err(problems) => {
            let remarks = problems.iter().map(ToString::to_string).collect();
            tally.failed.push((name, broken("the file of tests cannot be read", remarks)));
            return Ok(());
        }
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let models = files(directory, "dmn")?;
    let sources = sources(&models);
    let is_model = |source: &&Source<'_>| {
        Path::new(source.name).file_name().is_some_and(|file| file == suite.model.as_str())
    };
    let Some(model) = sources.iter().find(is_model) else {
        let remark = format!("there is no file `{}` beside it", suite.model);
        tally.failed.push((name, broken("the model is missing", vec![remark])));
        return Ok(());
    };
    let others: Vec<_> = sources.iter().filter(|source| !is_model(source)).copied().collect();
    for verdict in suite.run(model, &others, &ENVIRONMENT) {
        match verdict.passed {
            true => tally.passed += 1,
            false => tally.failed.push((name.clone(), verdict)),
        }
    }
    Ok(())
}

fn broken(what: &str, remarks: Vec<String>) -> Verdict {
    Verdict {
        case: String::new(),
        result: String::new(),
        passed: false,
        expected: "a file of tests and its model".to_owned(),
        actual: what.to_owned(),
        remarks,
    }
}

fn line((file, verdict): &(String, Verdict)) -> String {
    let Verdict { case, result, expected, actual, remarks, .. } = verdict;
    let mut line = format!("{file} {case} {result}: expected {expected}, actual {actual}");
    for remark in remarks.iter().take(3) {
        line.push_str(&format!("\n    {remark}"));
    }
    line
}

fn shown((file, verdict): &(String, Verdict)) -> Value {
    json!({
        "file": file,
        "case": verdict.case,
        "result": verdict.result,
        "expected": verdict.expected,
        "actual": verdict.actual,
        "remarks": verdict.remarks,
    })
}
