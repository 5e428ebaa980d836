//! A store that dies at a chosen commit, before or after it took effect, or takes its time.
//!
//! Boundary: a wrapper around any store. After its death every call fails, as for a server that
//! was killed; the inner store lives on and is opened again by the next server.
//! Read first: [`Mortal::new`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use engine::ids::{
    Address, Block, DefinitionKey, DocumentKey, EntryKey, IncidentKey, InstanceKey, JobKey, ShardId,
};
use feel::Str;
use store::{
    AuditRow, Committed, DefinitionRow, DocumentRow, EntryRow, EntryState, Error, Health,
    IncidentRow, InstanceFilter, InstanceRow, Lease, LeasedJob, PackageRow, ReadyJob, Store, Task,
    TimerRow, Unit,
};
use tokio::sync::{Mutex, MutexGuard};

/// When the store dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Commit number `n` (from 1) is lost.
    Before(u64),
    /// Commit number `n` (from 1) is durable, but nobody hears of it.
    After(u64),
    /// Commit number `n` (from 1) is lost; later ones are not.
    Hiccup(u64),
    /// It does not die.
    Never,
}

/// A store that dies at a chosen commit.
pub struct Mortal {
    inner: Arc<dyn Store>,
    death: Death,
    commits: AtomicU64,
    dead: AtomicBool,
    slow: Mutex<()>,
}

impl Mortal {
    /// A store that works as `inner` until its death.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, death: Death) -> Self {
        Self {
            inner,
            death,
            commits: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            slow: Mutex::new(()),
        }
    }

    /// Commits take no effect and do not answer while the guard lives.
    pub async fn hold(&self) -> MutexGuard<'_, ()> {
        self.slow.lock().await
    }

    /// Commits that were asked for.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Whether it has died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    fn die(&self) {
        self.dead.store(true, Ordering::Release);
    }

    fn alive<'a, T: Send + 'a>(&'a self, call: Task<'a, T>) -> Task<'a, T> {
        Box::pin(async move {
            if self.is_dead() {
                return Err(Error::Closed);
            }
            let answer = call.await;
            if self.is_dead() { Err(Error::Closed) } else { answer }
        })
    }
}

impl Store for Mortal {
    fn acquire<'a>(&'a self, shard: ShardId, server: &'a str) -> Task<'a, Lease> {
        self.alive(self.inner.acquire(shard, server))
    }

    fn commit(&self, unit: Unit) -> Task<'_, Committed> {
        Box::pin(async move {
            if self.is_dead() {
                return Err(Error::Closed);
            }
            let number = self.commits.fetch_add(1, Ordering::AcqRel) + 1;
            if self.death == Death::Before(number) {
                self.die();
                return Err(Error::Closed);
            }
            if self.death == Death::Hiccup(number) {
                let source = "it was told to".into();
                return Err(Error::Failed { act: "commit to", place: "store".into(), source });
            }
            drop(self.slow.lock().await);
            let answer = self.inner.commit(unit).await;
            if self.death == Death::After(number) {
                self.die();
                return Err(Error::Closed);
            }
            answer
        })
    }

    fn load<'a>(&'a self, shard: ShardId, of: &'a [Address]) -> Task<'a, Vec<Option<Bytes>>> {
        self.alive(self.inner.load(shard, of))
    }

    fn block_owner(&self, shard: ShardId, block: Block) -> Task<'_, Option<InstanceKey>> {
        self.alive(self.inner.block_owner(shard, block))
    }

    fn timers<'a>(
        &'a self,
        shard: ShardId,
        after: Option<&'a TimerRow>,
        before_ms: i64,
        limit: u32,
    ) -> Task<'a, Vec<TimerRow>> {
        self.alive(self.inner.timers(shard, after, before_ms, limit))
    }

    fn jobs_ready<'a>(
        &'a self,
        shard: ShardId,
        job_type: &'a str,
        after: Option<JobKey>,
        limit: u32,
    ) -> Task<'a, Vec<ReadyJob>> {
        self.alive(self.inner.jobs_ready(shard, job_type, after, limit))
    }

    fn job_types(&self, shard: ShardId) -> Task<'_, Vec<(Str, u64)>> {
        self.alive(self.inner.job_types(shard))
    }

    fn jobs_leased(
        &self,
        shard: ShardId,
        after: Option<JobKey>,
        limit: u32,
    ) -> Task<'_, Vec<LeasedJob>> {
        self.alive(self.inner.jobs_leased(shard, after, limit))
    }

    fn seen<'a>(&'a self, of: &'a [(Str, Str)]) -> Task<'a, Vec<Option<DocumentKey>>> {
        self.alive(self.inner.seen(of))
    }

    fn document(&self, key: DocumentKey) -> Task<'_, Option<DocumentRow>> {
        self.alive(self.inner.document(key))
    }

    fn entries<'a>(
        &'a self,
        state: EntryState,
        trigger: Option<&'a str>,
        after: Option<EntryKey>,
        limit: u32,
    ) -> Task<'a, Vec<(EntryKey, EntryRow)>> {
        self.alive(self.inner.entries(state, trigger, after, limit))
    }

    fn entry(&self, key: EntryKey) -> Task<'_, Option<EntryRow>> {
        self.alive(self.inner.entry(key))
    }

    fn instances<'a>(&'a self, filter: &'a InstanceFilter) -> Task<'a, Vec<InstanceRow>> {
        self.alive(self.inner.instances(filter))
    }

    fn instance(&self, key: InstanceKey) -> Task<'_, Option<InstanceRow>> {
        self.alive(self.inner.instance(key))
    }

    fn forgettable(&self, before_ms: i64, limit: u32) -> Task<'_, Vec<InstanceKey>> {
        self.alive(self.inner.forgettable(before_ms, limit))
    }

    fn audit(&self, instance: InstanceKey) -> Task<'_, Vec<AuditRow>> {
        self.alive(self.inner.audit(instance))
    }

    fn incidents(
        &self,
        instance: Option<InstanceKey>,
        after: Option<IncidentKey>,
        limit: u32,
    ) -> Task<'_, Vec<(IncidentKey, IncidentRow)>> {
        self.alive(self.inner.incidents(instance, after, limit))
    }

    fn incident(&self, key: IncidentKey) -> Task<'_, Option<IncidentRow>> {
        self.alive(self.inner.incident(key))
    }

    fn definitions(&self) -> Task<'_, Vec<DefinitionRow>> {
        self.alive(self.inner.definitions())
    }

    fn packages(&self) -> Task<'_, Vec<PackageRow>> {
        self.alive(self.inner.packages())
    }

    fn blob<'a>(&'a self, digest: &'a str) -> Task<'a, Option<Bytes>> {
        self.alive(self.inner.blob(digest))
    }

    fn settings(&self) -> Task<'_, Vec<(Str, Str)>> {
        self.alive(self.inner.settings())
    }

    fn counts(&self) -> Task<'_, Vec<(DefinitionKey, u64, u64)>> {
        self.alive(self.inner.counts())
    }

    fn health(&self) -> Task<'_, Health> {
        self.alive(self.inner.health())
    }
}
