//! The exclusive gateway. (A parallel gateway joins in `flow` and then just passes.)
//!
//! Boundary: the first true condition in document order wins, then the default flow (BPMN 2.0,
//! 13.4.2); neither: an incident.
//! Read first: [`choose`].   Tests: tests/scenarios/gateways/

use alloc::format;

use bpmn::{Element, FlowIndex};
use feel::Value;

use crate::draft::Draft;
use crate::event::IncidentKind;
use crate::ids::StepKey;

use super::super::{end, incident, subscription};

/// Leaves along the first flow whose condition is true.
pub(crate) fn choose(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    element: &Element,
    default: Option<FlowIndex>,
) {
    for index in element.outgoing.iter().copied().filter(|index| Some(*index) != default) {
        let flow = draft.program.flow(index);
        let Some(condition) = &flow.condition else {
            return end::complete_along(draft, step, index);
        };
        let evaluation = draft.evaluate(condition, step);
        match &evaluation.value {
            Value::Boolean(true) => return end::complete_along(draft, step, index),
            Value::Boolean(false) => {}
            other => {
                let message = format!(
                    "condition `{}` of flow `{}` must be true or false, found {}",
                    condition.text(),
                    flow.id,
                    other.kind_name()
                );
                let message = subscription::because(message, &evaluation);
                return incident::raise(draft, step, IncidentKind::ExtractValue, &message);
            }
        }
    }
    match default {
        Some(flow) => end::complete_along(draft, step, flow),
        None if element.outgoing.is_empty() => end::complete(draft, step),
        None => {
            let message =
                format!("no condition of `{}` is true and it has no default flow", element.id);
            incident::raise(draft, step, IncidentKind::Condition, &message);
        }
    }
}
