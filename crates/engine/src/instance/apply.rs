//! Events change state, here and nowhere else: live and in replay alike.
//!
//! Boundary: total and silent. An event whose subject is gone changes nothing; there is no
//! result, no time, no call back into deciding. An arm is never edited once released.
//! Read first: [`begin`], then [`apply`].   Tests: tests/replay.rs

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::event::{Event, ReadyCause, Started};
use crate::ids::{KeyCursor, StepKey};

use super::state::{
    HeldLock, Incident, Instance, Job, JobState, LockWait, Status, Step, StepPhase, Subscription,
    Timer, Wait,
};

/// The instance that an [`Event::InstanceStarted`] begins.
#[must_use]
pub fn begin(started: &Started) -> Instance {
    let mut instance = Instance {
        key: started.instance,
        definition: started.definition,
        process: started.process.clone(),
        version: started.version,
        status: Status::Active,
        keys: KeyCursor::behind(started.instance),
        caller: started.caller,
        origin: started.origin,
        holds_name: started.holds_name.clone(),
        holds_key: started.holds_key.clone(),
        steps: BTreeMap::new(),
        run: 0,
        run_until_ms: started.at_ms,
        started_ms: started.at_ms,
        incidents: 0,
        audited: 0,
        locks: Vec::new(),
        failed_servers: Vec::new(),
        owners: BTreeMap::new(),
    };
    let mut root = Step::new(0, None);
    root.phase = StepPhase::Active;
    root.wait = Wait::Children;
    instance.steps.insert(instance.root(), root);
    instance
}

/// Applies one event.
pub fn apply(state: &mut Instance, event: &Event) {
    match event {
        Event::InstanceStarted(_)
        | Event::ErrorEscalated { .. }
        | Event::Published { .. }
        | Event::ExpressionWarned { .. }
        | Event::DecisionEvaluated { .. } => {
            apply_note(state, event);
        }
        Event::StepActivated { .. }
        | Event::StepEntered { .. }
        | Event::ScopeEntered { .. }
        | Event::StepCompleted { .. }
        | Event::StepTerminated { .. }
        | Event::FlowTaken { .. }
        | Event::JoinPassed { .. }
        | Event::VariablesSet { .. } => apply_step(state, event),
        Event::JobCreated { .. }
        | Event::JobLeased { .. }
        | Event::JobCompleted { .. }
        | Event::JobFailed { .. }
        | Event::JobReadied { .. }
        | Event::JobErrorThrown { .. }
        | Event::JobWithdrawn { .. }
        | Event::RetriesUpdated { .. }
        | Event::DeadlineUpdated { .. } => apply_job(state, event),
        Event::TimerArmed { .. }
        | Event::TimerFired { .. }
        | Event::TimerDisarmed { .. }
        | Event::SubscriptionOpened { .. }
        | Event::MessageCorrelated { .. }
        | Event::SubscriptionClosed { .. }
        | Event::IncidentRaised { .. }
        | Event::IncidentResolved { .. }
        | Event::ChildCalled { .. }
        | Event::ChildStarted { .. }
        | Event::ChildEnded { .. } => apply_wait(state, event),
        Event::LockRequested { .. }
        | Event::LockGranted { .. }
        | Event::LockTimedOut { .. }
        | Event::LockWithdrawn { .. }
        | Event::LockReleased { .. }
        | Event::LockLost { .. } => apply_lock(state, event),
        Event::ServerFailed { server } => state.failed_servers.push(server.clone()),
        Event::StepFailed { step, .. } => apply_failure(state, *step),
        Event::BlockTaken { block } => state.keys = KeyCursor { block: *block, next: 0 },
        Event::TurnEnded { next, run, run_until_ms } => {
            state.keys.next = *next;
            state.run = *run;
            state.run_until_ms = *run_until_ms;
        }
        Event::InstanceCompleted => finish(state, Status::Completed),
        Event::InstanceCancelled => finish(state, Status::Cancelled),
        Event::InstanceFailed { .. } => finish(state, Status::Failed),
    }
}

fn finish(state: &mut Instance, status: Status) {
    state.status = status;
    state.steps.clear();
    state.owners.clear();
    state.locks.clear();
    state.incidents = 0;
}

fn apply_note(state: &mut Instance, event: &Event) {
    if let Event::ErrorEscalated { step, .. } = event
        && let Some(step) = state.steps.get_mut(step)
    {
        step.phase = StepPhase::Active;
    }
}

fn apply_step(state: &mut Instance, event: &Event) {
    match event {
        Event::StepActivated { step, element, scope } => {
            state.steps.insert(*step, Step::new(*element, Some(*scope)));
            if let Some(scope) = state.steps.get_mut(scope) {
                scope.children += 1;
            }
        }
        Event::StepEntered { step } => {
            if let Some(step) = state.steps.get_mut(step) {
                step.phase = StepPhase::Active;
            }
        }
        Event::ScopeEntered { step } => {
            if let Some(step) = state.steps.get_mut(step) {
                step.phase = StepPhase::Active;
                step.wait = Wait::Children;
            }
        }
        Event::StepCompleted { step, .. } | Event::StepTerminated { step, .. } => {
            remove(state, *step);
        }
        Event::FlowTaken { flow, scope, join: Some(gateway) } => {
            if let Some(scope) = state.steps.get_mut(scope) {
                match scope.arrivals.iter_mut().find(|kept| (kept.0, kept.1) == (*gateway, *flow)) {
                    Some(kept) => kept.2 += 1,
                    None => scope.arrivals.push((*gateway, *flow, 1)),
                }
            }
        }
        Event::JoinPassed { gateway, scope } => {
            if let Some(scope) = state.steps.get_mut(scope) {
                for kept in scope.arrivals.iter_mut().filter(|kept| kept.0 == *gateway) {
                    kept.2 = kept.2.saturating_sub(1);
                }
                scope.arrivals.retain(|kept| kept.2 > 0);
            }
        }
        Event::VariablesSet { step, variables } => {
            if let Some(step) = state.steps.get_mut(step) {
                for (name, value) in variables {
                    step.variables.insert(name.clone(), value.clone());
                }
            }
        }
        _ => {}
    }
}

fn remove(state: &mut Instance, key: StepKey) {
    let Some(step) = state.steps.remove(&key) else { return };
    if let Wait::Job(job) = &step.wait {
        state.owners.remove(&job.key.0);
    }
    for timer in &step.timers {
        state.owners.remove(&timer.key);
    }
    if let Some(incident) = &step.incident {
        state.owners.remove(&incident.key.0);
        state.incidents = state.incidents.saturating_sub(1);
    }
    if let Some(scope) = step.scope.and_then(|scope| state.steps.get_mut(&scope)) {
        scope.children = scope.children.saturating_sub(1);
    }
}

fn job_mut(state: &mut Instance, key: u64) -> Option<&mut Job> {
    let step = state.owners.get(&key)?;
    match &mut state.steps.get_mut(step)?.wait {
        Wait::Job(job) => Some(job),
        _ => None,
    }
}

fn apply_job(state: &mut Instance, event: &Event) {
    match event {
        Event::JobCreated { step, job, job_type, retries } => {
            state.owners.insert(job.0, *step);
            if let Some(step) = state.steps.get_mut(step) {
                step.wait = Wait::Job(Box::new(Job {
                    key: *job,
                    job_type: job_type.clone(),
                    retries: *retries,
                    attempt: 0,
                    state: JobState::Ready,
                }));
            }
        }
        Event::JobLeased { job, worker, deadline_ms } => {
            if let Some(job) = job_mut(state, job.0) {
                job.state = JobState::Leased { worker: worker.clone(), deadline_ms: *deadline_ms };
            }
        }
        Event::JobCompleted { job } | Event::JobWithdrawn { job } => {
            if let Some(step) = state.owners.remove(&job.0)
                && let Some(step) = state.steps.get_mut(&step)
            {
                step.wait = Wait::Nothing;
            }
        }
        Event::JobFailed { job, retries, back_off_until_ms, .. } => {
            if let Some(job) = job_mut(state, job.0) {
                job.retries = *retries;
                job.attempt = job.attempt.saturating_add(1);
                job.state = match back_off_until_ms {
                    Some(until_ms) => JobState::BackingOff { until_ms: *until_ms },
                    None if *retries > 0 => JobState::Ready,
                    None => JobState::Failed,
                };
            }
        }
        Event::JobReadied { job, cause } => {
            if let Some(job) = job_mut(state, job.0) {
                job.state = JobState::Ready;
                if *cause == ReadyCause::LeaseExpired {
                    job.attempt = job.attempt.saturating_add(1);
                }
            }
        }
        Event::JobErrorThrown { job, .. } => {
            if let Some(job) = job_mut(state, job.0) {
                job.attempt = job.attempt.saturating_add(1);
                job.state = JobState::Failed;
            }
        }
        Event::RetriesUpdated { job, retries } => {
            if let Some(job) = job_mut(state, job.0) {
                job.retries = *retries;
            }
        }
        Event::DeadlineUpdated { job, deadline_ms: until } => {
            if let Some(Job { state: JobState::Leased { deadline_ms, .. }, .. }) =
                job_mut(state, job.0)
            {
                *deadline_ms = *until;
            }
        }
        _ => {}
    }
}

fn apply_wait(state: &mut Instance, event: &Event) {
    match event {
        Event::TimerArmed { step, timer, element, due_ms, interval } => {
            state.owners.insert(*timer, *step);
            if let Some(step) = state.steps.get_mut(step) {
                step.timers.push(Timer {
                    key: *timer,
                    element: *element,
                    due_ms: *due_ms,
                    repeat: *interval,
                });
            }
        }
        Event::TimerFired { timer } | Event::TimerDisarmed { timer } => {
            if let Some(step) = state.owners.remove(timer)
                && let Some(step) = state.steps.get_mut(&step)
            {
                step.timers.retain(|kept| kept.key != *timer);
            }
        }
        Event::SubscriptionOpened { step, element, name, key } => {
            if let Some(step) = state.steps.get_mut(step) {
                step.subscriptions.push(Subscription {
                    element: *element,
                    name: name.clone(),
                    key: key.clone(),
                });
            }
        }
        Event::SubscriptionClosed { step, element } => {
            if let Some(step) = state.steps.get_mut(step) {
                step.subscriptions.retain(|kept| kept.element != *element);
            }
        }
        Event::IncidentRaised { incident, step, kind, message } => {
            state.owners.insert(incident.0, *step);
            state.incidents += 1;
            if let Some(step) = state.steps.get_mut(step) {
                step.incident = Some(Box::new(Incident {
                    key: *incident,
                    kind: *kind,
                    message: message.clone(),
                }));
            }
        }
        Event::IncidentResolved { incident } => {
            if let Some(step) = state.owners.remove(&incident.0) {
                state.incidents = state.incidents.saturating_sub(1);
                if let Some(step) = state.steps.get_mut(&step) {
                    step.incident = None;
                }
            }
        }
        Event::ChildCalled { step, .. } => {
            if let Some(step) = state.steps.get_mut(step) {
                step.wait = Wait::Call;
            }
        }
        Event::ChildEnded { step } => {
            if let Some(step) = state.steps.get_mut(step) {
                step.wait = Wait::Nothing;
            }
        }
        Event::ChildStarted { step, child } => {
            if let Some(step) = state.steps.get_mut(step) {
                step.wait = Wait::Child(*child);
            }
        }
        _ => {}
    }
}

fn apply_lock(state: &mut Instance, event: &Event) {
    match event {
        Event::LockRequested { step, name, deadline_ms } => {
            if let Some(step) = state.steps.get_mut(step) {
                let (name, deadline_ms) = (name.clone(), *deadline_ms);
                step.wait = Wait::Lock(LockWait { name, deadline_ms, timed_out: false });
            }
        }
        Event::LockGranted { step, name, fence } => {
            let held = HeldLock { name: name.clone(), step: *step, fence: *fence, lost: false };
            state.locks.push(held);
            if let Some(step) = state.steps.get_mut(step) {
                step.wait = Wait::Nothing;
            }
        }
        Event::LockTimedOut { step } => {
            if let Some(Step { wait: Wait::Lock(wait), .. }) = state.steps.get_mut(step) {
                wait.timed_out = true;
            }
        }
        Event::LockWithdrawn { step } => {
            if let Some(step) = state.steps.get_mut(step) {
                step.wait = Wait::Nothing;
            }
        }
        Event::LockReleased { name, acquired_by, .. } => {
            state.locks.retain(|held| (&held.name, &held.step) != (name, acquired_by));
        }
        Event::LockLost { name, fence } => {
            for held in &mut state.locks {
                held.lost |= held.name == *name && held.fence == *fence;
            }
        }
        _ => {}
    }
}

fn apply_failure(state: &mut Instance, step: StepKey) {
    let mut at = Some(step);
    while let Some(step) = at.and_then(|key| state.steps.get_mut(&key)) {
        step.failing = true;
        at = step.scope;
    }
}
