//! Why a command was refused. A refused command changes nothing.
//!
//! Boundary: values; their codes, pages and statuses belong to the faces.
//! Read first: [`Rejection`].

use alloc::string::String;

use crate::ids::{IncidentKey, InstanceKey, JobKey, StepKey};
use crate::lock::Owner;

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// No such instance, or it has ended.
    InstanceGone(InstanceKey),
    /// No such job, or it was completed, failed for good or withdrawn.
    JobGone(JobKey),
    /// The job has no retries left and waits for a person.
    JobFailed(JobKey),
    /// The job is not with a worker.
    JobNotLeased(JobKey),
    /// No such incident, or it was resolved.
    IncidentGone(IncidentKey),
    /// The job of the incident has no retries left.
    NoRetries(JobKey),
    /// No such step, or it was left.
    StepGone(StepKey),
    /// The instance was called by another one; cancel that one.
    Called {
        /// The instance.
        instance: InstanceKey,
        /// Its caller.
        caller: InstanceKey,
    },
    /// The wake-up, message or answer is no longer waited for.
    Stale,
    /// The process has no start event of the wanted kind.
    NoStart {
        /// What was wanted.
        wanted: String,
    },
    /// A message of this name, key and id is still buffered.
    Duplicate,
    /// A lock is given back or renewed by somebody who neither holds it nor waits for it.
    LockNotHeld {
        /// Who.
        owner: Owner,
        /// Who holds it instead.
        holder: Option<Owner>,
    },
    /// The holder that an operator meant does not hold the lock any more.
    LockPassedOn {
        /// Who holds it now.
        holder: Option<Owner>,
    },
    /// A value in the command is out of range.
    Invalid {
        /// Which, and what it must be.
        detail: String,
    },
}
