//! Service tasks that acquire a named lock or give it back.
//!
//! A modeler knows them as service tasks of type `pointsman:lock` and `pointsman:unlock`. The name
//! of the lock comes from an input mapping with the target `name`, where FEEL is possible, or from
//! a task header `name`; so does `timeout`. The header `fence-variable` names a result.
//!
//! Boundary: who gets the lock when is known to `engine`.
//! Read first: [`act`], then [`lock`].

use feel::{Expression, Str, Value};
use markup::{Report, short};

use crate::code;
use crate::compile::{expression, mapping, timer};
use crate::program::{Kind, LockSpec, TimerText};
use crate::source::{Entry, Node, TaskDefinition, Text};

/// Bytes that the name of a lock may have.
const NAME_BYTES_MAX: usize = 256;
const NAME: &str = "name";
const TIMEOUT: &str = "timeout";
const FENCE_VARIABLE: &str = "fence-variable";

/// What a task does with a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Lock,
    Unlock,
}

/// What a task with this definition does with a lock, if it does anything with one.
pub(super) fn act(definition: &TaskDefinition<'_>) -> Option<Act> {
    match definition.job_type.as_deref().map(str::trim) {
        Some("pointsman:lock") => Some(Act::Lock),
        Some("pointsman:unlock") => Some(Act::Unlock),
        Some(_) | None => None,
    }
}

/// The element of a task that locks or unlocks.
pub(super) fn lock(
    node: &Node<'_>,
    definition: &TaskDefinition<'_>,
    act: Act,
    report: &mut Report<'_>,
) -> Kind {
    warn_unused(node, definition, act, report);
    let name = name(node, definition, report);
    match act {
        Act::Lock => Kind::Lock(LockSpec {
            name,
            timeout: timeout(node, report),
            fence_variable: fence_variable(node, report),
        }),
        Act::Unlock => Kind::Unlock { name },
    }
}

fn name(node: &Node<'_>, definition: &TaskDefinition<'_>, report: &mut Report<'_>) -> Expression {
    let Some((name, at)) = setting(node, NAME, report) else {
        let text = format!("{} does not say which lock", node.title());
        let hint = "give it an input mapping or a task header `name` with the name of the lock";
        report.error(code::LOCK_NAME, node.spot().moved(definition.at), text, hint);
        return expression::nothing();
    };
    if let Some(Value::String(constant)) = name.as_constant()
        && constant.len() > NAME_BYTES_MAX
    {
        let text = format!("the lock name `{}` is longer than {NAME_BYTES_MAX}", short(constant));
        report.error(code::LOCK_NAME, node.spot().moved(at), text, "shorten it");
    }
    name
}

fn timeout(node: &Node<'_>, report: &mut Report<'_>) -> Option<Expression> {
    let (timeout, at) = setting(node, TIMEOUT, report)?;
    timer::check_constant(TimerText::Duration, &timeout, node.spot().moved(at), report);
    Some(timeout)
}

fn fence_variable(node: &Node<'_>, report: &mut Report<'_>) -> Option<Str> {
    let text = header(node, FENCE_VARIABLE)?;
    if !mapping::is_name(text) {
        let message = format!("`{FENCE_VARIABLE}` of {} is `{}`", node.title(), short(text));
        let hint = "name a variable: letters, digits and `_`, not starting with a digit";
        report.error(code::RESULT_VARIABLE, node.spot().moved(text.at), message, hint);
        return None;
    }
    Some((&**text).into())
}

/// The value of a setting that is an input mapping (then the variable that it fills) or a header,
/// and where it stands.
fn setting(node: &Node<'_>, key: &str, report: &mut Report<'_>) -> Option<(Expression, u32)> {
    let input = node.extensions.inputs.iter().find(|entry| is_named(entry, key));
    let header = header(node, key);
    let expression = match (input, header) {
        (Some(input), Some(_)) => {
            let text = format!("`{key}` of {} is an input mapping and a header", node.title());
            let hint = "keep one of the two";
            let spot = node.spot().moved(input.at);
            report.error(code::IMPLEMENTATION_AMBIGUOUS, spot, text, hint);
            expression::nothing()
        }
        // A mapping to a constant text is checked like a header.
        (Some(Entry { value: Some(value), .. }), None) if !value.starts_with('=') => {
            expression::constant(value)
        }
        (Some(input), None) => {
            let variable = Text::new(format!("={key}"), input.at);
            expression::feel(key, &variable, node.spot().moved(input.at), report)
        }
        (None, Some(text)) => {
            expression::feel_or_constant(key, text, node.spot().moved(text.at), report)
        }
        (None, None) => return None,
    };
    Some((expression, input.map(|input| input.at).or(header.map(|text| text.at))?))
}

/// The value of a header that is not blank.
fn header<'n, 'a>(node: &'n Node<'a>, key: &str) -> Option<&'n Text<'a>> {
    let entry = node.extensions.headers.iter().find(|entry| is_named(entry, key))?;
    entry.value.as_ref().filter(|value| !value.is_blank())
}

fn is_named(entry: &Entry<'_>, key: &str) -> bool {
    entry.name.as_deref() == Some(key)
}

/// Warns of what such a task does not use.
fn warn_unused(
    node: &Node<'_>,
    definition: &TaskDefinition<'_>,
    act: Act,
    report: &mut Report<'_>,
) {
    let known: &[&str] = match act {
        Act::Lock => &[NAME, TIMEOUT, FENCE_VARIABLE],
        Act::Unlock => &[NAME],
    };
    for entry in &node.extensions.headers {
        let key = entry.name.as_deref().unwrap_or("");
        if !known.contains(&key) {
            let text =
                format!("the task header `{}` has no effect at {}", short(key), node.title());
            let hint = format!("remove it; known are `{}`", known.join("`, `"));
            report.warning(code::SETTING_IGNORED, node.spot().moved(entry.at), text, &hint);
        }
    }
    if let Some(retries) = &definition.retries {
        let text = format!("`retries` has no effect at {}", node.title());
        let hint = "remove it: no worker does this step, so none can fail";
        report.warning(code::SETTING_IGNORED, node.spot().moved(retries.at), text, hint);
    }
}
