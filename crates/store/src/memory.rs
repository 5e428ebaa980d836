//! The store in memory: for tests and for simulation.
//!
//! Boundary: the whole promise of [`Store`] except that nothing outlives the value. Every answer
//! has one order, so that a simulation of it repeats. No task, no thread, no clock.
//! Invariants: MEM-1 every future is ready at its first poll, and a commit takes effect when it
//! is called.
//! Read first: [`Memory`], then `memory/apply.rs`.   Tests: `conformance`

mod apply;

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use engine::ids::{
    Address, Block, DefinitionKey, DocumentKey, EntryKey, IncidentKey, InstanceKey, JobKey, ShardId,
};
use feel::Str;

use crate::port::{
    AuditRow, Committed, Error, Health, InstanceFilter, InstanceRow, Lease, LeasedJob, ReadyJob,
    Store, Task, TimerRow,
};
use crate::unit::{
    DefinitionRow, DocumentRow, EntryRow, EntryState, IncidentRow, InstanceState, PackageRow, Unit,
};

/// A store that forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    shards: BTreeMap<ShardId, ShardState>,
    aggregates: BTreeMap<(ShardId, Address), Bytes>,
    blocks: BTreeMap<Block, InstanceKey>,
    instances: BTreeMap<InstanceKey, InstanceRow>,
    forgettable: BTreeSet<(i64, InstanceKey)>,
    forget_ms: BTreeMap<InstanceKey, i64>,
    audit: BTreeMap<(InstanceKey, u64), (i64, Bytes)>,
    ready: BTreeSet<(ShardId, Str, JobKey)>,
    leased: BTreeMap<JobKey, (ShardId, Str, i64)>,
    timers: BTreeSet<TimerKey>,
    incidents: BTreeMap<IncidentKey, IncidentRow>,
    documents: BTreeMap<DocumentKey, DocumentRow>,
    entries: BTreeMap<EntryKey, EntryRow>,
    seen: BTreeMap<(Str, Str), (DocumentKey, i64)>,
    definitions: BTreeMap<DefinitionKey, DefinitionRow>,
    packages: BTreeMap<(Str, Str), PackageRow>,
    blobs: BTreeMap<Str, Bytes>,
    settings: BTreeMap<Str, Str>,
}

#[derive(Debug, Clone, Copy)]
struct ShardState {
    epoch: u64,
    sequence: u64,
    blocks_next: u64,
}

/// A timer as it is ordered: by time, then by the address's bytes, then by its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TimerKey {
    shard: ShardId,
    due_ms: i64,
    address: Vec<u8>,
    id: i64,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The state; a panic elsewhere leaves it usable, because a unit is checked before it is
    /// applied and applying cannot fail.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that is there at once.
fn done<'a, T: Send + 'a>(value: T) -> Task<'a, T> {
    Box::pin(ready(Ok(value)))
}

/// As a count of rows to take.
fn rows(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

impl Store for Memory {
    fn acquire<'a>(&'a self, shard: ShardId, _server: &'a str) -> Task<'a, Lease> {
        let mut state = self.state();
        let stored = state.shards.entry(shard).or_insert(ShardState {
            epoch: 0,
            sequence: 0,
            blocks_next: 1,
        });
        stored.epoch += 1;
        let ShardState { epoch, sequence, blocks_next } = *stored;
        done(Lease { shard, epoch, sequence, blocks_next })
    }

    fn commit(&self, unit: Unit) -> Task<'_, Committed> {
        let Some(shard) = unit.shard else {
            return Box::pin(ready(Err(Error::no_shard())));
        };
        let mut state = self.state();
        let Some(stored) = state.shards.get_mut(&shard) else {
            return done(Committed::NotOwner { epoch: 0 });
        };
        if stored.epoch != unit.epoch {
            return done(Committed::NotOwner { epoch: stored.epoch });
        }
        if stored.sequence.checked_add(1) != Some(unit.sequence) {
            return done(Committed::Conflict { stored: stored.sequence });
        }
        stored.sequence = unit.sequence;
        stored.blocks_next = unit.blocks_next;
        state.apply(shard, unit);
        done(Committed::Done)
    }

    fn load<'a>(&'a self, shard: ShardId, of: &'a [Address]) -> Task<'a, Vec<Option<Bytes>>> {
        let state = self.state();
        done(
            of.iter()
                .map(|address| state.aggregates.get(&(shard, address.clone())).cloned())
                .collect(),
        )
    }

    fn block_owner(&self, _shard: ShardId, block: Block) -> Task<'_, Option<InstanceKey>> {
        done(self.state().blocks.get(&block).copied())
    }

    fn timers<'a>(
        &'a self,
        shard: ShardId,
        after: Option<&'a TimerRow>,
        before_ms: i64,
        limit: u32,
    ) -> Task<'a, Vec<TimerRow>> {
        let after = after.map(|row| TimerKey {
            shard,
            due_ms: row.due_ms,
            address: row.address.to_bytes(),
            id: row.id.cast_signed(),
        });
        let first = TimerKey { shard, due_ms: i64::MIN, address: Vec::new(), id: i64::MIN };
        let state = self.state();
        done(
            state
                .timers
                .range(after.clone().unwrap_or(first)..)
                .filter(|timer| Some(*timer) != after.as_ref())
                .take_while(|timer| timer.shard == shard && timer.due_ms < before_ms)
                .filter_map(|timer| {
                    let address = Address::from_bytes(&timer.address)?;
                    Some(TimerRow { due_ms: timer.due_ms, address, id: timer.id.cast_unsigned() })
                })
                .take(rows(limit))
                .collect(),
        )
    }

    fn jobs_ready<'a>(
        &'a self,
        shard: ShardId,
        job_type: &'a str,
        after: Option<JobKey>,
        limit: u32,
    ) -> Task<'a, Vec<ReadyJob>> {
        let job_type: Str = job_type.into();
        let state = self.state();
        let first = (shard, Str::clone(&job_type), after.unwrap_or(JobKey(0)));
        done(
            state
                .ready
                .range(first..)
                .take_while(|(of, name, _)| *of == shard && *name == job_type)
                .filter(|(_, _, job)| Some(*job) != after)
                .map(|(_, _, job)| ReadyJob { job: *job })
                .take(rows(limit))
                .collect(),
        )
    }

    fn job_types(&self, shard: ShardId) -> Task<'_, Vec<(Str, u64)>> {
        let mut types: Vec<(Str, u64)> = Vec::new();
        for (_, name, _) in self.state().ready.iter().filter(|(of, _, _)| *of == shard) {
            match types.last_mut() {
                Some((last, number)) if last == name => *number += 1,
                _ => types.push((Str::clone(name), 1)),
            }
        }
        done(types)
    }

    fn jobs_leased(
        &self,
        shard: ShardId,
        after: Option<JobKey>,
        limit: u32,
    ) -> Task<'_, Vec<LeasedJob>> {
        let state = self.state();
        done(
            state
                .leased
                .iter()
                .filter(|(job, (of, _, _))| *of == shard && Some(**job) > after)
                .map(|(job, (_, job_type, deadline_ms))| LeasedJob {
                    job: *job,
                    job_type: Str::clone(job_type),
                    deadline_ms: *deadline_ms,
                })
                .take(rows(limit))
                .collect(),
        )
    }

    fn seen<'a>(&'a self, of: &'a [(Str, Str)]) -> Task<'a, Vec<Option<DocumentKey>>> {
        let state = self.state();
        done(of.iter().map(|pair| state.seen.get(pair).map(|(document, _)| *document)).collect())
    }

    fn document(&self, key: DocumentKey) -> Task<'_, Option<DocumentRow>> {
        done(self.state().documents.get(&key).cloned())
    }

    fn entries<'a>(
        &'a self,
        in_state: EntryState,
        trigger: Option<&'a str>,
        after: Option<EntryKey>,
        limit: u32,
    ) -> Task<'a, Vec<(EntryKey, EntryRow)>> {
        let state = self.state();
        done(
            state
                .entries
                .iter()
                .filter(|(key, row)| {
                    Some(**key) > after
                        && row.state == in_state
                        && trigger.is_none_or(|trigger| *row.trigger == *trigger)
                })
                .map(|(key, row)| (*key, row.clone()))
                .take(rows(limit))
                .collect(),
        )
    }

    fn entry(&self, key: EntryKey) -> Task<'_, Option<EntryRow>> {
        done(self.state().entries.get(&key).cloned())
    }

    fn instances<'a>(&'a self, filter: &'a InstanceFilter) -> Task<'a, Vec<InstanceRow>> {
        let state = self.state();
        done(
            state
                .instances
                .values()
                .rev()
                .filter(|row| is_listed(filter, row))
                .take(rows(filter.limit))
                .cloned()
                .collect(),
        )
    }

    fn instance(&self, key: InstanceKey) -> Task<'_, Option<InstanceRow>> {
        done(self.state().instances.get(&key).cloned())
    }

    fn forgettable(&self, before_ms: i64, limit: u32) -> Task<'_, Vec<InstanceKey>> {
        let state = self.state();
        done(
            state
                .forgettable
                .iter()
                .take_while(|(forget_ms, _)| *forget_ms < before_ms)
                .map(|(_, key)| *key)
                .take(rows(limit))
                .collect(),
        )
    }

    fn audit(&self, instance: InstanceKey) -> Task<'_, Vec<AuditRow>> {
        let state = self.state();
        done(
            state
                .audit
                .range((instance, 0)..=(instance, u64::MAX))
                .map(|((_, sequence), (at_ms, records))| AuditRow {
                    sequence: *sequence,
                    at_ms: *at_ms,
                    records: records.clone(),
                })
                .collect(),
        )
    }

    fn incidents(
        &self,
        instance: Option<InstanceKey>,
        after: Option<IncidentKey>,
        limit: u32,
    ) -> Task<'_, Vec<(IncidentKey, IncidentRow)>> {
        let state = self.state();
        done(
            state
                .incidents
                .iter()
                .filter(|(key, row)| {
                    Some(**key) > after && instance.is_none_or(|instance| row.instance == instance)
                })
                .map(|(key, row)| (*key, row.clone()))
                .take(rows(limit))
                .collect(),
        )
    }

    fn incident(&self, key: IncidentKey) -> Task<'_, Option<IncidentRow>> {
        done(self.state().incidents.get(&key).cloned())
    }

    fn definitions(&self) -> Task<'_, Vec<DefinitionRow>> {
        done(self.state().definitions.values().cloned().collect())
    }

    fn packages(&self) -> Task<'_, Vec<PackageRow>> {
        done(self.state().packages.values().cloned().collect())
    }

    fn blob<'a>(&'a self, digest: &'a str) -> Task<'a, Option<Bytes>> {
        done(self.state().blobs.get(digest).cloned())
    }

    fn settings(&self) -> Task<'_, Vec<(Str, Str)>> {
        let state = self.state();
        done(state.settings.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn counts(&self) -> Task<'_, Vec<(DefinitionKey, u64, u64)>> {
        let mut counts: BTreeMap<DefinitionKey, (u64, u64)> = BTreeMap::new();
        let state = self.state();
        for row in state.instances.values().filter(|row| row.state == InstanceState::Active) {
            let count = counts.entry(row.definition).or_default();
            count.0 += 1;
            count.1 += u64::from(row.incidents > 0);
        }
        done(counts.into_iter().map(|(key, (all, failed))| (key, all, failed)).collect())
    }

    fn health(&self) -> Task<'_, Health> {
        done(Health { kind: "memory", format: 1, bytes: self.state().bytes() })
    }
}

fn is_listed(filter: &InstanceFilter, row: &InstanceRow) -> bool {
    filter.before.is_none_or(|before| row.key < before)
        && filter.process.as_ref().is_none_or(|process| row.process == *process)
        && filter.version.is_none_or(|version| row.version == version)
        && filter.state.is_none_or(|state| row.state == state)
        && (!filter.with_incidents || row.incidents > 0)
        && (filter.business_key.is_none() || row.business_key == filter.business_key)
        && (filter.parent.is_none() || row.parent == filter.parent)
}
