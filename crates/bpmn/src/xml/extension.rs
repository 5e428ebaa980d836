//! Extension elements of the `zeebe` and `pointsman` namespaces, attributes of the latter.
//!
//! Boundary: reads them wherever they stand; whether they fit the element is known to `compile`.
//! Other namespaces belong to other tools and are passed over.
//! Read first: [`read`].

use markup::{Report, Spot, short};
use roxmltree::Node as Xml;

use crate::code;
use crate::source::{
    CalledDecision, CalledElement, Entry, Extensions, FeelScript, LOGICAL_SERVER, PublishMessage,
    TaskDefinition, Text,
};
use crate::xml::{self, POINTSMAN, ZEEBE};

/// Adds what stands at `node`, the element `id`, to `extensions`.
pub(super) fn read<'a>(
    node: Xml<'a, '_>,
    id: &str,
    extensions: &mut Extensions<'a>,
    report: &mut Report<'_>,
) {
    for attribute in node.attributes() {
        if attribute.namespace() == Some(POINTSMAN) {
            let value = xml::value(&attribute);
            let name = Text::new(format!("pointsman:{}", attribute.name()), value.at);
            extensions.properties.push((name, value));
        }
    }
    for group in node.children().filter(|node| xml::is_bpmn(*node, "extensionElements")) {
        for child in group.children() {
            match child.tag_name().namespace() {
                Some(ZEEBE) => element(child, id, extensions, report),
                Some(POINTSMAN) => own(child, id, extensions, report),
                Some(_) | None => {}
            }
        }
    }
}

/// An element of our own namespace.
fn own<'a>(node: Xml<'a, '_>, id: &str, extensions: &mut Extensions<'a>, report: &mut Report<'_>) {
    let at = xml::offset(node);
    let name = node.tag_name().name();
    if name != "logicalServer" {
        let message = format!("`pointsman:{}` is not known and is ignored", short(name));
        let hint = "correct its name or remove it";
        report.warning(code::EXTENSION_UNKNOWN, Spot::element(at, id), message, hint);
        return;
    }
    let server = xml::attribute(node, "name").unwrap_or_else(|| Text::new("", at));
    if extensions.logical_server.replace(server).is_some() {
        let message = format!("`{LOGICAL_SERVER}` stands twice at `{}`", short(id));
        let spot = Spot::element(at, id);
        report.error(code::IMPLEMENTATION_AMBIGUOUS, spot, message, "remove one of the two");
    }
}

fn element<'a>(
    node: Xml<'a, '_>,
    id: &str,
    extensions: &mut Extensions<'a>,
    report: &mut Report<'_>,
) {
    let at = xml::offset(node);
    let name = node.tag_name().name();
    let is_second = match name {
        "taskDefinition" => extensions.task_definition.replace(task_definition(node)).is_some(),
        "calledElement" => extensions.called_element.replace(called_element(node)).is_some(),
        "calledDecision" => extensions.called_decision.replace(called_decision(node)).is_some(),
        "publishMessage" => extensions.publish_message.replace(publish_message(node)).is_some(),
        "script" => {
            let script = FeelScript {
                at,
                expression: xml::attribute(node, "expression"),
                result_variable: xml::attribute(node, "resultVariable"),
            };
            extensions.script.replace(script).is_some()
        }
        "versionTag" => {
            let tag = xml::filled(node, "value");
            tag.is_some_and(|tag| extensions.version_tag.replace(tag).is_some())
        }
        "taskHeaders" => {
            extensions.headers.extend(entries(node, "header", ("key", "value")));
            false
        }
        "ioMapping" => {
            extensions.inputs.extend(entries(node, "input", ("target", "source")));
            extensions.outputs.extend(entries(node, "output", ("target", "source")));
            false
        }
        "properties" => {
            let properties = entries(node, "property", ("name", "value"));
            extensions.properties.extend(properties.filter_map(|property| {
                let value = property.value.unwrap_or_else(|| Text::new("", property.at));
                Some((property.name?, value))
            }));
            false
        }
        _ => {
            other(name, Spot::element(at, id), report);
            false
        }
    };
    if is_second {
        let message = format!("`zeebe:{name}` stands twice at `{}`", short(id));
        let spot = Spot::element(at, id);
        report.error(code::IMPLEMENTATION_AMBIGUOUS, spot, message, "remove one of the two");
    }
}

/// Refuses what would change how the element runs, passes over what does not.
fn other(name: &str, spot: Spot<'_>, report: &mut Report<'_>) {
    match name {
        "executionListeners" | "taskListeners" | "linkedResources" => {
            let message = format!("`zeebe:{name}` is not supported yet");
            let hint = "do the work in a step of its own";
            report.error(code::EXTENSION_UNSUPPORTED, spot, message, hint);
        }
        "jobPriorityDefinition" => {
            let message = format!("`zeebe:{name}` is ignored");
            let hint = "jobs are handed out in order of creation: remove it";
            report.warning(code::SETTING_IGNORED, spot, message, hint);
        }
        // These belong to elements that are refused as a whole, or only to tools.
        "formDefinition"
        | "userTaskForm"
        | "userTask"
        | "assignmentDefinition"
        | "taskSchedule"
        | "priorityDefinition"
        | "loopCharacteristics"
        | "adHoc"
        | "conditionalFilter"
        | "agentDefinition" => {}
        _ => {
            let message = format!("`zeebe:{name}` is not known and is ignored");
            let hint = "correct its name or remove it";
            report.warning(code::EXTENSION_UNKNOWN, spot, message, hint);
        }
    }
}

fn task_definition<'a>(node: Xml<'a, '_>) -> TaskDefinition<'a> {
    TaskDefinition {
        at: xml::offset(node),
        job_type: xml::attribute(node, "type"),
        retries: xml::filled(node, "retries"),
    }
}

fn called_element<'a>(node: Xml<'a, '_>) -> CalledElement<'a> {
    CalledElement {
        at: xml::offset(node),
        process_id: xml::attribute(node, "processId"),
        propagate_all_child_variables: xml::attribute(node, "propagateAllChildVariables"),
        propagate_all_parent_variables: xml::attribute(node, "propagateAllParentVariables"),
        binding: xml::attribute(node, "bindingType"),
        version_tag: xml::attribute(node, "versionTag"),
    }
}

fn called_decision<'a>(node: Xml<'a, '_>) -> CalledDecision<'a> {
    CalledDecision {
        at: xml::offset(node),
        decision_id: xml::attribute(node, "decisionId"),
        result_variable: xml::attribute(node, "resultVariable"),
        binding: xml::attribute(node, "bindingType"),
        version_tag: xml::attribute(node, "versionTag"),
    }
}

fn publish_message<'a>(node: Xml<'a, '_>) -> PublishMessage<'a> {
    PublishMessage {
        at: xml::offset(node),
        correlation_key: xml::attribute(node, "correlationKey"),
        message_id: xml::filled(node, "messageId"),
        time_to_live: xml::filled(node, "timeToLive"),
    }
}

/// The children `child` of `node`, each with two attributes.
fn entries<'a, 'n>(
    node: Xml<'a, 'n>,
    child: &'static str,
    (name, value): (&'static str, &'static str),
) -> impl Iterator<Item = Entry<'a>> + use<'a, 'n> {
    let children = node.children().filter(move |node| node.has_tag_name((ZEEBE, child)));
    children.map(move |node| Entry {
        at: xml::offset(node),
        name: xml::attribute(node, name),
        value: xml::attribute(node, value),
    })
}
