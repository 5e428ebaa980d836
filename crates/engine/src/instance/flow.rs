//! Taking sequence flows, and joining them.
//!
//! Boundary: which flows are taken is decided by the element that is left.
//! Invariants: FLW-1 a parallel gateway is entered when one arrival of each incoming flow is
//! there; further arrivals on a flow are kept for the next round (BPMN 2.0, 13.4.1).
//! Read first: [`take`].   Tests: tests/scenarios/gateways/

use bpmn::{ElementIndex, FlowIndex, Kind};

use crate::draft::Draft;
use crate::event::Event;
use crate::ids::StepKey;

use super::scope;

/// Takes one flow inside `scope`.
pub(crate) fn take(draft: &mut Draft<'_, '_>, scope: StepKey, flow: FlowIndex) {
    let target = draft.program.flow(flow).target;
    let element = draft.program.element(target);
    let joins = matches!(element.kind, Kind::ParallelGateway) && element.incoming.len() > 1;
    let join = joins.then_some(target.0);
    draft.record(Event::FlowTaken { flow: flow.0, scope, join });
    if !joins {
        scope::activate(draft, scope, target);
    } else if is_complete(draft, scope, target) {
        draft.record(Event::JoinPassed { gateway: target.0, scope });
        scope::activate(draft, scope, target);
    }
}

fn is_complete(draft: &Draft<'_, '_>, scope: StepKey, gateway: ElementIndex) -> bool {
    let Some(step) = draft.step(scope) else { return false };
    draft.program.element(gateway).incoming.iter().all(|flow| {
        step.arrivals.iter().any(|kept| (kept.0, kept.1) == (gateway.0, flow.0) && kept.2 > 0)
    })
}
