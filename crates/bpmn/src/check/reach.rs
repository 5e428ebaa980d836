//! Warns of elements that no path leads to.
//!
//! Boundary: conditions are not looked at.
//! Read first: [`check`].

use markup::Report;

use crate::code;
use crate::program::{ElementIndex, Kind, Program};
use crate::source::{Form, Process};

/// Warns of every element that is not reached, except inside of one that is not reached itself or
/// has no start event, which is an error of its own.
pub(super) fn check(source: &Process<'_>, program: &Program, report: &mut Report<'_>) {
    let reached = reached(source, program);
    let is_reached = |index: ElementIndex| reached.get(index.0 as usize).copied().unwrap_or(true);
    let entries = entries(program);
    let has_entry = |scope: ElementIndex| entries.get(scope.0 as usize) == Some(&true);
    for (position, node) in source.nodes.iter().enumerate() {
        let Some(element) = program.elements.get(position + 1) else { continue };
        let around_reached = match &element.kind {
            Kind::Boundary { attached_to, .. } => is_reached(*attached_to),
            _ => element.scope.is_none_or(|scope| is_reached(scope) && has_entry(scope)),
        };
        if around_reached && reached.get(position + 1) == Some(&false) {
            let text = format!("{} is never reached", node.title());
            let hint = "lead a sequence flow to it, or remove it";
            report.warning(code::UNREACHABLE, node.spot(), text, hint);
        }
    }
}

/// Whether each scope has a start event.
fn entries(program: &Program) -> Vec<bool> {
    let mut entries = vec![false; program.elements.len()];
    for element in &program.elements {
        if let (Kind::Start(_), Some(scope)) = (&element.kind, element.scope)
            && let Some(entry) = entries.get_mut(scope.0 as usize)
        {
            *entry = true;
        }
    }
    entries
}

fn reached(source: &Process<'_>, program: &Program) -> Vec<bool> {
    let mut reached = vec![false; program.elements.len()];
    let mut pending = vec![ElementIndex::PROCESS];
    while let Some(index) = pending.pop() {
        let position = index.0 as usize;
        let (Some(seen), Some(element)) =
            (reached.get_mut(position), program.elements.get(position))
        else {
            continue;
        };
        if std::mem::replace(seen, true) {
            continue;
        }
        let targets = element.outgoing.iter().filter_map(|flow| program.flows.get(flow.0 as usize));
        pending.extend(targets.map(|flow| flow.target));
        pending.extend(&element.boundary);
        pending.extend(element.children.iter().filter(|child| begins(source, program, **child)));
    }
    reached
}

/// Whether the element is entered when its scope is: a start event, and what has no incoming flow
/// in a kind of scope that is refused anyway.
fn begins(source: &Process<'_>, program: &Program, index: ElementIndex) -> bool {
    let position = (index.0 as usize).wrapping_sub(1);
    let (Some(node), Some(element)) =
        (source.nodes.get(position), program.elements.get(index.0 as usize))
    else {
        return false;
    };
    let scope = node.scope.and_then(|scope| source.nodes.get(scope));
    let scope_refused = scope.is_some_and(|scope| matches!(scope.form, Form::Refused { .. }));
    matches!(node.form, Form::Start(_))
        || (scope_refused && element.incoming.is_empty())
        || (matches!(node.form, Form::Refused { .. }) && element.incoming.is_empty())
}
