//! The open batch: what will be one unit, and what may leave once it is durable.
//!
//! Boundary: gathers and coalesces; `seal` turns it into a unit.
//! Invariants: BAT-1 of several changes of one row only the last is written, and none if the row
//! came and went within the batch.
//! Read first: [`Batch`], then [`After`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::ids::{
    Address, Block, DocumentKey, EntryKey, IncidentKey, InstanceKey, JobKey, ShardId,
};
use engine::instance::Activation;
use feel::Str;
use hashbrown::HashMap;
use store::{EntryRow, IncidentRow, JobChange, Unit};
use tokio::sync::mpsc::OwnedPermit;
use tokio::sync::oneshot;

use crate::catalog::Catalog;
use crate::error::Error;

use super::BucketName;
use super::documents::Document;

/// An answer that waits for the commit; it is told whether that succeeded.
pub(super) type Answer = Box<dyn FnOnce(Result<(), &Error>) + Send + Sync>;

/// What may leave once the unit is durable.
#[derive(Default)]
pub(super) struct After {
    pub(super) answers: Vec<Answer>,
    pub(super) pushes: Vec<(OwnedPermit<Activation>, Activation)>,
    pub(super) polls: Vec<(oneshot::Sender<Vec<Activation>>, Vec<Activation>)>,
    pub(super) calls: Vec<Activation>,
    pub(super) trigger_calls: Vec<(EntryKey, EntryRow)>,
    pub(super) catalog: Option<Arc<Catalog>>,
    /// Shards that have something in their inbox.
    pub(super) nudges: BTreeSet<ShardId>,
    /// Whether all servers should look at the cluster.
    pub(super) look: bool,
    /// Whether there are process requests to be claimed.
    pub(super) claim: bool,
    /// Instances whose next transition had to wait for this commit.
    pub(super) again: Vec<InstanceKey>,
}

/// The row of a job in the open batch.
pub(super) struct JobSlot {
    /// Whether the store has no row yet.
    pub(super) fresh: bool,
    pub(super) change: JobChange,
}

/// What will be one unit.
#[derive(Default)]
pub(super) struct Batch {
    /// Rows that need no coalescing go straight into the unit.
    pub(super) unit: Unit,
    pub(super) after: After,
    /// Changed instances, in order of their first change.
    pub(super) instances: Vec<InstanceKey>,
    pub(super) buckets: Vec<BucketName>,
    pub(super) locks: Vec<Str>,
    pub(super) jobs: BTreeMap<JobKey, JobSlot>,
    /// Whether each wake-up is armed (true) or disarmed.
    pub(super) timers: BTreeMap<(i64, Address, u64), bool>,
    pub(super) entries: HashMap<EntryKey, (bool, Option<EntryRow>)>,
    pub(super) incidents: BTreeMap<IncidentKey, Option<IncidentRow>>,
    pub(super) seen: HashMap<(Str, Str), DocumentKey>,
    pub(super) blocks: Vec<(Block, InstanceKey)>,
    /// Documents that a new entry of the batch refers to.
    pub(super) documents: HashMap<DocumentKey, Arc<Document>>,
    /// Decisions in the batch; zero: nothing to write.
    pub(super) changes: u64,
    /// Inputs in the batch.
    pub(super) inputs: usize,
}

impl Batch {
    /// Whether nothing waits for a commit.
    pub(super) fn is_idle(&self) -> bool {
        self.changes == 0
            && self.after.answers.is_empty()
            && self.after.pushes.is_empty()
            && self.after.polls.is_empty()
            && self.after.again.is_empty()
    }

    pub(super) fn set_job(&mut self, job: JobKey, change: JobChange) {
        self.changes += 1;
        match self.jobs.get_mut(&job) {
            Some(slot) if slot.fresh && matches!(change, JobChange::Gone { .. }) => {
                self.jobs.remove(&job);
            }
            Some(slot) => slot.change = change,
            None => {
                self.jobs.insert(job, JobSlot { fresh: false, change });
            }
        }
    }

    /// A job that was created in this batch.
    pub(super) fn add_job(&mut self, job: JobKey, job_type: Str) {
        self.jobs.insert(job, JobSlot { fresh: true, change: JobChange::Ready { job, job_type } });
    }

    pub(super) fn arm(&mut self, due_ms: i64, address: Address, id: u64) {
        self.changes += 1;
        self.timers.insert((due_ms, address, id), true);
    }

    pub(super) fn disarm(&mut self, due_ms: i64, address: Address, id: u64) {
        self.changes += 1;
        let key = (due_ms, address, id);
        // A wake-up that came and went within the batch has no row.
        if self.timers.get(&key) == Some(&true) {
            self.timers.remove(&key);
        } else {
            self.timers.insert(key, false);
        }
    }

    pub(super) fn set_entry(&mut self, entry: EntryKey, fresh: bool, row: Option<EntryRow>) {
        self.changes += 1;
        match self.entries.get_mut(&entry) {
            Some((true, known)) if row.is_none() => {
                *known = None;
                self.entries.remove(&entry);
            }
            Some((_, known)) => *known = row,
            None if fresh && row.is_none() => {}
            None => {
                self.entries.insert(entry, (fresh, row));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::ids::{Address, DocumentKey, EntryKey, InstanceKey, JobKey};
    use store::{EntryRow, EntryState, JobChange};

    use super::Batch;

    const JOB: JobKey = JobKey(1);

    fn gone() -> JobChange {
        JobChange::Gone { job: JOB, job_type: "work".into() }
    }

    fn leased(deadline_ms: i64) -> JobChange {
        JobChange::Leased { job: JOB, job_type: "work".into(), deadline_ms }
    }

    fn row(attempts: u32) -> EntryRow {
        EntryRow {
            trigger: "shop/order".into(),
            document: DocumentKey(1),
            state: EntryState::Queued,
            attempts,
            due_ms: 0,
            instance: None,
            reason: None,
        }
    }

    #[test]
    fn the_last_change_of_a_row_is_the_one_that_is_written() {
        let mut batch = Batch::default();
        batch.set_job(JOB, leased(1));
        batch.set_job(JOB, leased(2));
        let change = &batch.jobs[&JOB].change;
        assert!(matches!(change, JobChange::Leased { deadline_ms: 2, .. }), "BAT-1");
        batch.set_job(JOB, gone());
        assert!(matches!(batch.jobs[&JOB].change, JobChange::Gone { .. }), "BAT-1");
        batch.set_entry(EntryKey(1), false, Some(row(1)));
        batch.set_entry(EntryKey(1), false, Some(row(2)));
        assert_eq!(batch.entries[&EntryKey(1)], (false, Some(row(2))), "BAT-1");
        batch.set_entry(EntryKey(1), false, None);
        assert_eq!(batch.entries[&EntryKey(1)], (false, None), "BAT-1");
    }

    #[test]
    fn a_row_that_came_and_went_is_not_written() {
        let mut batch = Batch::default();
        batch.add_job(JOB, "work".into());
        batch.set_job(JOB, leased(1));
        batch.set_job(JOB, gone());
        assert!(batch.jobs.is_empty(), "BAT-1");
        batch.set_entry(EntryKey(1), true, Some(row(1)));
        batch.set_entry(EntryKey(1), false, None);
        batch.set_entry(EntryKey(2), true, None);
        assert!(batch.entries.is_empty(), "BAT-1");
        let address = Address::Instance(InstanceKey(1));
        batch.arm(5, address.clone(), 1);
        batch.disarm(5, address.clone(), 1);
        assert!(batch.timers.is_empty(), "BAT-1");
        batch.disarm(5, address, 1);
        assert_eq!(batch.timers.len(), 1, "an armed one of an earlier batch has a row");
    }
}
