//! Warns of implementations at elements that have none.
//!
//! Boundary: everything that an element does use is checked where it is compiled.
//! Read first: [`warn`].

use markup::Report;

use crate::code;
use crate::source::{Event, Form, Node};

/// Warns of every extension element of `node` that has no effect there.
pub(super) fn warn(node: &Node<'_>, report: &mut Report<'_>) {
    if matches!(node.form, Form::Refused { .. }) {
        return;
    }
    let sends = sends(&node.form);
    let has_job =
        sends || matches!(node.form, Form::ServiceTask | Form::ScriptTask | Form::BusinessRuleTask);
    let extensions = &node.extensions;
    let found = [
        ("taskDefinition", extensions.task_definition.as_ref().map(|found| found.at), has_job),
        ("taskHeaders", extensions.headers.first().map(|found| found.at), has_job),
        ("publishMessage", extensions.publish_message.as_ref().map(|found| found.at), sends),
        (
            "script",
            extensions.script.as_ref().map(|found| found.at),
            matches!(node.form, Form::ScriptTask),
        ),
        (
            "calledDecision",
            extensions.called_decision.as_ref().map(|found| found.at),
            matches!(node.form, Form::BusinessRuleTask),
        ),
        (
            "calledElement",
            extensions.called_element.as_ref().map(|found| found.at),
            matches!(node.form, Form::CallActivity),
        ),
    ];
    for (name, at, is_used) in found {
        if let (Some(at), false) = (at, is_used) {
            let text = format!("`zeebe:{name}` has no effect at {}", node.title());
            let hint = "remove it, or use the kind of task that it belongs to";
            report.warning(code::SETTING_IGNORED, node.spot().moved(at), text, hint);
        }
    }
}

fn sends(form: &Form<'_>) -> bool {
    match form {
        Form::SendTask(_) => true,
        Form::Throw(events) | Form::End(events) => {
            matches!(events.first(), Some(Event::Message { .. } | Event::Refused))
        }
        Form::SubProcess
        | Form::Start(_)
        | Form::Catch(_)
        | Form::Boundary(_)
        | Form::ExclusiveGateway
        | Form::ParallelGateway
        | Form::Task
        | Form::ManualTask
        | Form::ServiceTask
        | Form::ScriptTask
        | Form::BusinessRuleTask
        | Form::ReceiveTask(_)
        | Form::CallActivity
        | Form::Refused { .. } => false,
    }
}
