//! Kinds and causes that events name.
//!
//! Boundary: as `event`: stored, numbers are never reused.
//! Read first: [`IncidentKind`].

use minicbor::{Decode, Encode};

/// Why a job waits for a worker again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ReadyCause {
    /// The worker did not answer in time.
    #[n(0)]
    LeaseExpired,
    /// The back-off is over.
    #[n(1)]
    BackOffOver,
    /// The incident was resolved.
    #[n(2)]
    IncidentResolved,
}

/// How a timer goes on after it fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Repeat {
    /// Months and days of the interval cannot be said in milliseconds, so both are kept.
    #[n(0)]
    pub months: i32,
    /// Milliseconds of the interval besides the months.
    #[n(1)]
    pub ms: i64,
    /// Times to fire again; negative: for ever.
    #[n(2)]
    pub left: i32,
}

/// The kinds of incident, with the names of the compatible API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum IncidentKind {
    /// A job has no retries left.
    #[n(0)]
    JobNoRetries,
    /// No condition of a gateway holds and it has no default flow.
    #[n(1)]
    Condition,
    /// An expression did not yield what is needed: text, a time, a condition's true or false.
    #[n(2)]
    ExtractValue,
    /// An input or output mapping failed.
    #[n(3)]
    IoMapping,
    /// The called process does not exist or is not enabled.
    #[n(4)]
    CalledElement,
    /// Nobody catches a thrown error.
    #[n(5)]
    UnhandledError,
    /// The instance enters steps without end.
    #[n(6)]
    StepLimit,
    /// A joining gateway waits for a flow that cannot come.
    #[n(7)]
    UnsatisfiedJoin,
    /// The variables are larger than a message may be.
    #[n(8)]
    MessageSize,
    /// A broken assumption of the engine; the instance is quarantined.
    #[n(9)]
    Invariant,
    /// The called decision is not deployed.
    #[n(10)]
    CalledDecision,
    /// The evaluation of a decision failed.
    #[n(11)]
    DecisionEvaluation,
}

impl IncidentKind {
    /// The name in lists and in the compatible API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::JobNoRetries => "JOB_NO_RETRIES",
            Self::Condition => "CONDITION_ERROR",
            Self::ExtractValue => "EXTRACT_VALUE_ERROR",
            Self::IoMapping => "IO_MAPPING_ERROR",
            Self::CalledElement => "CALLED_ELEMENT_ERROR",
            Self::UnhandledError => "UNHANDLED_ERROR_EVENT",
            Self::StepLimit => "STEP_LIMIT_EXCEEDED",
            Self::UnsatisfiedJoin => "UNSATISFIED_JOIN",
            Self::MessageSize => "MESSAGE_SIZE_EXCEEDED",
            Self::Invariant => "UNKNOWN",
            Self::CalledDecision => "CALLED_DECISION_ERROR",
            Self::DecisionEvaluation => "DECISION_EVALUATION_ERROR",
        }
    }
}
