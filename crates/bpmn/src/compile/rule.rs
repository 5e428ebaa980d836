//! Business rule tasks: a DMN decision, or a job.
//!
//! Boundary: which decisions are deployed is known to `node`.
//! Read first: [`rule`].

use markup::Report;

use crate::code;
use crate::compile::{expression, job, task};
use crate::program::{CalledDecision, Kind, Rule};
use crate::source::{CalledDecision as Called, Node};

/// A business rule task.
pub(super) fn rule(node: &Node<'_>, report: &mut Report<'_>) -> Kind {
    match (&node.extensions.called_decision, &node.extensions.task_definition) {
        (Some(called), None) => {
            Kind::BusinessRuleTask(Rule::Decision(decision(node, called, report)))
        }
        (None, Some(definition)) => {
            Kind::BusinessRuleTask(Rule::Job(job::job(node, definition, report)))
        }
        (Some(called), Some(_)) => {
            let text = format!("{} has a called decision and a task definition", node.title());
            let hint = "keep one of the two";
            report.error(code::IMPLEMENTATION_AMBIGUOUS, node.spot(), text, hint);
            Kind::BusinessRuleTask(Rule::Decision(decision(node, called, report)))
        }
        (None, None) => {
            let text = format!("{} has no called decision", node.title());
            let hint = "give it the id of a decision with a result variable, or a job type";
            report.error(code::IMPLEMENTATION_MISSING, node.spot(), text, hint);
            Kind::Task
        }
    }
}

fn decision(node: &Node<'_>, called: &Called<'_>, report: &mut Report<'_>) -> CalledDecision {
    let spot = node.spot().moved(called.at);
    let decision_id = match &called.decision_id {
        Some(text) if !text.is_blank() => {
            expression::feel_or_constant("decisionId", text, spot, report)
        }
        Some(_) | None => {
            let text = format!("{} does not say which decision it calls", node.title());
            let hint = "set the decision id of its called decision";
            report.error(code::CALLED_DECISION, spot, text, hint);
            expression::nothing()
        }
    };
    let result = called.result_variable.as_ref();
    let result_variable = task::result_variable(node, "called decision", result, spot, report);
    let spot = node.spot().moved(called.binding.as_ref().map_or(called.at, |text| text.at));
    let binding =
        task::binding(node, called.binding.as_ref(), called.version_tag.as_ref(), spot, report);
    CalledDecision { decision_id, result_variable, binding }
}
