//! `zeebe:taskDefinition` and `zeebe:taskHeaders`: work done outside of the state machine.
//!
//! Boundary: what a job type means (worker, service) is known to `engine` and `host`.
//! Read first: [`job`].

use std::collections::BTreeSet;

use feel::{Expression, Number, Str, Value};
use markup::{Report, short};

use crate::code;
use crate::compile::expression;
use crate::program::JobSpec;
use crate::source::{Node, TaskDefinition, Text};

/// Tries of a job when nothing is said.
const RETRIES_DEFAULT: i64 = 3;
/// The prefix of the types of steps that the engine does itself.
const OWN: &str = "pointsman:";
/// Header keys that are kept for the engine.
const RESERVED: &str = "io.camunda.zeebe:";

/// The job of `node`.
pub(super) fn job(
    node: &Node<'_>,
    definition: &TaskDefinition<'_>,
    report: &mut Report<'_>,
) -> JobSpec {
    let spot = node.spot().moved(definition.at);
    refuse_own(node, definition, report);
    let job_type = match &definition.job_type {
        Some(text) if !text.is_blank() => expression::feel_or_constant("type", text, spot, report),
        Some(_) | None => {
            let message = format!("the task definition of {} has no type", node.title());
            let hint = "set the job type that a worker or a service is known by";
            report.error(code::JOB_TYPE, spot, message, hint);
            expression::nothing()
        }
    };
    let retries = match &definition.retries {
        Some(text) if !text.is_blank() => retries(node, text, report),
        Some(_) | None => Expression::constant(Value::Number(Number::from(RETRIES_DEFAULT))),
    };
    JobSpec { job_type, retries, headers: headers(node, report) }
}

/// Refuses a job type with our own prefix: no worker may take it, and it is nothing that we know.
fn refuse_own(node: &Node<'_>, definition: &TaskDefinition<'_>, report: &mut Report<'_>) {
    let Some(text) = definition.job_type.as_ref().filter(|text| text.starts_with(OWN)) else {
        return;
    };
    let message = format!("`{}` means nothing at {}", short(text), node.title());
    let hint = "use `pointsman:lock` or `pointsman:unlock` at a service task, or another prefix";
    report.error(code::STEP_TYPE, node.spot().moved(text.at), message, hint);
}

fn retries(node: &Node<'_>, text: &Text<'_>, report: &mut Report<'_>) -> Expression {
    let spot = node.spot().moved(text.at);
    if text.starts_with('=') {
        return expression::feel_or_constant("retries", text, spot, report);
    }
    match text.trim().parse::<i32>() {
        Ok(count) if count >= 0 => {
            Expression::constant(Value::Number(Number::from(i64::from(count))))
        }
        Ok(_) | Err(_) => {
            let message = format!("`retries` is `{}`, not a number of tries", short(text));
            let hint = "write a whole number such as `3`, or a FEEL expression";
            report.error(code::RETRIES, spot, message, hint);
            expression::nothing()
        }
    }
}

fn headers(node: &Node<'_>, report: &mut Report<'_>) -> Vec<(Str, Str)> {
    let mut keys = BTreeSet::new();
    let mut headers = Vec::with_capacity(node.extensions.headers.len());
    for header in &node.extensions.headers {
        let spot = node.spot().moved(header.at);
        let key = header.name.as_deref().unwrap_or("");
        if key.is_empty() {
            let message = format!("a task header of {} has no key and is ignored", node.title());
            report.warning(code::SETTING_IGNORED, spot, message, "give it a key or remove it");
            continue;
        }
        if key.starts_with(RESERVED) {
            let message = format!("the task header `{key}` starts with `{RESERVED}`");
            report.error(code::HEADER, spot, message, "these keys are reserved: rename the header");
        }
        if !keys.insert(key) {
            let message = format!("the task header `{key}` stands twice at {}", node.title());
            report.error(code::HEADER, spot, message, "remove one of the two or rename it");
        }
        headers.push((key.into(), header.value.as_deref().unwrap_or("").into()));
    }
    headers
}
