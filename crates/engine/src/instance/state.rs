//! What an instance is between two commands.
//!
//! Boundary: data and lookups; changed only by `apply`. Its byte form is the snapshot: fields
//! have stable numbers, new ones are optional (N reads N-1).
//! Invariants: INS-1 every step but the root has a scope that exists. INS-2 `children` counts the
//! steps whose scope it is. INS-3 `owners` leads each job, timer and incident to its step.
//! Read first: [`Instance`], then [`Step`].

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use feel::Str;
use minicbor::{Decode, Encode};

use crate::command::{Caller, Origin};
use crate::event::{IncidentKind, Repeat};
use crate::ids::{DefinitionKey, IncidentKey, InstanceKey, JobKey, KeyCursor, StepKey};
use crate::value::Variables;

/// One run of one process version.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Instance {
    /// Its key.
    #[n(0)]
    pub key: InstanceKey,
    /// Its process version.
    #[n(1)]
    pub definition: DefinitionKey,
    /// The process id.
    #[n(2)]
    #[cbor(with = "crate::value::text")]
    pub process: Str,
    /// The version number.
    #[n(3)]
    pub version: u32,
    /// How it stands.
    #[n(4)]
    pub status: Status,
    /// Where its next keys come from.
    #[n(5)]
    pub keys: KeyCursor,
    /// Who called it.
    #[n(6)]
    pub caller: Option<Caller>,
    /// What hears of its end.
    #[n(7)]
    pub origin: Option<Origin>,
    /// The message name that it holds together with `holds_key`.
    #[n(8)]
    #[cbor(with = "crate::value::maybe_text")]
    pub holds_name: Option<Str>,
    /// The correlation key that it holds.
    #[n(9)]
    #[cbor(with = "crate::value::maybe_text")]
    pub holds_key: Option<Str>,
    /// Its active steps, the root (the process itself) among them.
    #[n(10)]
    pub steps: BTreeMap<StepKey, Step>,
    /// Steps entered without waiting. What is answered at the same moment was not waited for: a
    /// loop over called processes or its own messages counts on.
    #[n(11)]
    pub run: u32,
    /// When it began, milliseconds since 1970 UTC.
    #[n(12)]
    pub started_ms: i64,
    /// Open incidents.
    #[n(13)]
    pub incidents: u32,
    /// Batches of audit records written so far.
    #[n(14)]
    pub audited: u64,
    /// Until when `run` counts on: the moment of the last turn, or for ever while steps wait for
    /// their turn. Milliseconds since 1970 UTC.
    #[n(15)]
    pub run_until_ms: i64,
    /// Locks that it holds, in the order in which they were granted.
    #[n(16)]
    #[cbor(default)]
    pub locks: Vec<HeldLock>,
    /// The servers, each named by one life, that it failed for (FLR-1).
    #[n(17)]
    #[cbor(default, with = "crate::value::texts")]
    pub failed_servers: Vec<Str>,
    /// The step of each job, timer and incident; derived, not stored.
    #[cbor(skip)]
    pub owners: BTreeMap<u64, StepKey>,
}

/// How an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// It runs or waits.
    #[n(0)]
    Active,
    /// It ended normally.
    #[n(1)]
    Completed,
    /// It was cancelled.
    #[n(2)]
    Cancelled,
    /// It failed with a server that died, and its model did not catch that.
    #[n(3)]
    Failed,
}

/// One element as executed.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Step {
    /// Position of its element in the program.
    #[n(0)]
    pub element: u32,
    /// The scope that contains it; none for the root.
    #[n(1)]
    pub scope: Option<StepKey>,
    /// How far it is.
    #[n(2)]
    pub phase: StepPhase,
    /// Its local variables.
    #[n(3)]
    #[cbor(with = "crate::value::variables")]
    pub variables: Variables,
    /// What it waits for.
    #[n(4)]
    pub wait: Wait,
    /// Timers armed for it and its boundary events.
    #[n(5)]
    pub timers: Vec<Timer>,
    /// Messages that it and its boundary events wait for.
    #[n(6)]
    pub subscriptions: Vec<Subscription>,
    /// What failed here and waits for a person.
    #[n(7)]
    pub incident: Option<Box<Incident>>,
    /// Steps directly inside.
    #[n(8)]
    pub children: u32,
    /// Arrivals kept at joining gateways directly inside: `(gateway, flow, number)`.
    #[n(9)]
    pub arrivals: Vec<(u32, u32, u32)>,
    /// Whether something inside failed and nothing caught it: it ends without going on.
    #[n(10)]
    #[cbor(default)]
    pub failing: bool,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum StepPhase {
    /// Activated, its behaviour not yet begun (or failed in beginning).
    #[n(0)]
    Entering,
    /// Waiting for something.
    #[n(1)]
    Active,
}

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Wait {
    /// Nothing.
    #[n(0)]
    Nothing,
    /// A job.
    #[n(1)]
    Job(#[n(0)] Box<Job>),
    /// The steps inside it.
    #[n(2)]
    Children,
    /// A called process that was asked for.
    #[n(3)]
    Call,
    /// A called process that runs.
    #[n(4)]
    Child(#[n(0)] InstanceKey),
    /// A named lock.
    #[n(5)]
    Lock(#[n(0)] LockWait),
}

/// A lock that a step asked for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LockWait {
    /// Its name.
    #[n(0)]
    #[cbor(with = "crate::value::text")]
    pub name: Str,
    /// When the step gives up, milliseconds since 1970 UTC; none: never.
    #[n(1)]
    pub deadline_ms: Option<i64>,
    /// Whether it gave up: an error was thrown, which nothing has caught yet.
    #[n(2)]
    pub timed_out: bool,
}

/// A lock that an instance holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HeldLock {
    /// Its name.
    #[n(0)]
    #[cbor(with = "crate::value::text")]
    pub name: Str,
    /// The step that acquired it; it was left since.
    #[n(1)]
    pub step: StepKey,
    /// The fencing number.
    #[n(2)]
    pub fence: u64,
    /// Whether it was taken away: the fencing number is void.
    #[n(3)]
    pub lost: bool,
}

/// A durable unit of work.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Job {
    /// Its key.
    #[n(0)]
    pub key: JobKey,
    /// Its type.
    #[n(1)]
    #[cbor(with = "crate::value::text")]
    pub job_type: Str,
    /// Tries left.
    #[n(2)]
    pub retries: i32,
    /// Leases that ended without completing it so far: the number of the attempt.
    #[n(3)]
    pub attempt: u32,
    /// Where it stands.
    #[n(4)]
    pub state: JobState,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum JobState {
    /// Waits for a worker.
    #[n(0)]
    Ready,
    /// A worker has it.
    #[n(1)]
    Leased {
        /// Who.
        #[n(0)]
        #[cbor(with = "crate::value::text")]
        worker: Str,
        /// Until when, milliseconds since 1970 UTC.
        #[n(1)]
        deadline_ms: i64,
    },
    /// Failed, to be tried again later.
    #[n(2)]
    BackingOff {
        /// When, milliseconds since 1970 UTC.
        #[n(0)]
        until_ms: i64,
    },
    /// Failed for good; an incident says why.
    #[n(3)]
    Failed,
}

/// An armed timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Timer {
    /// Its key.
    #[n(0)]
    pub key: u64,
    /// The catching element.
    #[n(1)]
    pub element: u32,
    /// Milliseconds since 1970 UTC.
    #[n(2)]
    pub due_ms: i64,
    /// How it goes on.
    #[n(3)]
    pub repeat: Repeat,
}

/// An open subscription.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Subscription {
    /// The catching element.
    #[n(0)]
    pub element: u32,
    /// The message name.
    #[n(1)]
    #[cbor(with = "crate::value::text")]
    pub name: Str,
    /// The correlation key.
    #[n(2)]
    #[cbor(with = "crate::value::text")]
    pub key: Str,
}

/// A failure that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Incident {
    /// Its key.
    #[n(0)]
    pub key: IncidentKey,
    /// What kind.
    #[n(1)]
    pub kind: IncidentKind,
    /// What happened.
    #[n(2)]
    #[cbor(with = "crate::value::text")]
    pub message: Str,
}

impl Instance {
    /// The step of the process itself.
    #[must_use]
    pub fn root(&self) -> StepKey {
        StepKey(self.key.0)
    }

    /// How deep calls are nested: 0 if nobody called it.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.caller.map_or(0, |caller| caller.depth)
    }

    /// Whether a broken assumption of the engine stopped it: what comes in is noted, but no step is
    /// entered until a person says so.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.incidents > 0
            && self.steps.get(&self.root()).is_some_and(|root| {
                root.incident.as_ref().is_some_and(|open| open.kind == IncidentKind::Invariant)
            })
    }

    /// The step and its job, if the job is still there.
    #[must_use]
    pub fn job(&self, job: JobKey) -> Option<(StepKey, &Job)> {
        let step = *self.owners.get(&job.0)?;
        match &self.steps.get(&step)?.wait {
            Wait::Job(found) if found.key == job => Some((step, found)),
            _ => None,
        }
    }

    /// Computes what is not stored; called once after a snapshot was decoded.
    pub fn restore_owners(&mut self) {
        self.owners.clear();
        for (key, step) in &self.steps {
            if let Wait::Job(job) = &step.wait {
                self.owners.insert(job.key.0, *key);
            }
            for timer in &step.timers {
                self.owners.insert(timer.key, *key);
            }
            if let Some(incident) = &step.incident {
                self.owners.insert(incident.key.0, *key);
            }
        }
    }

    /// The snapshot's byte form, appended to `out`.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        let result = minicbor::encode(self, out);
        debug_assert!(result.is_ok(), "writing to memory cannot fail");
    }

    /// The instance that [`Instance::encode_to`] wrote.
    ///
    /// # Errors
    /// If the bytes are no snapshot of this or the previous format.
    pub fn decode(bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
        let mut instance: Self = minicbor::decode(bytes)?;
        instance.restore_owners();
        Ok(instance)
    }
}

impl Step {
    /// A step that was just activated.
    #[must_use]
    pub fn new(element: u32, scope: Option<StepKey>) -> Self {
        Self {
            element,
            scope,
            phase: StepPhase::Entering,
            variables: Variables::new(),
            wait: Wait::Nothing,
            timers: Vec::new(),
            subscriptions: Vec::new(),
            incident: None,
            children: 0,
            arrivals: Vec::new(),
            failing: false,
        }
    }
}
