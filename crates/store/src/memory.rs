//! The store in memory: for tests and for simulation.
//!
//! Boundary: the whole promise of [`Store`] except that nothing outlives the value. Every answer
//! has one order, so that a simulation of it repeats. No task, no thread, no clock.
//! Invariants: MEM-1 every future is ready at its first poll, and a commit takes effect when it
//! is called.
//! Read first: [`Memory`], then `memory/apply.rs`.   Tests: `conformance`

mod apply;
mod cluster;
mod deployments;
mod filter;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::ops::Bound;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use engine::ids::{
    Address, Block, DefinitionKey, DeploymentKey, DocumentKey, EntryKey, IncidentKey, InstanceKey,
    JobKey, RequestKey, ShardId,
};
use feel::Str;

use self::cluster::ClusterState;
use self::filter::{is_entry_listed, is_listed, is_request_listed};
use crate::deployments::{self as rules, DeploymentRow};
use crate::keys;
use crate::port::{
    AuditRow, Committed, EntryFilter, Error, Health, InstanceFilter, InstanceRow, LeasedJob,
    ReadyJob, RequestFilter, Store, Task, TimerRow,
};
use crate::unit::{
    DefinitionRow, DocumentRow, EntryRow, IncidentRow, InstanceState, LetterKey, LockRow,
    PackageRow, RequestRow, RequestState, TokenRow, Unit,
};

/// Says what time it is: milliseconds since 1970 UTC.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A store that forgets everything when it is dropped.
pub struct Memory {
    state: Mutex<State>,
    clock: Clock,
    /// What the clock shows if the store has one of its own.
    passed_ms: Arc<AtomicI64>,
}

#[derive(Debug, Default)]
struct State {
    cluster: ClusterState,
    /// Instances by key, the others by the bytes of their addresses.
    snapshots: BTreeMap<(ShardId, InstanceKey), Bytes>,
    aggregates: BTreeMap<(ShardId, Vec<u8>), Bytes>,
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
    deployments: BTreeMap<DeploymentKey, DeploymentRow>,
    blobs: BTreeMap<Str, Bytes>,
    settings: BTreeMap<Str, Str>,
    inbox: BTreeMap<(ShardId, LetterKey), Bytes>,
    requests: BTreeMap<RequestKey, RequestRow>,
    waiting: BTreeSet<RequestKey>,
    locks: BTreeMap<Str, LockRow>,
    tokens: BTreeMap<Str, TokenRow>,
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
    /// An empty store whose clock begins at 0 and moves only by [`Memory::pass`].
    #[must_use]
    pub fn new() -> Self {
        let passed_ms = Arc::new(AtomicI64::new(0));
        let shown = Arc::clone(&passed_ms);
        let clock: Clock = Arc::new(move || shown.load(Ordering::Relaxed));
        Self { state: Mutex::default(), clock, passed_ms }
    }

    /// An empty store with the caller's clock.
    #[must_use]
    pub fn with_clock(clock: Clock) -> Self {
        Self { clock, ..Self::new() }
    }

    /// Lets time pass on the store's own clock.
    pub fn pass(&self, milliseconds: i64) {
        self.passed_ms.fetch_add(milliseconds, Ordering::Relaxed);
    }

    /// The state; a panic elsewhere leaves it usable, because a unit is checked before it is
    /// applied and applying cannot fail.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Memory").field("state", &self.state).finish_non_exhaustive()
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
    fn commit(&self, unit: Unit) -> Task<'_, Committed> {
        let Some(shard) = unit.shard else {
            return Box::pin(ready(Err(Error::no_shard())));
        };
        let mut state = self.state();
        let State { cluster, deployments, .. } = &mut *state;
        let Some(stored) = cluster.shards.get_mut(&shard) else {
            return done(Committed::NotOwner { epoch: 0 });
        };
        if !stored.is_held_under(unit.epoch) {
            return done(Committed::NotOwner { epoch: stored.epoch });
        }
        if stored.sequence.checked_add(1) != Some(unit.sequence) {
            return done(Committed::Conflict { stored: stored.sequence });
        }
        let state_of = |key| Ok::<_, Infallible>(deployments.get(&key).map(|row| row.state));
        let Ok(refused) = rules::refused(&unit.deployments, state_of);
        if let Some(deployment) = refused {
            return done(Committed::Decided { deployment });
        }
        stored.sequence = unit.sequence;
        stored.blocks_next = unit.blocks_next;
        stored.after_failure = false;
        state.apply(shard, unit);
        done(Committed::Done)
    }

    fn load<'a>(&'a self, shard: ShardId, of: &'a [Address]) -> Task<'a, Vec<Option<Bytes>>> {
        let state = self.state();
        let load = |address: &Address| match address {
            Address::Instance(key) => state.snapshots.get(&(shard, *key)).cloned(),
            address => state.aggregates.get(&(shard, address.to_bytes())).cloned(),
        };
        done(of.iter().map(load).collect())
    }

    fn aggregates<'a>(
        &'a self,
        shard: ShardId,
        after: Option<&'a Address>,
        limit: u32,
    ) -> Task<'a, Vec<(Address, Bytes)>> {
        let after = after.map_or(Vec::new(), Address::to_bytes);
        let state = self.state();
        done(
            state
                .aggregates
                .range((Bound::Excluded((shard, after)), Bound::Unbounded))
                .take_while(|((of, _), _)| *of == shard)
                .filter_map(|((_, address), snapshot)| {
                    Some((Address::from_bytes(address)?, snapshot.clone()))
                })
                .take(rows(limit))
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

    fn entries<'a>(&'a self, filter: &'a EntryFilter) -> Task<'a, Vec<(EntryKey, EntryRow)>> {
        let state = self.state();
        done(
            state
                .entries
                .iter()
                .filter(|(key, row)| is_entry_listed(filter, **key, row))
                .map(|(key, row)| (*key, row.clone()))
                .take(rows(filter.limit))
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

    fn forgettable(
        &self,
        shard: ShardId,
        before_ms: i64,
        limit: u32,
    ) -> Task<'_, Vec<InstanceKey>> {
        let state = self.state();
        done(
            state
                .forgettable
                .iter()
                .take_while(|(forget_ms, _)| *forget_ms < before_ms)
                .map(|(_, key)| *key)
                .filter(|key| keys::of_shard(shard).contains(&key.0))
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

    fn inbox(&self, shard: ShardId, limit: u32) -> Task<'_, Vec<(LetterKey, Bytes)>> {
        let first = LetterKey { from: ShardId(0), sequence: 0, index: 0 };
        let state = self.state();
        done(
            state
                .inbox
                .range((shard, first)..)
                .take_while(|((to, _), _)| *to == shard)
                .map(|((_, key), content)| (*key, content.clone()))
                .take(rows(limit))
                .collect(),
        )
    }

    fn claim(
        &self,
        shard: ShardId,
        epoch: u64,
        limit: u32,
    ) -> Task<'_, Vec<(RequestKey, RequestRow)>> {
        let now_ms = (self.clock)();
        let mut state = self.state();
        let state = &mut *state;
        if !state.cluster.shards.get(&shard).is_some_and(|stored| stored.is_held_under(epoch)) {
            return done(Vec::new());
        }
        let requests = &mut state.requests;
        let due = state
            .waiting
            .iter()
            .copied()
            .filter(|key| requests.get(key).is_some_and(|row| row.due_ms <= now_ms));
        let due: Vec<RequestKey> = due.take(rows(limit)).collect();
        let mut claimed = Vec::with_capacity(due.len());
        for key in due {
            state.waiting.remove(&key);
            if let Some(row) = requests.get_mut(&key) {
                row.state = RequestState::Claimed;
                row.shard = Some(shard);
                claimed.push((key, row.clone()));
            }
        }
        done(claimed)
    }

    fn requests<'a>(
        &'a self,
        filter: &'a RequestFilter,
    ) -> Task<'a, Vec<(RequestKey, RequestRow)>> {
        let state = self.state();
        done(
            state
                .requests
                .iter()
                .rev()
                .filter(|(key, row)| is_request_listed(filter, **key, row))
                .map(|(key, row)| (*key, row.clone()))
                .take(rows(filter.limit))
                .collect(),
        )
    }

    fn locks(&self) -> Task<'_, Vec<(Str, LockRow)>> {
        let state = self.state();
        done(state.locks.iter().map(|(name, row)| (name.clone(), row.clone())).collect())
    }

    fn tokens(&self) -> Task<'_, Vec<(Str, TokenRow)>> {
        let state = self.state();
        done(state.tokens.iter().map(|(name, row)| (name.clone(), row.clone())).collect())
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
