//! Scenario tests of a package: documents in, jobs answered, what must have happened.
//!
//! A file `tests/<name>.toml` holds one scenario, run from an empty server with only the package
//! and its dependencies loaded. Steps run in order; before each one everything that can go on
//! without time passing has done so.
//!
//! Boundary: the parsed form; `pointsman package test` runs it.
//! Read first: [`Scenario`], then [`Action`].   Tests: `package/tests.rs`

mod read;

use std::collections::BTreeMap;

use feel::Value;

use crate::diagnostic::{Diagnostic, Place};
use crate::package::Reference;

/// One scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    /// The file, relative to the package.
    pub file: String,
    /// One sentence for people.
    pub description: String,
    /// Services that are not run but answered so, each time. `[services.<name>]`, or
    /// `[services."package/name"]`.
    pub services: BTreeMap<String, Answer>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One step of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where it stands in the file.
    pub place: Place,
    /// What is done.
    pub action: Action,
}

/// What one step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// `publish = "type"`: a document is published and delivered to its triggers.
    Publish {
        /// The document type.
        document: Reference,
        /// The document's data: `data = {…}`, or the JSON in `file = "data/one.json"`.
        data: Value,
    },
    /// `start = "process"`: an instance is started by name.
    Start {
        /// The BPMN process id.
        process: String,
        /// Its variables; a context.
        variables: Value,
    },
    /// `job = "type"`: waiting jobs of the type are worked. It fails if there are fewer.
    Job {
        /// The job type.
        job_type: String,
        /// How many of them; default 1.
        count: u32,
        /// What the worker answers.
        answer: Answer,
    },
    /// `clock = "PT1M"`: time passes; timers that are due fire in order.
    Clock {
        /// How much, in milliseconds.
        advance_ms: u64,
    },
    /// `[steps.expect]`: what must be true now.
    Expect(Expectation),
}

/// What a worker or a stand-in for a service answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// `complete = { variables }`.
    Complete {
        /// The result; a context.
        variables: Value,
    },
    /// `fail = { message = "…", retries = 0, variables = {…} }`.
    Fail {
        /// Why.
        message: String,
        /// Tries left; default 0, which makes an incident.
        retries: u32,
        /// Variables; a context.
        variables: Value,
    },
    /// `error = { code = "…", message = "…", variables = {…} }`: a BPMN error.
    Error {
        /// The error code.
        code: String,
        /// The error message.
        message: String,
        /// Variables; a context.
        variables: Value,
    },
}

/// What must be true. What is not said is not checked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expectation {
    /// Only instances of this process count; None is all of them.
    pub process: Option<String>,
    /// Completed instances so far.
    pub completed: Option<u32>,
    /// Instances that have neither completed nor been cancelled.
    pub active: Option<u32>,
    /// Open incidents.
    pub incidents: Option<u32>,
    /// Jobs that wait for a worker, by type.
    pub jobs: BTreeMap<String, u32>,
    /// Variables of the newest instance, in its own scope; others are not looked at.
    pub variables: Vec<(String, Value)>,
    /// Elements that were completed, in any of the instances.
    pub passed: Vec<String>,
    /// Elements that were never completed.
    pub not_passed: Vec<String>,
}

/// Reads `tests/*.toml`.
pub(super) fn read_all(
    files: &BTreeMap<String, Vec<u8>>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for (path, bytes) in files {
        let Some(name) = path.strip_prefix("tests/").and_then(|p| p.strip_suffix(".toml")) else {
            continue;
        };
        match read::scenario(name, path, &String::from_utf8_lossy(bytes), files) {
            Ok(scenario) => scenarios.push(scenario),
            Err(problems) => found.extend(problems),
        }
    }
    scenarios
}
