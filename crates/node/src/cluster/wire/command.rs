//! The commands to instances that may come from another server.
//!
//! Boundary: those that clients and workers give; what aggregates tell each other across shards
//! are letters, and what a shard tells its own instances never leaves it.
//! Read first: [`Order`].

use engine::ids::{IncidentKey, JobKey, StepKey};
use engine::value::text;
use engine::{CancelledBy, Command, Reach};
use feel::{Context, Str};
use minicbor::{Decode, Encode};

use super::context;

/// A command of a client or worker.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) enum Order {
    #[n(0)]
    Complete {
        #[n(0)]
        job: JobKey,
        #[n(1)]
        #[cbor(with = "context")]
        variables: Context,
    },
    #[n(1)]
    Fail {
        #[n(0)]
        job: JobKey,
        #[n(1)]
        retries: i32,
        #[n(2)]
        #[cbor(with = "text")]
        message: Str,
        #[n(3)]
        back_off_ms: i64,
        #[n(4)]
        #[cbor(with = "context")]
        variables: Context,
    },
    #[n(2)]
    Throw {
        #[n(0)]
        job: JobKey,
        #[n(1)]
        #[cbor(with = "text")]
        code: Str,
        #[n(2)]
        #[cbor(with = "text")]
        message: Str,
        #[n(3)]
        #[cbor(with = "context")]
        variables: Context,
    },
    #[n(3)]
    Release {
        #[n(0)]
        job: JobKey,
        #[n(1)]
        attempt: u32,
    },
    #[n(4)]
    Retries {
        #[n(0)]
        job: JobKey,
        #[n(1)]
        retries: i32,
    },
    #[n(5)]
    Deadline {
        #[n(0)]
        job: JobKey,
        #[n(1)]
        deadline_ms: i64,
    },
    #[n(6)]
    Resolve {
        #[n(0)]
        incident: IncidentKey,
    },
    #[n(7)]
    SetVariables {
        #[n(0)]
        step: StepKey,
        #[n(1)]
        #[cbor(with = "context")]
        variables: Context,
        /// Whether they go to the nearest scope upwards that has the name.
        #[n(2)]
        propagate: bool,
    },
    #[n(8)]
    Cancel,
}

impl Order {
    pub(super) fn of(command: Command) -> Option<Self> {
        Some(match command {
            Command::CompleteJob { job, variables } => Self::Complete { job, variables },
            Command::FailJob { job, retries, message, back_off_ms, variables } => {
                Self::Fail { job, retries, message, back_off_ms, variables }
            }
            Command::ThrowError { job, code, message, variables } => {
                Self::Throw { job, code, message, variables }
            }
            Command::ReleaseJob { job, attempt } => Self::Release { job, attempt },
            Command::UpdateRetries { job, retries } => Self::Retries { job, retries },
            Command::UpdateDeadline { job, deadline_ms } => Self::Deadline { job, deadline_ms },
            Command::ResolveIncident { incident } => Self::Resolve { incident },
            Command::SetVariables { step, variables, reach } => {
                Self::SetVariables { step, variables, propagate: reach == Reach::Propagate }
            }
            Command::Cancel { by: CancelledBy::Client } => Self::Cancel,
            _ => return None,
        })
    }
}

impl From<Order> for Command {
    fn from(order: Order) -> Self {
        match order {
            Order::Complete { job, variables } => Self::CompleteJob { job, variables },
            Order::Fail { job, retries, message, back_off_ms, variables } => {
                Self::FailJob { job, retries, message, back_off_ms, variables }
            }
            Order::Throw { job, code, message, variables } => {
                Self::ThrowError { job, code, message, variables }
            }
            Order::Release { job, attempt } => Self::ReleaseJob { job, attempt },
            Order::Retries { job, retries } => Self::UpdateRetries { job, retries },
            Order::Deadline { job, deadline_ms } => Self::UpdateDeadline { job, deadline_ms },
            Order::Resolve { incident } => Self::ResolveIncident { incident },
            Order::SetVariables { step, variables, propagate } => {
                let reach = if propagate { Reach::Propagate } else { Reach::Local };
                Self::SetVariables { step, variables, reach }
            }
            Order::Cancel => Self::Cancel { by: CancelledBy::Client },
        }
    }
}
