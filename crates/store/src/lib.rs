//! One port to durable state, and its adapters.
//!
//! Boundary: the only crate with SQL. It stores what `node` hands it and gives it back; it takes
//! no decision. Snapshots and audit records are opaque bytes here.
//! Read first: [`Store`], then [`Unit`].

pub mod blobs;
mod cluster;
#[cfg(feature = "conformance")]
pub mod conformance;
mod deployments;
mod keys;
pub mod memory;
mod port;
pub mod postgres;
pub mod sqlite;
mod statement;
pub mod stored;
pub mod transfer;
mod unit;

pub use cluster::{
    Acquired, Beat, Bond, Cluster, Member, NewMember, Pulse, SHARDS_MAX, SLOTS, ServerKey,
    ShardOwner, Standing, slot_of,
};
pub use deployments::{
    DeploymentChange, DeploymentFilter, DeploymentRow, DeploymentState, Deployments,
};
pub use port::{
    AuditRow, Committed, EntryFilter, Error, Health, InstanceFilter, InstanceRow, Lease, LeasedJob,
    ReadyJob, RequestFilter, Store, Task, TimerRow,
};
pub use unit::{
    AggregateChange, DefinitionRow, DocumentRow, EntryRow, EntryState, IncidentRow, InstanceChange,
    InstanceState, JobChange, Letter, LetterKey, LockRow, NewAudit, PackageRow, RequestRow,
    RequestState, Role, Seen, TimerChange, TokenRow, Unit,
};
