//! Instances that are in memory only (`volatile-tracking`): written when the shard is given back in
//! order, ended when their memory was lost.
//!
//! Boundary: whether an instance is written at each change is the cache's business. From the moment
//! in which it is written here, an instance is one like any other.
//! Invariants: VOL-1 an instance without a snapshot that nobody has in memory is not active.
//! Read first: [`Shard::keep_volatile`], then [`Shard::end_the_lost`].   Tests: `tests/volatile.rs`

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::ids::{Address, InstanceKey};
use engine::instance::{JobState, Wait};
use engine::message::Command as BucketCommand;
use engine::{Command, Event, Origin};
use feel::Str;
use store::{InstanceChange, InstanceFilter, InstanceRow, InstanceState, JobChange, NewAudit};

use crate::audit;
use crate::error::Error;
use crate::logical::queue_of;

use super::Shard;

/// Rows of one page.
const PAGE: u32 = 2_000;
/// The place of the last audit record of an instance that was lost: behind all others.
const LAST: u64 = i64::MAX as u64;
/// Why an instance was ended.
const REASON: &str = "it was in memory only (`volatile-tracking`), and lost with its server";

impl Shard {
    /// Puts what is in memory only into the open batch. Answers how many instances that are.
    pub(super) async fn keep_volatile(&mut self) -> Result<usize, Error> {
        let keys = self.cache.volatile();
        for key in &keys {
            self.keep(*key).await?;
        }
        Ok(keys.len())
    }

    async fn keep(&mut self, key: InstanceKey) -> Result<(), Error> {
        let Some(hot) = self.cache.get_mut(key) else { return Ok(()) };
        hot.stored = true;
        if !hot.dirty {
            hot.dirty = true;
            self.batch.instances.push(key);
        }
        self.batch.changes += 1;
        let mut timers = Vec::new();
        let mut jobs = Vec::new();
        for step in hot.state.steps.values() {
            timers.extend(step.timers.iter().map(|timer| (timer.due_ms, timer.key)));
            let Wait::Job(waited) = &step.wait else { continue };
            let (job, job_type) = (waited.key, queue_of(waited.job_type.clone()));
            match waited.state {
                JobState::Ready => jobs.push((job, JobChange::Ready { job, job_type })),
                JobState::Leased { deadline_ms, .. } => {
                    jobs.push((job, JobChange::Leased { job, job_type, deadline_ms }));
                }
                JobState::BackingOff { until_ms } => timers.push((until_ms, job.0)),
                JobState::Failed => {}
            }
        }
        let origin = hot.state.origin;
        for (job, change) in jobs {
            self.batch.set_job(job, change);
        }
        for (due_ms, timer) in timers {
            self.batch.arm(due_ms, Address::Instance(key), timer);
        }
        match origin {
            Some(Origin::Request(request)) => self.run_requested(request).await,
            Some(Origin::Entry(_)) | None => Ok(()),
        }
    }

    /// Ends what the memory of an earlier owner was lost with (VOL-1).
    pub(super) async fn end_the_lost(&mut self) -> Result<(), Error> {
        let definitions = self.catalog.definitions.values();
        let volatile = definitions.filter(|known| known.quality.volatile_tracking);
        let processes: BTreeSet<Str> = volatile.map(|known| known.process().clone()).collect();
        for process in processes {
            let mut filter = InstanceFilter {
                shard: Some(self.lease.shard),
                process: Some(process),
                state: Some(InstanceState::Active),
                limit: PAGE,
                ..InstanceFilter::default()
            };
            loop {
                let page = self.store.instances(&filter).await?;
                let Some(last) = page.last() else { break };
                filter.before = Some(last.key);
                let volatile: Vec<InstanceRow> =
                    page.into_iter().filter(|row| self.is_volatile(row)).collect();
                let alive = self.survivors(volatile.iter().map(|row| row.key)).await?;
                for row in volatile.into_iter().filter(|row| !alive.contains(&row.key)) {
                    self.end_lost(&row).await?;
                }
            }
        }
        Ok(())
    }

    fn is_volatile(&self, row: &InstanceRow) -> bool {
        let known = self.catalog.definitions.get(&row.definition);
        known.is_some_and(|known| known.quality.volatile_tracking)
    }

    async fn end_lost(&mut self, row: &InstanceRow) -> Result<(), Error> {
        let key = row.key;
        let definition = self.definition(row.definition)?;
        let kept = definition.quality.retention_ms.and_then(|ms| i64::try_from(ms).ok());
        let kept = kept.unwrap_or(self.settings.retention_ms);
        self.batch.changes += 1;
        self.batch.unit.instances.push(InstanceChange::Ended {
            key,
            state: InstanceState::Failed,
            ended_ms: self.now_ms,
            forget_ms: self.now_ms.saturating_add(kept),
        });
        let event = Event::InstanceFailed { reason: REASON.into() };
        if audit::is_kept(&event, definition.logging(), false) {
            let mut records = Vec::new();
            audit::append_time(self.now_ms, &mut records);
            audit::append(&event, &mut records);
            let (at_ms, records) = (self.now_ms, Bytes::from(records));
            let last = NewAudit { instance: key, sequence: LAST, at_ms, records };
            self.batch.unit.audit.push(last);
        }
        if row.incidents > 0 {
            let open = self.store.incidents(Some(key), None, u32::MAX).await?;
            self.batch.incidents.extend(open.into_iter().map(|(incident, _)| (incident, None)));
        }
        if let Some(held) = &row.business_key {
            for (name, _) in crate::catalog::message_starts(&definition.program) {
                let release = BucketCommand::Release { instance: key };
                self.tell_bucket((name, held.clone()), release).await??;
            }
        }
        if let Some(caller) = row.parent {
            self.fail_call_of(caller, key).await?;
        }
        self.settle().await
    }

    /// Tells the caller of an instance that was lost.
    async fn fail_call_of(&mut self, caller: InstanceKey, child: InstanceKey) -> Result<(), Error> {
        let Some(caller) = self.fetch(caller).await? else { return Ok(()) };
        let Some(hot) = self.cache.get(caller) else { return Ok(()) };
        let mut steps = hot.state.steps.iter();
        let Some((step, _)) = steps.find(|(_, step)| step.wait == Wait::Child(child)) else {
            return Ok(());
        };
        let step = *step;
        let server = format!("of epoch {}", self.lease.epoch.saturating_sub(1)).into();
        // A caller that is to fail with the server itself has told its calls already.
        let _gone = self.tell(caller, Command::FailCall { step, child, server }).await?;
        Ok(())
    }
}
