//! Call activities: another process runs as a child, and its end is the step's (R30, R31).
//!
//! Boundary: which version runs is the shell's answer (`AcceptChild`, `RefuseChild`), because it
//! depends on what is deployed and enabled at that moment.
//! Read first: [`enter`], then [`complete`].   Tests: tests/scenarios/call/

use alloc::format;

use bpmn::{CallActivity, Kind};
use feel::Context;

use crate::command::Caller;
use crate::draft::Draft;
use crate::effect::Effect;
use crate::event::{Event, IncidentKind};
use crate::ids::{InstanceKey, StepKey};
use crate::rejection::Rejection;
use crate::value::to_context;

use super::super::state::Wait;
use super::super::{boundary, end, incident, subscription, variables};
use super::Thrown;

/// Asks for the child.
pub(crate) fn enter(draft: &mut Draft<'_, '_>, step: StepKey, spec: &CallActivity) {
    let element = draft.step(step).map_or(0, |step| step.element);
    // The boundary events open when the child runs; that they can is found out before.
    let process = subscription::text_of(draft, step, element, &spec.process_id)
        .and_then(|process| subscription::prepare(draft, step).map(|_| process));
    let process = match process {
        Ok(process) => process,
        Err(trouble) => return incident::trouble(draft, step, &trouble),
    };
    let depth_max = draft.stamp.limits.call_depth_max;
    if draft.state.depth() >= depth_max {
        let message = format!("`{process}` is not called: calls are {depth_max} deep already");
        return incident::raise(draft, step, IncidentKind::CalledElement, &message);
    }
    let variables = if spec.propagate_all_parent_variables {
        to_context(&variables::visible(draft.state, step))
    } else {
        draft.step(step).map(|step| to_context(&step.variables)).unwrap_or_default()
    };
    draft.record(Event::ChildCalled { step, process: process.clone() });
    draft.effect(Effect::StartChild {
        step,
        process,
        version_tag: spec.version_tag.clone(),
        same_deployment: spec.same_deployment,
        variables,
    });
}

/// The child began.
pub(crate) fn accept(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    child: InstanceKey,
) -> Result<(), Rejection> {
    let found = draft.step(step).ok_or(Rejection::StepGone(step))?;
    if found.wait != Wait::Call || found.incident.is_some() {
        return Err(Rejection::Stale);
    }
    match subscription::prepare(draft, step) {
        Ok(openings) => {
            draft.record(Event::StepEntered { step });
            draft.record(Event::ChildStarted { step, child });
            subscription::open(draft, step, openings);
            Ok(())
        }
        Err(trouble) => {
            draft.effect(Effect::CancelChild { child });
            incident::trouble(draft, step, &trouble);
            Ok(())
        }
    }
}

/// The child could not begin.
pub(crate) fn refuse(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    reason: &str,
) -> Result<(), Rejection> {
    let found = draft.step(step).ok_or(Rejection::StepGone(step))?;
    if found.wait != Wait::Call || found.incident.is_some() {
        return Err(Rejection::Stale);
    }
    incident::raise(draft, step, IncidentKind::CalledElement, reason);
    Ok(())
}

/// The child ended normally.
pub(crate) fn complete(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    child: InstanceKey,
    result: &Context,
) -> Result<(), Rejection> {
    let found = draft.step(step).ok_or(Rejection::StepGone(step))?;
    if found.wait != Wait::Child(child) {
        return Err(Rejection::Stale);
    }
    let element = draft.element(found.element);
    draft.record(Event::ChildEnded { step });
    let propagates = matches!(
        &element.kind,
        Kind::CallActivity(CallActivity { propagate_all_child_variables: true, .. })
    );
    if propagates || !element.outputs.is_empty() {
        variables::deliver(draft, step, result);
    }
    end::complete(draft, step);
    Ok(())
}

/// The child threw an error that it does not catch: caught here, further up, or nowhere.
pub(crate) fn catch(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    child: InstanceKey,
    thrower: Caller,
    thrown: &Thrown,
) -> Result<(), Rejection> {
    let found = draft.step(step).ok_or(Rejection::StepGone(step))?;
    if found.wait != Wait::Child(child) {
        return Err(Rejection::Stale);
    }
    if let Some((catching, event)) = boundary::catcher(draft, step, &thrown.code) {
        boundary::occur(draft, catching, event, &thrown.variables);
    } else if let Some(caller) = draft.state.caller {
        boundary::escalate(draft, caller, thrower, thrown);
    } else {
        let (code, message) = (thrown.code.clone(), thrown.message.clone());
        draft.effect(Effect::ReportUncaught { thrower, code, message });
    }
    Ok(())
}
