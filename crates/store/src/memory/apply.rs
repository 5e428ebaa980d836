//! How a unit changes the store in memory.
//!
//! Boundary: the unit was checked before; nothing here can fail.
//! Read first: [`State::apply`].   Tests: `conformance`

use std::collections::BTreeSet;
use std::ops::Bound;

use engine::ids::{Address, DocumentKey, InstanceKey, ShardId};
use feel::Str;

use super::{State, TimerKey};
use crate::keys;
use crate::port::InstanceRow;
use crate::unit::{InstanceChange, InstanceState, JobChange, RequestState, TimerChange, Unit};

impl State {
    /// Makes everything true that `unit` says about `shard`.
    pub(super) fn apply(&mut self, shard: ShardId, mut unit: Unit) {
        self.apply_exchange(shard, &mut unit);
        for change in unit.aggregates {
            match change.address {
                Address::Instance(key) => put(&mut self.snapshots, (shard, key), change.snapshot),
                address => put(&mut self.aggregates, (shard, address.to_bytes()), change.snapshot),
            }
        }
        self.blocks.extend(unit.blocks);
        for change in unit.instances {
            self.apply_instance(change);
        }
        for row in unit.audit {
            self.audit.insert((row.instance, row.sequence), (row.at_ms, row.records));
        }
        for change in unit.jobs {
            self.apply_job(shard, change);
        }
        for change in unit.timers {
            let (due_ms, address, id) = match &change {
                TimerChange::Arm { due_ms, address, id }
                | TimerChange::Disarm { due_ms, address, id } => {
                    (*due_ms, address.to_bytes(), id.cast_signed())
                }
            };
            let timer = TimerKey { shard, due_ms, address, id };
            match change {
                TimerChange::Arm { .. } => self.timers.insert(timer),
                TimerChange::Disarm { .. } => self.timers.remove(&timer),
            };
        }
        for (key, row) in unit.incidents {
            put(&mut self.incidents, key, row);
        }
        for (key, row) in unit.documents {
            put(&mut self.documents, key, row);
        }
        for (key, row) in unit.entries {
            put(&mut self.entries, key, row);
        }
        for seen in unit.seen {
            self.seen.insert((seen.source, seen.id), (seen.document, seen.at_ms));
        }
        self.definitions.extend(unit.definitions.into_iter().map(|row| (row.key, row)));
        for row in unit.packages {
            self.packages.insert((Str::clone(&row.name), Str::clone(&row.version)), row);
        }
        for version in unit.packages_forgotten {
            self.packages.remove(&version);
        }
        self.apply_deployments(unit.deployments);
        self.blobs.extend(unit.blobs);
        for (name, value) in unit.settings {
            put(&mut self.settings, name, value);
        }
        for key in unit.forget {
            self.forget(key);
        }
        if let Some(before_ms) = unit.seen_before_ms {
            self.forget_documents(shard, before_ms);
        }
    }

    /// Revisions, and what more than one shard looks at.
    fn apply_exchange(&mut self, shard: ShardId, unit: &mut Unit) {
        self.cluster.catalog += u64::from(unit.changes_catalog());
        self.cluster.settings += u64::from(!unit.settings.is_empty() || !unit.tokens.is_empty());
        for letter in std::mem::take(&mut unit.sent) {
            self.inbox.insert((letter.to, letter.key), letter.content);
        }
        for key in std::mem::take(&mut unit.received) {
            self.inbox.remove(&(shard, key));
        }
        for (key, row) in std::mem::take(&mut unit.requests) {
            match row.as_ref().map(|row| row.state) {
                Some(RequestState::Waiting) => self.waiting.insert(key),
                _ => self.waiting.remove(&key),
            };
            put(&mut self.requests, key, row);
        }
        for (name, row) in std::mem::take(&mut unit.locks) {
            put(&mut self.locks, name, row);
        }
        for (name, row) in std::mem::take(&mut unit.tokens) {
            put(&mut self.tokens, name, row);
        }
        self.cluster.slots_revision += u64::from(!unit.slots.is_empty());
        self.cluster.slots.extend(std::mem::take(&mut unit.slots));
    }

    fn forget_documents(&mut self, shard: ShardId, before_ms: i64) {
        let keys = keys::of_shard(shard);
        self.seen.retain(|_, (key, at_ms)| *at_ms >= before_ms || !keys.contains(&key.0));
        let held: BTreeSet<DocumentKey> = self.entries.values().map(|row| row.document).collect();
        self.documents.retain(|key, row| {
            row.at_ms >= before_ms || held.contains(key) || !keys.contains(&key.0)
        });
    }

    fn apply_instance(&mut self, change: InstanceChange) {
        match change {
            InstanceChange::Started {
                key,
                definition,
                process,
                version,
                parent,
                business_key,
                started_ms,
            } => {
                self.unschedule(key);
                let row = InstanceRow {
                    key,
                    definition,
                    process,
                    version,
                    state: InstanceState::Active,
                    incidents: 0,
                    parent,
                    business_key,
                    started_ms,
                    ended_ms: None,
                };
                self.instances.insert(key, row);
            }
            InstanceChange::Incidents { key, open } => {
                if let Some(row) = self.instances.get_mut(&key) {
                    row.incidents = open;
                }
            }
            InstanceChange::Ended { key, state, ended_ms, forget_ms } => {
                if let Some(row) = self.instances.get_mut(&key) {
                    row.state = state;
                    row.ended_ms = Some(ended_ms);
                    self.unschedule(key);
                    self.forget_ms.insert(key, forget_ms);
                    self.forgettable.insert((forget_ms, key));
                }
            }
        }
    }

    fn apply_job(&mut self, shard: ShardId, change: JobChange) {
        match change {
            JobChange::Ready { job, job_type } => {
                self.leased.remove(&job);
                self.ready.insert((shard, job_type, job));
            }
            JobChange::Leased { job, job_type, deadline_ms } => {
                self.ready.remove(&(shard, Str::clone(&job_type), job));
                self.leased.insert(job, (shard, job_type, deadline_ms));
            }
            JobChange::Gone { job, job_type } => {
                self.leased.remove(&job);
                self.ready.remove(&(shard, job_type, job));
            }
        }
    }

    /// Removes what is kept of an instance, unless it is active.
    fn forget(&mut self, key: InstanceKey) {
        if self.instances.get(&key).is_some_and(|row| row.state == InstanceState::Active) {
            return;
        }
        self.instances.remove(&key);
        self.unschedule(key);
        let rows = (Bound::Included((key, 0)), Bound::Included((key, u64::MAX)));
        let sequences: Vec<_> = self.audit.range(rows).map(|(row, _)| *row).collect();
        for row in sequences {
            self.audit.remove(&row);
        }
        self.blocks.retain(|_, owner| *owner != key);
    }

    fn unschedule(&mut self, key: InstanceKey) {
        if let Some(forget_ms) = self.forget_ms.remove(&key) {
            self.forgettable.remove(&(forget_ms, key));
        }
    }

    /// The bytes of the large rows, roughly.
    pub(super) fn bytes(&self) -> u64 {
        let sizes = self.snapshots.values().chain(self.aggregates.values()).map(bytes::Bytes::len);
        let sizes = sizes.chain(self.audit.values().map(|(_, records)| records.len()));
        let sizes = sizes.chain(self.documents.values().map(|row| row.content.len()));
        let sizes = sizes.chain(self.blobs.values().map(bytes::Bytes::len));
        u64::try_from(sizes.sum::<usize>()).unwrap_or(u64::MAX)
    }
}

/// Stores `value`, or removes what is there.
fn put<K: Ord, V>(map: &mut std::collections::BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}
