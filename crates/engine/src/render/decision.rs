//! Evaluated decisions, and warnings of expressions, as text.
//!
//! Boundary: as `render`.
//! Read first: [`text`].

use alloc::format;
use alloc::string::String;

use crate::event::{EvaluatedDecision, Event};

use super::{Log, Names};

pub(super) fn event(log: &Log, event: &Event, names: &dyn Names) -> Option<String> {
    match event {
        Event::DecisionEvaluated { step, decision, version, evaluated, .. } => {
            let step = log.step(*step, names);
            Some(format!("{step} decides {decision}@{version}: {}", text(evaluated)))
        }
        Event::ExpressionWarned { step, warnings } => {
            Some(format!("{} warns: {}", log.step(*step, names), warnings.join("; ")))
        }
        _ => None,
    }
}

/// Decisions in the order of their evaluation: inputs, the rules that matched, the result.
#[must_use]
pub fn text(evaluated: &[EvaluatedDecision]) -> String {
    let mut text = String::new();
    for one in evaluated {
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&one.decision);
        for (index, input) in one.inputs.iter().enumerate() {
            text.push_str(if index == 0 { " (" } else { ", " });
            text.push_str(&format!("{} = ", input.label));
            feel::json::write(&input.value, &mut text);
        }
        if !one.inputs.is_empty() {
            text.push(')');
        }
        for (index, matched) in one.matched.iter().enumerate() {
            text.push_str(if index == 0 { " rule " } else { ", " });
            text.push_str(&format!("{}", matched.rule));
        }
        text.push_str(" = ");
        feel::json::write(&one.output, &mut text);
    }
    text
}
