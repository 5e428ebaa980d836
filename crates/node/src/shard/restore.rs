//! Taking a shard over: the indexes of what waits.
//!
//! Boundary: reads index rows in pages; instances stay rows until they are needed, so that a start
//! does not grow with the number that wait. What is deployed is known before.
//! Read first: [`Shard::restore`].

use std::collections::BTreeSet;

use engine::Command;
use engine::ids::{Address, InstanceKey, JobKey};
use engine::instance::{Job, JobState};
use feel::Str;
use hashbrown::HashSet;
use store::{EntryFilter, EntryState, Member, ServerKey};

use crate::catalog::SERVICE_PREFIX;
use crate::error::Error;
use crate::input::Input;
use crate::logical;

use super::Shard;

/// Rows of one page.
const PAGE: u32 = 5_000;

impl Shard {
    /// Loads what a new owner needs. What is in memory must have been dropped before.
    pub(super) async fn restore(&mut self) -> Result<(), Error> {
        self.restore_slots().await?;
        self.wakes.load(&*self.store, self.lease.shard, self.now_ms).await?;
        self.restore_leases().await?;
        self.end_the_lost().await?;
        self.restore_entries().await?;
        self.free_locks_of_the_lost().await?;
        self.restore_requests().await?;
        // What was enabled while nobody had the shard is not parked any more.
        let mut enabled: Vec<Str> = self.catalog.enabled.keys().cloned().collect();
        enabled.sort_unstable();
        if self.has_parked().await? {
            for process in enabled {
                self.unpark(&process).await?;
            }
        }
        for (job_type, _) in self.store.job_types(self.lease.shard).await? {
            if job_type.starts_with(SERVICE_PREFIX) {
                self.dispatcher.queue(&job_type);
            }
        }
        self.backlog.push_back(Input::ServiceDone);
        self.backlog.push_back(Input::Letters);
        // Workers that stayed through a failure wait for what is ready in the store.
        let wanted = self.dispatcher.wanted();
        self.backlog.extend(wanted.into_iter().map(|job_type| Input::StreamReady { job_type }));
        Ok(())
    }

    async fn restore_leases(&mut self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.store.jobs_leased(self.lease.shard, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.job);
            for leased in page {
                self.dispatcher.keep_lease(leased.job, leased.deadline_ms);
                if logical::server_of(&leased.job_type).is_some() {
                    self.release_of_the_gone(leased.job).await?;
                }
                if leased.job_type.starts_with(SERVICE_PREFIX) {
                    // The call died with the server that made it.
                    self.release_if(leased.job, |_| true).await?;
                }
            }
        }
    }

    /// Servers came or went: what those worked that are gone is to be worked by others.
    pub(super) async fn adopt_members(&mut self) -> Result<(), Error> {
        let table = self.routes_changes.latest();
        if table.me.is_none() {
            // This server's lease ran out: it knows nothing of the others.
            return Ok(());
        }
        let members: BTreeSet<ServerKey> = table.members.keys().copied().collect();
        let before = std::mem::replace(&mut self.members, members);
        if before.is_subset(&self.members) {
            return Ok(());
        }
        let mut after = None;
        loop {
            let page = self.store.jobs_leased(self.lease.shard, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.job);
            for leased in page {
                if logical::server_of(&leased.job_type).is_some() {
                    self.release_of_the_gone(leased.job).await?;
                }
            }
        }
    }

    /// Gives a job of a logical server back if the life of the server that worked it is
    /// over.
    async fn release_of_the_gone(&mut self, job: JobKey) -> Result<(), Error> {
        let table = self.routes.table();
        let is_gone = |worker: &Str| {
            let is_of =
                |member: &Member| logical::worker(&member.about.name, member.key) == *worker;
            !table.members.values().any(|member| is_of(member))
        };
        self.release_if(job, is_gone).await
    }

    /// Gives a job back if it is leased to one of those.
    async fn release_if(
        &mut self,
        job: JobKey,
        is_gone: impl FnOnce(&Str) -> bool,
    ) -> Result<(), Error> {
        let instance = InstanceKey(job.0);
        let Some(owner) = self.fetch(instance).await? else { return Ok(()) };
        let found = self.cache.get(owner).and_then(|hot| hot.state.job(job));
        let Some((_, Job { state: JobState::Leased { worker, .. }, attempt, .. })) = found else {
            return Ok(());
        };
        if is_gone(worker) {
            let command = Command::ReleaseJob { job, attempt: *attempt };
            self.backlog.push_back(Input::Command { instance, command, reply: None });
        }
        Ok(())
    }

    async fn restore_entries(&mut self) -> Result<(), Error> {
        let mut filter = EntryFilter {
            state: Some(EntryState::Queued),
            shard: Some(self.lease.shard),
            limit: PAGE,
            ..EntryFilter::default()
        };
        loop {
            let page = self.store.entries(&filter).await?;
            let Some((last, _)) = page.last() else { break };
            filter.after = Some(*last);
            for (entry, row) in page {
                self.entries.add(entry, row);
            }
        }
        filter.state = Some(EntryState::InProcess);
        filter.after = None;
        loop {
            let page = self.store.entries(&filter).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            filter.after = Some(*last);
            let alive = self.survivors(page.iter().filter_map(|(_, row)| row.instance)).await?;
            for (entry, row) in page {
                if row.instance.is_none_or(|instance| !alive.contains(&instance)) {
                    // Volatile tracking, or a service call that died with its server: again.
                    self.entries.add(entry, store::EntryRow { instance: None, ..row });
                }
            }
        }
    }

    async fn has_parked(&self) -> Result<bool, Error> {
        let filter = EntryFilter {
            state: Some(EntryState::Parked),
            shard: Some(self.lease.shard),
            limit: 1,
            ..EntryFilter::default()
        };
        Ok(!self.store.entries(&filter).await?.is_empty())
    }

    /// Those of these instances that are rows, found by one read.
    pub(super) async fn survivors(
        &self,
        of: impl Iterator<Item = InstanceKey>,
    ) -> Result<HashSet<InstanceKey>, Error> {
        let keys: Vec<InstanceKey> = of.collect();
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        let addresses: Vec<Address> = keys.iter().map(|key| Address::Instance(*key)).collect();
        let found = self.store.load(self.lease.shard, &addresses).await?;
        let stored = keys.into_iter().zip(found).filter(|(_, snapshot)| snapshot.is_some());
        Ok(stored.map(|(key, _)| key).collect())
    }
}
