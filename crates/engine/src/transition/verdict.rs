//! What came of a step that was worked elsewhere.
//!
//! Boundary: values that travel in process transition documents; numbers are never reused.
//! Read first: [`Verdict`].

use feel::Str;
use minicbor::{Decode, Encode};

use crate::command::Command;
use crate::ids::JobKey;
use crate::value::{Variables, from_context, to_context};

/// What came of one step, and which element it was.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct StepVerdict {
    /// Position of the element in the program.
    #[n(0)]
    pub element: u32,
    /// What came of it.
    #[n(1)]
    pub verdict: Verdict,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Verdict {
    /// It is done.
    #[n(0)]
    Completed {
        /// Its result.
        #[n(0)]
        #[cbor(with = "crate::value::variables")]
        variables: Variables,
    },
    /// It failed.
    #[n(1)]
    Failed {
        /// Tries left; zero or less: an incident.
        #[n(0)]
        retries: i32,
        /// Why.
        #[n(1)]
        #[cbor(with = "crate::value::text")]
        message: Str,
        /// Milliseconds until the next try.
        #[n(2)]
        back_off_ms: i64,
        /// Kept local to the step.
        #[n(3)]
        #[cbor(with = "crate::value::variables")]
        variables: Variables,
    },
    /// It found a business error.
    #[n(2)]
    Thrown {
        /// The BPMN error code.
        #[n(0)]
        #[cbor(with = "crate::value::text")]
        code: Str,
        /// Why.
        #[n(1)]
        #[cbor(with = "crate::value::text")]
        message: Str,
        /// Local to whatever catches it.
        #[n(2)]
        #[cbor(with = "crate::value::variables")]
        variables: Variables,
    },
}

impl Verdict {
    /// The verdict that a command tells, if it is the answer to a job.
    #[must_use]
    pub fn of(command: &Command) -> Option<Self> {
        match command {
            Command::CompleteJob { variables, .. } => {
                Some(Self::Completed { variables: from_context(variables) })
            }
            Command::FailJob { retries, message, back_off_ms, variables, .. } => {
                Some(Self::Failed {
                    retries: *retries,
                    message: message.clone(),
                    back_off_ms: *back_off_ms,
                    variables: from_context(variables),
                })
            }
            Command::ThrowError { code, message, variables, .. } => Some(Self::Thrown {
                code: code.clone(),
                message: message.clone(),
                variables: from_context(variables),
            }),
            _ => None,
        }
    }

    /// The command that tells it of `job`.
    #[must_use]
    pub fn command(self, job: JobKey) -> Command {
        match self {
            Self::Completed { variables } => {
                Command::CompleteJob { job, variables: to_context(&variables) }
            }
            Self::Failed { retries, message, back_off_ms, variables } => {
                let variables = to_context(&variables);
                Command::FailJob { job, retries, message, back_off_ms, variables }
            }
            Self::Thrown { code, message, variables } => {
                Command::ThrowError { job, code, message, variables: to_context(&variables) }
            }
        }
    }
}
