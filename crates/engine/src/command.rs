//! What an instance can be told to do.
//!
//! Boundary: one closed alphabet, imperative; answered by [`crate::instance::decide`].
//! Read first: [`Command`].

use feel::{Context, Str};

use crate::ids::{EntryKey, IncidentKey, InstanceKey, JobKey, RequestKey, StepKey};

/// Begins an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Position of the start event in the program; none: the none start event.
    pub element: Option<u32>,
    /// The first variables.
    pub variables: Context,
    /// Who called it, if it is a child.
    pub caller: Option<Caller>,
    /// What hears of its end.
    pub origin: Option<Origin>,
    /// The message name and correlation key that it holds until it ends, if any.
    pub holds: Option<(Str, Str)>,
    /// What a person may search it by.
    pub business_key: Option<Str>,
}

/// What hears of an instance's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The queue entry that is acknowledged, if the process is straight-through.
    Entry(EntryKey),
    /// The process request that it was started for.
    Request(RequestKey),
}

/// An entry is its key, as before there was anything else; a request is its key in a list.
impl<C> minicbor::Encode<C> for Origin {
    fn encode<W: minicbor::encode::Write>(
        &self,
        out: &mut minicbor::Encoder<W>,
        _ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self {
            Self::Entry(entry) => out.u64(entry.0)?,
            Self::Request(request) => out.array(1)?.u64(request.0)?,
        };
        Ok(())
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Origin {
    fn decode(
        input: &mut minicbor::Decoder<'b>,
        _ctx: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        if input.datatype()? == minicbor::data::Type::Array {
            input.array()?;
            return Ok(Self::Request(RequestKey(input.u64()?)));
        }
        Ok(Self::Entry(EntryKey(input.u64()?)))
    }
}

impl core::fmt::Display for Origin {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Entry(entry) => entry.fmt(out),
            Self::Request(request) => request.fmt(out),
        }
    }
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
        /// Which of its leases this is about; a later one stays as it is.
        attempt: u32,
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
    /// The called process failed with a server, and ended.
    FailCall {
        /// The call activity's step.
        step: StepKey,
        /// The child.
        child: InstanceKey,
        /// The life of the server that it failed for.
        server: Str,
    },
    /// The server that ran the instance died, and its process is not to be resumed.
    FailForServer {
        /// One life of the server: told twice, it changes nothing.
        server: Str,
    },
    /// Something about the instance cannot be: it is stopped by an incident until a person looks
    /// at it, and nothing that comes in meanwhile is lost.
    Quarantine {
        /// What cannot be.
        reason: Str,
    },
    /// A lock was granted to a waiting step. If this is refused, the lock is to be given back.
    TakeLock {
        /// The step.
        step: StepKey,
        /// The name of the lock.
        name: Str,
        /// The fencing number.
        fence: u64,
    },
    /// A lock was not free in time.
    TimeOutLock {
        /// The step that waited.
        step: StepKey,
        /// The name of the lock.
        name: Str,
    },
    /// A lock was taken away from the instance.
    LoseLock {
        /// The name of the lock.
        name: Str,
        /// The fencing number that is void.
        fence: u64,
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
