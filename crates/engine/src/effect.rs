//! What the shell must do because of a decision: after the commit where it leaves the server,
//! within the same unit where it only concerns rows or another aggregate of the shard.
//!
//! Boundary: one closed alphabet; the shell performs, the core never does.
//! Read first: [`Effect`].

use feel::{Context, Str};

use crate::command::{Caller, Origin};
use crate::event::IncidentKind;
use crate::ids::{Block, IncidentKey, InstanceKey, JobKey, StepKey};

/// What the shell must do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Offer a job to workers.
    OfferJob {
        /// The job.
        job: JobKey,
        /// Its type.
        job_type: Str,
    },
    /// Keep the job for its worker until the deadline.
    KeepLease {
        /// The job.
        job: JobKey,
        /// Its type.
        job_type: Str,
        /// Milliseconds since 1970 UTC.
        deadline_ms: i64,
    },
    /// Forget the job: it is done, withdrawn, backing off or waiting for a person.
    DropJob {
        /// The job.
        job: JobKey,
        /// Its type.
        job_type: Str,
    },
    /// Wake the instance.
    ArmTimer {
        /// The timer.
        timer: u64,
        /// Milliseconds since 1970 UTC.
        due_ms: i64,
    },
    /// Do not wake it.
    DisarmTimer {
        /// As armed.
        timer: u64,
        /// As armed.
        due_ms: i64,
    },
    /// Ask the bucket of `(name, key)` for messages.
    Subscribe {
        /// The message name.
        name: Str,
        /// The correlation key.
        key: Str,
        /// The step that waits.
        step: StepKey,
        /// The catching element.
        element: u32,
        /// Whether it waits for one message only.
        once: bool,
    },
    /// Ask no more.
    Unsubscribe {
        /// The message name.
        name: Str,
        /// The correlation key.
        key: Str,
        /// The step that waited.
        step: StepKey,
        /// The catching element.
        element: u32,
    },
    /// Publish a message to the bucket of `(name, key)`.
    PublishMessage {
        /// The message name.
        name: Str,
        /// The correlation key.
        key: Str,
        /// The message id; empty: none.
        id: Str,
        /// How long it is buffered, in milliseconds.
        time_to_live_ms: i64,
        /// Its content.
        variables: Context,
    },
    /// Publish a document.
    PublishDocument {
        /// The document type as the model names it.
        document_type: Str,
        /// An id that is the same however often the step is repeated.
        id: Str,
        /// Its content.
        content: Context,
    },
    /// Start a called process.
    StartChild {
        /// The call activity's step.
        step: StepKey,
        /// The process id.
        process: Str,
        /// Only the version with this tag.
        version_tag: Option<Str>,
        /// Only the version of the caller's deployment.
        same_deployment: bool,
        /// Its first variables.
        variables: Context,
    },
    /// Cancel a called process.
    CancelChild {
        /// The child.
        child: InstanceKey,
    },
    /// Let a called process fail: `Command::FailForServer`, whatever its own settings say.
    FailChild {
        /// The child.
        child: InstanceKey,
        /// One life of the server that died.
        server: Str,
    },
    /// Tell the caller.
    ReportToCaller {
        /// Whom.
        caller: Caller,
        /// What.
        report: Report,
    },
    /// Tell the instance that threw an error that nobody catches it.
    ReportUncaught {
        /// The instance and step that threw.
        thrower: Caller,
        /// The code.
        code: Str,
        /// Why.
        message: Str,
    },
    /// Acquire a lock for a step: [`crate::lock::Command::Acquire`].
    AcquireLock {
        /// The step that waits.
        step: StepKey,
        /// The name of the lock.
        name: Str,
        /// When it gives up, milliseconds since 1970 UTC; none: never.
        deadline_ms: Option<i64>,
    },
    /// Give back what a step acquired or still waits for: [`crate::lock::Command::Release`].
    ReleaseLock {
        /// The name of the lock.
        name: Str,
        /// The step that acquired it, or asked for it.
        step: StepKey,
    },
    /// List an incident.
    OpenIncident {
        /// The incident.
        incident: IncidentKey,
        /// The step.
        step: StepKey,
        /// Its job, if any.
        job: Option<JobKey>,
        /// Position of its element.
        element: u32,
        /// What kind.
        kind: IncidentKind,
        /// What happened.
        message: Str,
    },
    /// Take an incident off the list.
    CloseIncident {
        /// The incident.
        incident: IncidentKey,
    },
    /// Remember who owns a further block of keys.
    ClaimBlock {
        /// The block.
        block: Block,
    },
    /// Give the instance another turn.
    Continue {
        /// Whether what was decided must be durable before.
        after_commit: bool,
    },
    /// The instance ended.
    End {
        /// Whether normally.
        completed: bool,
        /// Its variables at the end.
        variables: Context,
        /// What hears of it.
        origin: Option<Origin>,
        /// The message name and correlation key that it held.
        holds: Option<(Str, Str)>,
    },
}

/// What a child tells its caller.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// It ended normally.
    Completed {
        /// The child.
        child: InstanceKey,
        /// Its variables.
        variables: Context,
    },
    /// It failed with a server and ended: `Command::FailCall`.
    Failed {
        /// The child.
        child: InstanceKey,
        /// One life of the server.
        server: Str,
    },
    /// It threw an error that it does not catch.
    Error {
        /// The child.
        child: InstanceKey,
        /// The instance and step that threw, perhaps further down.
        thrower: Caller,
        /// The code.
        code: Str,
        /// Why.
        message: Str,
        /// Thrown with it.
        variables: Context,
    },
}
