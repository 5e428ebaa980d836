//! One port to durable state, and its adapters.
//!
//! Boundary: the only crate with SQL. It stores what `node` hands it and gives it back; it takes
//! no decision. Snapshots and audit records are opaque bytes here.
//! Read first: [`Store`], then [`Unit`].

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod memory;
mod port;
pub mod sqlite;
mod unit;

pub use port::{
    AuditRow, Committed, Error, Health, InstanceFilter, InstanceRow, Lease, LeasedJob, ReadyJob,
    Store, Task, TimerRow,
};
pub use unit::{
    AggregateChange, DefinitionRow, DocumentRow, EntryRow, EntryState, IncidentRow, InstanceChange,
    InstanceState, JobChange, NewAudit, PackageRow, Seen, TimerChange, Unit,
};
