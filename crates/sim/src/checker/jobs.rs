//! Each job is done once, and does not come again to anybody once somebody was told that it is
//! done.
//!
//! Boundary: sees the audit log, and what workers got and were told.
//! Read first: [`check`].

use std::collections::{BTreeMap, BTreeSet};

use engine::Event;
use engine::ids::JobKey;

use super::{End, Violation};
use crate::history::Fact;

/// How long a job that is done may still be on its way to a worker, in milliseconds.
const WAY_MAX_MS: u64 = 5_000;

pub(super) fn check(end: &End) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut done: BTreeSet<JobKey> = BTreeSet::new();
    for event in end.events.values().flatten() {
        if let Event::JobCompleted { job } = event
            && !done.insert(*job)
        {
            found.push(violation(*job, "is recorded as done twice"));
        }
    }
    let mut finished: BTreeMap<JobKey, u64> = BTreeMap::new();
    for fact in &end.facts {
        match fact {
            Fact::Finished { job, at_ms } => {
                finished.entry(*job).or_insert(*at_ms);
                if !done.contains(job) {
                    found.push(violation(*job, "was reported as done, but no log has it"));
                }
            }
            Fact::Got { job, at_ms } => {
                if finished.get(job).is_some_and(|at| at + WAY_MAX_MS < *at_ms) {
                    found.push(violation(*job, "came again long after it was reported as done"));
                }
            }
            Fact::Tried { .. }
            | Fact::Created { .. }
            | Fact::Accepted { .. }
            | Fact::Published { .. }
            | Fact::Held { .. }
            | Fact::Unfounded { .. } => {}
        }
    }
    found
}

fn violation(job: JobKey, what: &str) -> Violation {
    Violation { rule: "jobs", what: format!("{job} {what}"), about: vec![job.to_string()] }
}
