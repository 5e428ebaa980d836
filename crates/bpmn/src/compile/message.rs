//! Messages that are waited for, and everything that sends: send tasks, throw and end events.
//!
//! Boundary: what a name and a key mean at run time lives in `engine`.
//! Read first: [`subscription`], then [`send`].

use feel::Expression;
use markup::{Report, Spot};

use crate::code;
use crate::compile::{expression, job, timer};
use crate::program::{MessageSpec, Publication, SendSpec, Target, TimerText};
use crate::source::{Message, Node, PublishMessage, Reference};

/// What a catch event, boundary event or receive task waits for.
pub(super) fn subscription(
    node: &Node<'_>,
    message: &Reference<'_, Message<'_>>,
    spot: Spot<'_>,
    report: &mut Report<'_>,
) -> MessageSpec {
    let name = name(node, message, spot, report);
    let correlation_key = match message {
        Reference::Known(Message { correlation_key: Some(key), .. }) if !key.is_blank() => {
            expression::feel("correlationKey", key, spot, report)
        }
        Reference::Known(_) => {
            let text =
                format!("the message that {} waits for has no correlation key", node.title());
            let hint = "give the message a subscription with a correlation key such as `=orderId`";
            report.error(code::CORRELATION_KEY, spot, text, hint);
            expression::nothing()
        }
        Reference::Absent | Reference::Unknown(_) => expression::nothing(),
    };
    MessageSpec { name, correlation_key }
}

/// The name of the message that is referred to.
pub(super) fn name(
    node: &Node<'_>,
    message: &Reference<'_, Message<'_>>,
    spot: Spot<'_>,
    report: &mut Report<'_>,
) -> Expression {
    match message {
        Reference::Known(Message { name: Some(name), .. }) if !name.is_blank() => {
            return expression::feel_or_constant("name", name, spot, report);
        }
        Reference::Known(_) => {
            let text = format!("the message of {} has no name", node.title());
            report.error(code::MESSAGE_NAME, spot, text, "give the message a name");
        }
        Reference::Absent => {
            let text = format!("{} refers to no message", node.title());
            report.error(code::MESSAGE_REFERENCE, spot, text, "choose a message for it");
        }
        Reference::Unknown(id) => {
            let text =
                format!("{} refers to the message `{}`, which is not there", node.title(), &**id);
            let hint = "choose one of the file's messages, or add this one";
            report.error(code::MESSAGE_REFERENCE, spot.moved(id.at), text, hint);
        }
    }
    expression::nothing()
}

/// How `node` sends.
pub(super) fn send(
    node: &Node<'_>,
    message: &Reference<'_, Message<'_>>,
    spot: Spot<'_>,
    report: &mut Report<'_>,
) -> SendSpec {
    match (&node.extensions.task_definition, &node.extensions.publish_message) {
        (Some(definition), None) => SendSpec::Job(job::job(node, definition, report)),
        (Some(definition), Some(_)) => {
            let text = format!("{} has a task definition and publishes a message", node.title());
            let hint = "keep one of the two";
            report.error(code::IMPLEMENTATION_AMBIGUOUS, spot, text, hint);
            SendSpec::Job(job::job(node, definition, report))
        }
        (None, Some(publish)) => SendSpec::Publish(Publication {
            name: name(node, message, spot, report),
            target: target(node, publish, report),
        }),
        (None, None) if matches!(message, Reference::Absent) => {
            let text = format!("it is not said how {} sends", node.title());
            let hint = "give it a job type, or a message: a document of the message's name is then \
                        published";
            report.error(code::IMPLEMENTATION_MISSING, spot, text, hint);
            SendSpec::Publish(Publication { target: Target::Document, name: expression::nothing() })
        }
        (None, None) => SendSpec::Publish(Publication {
            name: name(node, message, spot, report),
            target: Target::Document,
        }),
    }
}

fn target(node: &Node<'_>, publish: &PublishMessage<'_>, report: &mut Report<'_>) -> Target {
    let spot = node.spot().moved(publish.at);
    let correlation_key = match &publish.correlation_key {
        Some(key) if !key.is_blank() => {
            expression::feel_or_constant("correlationKey", key, spot, report)
        }
        Some(_) | None => {
            let text =
                format!("the message that {} publishes has no correlation key", node.title());
            let hint = "set `correlationKey`; `=\"\"` publishes to no particular instance";
            report.error(code::CORRELATION_KEY, spot, text, hint);
            expression::nothing()
        }
    };
    let mut optional = |name, text: &Option<_>| {
        text.as_ref().map(|text| expression::feel_or_constant(name, text, spot, report))
    };
    let message_id = optional("messageId", &publish.message_id);
    let time_to_live = optional("timeToLive", &publish.time_to_live);
    if let (Some(expression), Some(text)) = (&time_to_live, &publish.time_to_live) {
        timer::check_constant(TimerText::Duration, expression, spot.moved(text.at), report);
    }
    Target::Message { correlation_key, message_id, time_to_live }
}
