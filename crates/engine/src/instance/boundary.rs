//! Boundary events: who catches a thrown error, and what an occurring event does to its activity.
//!
//! Boundary: opening and closing what they wait for is in `subscription`.
//! Invariants: BND-1 an error goes to the nearest scope that catches it; at one activity an equal
//! code comes before a catch-all (BPMN 2.0, 10.5.4; R32). BND-2 what occurs at an activity is one
//! of its boundary events.
//! Read first: [`throw`], then [`occur`].   Tests: tests/scenarios/boundary/

use bpmn::{Catch, ElementIndex, Kind};
use feel::Context;

use crate::command::Caller;
use crate::draft::{Draft, invariant};
use crate::effect::{Effect, Report};
use crate::event::Event;
use crate::ids::StepKey;

use super::element::Thrown;
use super::{end, incident, scope, variables};

/// Throws an error at `from`: caught here, by a caller, or left as an incident.
pub(crate) fn throw(draft: &mut Draft<'_, '_>, from: StepKey, thrown: &Thrown) {
    if let Some((step, boundary)) = catcher(draft, from, &thrown.code) {
        occur(draft, step, boundary, &thrown.variables);
        return;
    }
    let Some(caller) = draft.state.caller else {
        incident::uncaught(draft, from, &thrown.code, &thrown.message);
        return;
    };
    draft.record(Event::ErrorEscalated { step: from, code: thrown.code.clone() });
    let child = draft.state.key;
    let thrower = Caller { instance: child, step: from, depth: draft.state.depth() };
    escalate(draft, caller, thrower, thrown);
}

/// Passes an error on to the caller of this instance.
pub(crate) fn escalate(
    draft: &mut Draft<'_, '_>,
    caller: Caller,
    thrower: Caller,
    thrown: &Thrown,
) {
    let report = Report::Error {
        child: draft.state.key,
        thrower,
        code: thrown.code.clone(),
        message: thrown.message.clone(),
        variables: thrown.variables.clone(),
    };
    draft.effect(Effect::ReportToCaller { caller, report });
}

/// The step and boundary event that catch `code` when it is thrown at `from`.
pub(crate) fn catcher(
    draft: &Draft<'_, '_>,
    from: StepKey,
    code: &str,
) -> Option<(StepKey, ElementIndex)> {
    let mut at = Some(from);
    while let Some(key) = at {
        let step = draft.step(key)?;
        let boundary = &draft.element(step.element).boundary;
        let matching = |exact: bool| {
            boundary.iter().copied().find(|index| match &draft.program.element(*index).kind {
                Kind::Boundary { catch: Catch::Error { code: Some(known) }, .. } => {
                    exact && **known == *code
                }
                Kind::Boundary { catch: Catch::Error { code: None }, .. } => !exact,
                _ => false,
            })
        };
        if let Some(index) = matching(true).or_else(|| matching(false)) {
            return Some((key, index));
        }
        at = step.scope;
    }
    None
}

/// A boundary event of `step` occurs.
pub(crate) fn occur(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    boundary: ElementIndex,
    variables: &Context,
) {
    let Kind::Boundary { interrupting, .. } = draft.program.element(boundary).kind else {
        invariant!(draft, false, "BND-2: element {} occurs, but is no boundary event", boundary.0);
        return;
    };
    let Some(scope) = draft.step(step).and_then(|step| step.scope) else { return };
    let event = scope::activate(draft, scope, boundary);
    if !variables.is_empty() {
        variables::deliver(draft, event, variables);
    }
    if interrupting {
        end::terminate(draft, step);
    }
}
