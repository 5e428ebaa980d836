//! What happened to an instance. Events are the only thing that changes its state, and the audit
//! log is made of them.
//!
//! Boundary: one closed alphabet, past tense. Numbers (`#[n(..)]`) are never reused.
//! Invariants: EVT-1 applying the events of a decision to the state before it gives the state
//! after it.
//! Read first: [`Event`].   Tests: tests/replay.rs

mod evaluated;
mod kind;
mod started;

use alloc::vec::Vec;

use feel::Str;
use minicbor::{Decode, Encode};

use crate::ids::{Block, IncidentKey, InstanceKey, JobKey, StepKey};
use crate::value::Variables;

pub use evaluated::{EvaluatedDecision, EvaluatedInput, MatchedRule};
pub use kind::{IncidentKind, ReadyCause, Repeat};
pub use started::Started;

/// What happened.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Event {
    /// The instance began.
    #[n(0)]
    InstanceStarted(#[n(0)] Started),
    /// A step was activated: its element is about to be entered.
    #[n(1)]
    StepActivated {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// Position of its element.
        #[n(1)]
        element: u32,
        /// The scope that contains it.
        #[n(2)]
        scope: StepKey,
    },
    /// The step did all there is to do on entering and waits.
    #[n(2)]
    StepEntered {
        /// The step.
        #[n(0)]
        step: StepKey,
    },
    /// A subprocess opened its scope and waits for what is inside.
    #[n(3)]
    ScopeEntered {
        /// The step.
        #[n(0)]
        step: StepKey,
    },
    /// The step was left normally.
    #[n(4)]
    StepCompleted {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// Position of its element.
        #[n(1)]
        element: u32,
    },
    /// The step was ended from outside.
    #[n(5)]
    StepTerminated {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// Position of its element.
        #[n(1)]
        element: u32,
    },
    /// A sequence flow was taken.
    #[n(6)]
    FlowTaken {
        /// Position of the flow.
        #[n(0)]
        flow: u32,
        /// The scope in which.
        #[n(1)]
        scope: StepKey,
        /// The joining gateway that keeps the arrival, if it leads to one.
        #[n(2)]
        join: Option<u32>,
    },
    /// A joining gateway used one arrival of each incoming flow.
    #[n(7)]
    JoinPassed {
        /// Position of the gateway.
        #[n(0)]
        gateway: u32,
        /// The scope in which.
        #[n(1)]
        scope: StepKey,
    },
    /// Variables of one scope were set.
    #[n(8)]
    VariablesSet {
        /// The scope.
        #[n(0)]
        step: StepKey,
        /// Names and values; in the audit log the values are there only if asked for.
        #[n(1)]
        #[cbor(with = "crate::value::variables")]
        variables: Variables,
    },
    /// A job was created.
    #[n(9)]
    JobCreated {
        /// Its step.
        #[n(0)]
        step: StepKey,
        /// The job.
        #[n(1)]
        job: JobKey,
        /// Its type.
        #[n(2)]
        #[cbor(with = "crate::value::text")]
        job_type: Str,
        /// Tries.
        #[n(3)]
        retries: i32,
    },
    /// A worker took the job.
    #[n(10)]
    JobLeased {
        /// The job.
        #[n(0)]
        job: JobKey,
        /// Who.
        #[n(1)]
        #[cbor(with = "crate::value::text")]
        worker: Str,
        /// Until when, milliseconds since 1970 UTC.
        #[n(2)]
        deadline_ms: i64,
    },
    /// The job is done; its step goes on.
    #[n(11)]
    JobCompleted {
        /// The job.
        #[n(0)]
        job: JobKey,
    },
    /// The worker failed.
    #[n(12)]
    JobFailed {
        /// The job.
        #[n(0)]
        job: JobKey,
        /// Tries left.
        #[n(1)]
        retries: i32,
        /// Why.
        #[n(2)]
        #[cbor(with = "crate::value::text")]
        message: Str,
        /// When it may be tried again, if it backs off.
        #[n(3)]
        back_off_until_ms: Option<i64>,
    },
    /// The job waits for a worker again.
    #[n(13)]
    JobReadied {
        /// The job.
        #[n(0)]
        job: JobKey,
        /// Why: its lease ran out, its back-off is over, or its incident was resolved.
        #[n(1)]
        cause: ReadyCause,
    },
    /// The worker threw a business error.
    #[n(14)]
    JobErrorThrown {
        /// The job.
        #[n(0)]
        job: JobKey,
        /// The code.
        #[n(1)]
        #[cbor(with = "crate::value::text")]
        code: Str,
        /// Why.
        #[n(2)]
        #[cbor(with = "crate::value::text")]
        message: Str,
    },
    /// The job was withdrawn because its step ended.
    #[n(15)]
    JobWithdrawn {
        /// The job.
        #[n(0)]
        job: JobKey,
    },
    /// The tries left were set.
    #[n(16)]
    RetriesUpdated {
        /// The job.
        #[n(0)]
        job: JobKey,
        /// Now.
        #[n(1)]
        retries: i32,
    },
    /// A timer was armed.
    #[n(17)]
    TimerArmed {
        /// The step that waits.
        #[n(0)]
        step: StepKey,
        /// The timer.
        #[n(1)]
        timer: u64,
        /// The catching element: the step's own or a boundary event.
        #[n(2)]
        element: u32,
        /// Milliseconds since 1970 UTC.
        #[n(3)]
        due_ms: i64,
        /// Milliseconds between repetitions; zero: none.
        #[n(4)]
        interval: Repeat,
    },
    /// A timer fired.
    #[n(18)]
    TimerFired {
        /// The timer.
        #[n(0)]
        timer: u64,
    },
    /// A timer was disarmed.
    #[n(19)]
    TimerDisarmed {
        /// The timer.
        #[n(0)]
        timer: u64,
    },
    /// The step waits for a message.
    #[n(20)]
    SubscriptionOpened {
        /// The step that waits.
        #[n(0)]
        step: StepKey,
        /// The catching element: the step's own or a boundary event.
        #[n(1)]
        element: u32,
        /// The message name.
        #[n(2)]
        #[cbor(with = "crate::value::text")]
        name: Str,
        /// The correlation key.
        #[n(3)]
        #[cbor(with = "crate::value::text")]
        key: Str,
    },
    /// A message came.
    #[n(21)]
    MessageCorrelated {
        /// The step that waited.
        #[n(0)]
        step: StepKey,
        /// The catching element.
        #[n(1)]
        element: u32,
    },
    /// The step does not wait for that message any more.
    #[n(22)]
    SubscriptionClosed {
        /// The step that waited.
        #[n(0)]
        step: StepKey,
        /// The catching element.
        #[n(1)]
        element: u32,
    },
    /// Something failed and waits for a person.
    #[n(23)]
    IncidentRaised {
        /// The incident.
        #[n(0)]
        incident: IncidentKey,
        /// The step that failed.
        #[n(1)]
        step: StepKey,
        /// What kind.
        #[n(2)]
        kind: IncidentKind,
        /// What happened.
        #[n(3)]
        #[cbor(with = "crate::value::text")]
        message: Str,
    },
    /// The failed thing is tried again, or its step ended.
    #[n(24)]
    IncidentResolved {
        /// The incident.
        #[n(0)]
        incident: IncidentKey,
    },
    /// A called process was asked for.
    #[n(25)]
    ChildCalled {
        /// The call activity's step.
        #[n(0)]
        step: StepKey,
        /// The process id.
        #[n(1)]
        #[cbor(with = "crate::value::text")]
        process: Str,
    },
    /// The called process began.
    #[n(26)]
    ChildStarted {
        /// The call activity's step.
        #[n(0)]
        step: StepKey,
        /// The child.
        #[n(1)]
        child: InstanceKey,
    },
    /// An error was thrown that the instance does not catch; its caller is asked.
    #[n(27)]
    ErrorEscalated {
        /// The step that threw.
        #[n(0)]
        step: StepKey,
        /// The code.
        #[n(1)]
        #[cbor(with = "crate::value::text")]
        code: Str,
    },
    /// A message or document was published.
    #[n(28)]
    Published {
        /// The step that published.
        #[n(0)]
        step: StepKey,
        /// The message name or document type.
        #[n(1)]
        #[cbor(with = "crate::value::text")]
        name: Str,
    },
    /// The instance took another block of keys.
    #[n(29)]
    BlockTaken {
        /// The block.
        #[n(0)]
        block: Block,
    },
    /// The decision is over and the instance goes on; only in the state's history, never in the
    /// audit log.
    #[n(30)]
    TurnEnded {
        /// The next unused key position.
        #[n(0)]
        next: u16,
        /// Steps entered without waiting; see [`crate::instance::Instance::run`].
        #[n(1)]
        run: u32,
        /// Until when they count on, milliseconds since 1970 UTC.
        #[n(2)]
        run_until_ms: i64,
    },
    /// The instance ended normally.
    #[n(31)]
    InstanceCompleted,
    /// The instance was cancelled.
    #[n(32)]
    InstanceCancelled,
    /// The called process ended normally.
    #[n(34)]
    ChildEnded {
        /// The call activity's step.
        #[n(0)]
        step: StepKey,
    },
    /// The lease of a job got another end.
    #[n(33)]
    DeadlineUpdated {
        /// The job.
        #[n(0)]
        job: JobKey,
        /// Milliseconds since 1970 UTC.
        #[n(1)]
        deadline_ms: i64,
    },
    /// The step waits for a lock.
    #[n(35)]
    LockRequested {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// The name of the lock.
        #[n(1)]
        #[cbor(with = "crate::value::text")]
        name: Str,
        /// When the step gives up, milliseconds since 1970 UTC; none: never.
        #[n(2)]
        deadline_ms: Option<i64>,
    },
    /// The instance has the lock.
    #[n(36)]
    LockGranted {
        /// The step that waited.
        #[n(0)]
        step: StepKey,
        /// The name of the lock.
        #[n(1)]
        #[cbor(with = "crate::value::text")]
        name: Str,
        /// The fencing number.
        #[n(2)]
        fence: u64,
    },
    /// The lock was not free in time.
    #[n(37)]
    LockTimedOut {
        /// The step that waited.
        #[n(0)]
        step: StepKey,
    },
    /// The step ended before the lock was granted.
    #[n(38)]
    LockWithdrawn {
        /// The step that waited.
        #[n(0)]
        step: StepKey,
    },
    /// The lock was given back.
    #[n(39)]
    LockReleased {
        /// The step that gave it back.
        #[n(0)]
        step: StepKey,
        /// The name of the lock.
        #[n(1)]
        #[cbor(with = "crate::value::text")]
        name: Str,
        /// The step that had acquired it.
        #[n(2)]
        acquired_by: StepKey,
    },
    /// The lock was taken away from the instance.
    #[n(40)]
    LockLost {
        /// The name of the lock.
        #[n(0)]
        #[cbor(with = "crate::value::text")]
        name: Str,
        /// The fencing number that is void.
        #[n(1)]
        fence: u64,
    },
    /// The server that ran the instance died, and everything that it does fails.
    #[n(41)]
    ServerFailed {
        /// One life of a server.
        #[n(0)]
        #[cbor(with = "crate::value::text")]
        server: Str,
    },
    /// A step failed with its server and nothing catches it: neither it nor the scopes around it go
    /// on.
    #[n(42)]
    StepFailed {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// Position of its element.
        #[n(1)]
        element: u32,
    },
    /// The instance ended because it failed.
    #[n(43)]
    InstanceFailed {
        /// Why.
        #[n(0)]
        #[cbor(with = "crate::value::text")]
        reason: Str,
    },
    /// A business rule task evaluated a decision, with those that it requires.
    #[n(44)]
    DecisionEvaluated {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// The id of the decision.
        #[n(1)]
        #[cbor(with = "crate::value::text")]
        decision: Str,
        /// The key of its version.
        #[n(2)]
        key: u64,
        /// Its version number.
        #[n(3)]
        version: u32,
        /// What was evaluated, in this order.
        #[n(4)]
        evaluated: Vec<EvaluatedDecision>,
    },
    /// Expressions tolerated something, and went on with null.
    #[n(45)]
    ExpressionWarned {
        /// The step that they were evaluated for.
        #[n(0)]
        step: StepKey,
        /// The expressions and what they tolerated, without any value of a variable.
        #[n(1)]
        #[cbor(with = "crate::value::texts")]
        warnings: Vec<Str>,
    },
}
