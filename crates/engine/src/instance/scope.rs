//! Scopes: the process and its subprocesses, what begins in them and when they are done.
//!
//! Boundary: activating steps and settling scopes; taking flows is in `flow`.
//! Read first: [`activate`], then [`settle`].

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use bpmn::ElementIndex;

use crate::draft::{Draft, Work, invariant};
use crate::event::{Event, IncidentKind};
use crate::ids::StepKey;

use super::{end, failure, incident};

/// Activates an element inside `scope`; it is entered later in the turn, or in the next.
pub(crate) fn activate(
    draft: &mut Draft<'_, '_>,
    scope: StepKey,
    element: ElementIndex,
) -> StepKey {
    let exists = draft.step(scope).is_some();
    invariant!(draft, exists, "INS-1: {scope} is gone, and element {} begins in it", element.0);
    let step = StepKey(draft.key());
    draft.record(Event::StepActivated { step, element: element.0, scope });
    draft.work.push_back(Work::Enter(step));
    step
}

/// Completes a scope that has nothing left to do.
pub(crate) fn settle(draft: &mut Draft<'_, '_>, scope: StepKey) {
    let Some(step) = draft.step(scope) else { return };
    if step.children > 0 {
        return;
    }
    if step.failing {
        return failure::settle(draft, scope);
    }
    if step.incident.is_some() {
        return;
    }
    if step.arrivals.is_empty() {
        if scope == draft.state.root() {
            end::finish(draft, end::Ending::Completed);
        } else {
            end::complete(draft, scope);
        }
        return;
    }
    let gateways: BTreeSet<u32> = step.arrivals.iter().map(|kept| kept.0).collect();
    let names: Vec<&str> = gateways.iter().map(|gateway| &*draft.element(*gateway).id).collect();
    let names = names.join("`, `");
    let message = format!("`{names}` waits for a flow that cannot come any more");
    incident::raise(draft, scope, IncidentKind::UnsatisfiedJoin, &message);
}
