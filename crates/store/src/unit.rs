//! What must become true together: one batch of one shard.
//!
//! Boundary: plain rows; how they were derived from events is `node`'s business. Later entries of
//! a list win over earlier ones of the same key, and each list is applied in order.
//! Invariants: UNI-1 a unit is applied whole or not at all. UNI-2 it is applied only if the
//! shard's epoch is the caller's, the shard's sequence is `sequence - 1`, and every deployment that
//! it commits is open.
//! Read first: [`Unit`].

use bytes::Bytes;
use engine::ids::{
    Address, Block, DefinitionKey, DocumentKey, EntryKey, IncidentKey, InstanceKey, JobKey,
    RequestKey, ShardId, StepKey,
};
use feel::Str;

use crate::deployments::DeploymentChange;

/// One batch of changes of one shard.
#[derive(Debug, Clone, Default)]
pub struct Unit {
    /// The shard; [`None`] only in `Default`, which no store accepts.
    pub shard: Option<ShardId>,
    /// The epoch under which the caller holds the shard.
    pub epoch: u64,
    /// The sequence that this unit takes; the stored one must be one less.
    pub sequence: u64,
    /// The shard's next unused block of keys.
    pub blocks_next: u64,
    /// Snapshots of aggregates; none deletes.
    pub aggregates: Vec<AggregateChange>,
    /// Blocks that instances took beyond their first.
    pub blocks: Vec<(Block, InstanceKey)>,
    /// Rows of the instance list.
    pub instances: Vec<InstanceChange>,
    /// Audit records to append.
    pub audit: Vec<NewAudit>,
    /// Jobs that became ready, leased or gone.
    pub jobs: Vec<JobChange>,
    /// Wake-ups that were armed or disarmed.
    pub timers: Vec<TimerChange>,
    /// Open incidents; none closes.
    pub incidents: Vec<(IncidentKey, Option<IncidentRow>)>,
    /// Documents that some queue still holds; none forgets.
    pub documents: Vec<(DocumentKey, Option<DocumentRow>)>,
    /// Entries of trigger queues; none removes.
    pub entries: Vec<(EntryKey, Option<EntryRow>)>,
    /// Published ids, for the recognition of duplicates (R37).
    pub seen: Vec<Seen>,
    /// Process versions to insert or replace, by key.
    pub definitions: Vec<DefinitionRow>,
    /// Packages to insert or replace, by name and version.
    pub packages: Vec<PackageRow>,
    /// Package versions to forget, by name and version, behind those above.
    pub packages_forgotten: Vec<(Str, Str)>,
    /// Deployments that are opened, decided or forgotten.
    pub deployments: Vec<DeploymentChange>,
    /// Content-addressed blobs: lower-case hexadecimal sha256 and content.
    pub blobs: Vec<(Str, Bytes)>,
    /// Shared settings; none removes.
    pub settings: Vec<(Str, Option<Str>)>,
    /// What goes to other shards; they are woken by the sender after the commit.
    pub sent: Vec<Letter>,
    /// Letters of this shard's inbox that this unit has dealt with.
    pub received: Vec<LetterKey>,
    /// Process requests; none removes.
    pub requests: Vec<(RequestKey, Option<RequestRow>)>,
    /// Rows of the list of locks; none removes.
    pub locks: Vec<(Str, Option<LockRow>)>,
    /// Tokens by name; none removes.
    pub tokens: Vec<(Str, Option<TokenRow>)>,
    /// Slots that belong to another shard from now on.
    pub slots: Vec<(u16, ShardId)>,
    /// Finished instances to forget, with their audit records and blocks; active ones stay.
    pub forget: Vec<InstanceKey>,
    /// Published ids older than this are forgotten, if given, and documents older than this that
    /// no queue holds any more: those whose document has a key of this shard, so that no two
    /// shards remove the same rows.
    pub seen_before_ms: Option<i64>,
}

impl Unit {
    /// Whether servers have to load the catalogue again.
    pub(crate) fn changes_catalog(&self) -> bool {
        !self.definitions.is_empty()
            || !self.packages.is_empty()
            || !self.packages_forgotten.is_empty()
    }
}

/// A snapshot that replaces the earlier one, or the end of an aggregate.
#[derive(Debug, Clone)]
pub struct AggregateChange {
    /// Which aggregate.
    pub address: Address,
    /// Its new snapshot, or none when it is gone.
    pub snapshot: Option<Bytes>,
}

/// How an instance stands in lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum InstanceState {
    /// Running, perhaps waiting.
    Active = 1,
    /// Ended normally.
    Completed = 2,
    /// Ended by a person, a parent or a terminating error.
    Cancelled = 3,
    /// Ended because its server died and its process is not to be resumed (R42).
    Failed = 4,
}

/// A change of the instance list.
#[derive(Debug, Clone)]
pub enum InstanceChange {
    /// A new row.
    Started {
        /// The instance.
        key: InstanceKey,
        /// Its process version.
        definition: DefinitionKey,
        /// The process id.
        process: Str,
        /// The version number.
        version: u32,
        /// The calling instance, if any.
        parent: Option<InstanceKey>,
        /// Correlation key or business key, if any.
        business_key: Option<Str>,
        /// Start, milliseconds since 1970 UTC.
        started_ms: i64,
    },
    /// The number of open incidents changed.
    Incidents {
        /// The instance.
        key: InstanceKey,
        /// Open incidents now.
        open: u32,
    },
    /// The instance ended.
    Ended {
        /// The instance.
        key: InstanceKey,
        /// How.
        state: InstanceState,
        /// When, milliseconds since 1970 UTC.
        ended_ms: i64,
        /// When it may be forgotten, milliseconds since 1970 UTC.
        forget_ms: i64,
    },
}

/// Audit records of one instance from one batch.
#[derive(Debug, Clone)]
pub struct NewAudit {
    /// The instance.
    pub instance: InstanceKey,
    /// Grows within the instance.
    pub sequence: u64,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// The encoded records.
    pub records: Bytes,
}

/// A change of the job index. The type of a job never changes.
#[derive(Debug, Clone)]
pub enum JobChange {
    /// Waits for a worker.
    Ready {
        /// The job.
        job: JobKey,
        /// Its type.
        job_type: Str,
    },
    /// A worker has it until the deadline. Removes it from the ready ones.
    Leased {
        /// The job.
        job: JobKey,
        /// Its type.
        job_type: Str,
        /// Milliseconds since 1970 UTC.
        deadline_ms: i64,
    },
    /// Neither ready nor leased any more.
    Gone {
        /// The job.
        job: JobKey,
        /// Its type.
        job_type: Str,
    },
}

/// A change of the wake-up index.
#[derive(Debug, Clone)]
pub enum TimerChange {
    /// Wake the aggregate at the time. The three fields together are the key.
    Arm {
        /// Milliseconds since 1970 UTC.
        due_ms: i64,
        /// Whom.
        address: Address,
        /// What for; meaningful to the aggregate only.
        id: u64,
    },
    /// Do not.
    Disarm {
        /// As armed.
        due_ms: i64,
        /// As armed.
        address: Address,
        /// As armed.
        id: u64,
    },
}

/// An open incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentRow {
    /// The instance that has it.
    pub instance: InstanceKey,
    /// The step that failed.
    pub step: StepKey,
    /// Its job, if it has one.
    pub job: Option<JobKey>,
    /// The BPMN id of the element.
    pub element: Str,
    /// The process id.
    pub process: Str,
    /// The kind, for example `JOB_NO_RETRIES`.
    pub kind: Str,
    /// What happened.
    pub message: Str,
    /// Since when, milliseconds since 1970 UTC.
    pub at_ms: i64,
}

/// A document that some trigger's queue still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRow {
    /// The document type, `package/name`.
    pub document_type: Str,
    /// CloudEvents `id`.
    pub id: Str,
    /// CloudEvents `source`.
    pub source: Str,
    /// When it was accepted, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// The content as JSON text.
    pub content: Bytes,
}

/// Where an entry of a trigger's queue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EntryState {
    /// To be delivered at `due_ms`.
    Queued = 1,
    /// Its instance runs; acknowledged when that ends.
    InProcess = 2,
    /// Held because the process is disabled (policy `park`).
    Parked = 3,
    /// On the dead-letter queue.
    Dead = 4,
}

/// A document on the queue of one trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// The trigger, `package/name`.
    pub trigger: Str,
    /// The document.
    pub document: DocumentKey,
    /// Where it stands.
    pub state: EntryState,
    /// Deliveries tried so far.
    pub attempts: u32,
    /// When it is due (queued), or since when it stands so; milliseconds since 1970 UTC.
    pub due_ms: i64,
    /// The instance that it started, if in process.
    pub instance: Option<InstanceKey>,
    /// Why the last delivery failed.
    pub reason: Option<Str>,
}

/// The id of a published document or message, kept to recognise duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// CloudEvents `source`.
    pub source: Str,
    /// CloudEvents `id`.
    pub id: Str,
    /// The document that it became.
    pub document: DocumentKey,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: i64,
}

/// The place of a letter in an inbox: letters of one sender are received in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterKey {
    /// The shard that sent it.
    pub from: ShardId,
    /// The unit that sent it.
    pub sequence: u64,
    /// Its place in that unit.
    pub index: u32,
}

/// What one shard tells another, durable with the unit that decided on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The shard that gets it.
    pub to: ShardId,
    /// Its place in that shard's inbox.
    pub key: LetterKey,
    /// The encoded command.
    pub content: Bytes,
}

/// Where a process request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RequestState {
    /// Nobody has claimed it.
    Waiting = 1,
    /// A shard has claimed it and will start its instance.
    Claimed = 2,
    /// Its instance runs.
    Running = 3,
    /// Its instance ended normally.
    Completed = 4,
    /// Its instance was cancelled, or failed.
    Failed = 5,
    /// It could not start; `reason` says why.
    Refused = 6,
    /// It was withdrawn before anybody claimed it.
    Withdrawn = 7,
}

/// A durable request to run a process (R40).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// The process id; its enabled version is started.
    pub process: Str,
    /// The first variables, as JSON text.
    pub variables: Bytes,
    /// Where it stands.
    pub state: RequestState,
    /// When it was made, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// Not before, milliseconds since 1970 UTC.
    pub due_ms: i64,
    /// The shard that claimed it.
    pub shard: Option<ShardId>,
    /// The instance that it became.
    pub instance: Option<InstanceKey>,
    /// Why it was refused or failed.
    pub reason: Option<Str>,
    /// When it ended, milliseconds since 1970 UTC.
    pub ended_ms: Option<i64>,
}

/// A named lock as lists show it (R49).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRow {
    /// Who holds it, as people see it: an instance or a client.
    pub holder: Str,
    /// The instance that holds it, if one does.
    pub instance: Option<InstanceKey>,
    /// Grows with each holder; what the lock protects can refuse an older one.
    pub fence: u64,
    /// Since when, milliseconds since 1970 UTC.
    pub since_ms: i64,
    /// How many wait.
    pub waiting: u32,
}

/// What a token may do; each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Reads.
    Viewer = 1,
    /// Also works with instances: publish, start, cancel, jobs, incidents.
    Operator = 2,
    /// Also deploys.
    Developer = 3,
    /// Also settings, servers, tokens.
    Admin = 4,
}

/// An API token; the token itself is nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Lower-case hexadecimal sha256 of the token.
    pub hash: Str,
    /// What it may do.
    pub role: Role,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// When it ends, milliseconds since 1970 UTC.
    pub expires_ms: Option<i64>,
}

/// One version of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionRow {
    /// Its key.
    pub key: DefinitionKey,
    /// The process id.
    pub process: Str,
    /// The version number, from 1.
    pub version: u32,
    /// The package, or empty for a resource deployed alone.
    pub package: Str,
    /// The package's version.
    pub package_version: Str,
    /// The resource name within the package.
    pub resource: Str,
    /// The digest of the resource, which is in the blobs.
    pub digest: Str,
    /// The key of the deployment that brought it.
    pub deployment: u64,
    /// Whether new instances start with it.
    pub enabled: bool,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: i64,
}

/// One version of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRow {
    /// Its name.
    pub name: Str,
    /// Its version.
    pub version: Str,
    /// The digest of its archive, which is in the blobs.
    pub digest: Str,
    /// Whether it is the active version of its name.
    pub active: bool,
    /// Whether an operator disabled it; it may be the active version all the same.
    pub disabled: bool,
    /// Why it is not fully loaded; empty: there is nothing to say.
    pub note: Str,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: i64,
}
