//! Which elements may have which sequence flows, and which flows may have a condition.
//!
//! Boundary: that both ends exist is checked in `compile::wiring`.
//! Read first: [`check`].

use markup::{Report, Spot};

use crate::code;
use crate::program::{Element, FlowIndex, Kind, Program};
use crate::source::{Event, Flow, Form, Node, Process};

/// Checks the flows at every element, and the condition of every flow.
pub(super) fn check(
    source: &Process<'_>,
    flow_sources: &[&Flow<'_>],
    program: &mut Program,
    report: &mut Report<'_>,
) {
    for (node, element) in source.nodes.iter().zip(program.elements.iter().skip(1)) {
        check_ends(node, element, flow_sources, report);
    }
    for position in 0..program.flows.len() {
        check_condition(source, flow_sources, (program, position), report);
    }
}

fn check_ends(
    node: &Node<'_>,
    element: &Element,
    flow_sources: &[&Flow<'_>],
    report: &mut Report<'_>,
) {
    let spot_of = |flow: FlowIndex| {
        let flow = flow_sources.get(flow.0 as usize);
        flow.map_or(node.spot(), |flow| Spot::element(flow.at, &flow.id))
    };
    match &node.form {
        Form::Start(_) | Form::Boundary(_) => {
            for flow in &element.incoming {
                let text = format!("a sequence flow leads to {}", node.title());
                let hint = "nothing leads to such an event: lead it to the step behind";
                report.error(code::FLOW_NOT_ALLOWED, spot_of(*flow), text, hint);
            }
        }
        Form::End(_) => {
            for flow in &element.outgoing {
                let text = format!("a sequence flow leaves {}", node.title());
                let hint = "nothing follows an end event: use an intermediate event";
                report.error(code::FLOW_NOT_ALLOWED, spot_of(*flow), text, hint);
            }
        }
        Form::SubProcess
        | Form::Catch(_)
        | Form::Throw(_)
        | Form::ExclusiveGateway
        | Form::ParallelGateway
        | Form::Task
        | Form::ManualTask
        | Form::ServiceTask
        | Form::SendTask(_)
        | Form::ScriptTask
        | Form::BusinessRuleTask
        | Form::ReceiveTask(_)
        | Form::CallActivity
        | Form::Refused { .. } => {}
    }
    let leads_nowhere = match &node.form {
        Form::Boundary(boundary) => {
            element.outgoing.is_empty()
                && !boundary.events.iter().any(|event| matches!(event, Event::Refused))
        }
        _ => false,
    };
    if leads_nowhere {
        let text = format!("{} leads nowhere", node.title());
        let hint = "add a sequence flow to what happens then";
        report.error(code::BOUNDARY_OUTGOING, node.spot(), text, hint);
    }
    let is_gateway = matches!(node.form, Form::ExclusiveGateway | Form::Refused { .. });
    if let (Some(default), false) = (&node.default, is_gateway) {
        let text = format!("the default flow of {} has no effect", node.title());
        let hint = "only an exclusive gateway has a default flow: draw one behind it";
        report.warning(code::SETTING_IGNORED, node.spot().moved(default.at), text, hint);
    }
}

fn check_condition(
    source: &Process<'_>,
    flow_sources: &[&Flow<'_>],
    (program, position): (&mut Program, usize),
    report: &mut Report<'_>,
) {
    let (Some(flow), Some(stated)) = (program.flows.get_mut(position), flow_sources.get(position))
    else {
        return;
    };
    let from = flow.source.0 as usize;
    let (Some(node), Some(element)) =
        (from.checked_sub(1).and_then(|node| source.nodes.get(node)), program.elements.get(from))
    else {
        return;
    };
    if matches!(node.form, Form::Refused { .. }) {
        return;
    }
    let spot = Spot::element(stated.at, &stated.id);
    let Kind::ExclusiveGateway { default } = &element.kind else {
        if stated.condition.is_some() {
            let text =
                format!("a condition stands on a sequence flow that leaves {}", node.title());
            let hint = "only flows that leave an exclusive gateway have conditions: add one";
            report.error(code::CONDITION_NOT_ALLOWED, spot, text, hint);
        }
        return;
    };
    let is_default = default.is_some_and(|default| default.0 as usize == position);
    if is_default && flow.condition.is_some() {
        let text = format!("the condition of the default flow of {} has no effect", node.title());
        let hint = "the default flow is taken when no other is: remove the condition";
        report.warning(code::SETTING_IGNORED, spot, text, hint);
        flow.condition = None;
    }
    if !is_default && flow.condition.is_none() && element.outgoing.len() > 1 {
        let text = format!("a sequence flow that leaves {} has no condition", node.title());
        let hint = "give it a condition or make it the default flow";
        report.error(code::CONDITION_MISSING, spot, text, hint);
    }
}
