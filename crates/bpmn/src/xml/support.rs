//! What of BPMN is refused or passed over, by name, with what to do instead.
//!
//! Boundary: an element that is not named in this file or read in `process` is refused as unknown.
//! Read first: [`refuse`], then [`is_passed_over`].

use markup::{Report, Spot};
use roxmltree::Node as Xml;

use crate::code;
use crate::source::{Form, titled};
use crate::xml;

/// Children of a process or subprocess that say nothing about how it runs.
pub(super) fn is_passed_over(name: &str) -> bool {
    matches!(
        name,
        "documentation"
            | "extensionElements"
            | "incoming"
            | "outgoing"
            | "textAnnotation"
            | "association"
            | "group"
            | "artifact"
            | "dataObject"
            | "dataObjectReference"
            | "dataStoreReference"
            | "dataInputAssociation"
            | "dataOutputAssociation"
            | "ioSpecification"
            | "ioBinding"
            | "supportedInterfaceRef"
            | "property"
            | "auditing"
            | "monitoring"
            | "category"
            | "correlationSubscription"
            | "supports"
            | "resourceRole"
            | "performer"
            | "humanPerformer"
            | "potentialOwner"
            | "completionCondition"
            | "multiInstanceLoopCharacteristics"
            | "standardLoopCharacteristics"
    )
}

/// Whether an element that is refused has flow elements inside.
pub(super) fn is_container(name: &str) -> bool {
    matches!(name, "subProcess" | "transaction" | "adHocSubProcess")
}

/// Refuses the flow element `node`.
pub(super) fn refuse<'a>(node: Xml<'a, '_>, report: &mut Report<'_>) -> Form<'a> {
    let name = node.tag_name().name();
    let (title, hint) = match name {
        "userTask" => ("user task", "use a service task that an application completes"),
        "inclusiveGateway" => {
            ("inclusive gateway", "split with a parallel gateway, choose on each path")
        }
        "eventBasedGateway" => ("event-based gateway", "use a receive task with boundary events"),
        "complexGateway" => ("complex gateway", "use exclusive and parallel gateways"),
        "transaction" => ("transaction", "use an embedded subprocess with boundary events"),
        "adHocSubProcess" => ("ad-hoc subprocess", "use an embedded subprocess"),
        "subProcess" => {
            ("event subprocess", "attach boundary events to an embedded subprocess instead")
        }
        "choreographyTask" | "subChoreography" | "callChoreography" => {
            ("choreography", "draw the activities of this participant only")
        }
        _ => {
            let id = xml::id(node);
            let spot = Spot::element(xml::offset(node), &id);
            let message = format!("the element `{name}` is not known here");
            let hint = "BPMN 2.0 has no such flow element: remove it or correct its name";
            report.error(code::ELEMENT_UNSUPPORTED, spot, message, hint);
            return Form::Refused { title: format!("element `{name}`") };
        }
    };
    let id = xml::id(node);
    let spot = Spot::element(xml::offset(node), &id);
    let message = format!("{} is not supported yet", titled(title, &id));
    report.error(code::ELEMENT_UNSUPPORTED, spot, message, hint);
    Form::Refused { title: title.to_owned() }
}

/// Refuses what changes the meaning of an element that is otherwise supported.
pub(super) fn check_markers(
    node: Xml<'_, '_>,
    form: &Form<'_>,
    spot: Spot<'_>,
    report: &mut Report<'_>,
) {
    if matches!(form, Form::Refused { .. }) {
        return;
    }
    let title = titled(form.title(), spot.element.unwrap_or(""));
    let mut refuse = |at: u32, marker: &str, hint: &str| {
        let message = format!("{marker} of {title} is not supported yet");
        report.error(code::MARKER_UNSUPPORTED, spot.moved(at), message, hint);
    };
    for child in node.children().filter(Xml::is_element) {
        if xml::is_bpmn(child, "multiInstanceLoopCharacteristics") {
            let hint = "remove the marker; loop over a list with an exclusive gateway";
            refuse(xml::offset(child), "the multi-instance marker", hint);
        } else if xml::is_bpmn(child, "standardLoopCharacteristics") {
            let hint = "remove the marker; loop with an exclusive gateway";
            refuse(xml::offset(child), "the loop marker", hint);
        }
    }
    if xml::is_set(node, "isForCompensation", false) {
        let hint = "remove the marker; undo with steps on an error path";
        refuse(spot.at, "the compensation marker", hint);
    }
    if xml::is_set(node, "instantiate", false) {
        let hint = "use a message start event";
        refuse(spot.at, "the instantiate marker", hint);
    }
}
