//! What an instance can be told to do.
//!
//! Boundary: one closed alphabet, imperative; answered by [`crate::instance::decide`].
//! Read first: [`Command`].

use feel::{Context, Str};

use crate::ids::{EntryKey, IncidentKey, InstanceKey, JobKey, StepKey};

/// Begins an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Position of the start event in the program; none: the none start event.
    pub element: Option<u32>,
    /// The first variables.
    pub variables: Context,
    /// Who called it, if it is a child.
    pub caller: Option<Caller>,
    /// The queue entry that is acknowledged when it ends, if it is straight-through.
    pub origin: Option<EntryKey>,
    /// The message name and correlation key that it holds until it ends, if any.
    pub holds: Option<(Str, Str)>,
    /// What a person may search it by.
    pub business_key: Option<Str>,
}

/// The call activity that waits for an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Caller {
    /// The calling instance.
    #[n(0)]
    pub instance: InstanceKey,
    /// Its call activity step.
    #[n(1)]
    pub step: StepKey,
    /// How deep calls are nested here: 1 for the child of an instance that nobody called.
    #[n(2)]
    pub depth: u32,
}

/// What an instance can be told to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Hand a ready job to a worker until the deadline.
    LeaseJob {
        /// The job.
        job: JobKey,
        /// Who takes it.
        worker: Str,
        /// Milliseconds since 1970 UTC.
        deadline_ms: i64,
    },
    /// The worker is done.
    CompleteJob {
        /// The job.
        job: JobKey,
        /// Its result.
        variables: Context,
    },
    /// The worker failed.
    FailJob {
        /// The job.
        job: JobKey,
        /// Tries left; zero or less: an incident.
        retries: i32,
        /// Why.
        message: Str,
        /// Milliseconds until the next try.
        back_off_ms: i64,
        /// Kept local to the step.
        variables: Context,
    },
    /// The worker found a business error.
    ThrowError {
        /// The job.
        job: JobKey,
        /// The BPMN error code.
        code: Str,
        /// Why.
        message: Str,
        /// Local to whatever catches it.
        variables: Context,
    },
    /// The lease may have run out.
    ExpireLease {
        /// The job.
        job: JobKey,
    },
    /// Whoever held the job is gone: it waits for a worker again at once.
    ReleaseJob {
        /// The job.
        job: JobKey,
    },
    /// Set the tries left.
    UpdateRetries {
        /// The job.
        job: JobKey,
        /// At least 1.
        retries: i32,
    },
    /// Set the lease's end.
    UpdateDeadline {
        /// The job.
        job: JobKey,
        /// Milliseconds since 1970 UTC.
        deadline_ms: i64,
    },
    /// A wake-up is due.
    FireTimer {
        /// The timer's key.
        id: u64,
        /// When it was due, milliseconds since 1970 UTC.
        due_ms: i64,
    },
    /// A message for a waiting step.
    Correlate {
        /// The step.
        step: StepKey,
        /// The element whose subscription matched: the step's own, or a boundary event.
        element: u32,
        /// The message's content.
        variables: Context,
    },
    /// The called process began.
    AcceptChild {
        /// The call activity's step.
        step: StepKey,
        /// The child.
        child: InstanceKey,
    },
    /// The called process could not begin.
    RefuseChild {
        /// The call activity's step.
        step: StepKey,
        /// Why.
        reason: Str,
    },
    /// The called process ended normally.
    CompleteChild {
        /// The call activity's step.
        step: StepKey,
        /// The child.
        child: InstanceKey,
        /// Its variables at the end.
        variables: Context,
    },
    /// The called process threw an error that it does not catch itself.
    CatchChildError {
        /// The call activity's step.
        step: StepKey,
        /// The child.
        child: InstanceKey,
        /// The instance and step that threw, perhaps further down.
        thrower: Caller,
        /// The BPMN error code.
        code: Str,
        /// Why.
        message: Str,
        /// Thrown with it.
        variables: Context,
    },
    /// Nobody up the call chain catches the error that this step threw.
    LeaveUncaught {
        /// The step that threw.
        step: StepKey,
        /// The BPMN error code.
        code: Str,
        /// Why.
        message: Str,
    },
    /// Try again what failed.
    ResolveIncident {
        /// The incident.
        incident: IncidentKey,
    },
    /// Set variables of a step or of the instance.
    SetVariables {
        /// The scope to begin at.
        step: StepKey,
        /// Names and values.
        variables: Context,
        /// Where they go.
        reach: Reach,
    },
    /// End it.
    Cancel {
        /// Who asks.
        by: CancelledBy,
    },
    /// Go on where the last turn stopped.
    Continue,
}

/// Where set variables go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Into the scope itself.
    Local,
    /// To the nearest scope upwards that has the name, else to the instance.
    Propagate,
}

/// Who asks for a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelledBy {
    /// A client; refused for called instances.
    Client,
    /// The caller's call activity was left.
    Caller,
}
