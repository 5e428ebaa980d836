//! What clients were told and when, and whether one order of events explains all of it.
//!
//! A call takes effect at one moment between its begin and its end (linearizability). Where the
//! server itself tells the order (fences of a lock, states of a job and an instance), that order
//! has to fit to the clocks of the clients.
//!
//! Boundary: knows nothing but what clients saw; its own tests show it wrong histories.
//! Read first: [`History`], then [`History::contradictions`].

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::now;

/// What may be early by the server's clock, which counts milliseconds.
const SLACK: Duration = Duration::from_millis(50);
/// How long a worker has a job, and a client a lock.
pub(crate) const LEASE: Duration = Duration::from_secs(4);

/// From when to when a call took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
}

/// What a client did with a lock that it was given.
#[derive(Clone, Copy, Debug)]
struct Hold {
    granted: Span,
    /// When it began to give it back; none: it did not.
    release: Option<Instant>,
}

/// What is known of a job.
#[derive(Default)]
struct Job {
    /// With the server that gave it to its worker.
    leased: Vec<(Span, usize)>,
    done: Vec<Span>,
}

/// What is known of an instance.
#[derive(Default)]
struct Seen {
    created: Option<Span>,
    active: Vec<Span>,
    completed: Vec<Span>,
    missing: Vec<Span>,
}

/// How a reader found an instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Found {
    Active,
    Completed,
    Missing,
}

#[derive(Default)]
struct All {
    locks: BTreeMap<(String, u64), Hold>,
    twice: Vec<String>,
    jobs: BTreeMap<i64, Job>,
    instances: BTreeMap<u64, Seen>,
}

/// What clients were told.
#[derive(Default)]
pub(crate) struct History(Mutex<All>);

impl Span {
    pub(crate) fn since(begun: Instant) -> Self {
        Self { begun, ended: now() }
    }
}

impl History {
    fn with<T>(&self, act: impl FnOnce(&mut All) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    /// A client was given a lock.
    pub(crate) fn granted(&self, lock: &str, fence: u64, granted: Span) {
        self.with(|all| {
            let hold = Hold { granted, release: None };
            if all.locks.insert((lock.to_owned(), fence), hold).is_some() {
                all.twice.push(format!("fence {fence} of lock `{lock}` was given twice"));
            }
        });
    }

    /// It begins to give it back.
    pub(crate) fn gives_back(&self, lock: &str, fence: u64) {
        self.with(|all| {
            if let Some(hold) = all.locks.get_mut(&(lock.to_owned(), fence)) {
                hold.release = Some(now());
            }
        });
    }

    /// A worker was given a job by a server.
    pub(crate) fn leased(&self, job: i64, server: usize, span: Span) {
        self.with(|all| all.jobs.entry(job).or_default().leased.push((span, server)));
    }

    /// A worker was told that its job is done.
    pub(crate) fn done(&self, job: i64, span: Span) {
        self.with(|all| all.jobs.entry(job).or_default().done.push(span));
    }

    /// A client was told that its instance is created.
    pub(crate) fn created(&self, instance: u64, span: Span) {
        self.with(|all| all.instances.entry(instance).or_default().created = Some(span));
    }

    /// A reader found an instance so.
    pub(crate) fn read(&self, instance: u64, found: Found, span: Span) {
        self.with(|all| {
            let seen = all.instances.entry(instance).or_default();
            match found {
                Found::Active => seen.active.push(span),
                Found::Completed => seen.completed.push(span),
                Found::Missing => seen.missing.push(span),
            }
        });
    }

    /// What cannot have happened in any order; and how many events were looked at.
    pub(crate) fn contradictions(&self) -> (Vec<String>, usize) {
        self.with(|all| {
            let mut found = all.twice.clone();
            locks(&all.locks, &mut found);
            for (job, known) in &all.jobs {
                known.check(*job, &mut found);
            }
            for (instance, seen) in &all.instances {
                seen.check(*instance, &mut found);
            }
            let of_jobs = all.jobs.values().map(|job| job.leased.len() + job.done.len());
            let reads = |seen: &Seen| seen.active.len() + seen.completed.len() + seen.missing.len();
            let of_instances = all.instances.values().map(|seen| reads(seen) + 1);
            let events = all.locks.len() + of_jobs.sum::<usize>() + of_instances.sum::<usize>();
            (found, events)
        })
    }
}

/// The holders of a lock in the order of its fences: each has a moment at which it could be given
/// the lock, after the moment at which the one before could have lost it.
fn locks(all: &BTreeMap<(String, u64), Hold>, found: &mut Vec<String>) {
    let mut free: Option<(&str, Instant)> = None;
    for ((lock, fence), hold) in all {
        let before = free.filter(|(name, _)| name == lock).map(|(_, moment)| moment);
        let moment = before.unwrap_or(hold.granted.begun).max(hold.granted.begun);
        if moment > hold.granted.ended + SLACK {
            let early = moment.duration_since(hold.granted.ended);
            found.push(format!("fence {fence} of lock `{lock}` was given {early:?} too early"));
        }
        let lease_end = moment + LEASE;
        let lost = hold.release.map_or(lease_end, |release| release.max(moment).min(lease_end));
        free = Some((lock, lost));
    }
}

impl Job {
    fn check(&self, job: i64, found: &mut Vec<String>) {
        if self.done.len() > 1 {
            found.push(format!("job {job} was done {} times", self.done.len()));
        }
        let done = self.done.iter().map(|span| span.ended).min();
        let mut leased: Vec<Span> = self.leased.iter().map(|(span, _)| *span).collect();
        leased.sort_by_key(|span| span.ended);
        // A lease that ran out in a pause, and the next worker's copy was on its way when the first
        // one reported: it may still arrive while its own lease runs, and never later.
        for span in &leased {
            if done.is_some_and(|done| span.begun > done + LEASE) {
                found.push(format!("job {job} was given out long after it was done"));
            }
        }
        let early = early(&leased, None);
        if early > SLACK {
            let how = self.told();
            found.push(format!("two workers had job {job}, the second {early:?} too early: {how}"));
        }
    }

    /// When workers were given it and told that it is done, for whoever looks for the cause.
    fn told(&self) -> String {
        let first = self.leased.iter().map(|(span, _)| span.begun).min();
        let Some(first) = first else { return String::new() };
        let at = |span: &Span| {
            let of = |moment: Instant| moment.saturating_duration_since(first).as_millis();
            format!("{}..{} ms", of(span.begun), of(span.ended))
        };
        let leased = self
            .leased
            .iter()
            .map(|(span, server)| format!("server {server} gave it out at {}", at(span)));
        let done = self.done.iter().map(|span| format!("it was done at {}", at(span)));
        leased.chain(done).collect::<Vec<String>>().join("; ")
    }
}

/// By how much the worst of these leases began too early, in the order that explains them best. A
/// lease begins within its span and after the one before it has ended; what an interrupted server
/// hands out late may be an earlier lease than one that is seen before it.
fn early(leased: &[Span], free: Option<Instant>) -> Duration {
    /// All orders of so many are looked at; of more, only the one in which they came.
    const ORDERED: usize = 6;
    let firsts = if leased.len() > ORDERED { 1 } else { leased.len() };
    let by = (0..firsts).map(|first| {
        let mut rest = leased.to_vec();
        let span = rest.remove(first);
        let moment = free.unwrap_or(span.begun).max(span.begun);
        let here = moment.saturating_duration_since(span.ended);
        here.max(early(&rest, Some(moment + LEASE)))
    });
    by.min().unwrap_or_default()
}

impl Seen {
    fn check(&self, instance: u64, found: &mut Vec<String>) {
        let known = self.created.iter().chain(&self.active).chain(&self.completed);
        let known = known.map(|span| span.ended).min();
        if self.missing.iter().any(|read| known.is_some_and(|known| read.begun > known)) {
            found.push(format!("instance {instance} was not found after it was known"));
        }
        let completed = self.completed.iter().map(|span| span.ended).min();
        if self.active.iter().any(|read| completed.is_some_and(|end| read.begun > end)) {
            found.push(format!("instance {instance} was active after it was completed"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans() -> impl Fn(u64, u64) -> Span {
        let start = now();
        move |begun, ended| Span {
            begun: start + Duration::from_millis(begun),
            ended: start + Duration::from_millis(ended),
        }
    }

    fn number(history: &History) -> usize {
        history.contradictions().0.len()
    }

    fn release(history: &History, fence: u64, at: Instant) {
        history.with(|all| {
            all.locks.get_mut(&("l".to_owned(), fence)).unwrap().release = Some(at);
        });
    }

    #[test]
    fn a_lock_with_two_holders_at_once_is_a_contradiction() {
        let (history, at) = (History::default(), spans());
        history.granted("l", 1, at(0, 10));
        release(&history, 1, at(500, 0).begun);
        history.granted("l", 2, at(20, 600));
        assert_eq!(number(&history), 0);
        release(&history, 2, at(700, 0).begun);
        history.granted("l", 3, at(30, 400));
        assert_eq!(number(&history), 1);
    }

    #[test]
    fn a_lock_that_is_not_given_back_is_free_when_its_lease_ends() {
        let (history, at) = (History::default(), spans());
        history.granted("l", 1, at(0, 10));
        history.granted("l", 2, at(20, 4_100));
        assert_eq!(number(&history), 0);
        history.granted("l", 3, at(30, 7_000));
        assert_eq!(number(&history), 1);
        history.granted("l", 3, at(30, 9_000));
        assert_eq!(number(&history), 1, "a fence twice");
    }

    #[test]
    fn a_job_that_comes_again_is_a_contradiction() {
        let (history, at) = (History::default(), spans());
        history.leased(1, 0, at(0, 10));
        history.leased(1, 0, at(0, 4_010));
        history.done(1, at(4_020, 4_030));
        history.leased(1, 0, at(4_025, 9_000));
        assert_eq!(number(&history), 0);
        history.leased(1, 0, at(8_000, 13_000));
        assert_eq!(number(&history), 0);
        history.leased(1, 0, at(8_040, 17_000));
        assert_eq!(number(&history), 1, "long after it was done");
        history.leased(2, 0, at(0, 10));
        history.leased(2, 0, at(0, 3_000));
        assert_eq!(number(&history), 2, "two workers at once");
        history.done(2, at(3_000, 3_010));
        history.done(2, at(3_000, 3_010));
        assert_eq!(number(&history), 3, "done twice");
    }

    #[test]
    fn a_job_that_an_interrupted_server_hands_out_late_is_an_earlier_lease() {
        let (history, at) = (History::default(), spans());
        // Given out at 0, seen at 4,200; meanwhile its lease ended.
        history.leased(1, 0, at(0, 4_200));
        history.leased(1, 1, at(3_990, 4_010));
        assert_eq!(number(&history), 0);
        // A lease that began at 1,000 or later cannot have ended then.
        history.leased(2, 0, at(1_000, 4_200));
        history.leased(2, 1, at(3_990, 4_010));
        assert_eq!(number(&history), 1);
        for lease in 0..8 {
            history.leased(3, 0, at(lease * 4_000, lease * 4_000 + 10));
        }
        assert_eq!(number(&history), 1, "any number of them");
        history.leased(3, 0, at(32_000, 32_010));
        history.leased(3, 0, at(32_000, 32_010));
        assert_eq!(number(&history), 2);
    }

    #[test]
    fn an_instance_that_is_known_is_found_and_stays_completed() {
        let (history, at) = (History::default(), spans());
        history.read(1, Found::Missing, at(0, 20));
        history.created(1, at(0, 10));
        history.read(1, Found::Active, at(11, 60));
        history.read(1, Found::Completed, at(20, 30));
        assert_eq!(number(&history), 0);
        history.read(1, Found::Missing, at(31, 32));
        assert_eq!(number(&history), 1);
        history.read(1, Found::Active, at(31, 32));
        assert_eq!(number(&history), 2);
    }
}
