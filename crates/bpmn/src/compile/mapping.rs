//! `zeebe:ioMapping`: what goes into a step and what comes out of it.
//!
//! Boundary: writing to scopes lives in `engine`. Mappings of elements that have none at run time
//! are dropped with a warning, because other engines deploy such files.
//! Read first: [`mappings`].

use feel::Str;
use markup::{Report, short};

use crate::code;
use crate::compile::expression;
use crate::program::Mapping;
use crate::source::{Entry, Form, Node, Text};

/// Which way a mapping goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Input,
    Output,
}

/// The mappings of `node` in one direction.
pub(super) fn mappings(
    node: &Node<'_>,
    direction: Direction,
    report: &mut Report<'_>,
) -> Vec<Mapping> {
    let entries = match direction {
        Direction::Input => &node.extensions.inputs,
        Direction::Output => &node.extensions.outputs,
    };
    if let Some(first) = entries.first()
        && !is_possible(&node.form, direction)
    {
        let word = if direction == Direction::Input { "input" } else { "output" };
        let text = format!("{} has {word} mappings, which have no effect there", node.title());
        let hint = "move them to a step before or after it";
        report.warning(code::SETTING_IGNORED, node.spot().moved(first.at), text, hint);
        return Vec::new();
    }
    entries.iter().map(|entry| mapping(node, direction, entry, report)).collect()
}

/// Whether `text` is a variable name: a letter or `_`, then letters, digits and `_`.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn mapping(
    node: &Node<'_>,
    direction: Direction,
    entry: &Entry<'_>,
    report: &mut Report<'_>,
) -> Mapping {
    let spot = node.spot().moved(entry.at);
    let source = match &entry.value {
        Some(source) if !source.is_empty() => match direction {
            Direction::Input => expression::feel_or_constant("source", source, spot, report),
            Direction::Output => expression::feel("source", source, spot, report),
        },
        Some(_) | None => {
            let text = format!("a mapping of {} has no source", node.title());
            let hint = "give it a FEEL expression, or remove the mapping";
            report.error(code::MAPPING_SOURCE, spot, text, hint);
            expression::nothing()
        }
    };
    Mapping { source, target: target(node, entry, report) }
}

fn target(node: &Node<'_>, entry: &Entry<'_>, report: &mut Report<'_>) -> Vec<Str> {
    let Some(target) = entry.name.as_ref().filter(|target| !target.is_blank()) else {
        let text = format!("a mapping of {} has no target", node.title());
        let hint = "name the variable that takes the value";
        report.error(code::MAPPING_TARGET, node.spot().moved(entry.at), text, hint);
        return vec!["".into()];
    };
    if !target.split('.').all(is_name) {
        refuse_target(node, target, report);
    }
    target.split('.').map(Into::into).collect()
}

fn refuse_target(node: &Node<'_>, target: &Text<'_>, report: &mut Report<'_>) {
    let shown = short(target);
    let text = format!("the mapping target `{shown}` of {} is no variable path", node.title());
    let hint = "use names of letters, digits and `_`, joined by dots: `order.total`";
    report.error(code::MAPPING_TARGET, node.spot().moved(target.at), text, hint);
}

fn is_possible(form: &Form<'_>, direction: Direction) -> bool {
    match form {
        Form::ExclusiveGateway | Form::ParallelGateway => false,
        Form::Start(_) | Form::Boundary(_) => direction == Direction::Output,
        Form::SubProcess
        | Form::End(_)
        | Form::Catch(_)
        | Form::Throw(_)
        | Form::Task
        | Form::ManualTask
        | Form::ServiceTask
        | Form::SendTask(_)
        | Form::ScriptTask
        | Form::BusinessRuleTask
        | Form::ReceiveTask(_)
        | Form::CallActivity
        | Form::Refused { .. } => true,
    }
}
