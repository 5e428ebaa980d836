//! Which commands met which states, and what came of it: the material of the transition table.
//!
//! Boundary: names states and outcomes; the table itself is made in tests/transitions.rs.
//! Read first: [`Seen`].

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::command::Command;
use crate::ids::{JobKey, StepKey};
use crate::instance::{Decision, Instance, JobState, Status, StepPhase, Wait};
use crate::lock::{self, Lock, Owner};
use crate::rejection::Rejection;

/// A command met a state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// What the state is of: `job`, `step` or `lock`.
    pub subject: &'static str,
    /// The state.
    pub state: &'static str,
    /// The command.
    pub command: &'static str,
    /// The state afterwards, or the rejection.
    pub outcome: String,
}

/// Whom a command met.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    key: Key,
    state: &'static str,
    command: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Key {
    Job(JobKey),
    Step(StepKey),
}

/// A command to a lock, with how the lock stands to whoever is meant by it before and after.
pub(super) fn lock(
    before: &Lock,
    command: &lock::Command,
    after: &Lock,
    result: &Result<lock::Decision, Rejection>,
) -> Seen {
    let (name, meant) = match command {
        lock::Command::Acquire { party, .. } => ("Acquire", Some(party.owner())),
        lock::Command::Release { party } => ("Release", Some(party.owner())),
        lock::Command::ReleaseHolder { .. } => ("ReleaseHolder", None),
        lock::Command::Renew { session, .. } => ("Renew", Some(Owner::Client(session.clone()))),
        lock::Command::Expire => ("Expire", None),
        lock::Command::Forget { instance } => ("Forget", Some(Owner::Instance(*instance))),
    };
    let state = |lock: &Lock| match &lock.holder {
        None => "free",
        Some(_) if meant.is_none() => "held",
        Some(holder) if Some(&holder.owner) == meant.as_ref() => "held by it",
        Some(_) if lock.waiting.iter().any(|w| Some(w.party.owner()) == meant) => "it waits",
        Some(_) => "held by another",
    };
    let outcome = match result {
        Ok(_) => state(after),
        Err(rejection) => rejection_name(rejection),
    };
    Seen { subject: "lock", state: state(before), command: name, outcome: outcome.to_string() }
}

/// The job and step that a command is about, with their states before it.
pub(super) fn subjects(state: &Instance, command: &Command) -> Vec<Subject> {
    let name = name_of(command);
    let key = match command {
        Command::LeaseJob { job, .. }
        | Command::CompleteJob { job, .. }
        | Command::FailJob { job, .. }
        | Command::ThrowError { job, .. }
        | Command::ExpireLease { job }
        | Command::ReleaseJob { job, .. }
        | Command::UpdateRetries { job, .. }
        | Command::UpdateDeadline { job, .. } => Some(Key::Job(*job)),
        Command::FireTimer { id, .. } => Some(owner(state, *id)),
        Command::ResolveIncident { incident } => Some(owner(state, incident.0)),
        Command::Correlate { step, .. }
        | Command::AcceptChild { step, .. }
        | Command::RefuseChild { step, .. }
        | Command::CompleteChild { step, .. }
        | Command::CatchChildError { step, .. }
        | Command::LeaveUncaught { step, .. }
        | Command::FailCall { step, .. }
        | Command::TakeLock { step, .. }
        | Command::TimeOutLock { step, .. }
        | Command::SetVariables { step, .. } => Some(Key::Step(*step)),
        Command::FailForServer { .. }
        | Command::Quarantine { .. }
        | Command::LoseLock { .. }
        | Command::Cancel { .. }
        | Command::Continue => Some(Key::Step(state.root())),
    };
    key.map(|key| Subject { key, state: state_of(state, key), command: name }).into_iter().collect()
}

/// What came of it.
pub(super) fn outcomes(
    subjects: Vec<Subject>,
    state: &Instance,
    result: &Result<Decision, Rejection>,
) -> Vec<Seen> {
    let seen = |subject: Subject| Seen {
        subject: match subject.key {
            Key::Job(_) => "job",
            Key::Step(_) => "step",
        },
        state: subject.state,
        command: subject.command,
        outcome: match result {
            Ok(_) => state_of(state, subject.key).to_string(),
            Err(rejection) => rejection_name(rejection).to_string(),
        },
    };
    subjects.into_iter().map(seen).collect()
}

fn owner(state: &Instance, id: u64) -> Key {
    if state.job(JobKey(id)).is_some() {
        return Key::Job(JobKey(id));
    }
    let step = state.owners.get(&id).copied().unwrap_or(StepKey(0));
    match state.steps.get(&step).map(|step| (&step.wait, &step.incident)) {
        Some((Wait::Job(job), Some(incident))) if incident.key.0 == id => Key::Job(job.key),
        _ => Key::Step(step),
    }
}

fn state_of(state: &Instance, key: Key) -> &'static str {
    match key {
        Key::Job(key) => match state.job(key).map(|(_, job)| &job.state) {
            Some(JobState::Ready) => "ready",
            Some(JobState::Leased { .. }) => "leased",
            Some(JobState::BackingOff { .. }) => "backing off",
            Some(JobState::Failed) => "failed",
            None => "gone",
        },
        Key::Step(key) => {
            if state.status != Status::Active {
                return "ended";
            }
            let Some(step) = state.steps.get(&key) else { return "gone" };
            match (&step.wait, step.phase, step.incident.is_some()) {
                (Wait::Call, ..) if step.incident.is_some() => "call refused",
                (_, StepPhase::Entering, true) => "not entered, incident",
                (Wait::Call, ..) => "calling",
                (_, StepPhase::Entering, false) => "not entered",
                (Wait::Nothing, _, false) if !has_own(step) => "error thrown",
                (Wait::Nothing, _, true) => "incident",
                (Wait::Nothing, ..) => "event",
                (Wait::Lock(wait), _, true) if wait.timed_out => "incident",
                (Wait::Lock(wait), ..) if wait.timed_out => "error thrown",
                (Wait::Lock(_), ..) => "lock",
                (Wait::Job(_), ..) => "job",
                (Wait::Children, _, true) if step.scope.is_none() => "process, incident",
                (Wait::Children, _, true) => "scope, incident",
                (Wait::Children, ..) if step.scope.is_none() => "process",
                (Wait::Children, ..) => "scope",
                (Wait::Child(_), ..) => "child",
            }
        }
    }
}

/// Whether the step waits for an event of its own.
fn has_own(step: &crate::instance::Step) -> bool {
    step.timers.iter().any(|timer| timer.element == step.element)
        || step.subscriptions.iter().any(|open| open.element == step.element)
}

fn name_of(command: &Command) -> &'static str {
    match command {
        Command::LeaseJob { .. } => "LeaseJob",
        Command::CompleteJob { .. } => "CompleteJob",
        Command::FailJob { .. } => "FailJob",
        Command::ThrowError { .. } => "ThrowError",
        Command::ExpireLease { .. } => "ExpireLease",
        Command::ReleaseJob { .. } => "ReleaseJob",
        Command::UpdateRetries { .. } => "UpdateRetries",
        Command::UpdateDeadline { .. } => "UpdateDeadline",
        Command::FireTimer { .. } => "FireTimer",
        Command::Correlate { .. } => "Correlate",
        Command::AcceptChild { .. } => "AcceptChild",
        Command::RefuseChild { .. } => "RefuseChild",
        Command::CompleteChild { .. } => "CompleteChild",
        Command::CatchChildError { .. } => "CatchChildError",
        Command::LeaveUncaught { .. } => "LeaveUncaught",
        Command::FailCall { .. } => "FailCall",
        Command::FailForServer { .. } => "FailForServer",
        Command::Quarantine { .. } => "Quarantine",
        Command::TakeLock { .. } => "TakeLock",
        Command::TimeOutLock { .. } => "TimeOutLock",
        Command::LoseLock { .. } => "LoseLock",
        Command::ResolveIncident { .. } => "ResolveIncident",
        Command::SetVariables { .. } => "SetVariables",
        Command::Cancel { .. } => "Cancel",
        Command::Continue => "Continue",
    }
}

fn rejection_name(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::InstanceGone(_) => "InstanceGone",
        Rejection::JobGone(_) => "JobGone",
        Rejection::JobFailed(_) => "JobFailed",
        Rejection::JobNotLeased(_) => "JobNotLeased",
        Rejection::IncidentGone(_) => "IncidentGone",
        Rejection::NoRetries(_) => "NoRetries",
        Rejection::StepGone(_) => "StepGone",
        Rejection::Called { .. } => "Called",
        Rejection::Stale => "Stale",
        Rejection::NoStart { .. } => "NoStart",
        Rejection::Duplicate => "Duplicate",
        Rejection::LockNotHeld { .. } => "LockNotHeld",
        Rejection::LockPassedOn { .. } => "LockPassedOn",
        Rejection::Invalid { .. } => "Invalid",
    }
}
