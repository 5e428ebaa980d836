//! The one port to durable state.
//!
//! Boundary: every adapter promises the same (see `conformance`); nothing here decides. Reads
//! see the last committed unit. One shard has one writer, which is why reads need no locks.
//! Invariants: STO-1 `commit` answers only after the unit is on disk. STO-2 a unit under an old
//! epoch or with a wrong sequence changes nothing.
//! Read first: [`Store`], then [`crate::Unit`].

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use engine::ids::{
    Address, Block, DefinitionKey, DocumentKey, EntryKey, IncidentKey, InstanceKey, JobKey, ShardId,
};
use feel::Str;

use crate::unit::{
    DefinitionRow, DocumentRow, EntryRow, EntryState, IncidentRow, InstanceState, PackageRow, Unit,
};

/// What a call of the port returns.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// What can go wrong beneath the port.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no room; nothing was changed.
    #[error("no room left to write `{place}`")]
    Full {
        /// The file or database.
        place: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process has the store open.
    #[error("`{place}` is in use by another server")]
    InUse {
        /// The directory or database.
        place: String,
    },
    /// The file is not a store, or it is damaged.
    #[error("`{place}` is not a usable store: {detail}")]
    Foreign {
        /// The file.
        place: String,
        /// What was found.
        detail: String,
    },
    /// The store was written by a newer version.
    #[error("`{place}` has format {found}, this version knows up to {known}")]
    Newer {
        /// The file or database.
        place: String,
        /// Its format.
        found: u32,
        /// The newest known one.
        known: u32,
    },
    /// Anything else; whether a commit took effect is unknown.
    #[error("cannot {act} `{place}`")]
    Failed {
        /// The failed act.
        act: &'static str,
        /// Its object.
        place: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// What every store answers to a unit that names no shard.
    pub(crate) fn no_shard() -> Self {
        Self::Failed { act: "commit", place: "unit".into(), source: "it names no shard".into() }
    }
}

/// The answer to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is durable.
    Done,
    /// The sequence is not the next one; nothing was changed.
    Conflict {
        /// The stored sequence.
        stored: u64,
    },
    /// Another owner holds the shard; nothing was changed.
    NotOwner {
        /// The epoch in force.
        epoch: u64,
    },
}

/// The right to write a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The shard.
    pub shard: ShardId,
    /// Grows with each acquisition.
    pub epoch: u64,
    /// The sequence of the last unit.
    pub sequence: u64,
    /// The next unused block of keys.
    pub blocks_next: u64,
}

/// A wake-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerRow {
    /// Milliseconds since 1970 UTC.
    pub due_ms: i64,
    /// Whom.
    pub address: Address,
    /// What for.
    pub id: u64,
}

/// A job that waits for a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyJob {
    /// The job; its key leads to its instance.
    pub job: JobKey,
}

/// A job that a worker has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedJob {
    /// The job.
    pub job: JobKey,
    /// Its type.
    pub job_type: Str,
    /// Milliseconds since 1970 UTC.
    pub deadline_ms: i64,
}

/// A row of the instance list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// The instance.
    pub key: InstanceKey,
    /// Its process version.
    pub definition: DefinitionKey,
    /// The process id.
    pub process: Str,
    /// The version number.
    pub version: u32,
    /// How it stands.
    pub state: InstanceState,
    /// Open incidents.
    pub incidents: u32,
    /// The calling instance, if any.
    pub parent: Option<InstanceKey>,
    /// Correlation key or business key, if any.
    pub business_key: Option<Str>,
    /// Start, milliseconds since 1970 UTC.
    pub started_ms: i64,
    /// End, milliseconds since 1970 UTC.
    pub ended_ms: Option<i64>,
}

/// Which instances to list; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct InstanceFilter {
    /// Only of this process id.
    pub process: Option<Str>,
    /// Only of this version.
    pub version: Option<u32>,
    /// Only in this state.
    pub state: Option<InstanceState>,
    /// Only with open incidents.
    pub with_incidents: bool,
    /// Only with this business key.
    pub business_key: Option<Str>,
    /// Only called by this instance.
    pub parent: Option<InstanceKey>,
    /// Only older than this key: the cursor of the next page (newest first).
    pub before: Option<InstanceKey>,
    /// At most so many rows.
    pub limit: u32,
}

/// Audit records of one instance from one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Grows within the instance.
    pub sequence: u64,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// The encoded records.
    pub records: Bytes,
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// `memory`, `sqlite` or `postgres`.
    pub kind: &'static str,
    /// Format of the stored data.
    pub format: u32,
    /// Bytes in use, as far as the store can tell.
    pub bytes: u64,
}

/// Durable state.
pub trait Store: Send + Sync + 'static {
    /// Takes the shard over under a new epoch; the earlier owner is fenced from now on. A shard
    /// that was never held starts with epoch 1, sequence 0 and block 1.
    fn acquire<'a>(&'a self, shard: ShardId, server: &'a str) -> Task<'a, Lease>;

    /// Applies a unit: the only write. Cancelling the future does not cancel the commit.
    fn commit(&self, unit: Unit) -> Task<'_, Committed>;

    /// The snapshots of aggregates, in the order asked.
    fn load<'a>(&'a self, shard: ShardId, of: &'a [Address]) -> Task<'a, Vec<Option<Bytes>>>;

    /// The instance that took `block` beyond its first.
    fn block_owner(&self, shard: ShardId, block: Block) -> Task<'_, Option<InstanceKey>>;

    /// Wake-ups due before `before_ms`, at most `limit`, behind `after` if given: in order of time,
    /// then of the address's bytes, then of the id.
    fn timers<'a>(
        &'a self,
        shard: ShardId,
        after: Option<&'a TimerRow>,
        before_ms: i64,
        limit: u32,
    ) -> Task<'a, Vec<TimerRow>>;

    /// Ready jobs of a type in order of their keys, behind `after` if given.
    fn jobs_ready<'a>(
        &'a self,
        shard: ShardId,
        job_type: &'a str,
        after: Option<JobKey>,
        limit: u32,
    ) -> Task<'a, Vec<ReadyJob>>;

    /// The types that have ready jobs, in order of their names, with their number.
    fn job_types(&self, shard: ShardId) -> Task<'_, Vec<(Str, u64)>>;

    /// All leased jobs, in order of their keys, behind `after` if given.
    fn jobs_leased(
        &self,
        shard: ShardId,
        after: Option<JobKey>,
        limit: u32,
    ) -> Task<'_, Vec<LeasedJob>>;

    /// The document that was published under `(source, id)`, for each pair.
    fn seen<'a>(&'a self, of: &'a [(Str, Str)]) -> Task<'a, Vec<Option<DocumentKey>>>;

    /// The document of a queue entry.
    fn document(&self, key: DocumentKey) -> Task<'_, Option<DocumentRow>>;

    /// Entries in a state, of a trigger if given, in order of their keys, behind `after` if given.
    fn entries<'a>(
        &'a self,
        state: EntryState,
        trigger: Option<&'a str>,
        after: Option<EntryKey>,
        limit: u32,
    ) -> Task<'a, Vec<(EntryKey, EntryRow)>>;

    /// One entry.
    fn entry(&self, key: EntryKey) -> Task<'_, Option<EntryRow>>;

    /// Instances, newest first.
    fn instances<'a>(&'a self, filter: &'a InstanceFilter) -> Task<'a, Vec<InstanceRow>>;

    /// One instance.
    fn instance(&self, key: InstanceKey) -> Task<'_, Option<InstanceRow>>;

    /// Finished instances to be forgotten before `before_ms`, in order of that time.
    fn forgettable(&self, before_ms: i64, limit: u32) -> Task<'_, Vec<InstanceKey>>;

    /// The audit records of an instance, in order.
    fn audit(&self, instance: InstanceKey) -> Task<'_, Vec<AuditRow>>;

    /// Open incidents in order of their keys, of an instance if given, behind `after` if given.
    fn incidents(
        &self,
        instance: Option<InstanceKey>,
        after: Option<IncidentKey>,
        limit: u32,
    ) -> Task<'_, Vec<(IncidentKey, IncidentRow)>>;

    /// One open incident.
    fn incident(&self, key: IncidentKey) -> Task<'_, Option<IncidentRow>>;

    /// All process versions, in order of their keys.
    fn definitions(&self) -> Task<'_, Vec<DefinitionRow>>;

    /// All package versions, in order of name and version (as text).
    fn packages(&self) -> Task<'_, Vec<PackageRow>>;

    /// A blob by digest.
    fn blob<'a>(&'a self, digest: &'a str) -> Task<'a, Option<Bytes>>;

    /// All shared settings, in order of their names.
    fn settings(&self) -> Task<'_, Vec<(Str, Str)>>;

    /// Active instances per process version: `(definition, number, of these with incidents)`.
    fn counts(&self) -> Task<'_, Vec<(DefinitionKey, u64, u64)>>;

    /// How the store is; also proves that it answers.
    fn health(&self) -> Task<'_, Health>;
}
