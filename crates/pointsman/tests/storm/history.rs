//! What clients were told and when, and whether one order of deployments explains it.
//!
//! Boundary: replies only; nothing of the server. Versions are numbers that rise from deployment
//! to deployment, and deployments do not overlap.
//! Read first: [`contradictions`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::package;

/// A call that was answered. Moments are counted from the begin of the storm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) begin: Duration,
    pub(crate) end: Duration,
    pub(crate) version: u64,
}

/// What became of a deployment, as far as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was told that the new version serves.
    Done,
    /// It was told that the original serves.
    Undone,
    /// Nobody told it.
    Unknown,
}

/// A deployment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) begin: Duration,
    /// When it was told; without meaning if nobody told it.
    pub(crate) end: Duration,
    pub(crate) version: u64,
    pub(crate) fate: Fate,
}

/// Everything that cannot have happened. The versions are a register that deployments write and
/// calls read: this is whether it is linearizable.
pub(crate) fn contradictions(calls: &[Call], changes: &[Change]) -> Vec<String> {
    let by_version: BTreeMap<u64, &Change> =
        changes.iter().map(|change| (change.version, change)).collect();
    let done = changes.iter().filter(|change| change.fate == Fate::Done);
    let written = Newest::of(done.map(|change| (change.end, change.version)));
    let read = Newest::of(calls.iter().map(|call| (call.end, call.version)));
    let mut found = Vec::new();
    for call in calls {
        match by_version.get(&call.version) {
            None => found.push(format!("no deployment brought what answered: {call:?}")),
            Some(change) if change.fate == Fate::Undone => {
                found.push(format!("what never served answered: {call:?} {change:?}"));
            }
            Some(change) if change.begin > call.end => {
                found.push(format!("answered before its deployment: {call:?} {change:?}"));
            }
            Some(_) => {}
        }
        if written.before(call.begin) > Some(call.version) {
            found.push(format!("a later version was deployed before: {call:?}"));
        }
        if read.before(call.begin) > Some(call.version) {
            found.push(format!("a later version had answered before: {call:?}"));
        }
    }
    found
}

/// Versions that handled documents although they never served. `handled` has the version of each
/// process, if it says one, and of the service that it called.
pub(crate) fn strangers(handled: &BTreeSet<(String, String)>, changes: &[Change]) -> Vec<String> {
    let served = |version: &str| {
        let served = |change: &Change| change.fate != Fate::Undone;
        let mut changes = changes.iter().filter(|change| served(change));
        changes.any(|change| package::version(change.version) == version)
    };
    let are_well = |(process, service): &&(String, String)| {
        // A process of the storm keeps its version, and calls the service of the newest.
        let is_later = package::number(process) <= package::number(service);
        served(service) && is_later && (process.is_empty() || served(process))
    };
    let wrong = handled.iter().filter(|versions| !are_well(versions));
    wrong.map(|versions| format!("handled by process and service {versions:?}")).collect()
}

/// The newest version that was known at a moment.
struct Newest(Vec<(Duration, u64)>);

impl Newest {
    fn of(known: impl Iterator<Item = (Duration, u64)>) -> Self {
        let mut all: Vec<(Duration, u64)> = known.collect();
        all.sort_unstable();
        let mut newest = 0;
        for (_, version) in &mut all {
            newest = newest.max(*version);
            *version = newest;
        }
        Self(all)
    }

    fn before(&self, moment: Duration) -> Option<u64> {
        let number = self.0.partition_point(|(end, _)| *end < moment);
        self.0[..number].last().map(|(_, version)| *version)
    }
}

mod tests {
    use super::{Call, Change, Duration, Fate, contradictions, strangers};

    fn call(begin: u64, end: u64, version: u64) -> Call {
        let [begin, end] = [begin, end].map(Duration::from_millis);
        Call { begin, end, version }
    }

    fn change(begin: u64, end: u64, version: u64, fate: Fate) -> Change {
        let [begin, end] = [begin, end].map(Duration::from_millis);
        Change { begin, end, version, fate }
    }

    /// 1 until 20 to 30, 3 from then on; 2 failed.
    fn changes() -> [Change; 3] {
        [
            change(0, 5, 1, Fate::Done),
            change(10, 15, 2, Fate::Undone),
            change(20, 30, 3, Fate::Done),
        ]
    }

    #[track_caller]
    fn refuted(calls: &[Call], why: &str) {
        let found = contradictions(calls, &changes());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(why), "{found:?}");
    }

    #[test]
    fn a_history_that_one_order_explains_is_no_contradiction() {
        let calls = [
            call(6, 9, 1),
            // While 3 is deployed, either answers.
            call(21, 29, 1),
            call(22, 25, 1),
            call(19, 26, 3),
            call(26, 28, 3),
            // It began before it was told that 3 serves, and before 3 had answered.
            call(20, 90, 1),
            call(31, 32, 3),
        ];
        assert_eq!(contradictions(&calls, &changes()), Vec::<String>::new());
    }

    #[test]
    fn an_earlier_version_after_the_commit_is_found() {
        refuted(&[call(31, 33, 1)], "a later version was deployed before");
    }

    #[test]
    fn going_back_is_found_even_if_the_deployment_is_not_told_yet() {
        refuted(&[call(21, 23, 3), call(24, 26, 1)], "a later version had answered before");
    }

    #[test]
    fn an_answer_of_a_failed_deployment_is_found() {
        refuted(&[call(16, 18, 2)], "what never served answered");
        refuted(&[call(11, 12, 2)], "what never served answered");
    }

    #[test]
    fn an_answer_of_the_future_or_of_nowhere_is_found() {
        refuted(&[call(16, 19, 3)], "answered before its deployment");
        refuted(&[call(31, 33, 7)], "no deployment brought what answered");
    }

    #[test]
    fn a_deployment_that_nobody_told_the_end_of_may_serve_but_never_goes_back() {
        let changes = [change(0, 5, 1, Fate::Done), change(10, 15, 2, Fate::Unknown)];
        let never = [call(16, 18, 1), call(19, 20, 1)];
        assert_eq!(contradictions(&never, &changes), Vec::<String>::new());
        let once = [call(16, 18, 1), call(19, 20, 2), call(21, 22, 2)];
        assert_eq!(contradictions(&once, &changes), Vec::<String>::new());
        let back = [call(19, 20, 2), call(21, 22, 1)];
        assert_eq!(contradictions(&back, &changes).len(), 1);
    }

    #[test]
    fn documents_are_handled_by_versions_that_served_and_by_services_that_are_not_older() {
        let found = |process: &str, service: &str| {
            strangers(&[(process.to_owned(), service.to_owned())].into(), &changes()).len()
        };
        assert_eq!([found("1.0.1", "1.0.3"), found("", "1.0.1"), found("1.0.3", "1.0.3")], [0; 3]);
        assert_eq!([found("1.0.3", "1.0.1"), found("1.0.2", "1.0.3"), found("", "1.0.2")], [1; 3]);
        assert_eq!([found("", ""), found("1.0.7", "1.0.7")], [1; 2]);
    }
}
