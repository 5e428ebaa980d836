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
    Address, Block, DefinitionKey, DeploymentKey, DocumentKey, EntryKey, IncidentKey, InstanceKey,
    JobKey, RequestKey, ShardId,
};
use feel::Str;
use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::deployments::Deployments;
use crate::unit::{
    DefinitionRow, DocumentRow, EntryRow, EntryState, IncidentRow, InstanceState, LetterKey,
    LockRow, PackageRow, RequestRow, RequestState, TokenRow, Unit,
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
    /// An object of the storage is not what was written.
    #[error("`{object}` in `{place}` is damaged: {detail}; put it back from a backup")]
    Damaged {
        /// The object.
        object: String,
        /// The storage, or the backup.
        place: String,
        /// What was found.
        detail: String,
    },
    /// A backup is not what was written.
    #[error("the backup in `{place}` cannot be used: {detail} damaged or not there")]
    Spoilt {
        /// The backup.
        place: String,
        /// What of it, with its verb.
        detail: String,
    },
    /// A value is in a storage, of which nothing is known here.
    #[error("`{object}` is in the storage of large values, and none is configured")]
    Detached {
        /// The object.
        object: String,
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
    /// Whether it is about a PostgreSQL database, not a directory.
    #[must_use]
    pub fn is_about_postgres(&self) -> bool {
        match self {
            Self::Full { place, .. }
            | Self::InUse { place }
            | Self::Foreign { place, .. }
            | Self::Newer { place, .. }
            | Self::Failed { place, .. } => {
                place.starts_with("postgresql://") || place == crate::postgres::ADDRESS
            }
            Self::Damaged { .. } | Self::Spoilt { .. } | Self::Detached { .. } | Self::Closed => {
                false
            }
        }
    }

    /// What every store answers to a unit that names no shard.
    pub(crate) fn no_shard() -> Self {
        Self::Failed { act: "commit", place: "unit".into(), source: "it names no shard".into() }
    }

    /// What every store answers if it is to have more shards than there can be.
    pub(crate) fn too_many_shards(shards: u16) -> Self {
        let source = format!("{shards} is more than {}", crate::SHARDS_MAX).into();
        Self::Failed { act: "found", place: "shards".into(), source }
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
    /// A deployment that the unit commits is not open (any more); nothing was changed, and the
    /// shard goes on with a unit of the same sequence.
    Decided {
        /// The first such deployment.
        deployment: DeploymentKey,
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
    /// Only of this shard.
    pub shard: Option<ShardId>,
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

/// Which process requests to list; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    /// Only in this state.
    pub state: Option<RequestState>,
    /// Only claimed by this shard.
    pub shard: Option<ShardId>,
    /// Only of this process id.
    pub process: Option<Str>,
    /// Only this one.
    pub key: Option<RequestKey>,
    /// Only older than this key: the cursor of the next page.
    pub before: Option<RequestKey>,
    /// At most so many rows.
    pub limit: u32,
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// `memory`, `sqlite`, `postgres`, or `postgres, pooled`: behind a pool that gives a connection
    /// for one transaction at a time, where changes are not heard of.
    pub kind: &'static str,
    /// Format of the stored data.
    pub format: u32,
    /// Bytes in use, as far as the store can tell.
    pub bytes: u64,
}

/// Which entries of trigger queues to list; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    /// Only in this state.
    pub state: Option<EntryState>,
    /// Only of this trigger.
    pub trigger: Option<Str>,
    /// Only of this shard.
    pub shard: Option<ShardId>,
    /// Only behind this key.
    pub after: Option<EntryKey>,
    /// At most so many rows.
    pub limit: u32,
}

/// Durable state. A shard that was never held starts with epoch 1, sequence 0 and block 1; nobody
/// can write under epoch 0.
pub trait Store: Cluster + Deployments {
    /// Applies a unit: the only write. Cancelling the future does not cancel the commit.
    fn commit(&self, unit: Unit) -> Task<'_, Committed>;

    /// The snapshots of aggregates, in the order asked.
    fn load<'a>(&'a self, shard: ShardId, of: &'a [Address]) -> Task<'a, Vec<Option<Bytes>>>;

    /// The aggregates of a shard that are no instances, in order of the bytes of their addresses,
    /// behind `after` if given.
    fn aggregates<'a>(
        &'a self,
        shard: ShardId,
        after: Option<&'a Address>,
        limit: u32,
    ) -> Task<'a, Vec<(Address, Bytes)>>;

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

    /// Entries in order of their keys.
    fn entries<'a>(&'a self, filter: &'a EntryFilter) -> Task<'a, Vec<(EntryKey, EntryRow)>>;

    /// One entry.
    fn entry(&self, key: EntryKey) -> Task<'_, Option<EntryRow>>;

    /// Instances, newest first.
    fn instances<'a>(&'a self, filter: &'a InstanceFilter) -> Task<'a, Vec<InstanceRow>>;

    /// One instance.
    fn instance(&self, key: InstanceKey) -> Task<'_, Option<InstanceRow>>;

    /// Finished instances of a shard to be forgotten before `before_ms`, in order of that time.
    fn forgettable(&self, shard: ShardId, before_ms: i64, limit: u32)
    -> Task<'_, Vec<InstanceKey>>;

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

    /// All package versions, also those that are not active, in order of name and version (as
    /// text).
    fn packages(&self) -> Task<'_, Vec<PackageRow>>;

    /// What other shards sent to this one and it has not yet received, in order of the keys.
    fn inbox(&self, shard: ShardId, limit: u32) -> Task<'_, Vec<(LetterKey, Bytes)>>;

    /// Takes up to `limit` process requests that wait and are due by the store's clock, for the
    /// shard: they are claimed by it from now on, and by nobody else (R40). Changes nothing if the
    /// epoch is not the one in force. In order of their keys.
    fn claim(
        &self,
        shard: ShardId,
        epoch: u64,
        limit: u32,
    ) -> Task<'_, Vec<(RequestKey, RequestRow)>>;

    /// Process requests, newest first.
    fn requests<'a>(&'a self, filter: &'a RequestFilter)
    -> Task<'a, Vec<(RequestKey, RequestRow)>>;

    /// Named locks in order of their names, with who holds them and how many wait (R49).
    fn locks(&self) -> Task<'_, Vec<(Str, LockRow)>>;

    /// Tokens in order of their names; hashes only.
    fn tokens(&self) -> Task<'_, Vec<(Str, TokenRow)>>;

    /// A blob by digest.
    fn blob<'a>(&'a self, digest: &'a str) -> Task<'a, Option<Bytes>>;

    /// All shared settings, in order of their names.
    fn settings(&self) -> Task<'_, Vec<(Str, Str)>>;

    /// Active instances per process version: `(definition, number, of these with incidents)`.
    fn counts(&self) -> Task<'_, Vec<(DefinitionKey, u64, u64)>>;

    /// A number that grows when another server may have changed definitions, packages, settings,
    /// tokens or slots, opened, decided or forgotten a deployment, or made a process request; also
    /// when nobody knows whether it did. None: it has to be asked for ([`Cluster::beat`]).
    /// Nothing else is told so.
    fn changes(&self) -> Option<watch::Receiver<u64>> {
        None
    }

    /// How the store is; also proves that it answers.
    fn health(&self) -> Task<'_, Health>;
}
