//! Leaving steps: normally, from outside, and the end of the instance.
//!
//! Boundary: everything that a step holds (job, timers, subscriptions, child) is released here.
//! Read first: [`complete`], then [`terminate`].

use alloc::vec::Vec;

use bpmn::FlowIndex;

use crate::command::Caller;
use crate::draft::{Draft, Work};
use crate::effect::{Effect, Report};
use crate::event::Event;
use crate::ids::StepKey;
use crate::value::to_context;

use super::element::lock;
use super::state::{StepPhase, Wait};
use super::{failure, flow, incident, job, subscription, variables};

/// How an instance ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Completed,
    Cancelled,
    Failed,
}

/// Leaves a step normally, along all its outgoing flows.
pub(crate) fn complete(draft: &mut Draft<'_, '_>, key: StepKey) {
    let Some(step) = draft.step(key) else { return };
    let (position, entered) = (step.element, step.phase == StepPhase::Active);
    match variables::map_outputs(draft, key) {
        Ok(()) => leave(draft, key, &draft.element(position).outgoing),
        Err(trouble) => {
            // What it did is done; only leaving is tried again.
            if !entered {
                draft.record(Event::StepEntered { step: key });
            }
            subscription::close(draft, key);
            incident::trouble(draft, key, &trouble);
        }
    }
}

/// Leaves a step normally, along one flow.
pub(crate) fn complete_along(draft: &mut Draft<'_, '_>, key: StepKey, flow: FlowIndex) {
    match variables::map_outputs(draft, key) {
        Ok(()) => leave(draft, key, &[flow]),
        Err(trouble) => incident::trouble(draft, key, &trouble),
    }
}

fn leave(draft: &mut Draft<'_, '_>, key: StepKey, flows: &[FlowIndex]) {
    release(draft, key);
    let Some((element, scope)) = draft.step(key).map(|step| (step.element, step.scope)) else {
        return;
    };
    draft.record(Event::StepCompleted { step: key, element });
    draft.completed += 1;
    let Some(scope) = scope else { return };
    for flow in flows {
        flow::take(draft, scope, *flow);
    }
    if flows.is_empty() || draft.step(scope).is_some_and(|scope| scope.children == 0) {
        draft.work.push_back(Work::Settle(scope));
    }
}

/// Ends a step and everything inside it from outside.
pub(crate) fn terminate(draft: &mut Draft<'_, '_>, key: StepKey) {
    terminate_inside(draft, key);
    let Some(element) = draft.step(key).map(|step| step.element) else { return };
    release(draft, key);
    draft.record(Event::StepTerminated { step: key, element });
}

/// Ends everything inside a scope, innermost first.
pub(crate) fn terminate_inside(draft: &mut Draft<'_, '_>, scope: StepKey) {
    if draft.step(scope).is_none_or(|step| step.children == 0) {
        return;
    }
    let inside: Vec<StepKey> = draft
        .state
        .steps
        .keys()
        .rev()
        .copied()
        .filter(|key| is_inside(draft, *key, scope))
        .collect();
    for key in inside {
        let Some(element) = draft.step(key).map(|step| step.element) else { continue };
        release(draft, key);
        draft.record(Event::StepTerminated { step: key, element });
    }
}

fn is_inside(draft: &Draft<'_, '_>, key: StepKey, scope: StepKey) -> bool {
    let mut at = draft.step(key).and_then(|step| step.scope);
    while let Some(found) = at {
        if found == scope {
            return true;
        }
        at = draft.step(found).and_then(|step| step.scope);
    }
    false
}

/// Gives back all that a step holds.
fn release(draft: &mut Draft<'_, '_>, key: StepKey) {
    let Some(step) = draft.state.steps.get(&key) else { return };
    let incident = step.incident.as_ref().map(|incident| incident.key);
    match &step.wait {
        Wait::Job(job) => {
            let job = job.as_ref().clone();
            draft.record(Event::JobWithdrawn { job: job.key });
            job::retract(draft, &job);
        }
        Wait::Child(child) => {
            let child = *child;
            draft.effect(Effect::CancelChild { child });
        }
        Wait::Lock(wait) => {
            let wait = wait.clone();
            lock::withdraw(draft, key, wait);
        }
        Wait::Nothing | Wait::Children | Wait::Call => {}
    }
    subscription::close(draft, key);
    if let Some(incident) = incident {
        draft.record(Event::IncidentResolved { incident });
        draft.effect(Effect::CloseIncident { incident });
    }
}

/// Ends the instance.
pub(crate) fn finish(draft: &mut Draft<'_, '_>, ending: Ending) {
    let root = draft.state.root();
    release(draft, root);
    lock::release_all(draft);
    let variables = draft.step(root).map(|step| to_context(&step.variables)).unwrap_or_default();
    let holds = draft.state.holds_name.clone().zip(draft.state.holds_key.clone());
    let (origin, caller, child) = (draft.state.origin, draft.state.caller, draft.state.key);
    draft.work.clear();
    match ending {
        Ending::Completed => {
            draft.record(Event::InstanceCompleted);
            if let Some(Caller { .. }) = caller {
                let variables = variables.clone();
                report(draft, caller, Report::Completed { child, variables });
            }
        }
        Ending::Cancelled => draft.record(Event::InstanceCancelled),
        Ending::Failed => {
            let told = failure::report(draft);
            draft.record(Event::InstanceFailed { reason: failure::reason(draft) });
            report(draft, caller, told);
        }
    }
    let completed = ending == Ending::Completed;
    draft.effect(Effect::End { completed, variables, origin, holds });
}

fn report(draft: &mut Draft<'_, '_>, caller: Option<Caller>, report: Report) {
    if let Some(caller) = caller {
        draft.effect(Effect::ReportToCaller { caller, report });
    }
}
