//! Start events: a process has at least one, of each kind one; a subprocess exactly one.
//!
//! Boundary: the triggers themselves are compiled in `compile::event`.
//! Read first: [`check`].

use std::collections::BTreeSet;

use markup::{Report, Spot};

use crate::code;
use crate::program::{ElementIndex, Kind, Program, StartTrigger};
use crate::source::{Form, Node, Process, titled};

/// Checks the start events of the process and of every embedded subprocess.
pub(super) fn check(source: &Process<'_>, program: &Program, report: &mut Report<'_>) {
    let Some(root) = program.elements.first() else { return };
    check_process(source, &root.children, program, report);
    for (node, element) in source.nodes.iter().zip(program.elements.iter().skip(1)) {
        if !matches!(node.form, Form::SubProcess) {
            continue;
        }
        let starts: Vec<&Node<'_>> = starts(source, &element.children).collect();
        match starts.as_slice() {
            [] => missing(&node.title(), node.spot(), report),
            [_] => {}
            [_, rest @ ..] => {
                for extra in rest {
                    let text = format!("{} has a second start event", node.title());
                    let hint = "keep one; let a gateway behind it choose or split";
                    report.error(code::START_TWICE, extra.spot(), text, hint);
                }
            }
        }
    }
}

fn check_process(
    source: &Process<'_>,
    children: &[ElementIndex],
    program: &Program,
    report: &mut Report<'_>,
) {
    let title = titled("process", &source.id);
    if starts(source, children).next().is_none() {
        missing(&title, source.spot(), report);
    }
    let mut plain = starts(source, children)
        .filter(|node| matches!(&node.form, Form::Start(events) if events.is_empty()));
    plain.next();
    for extra in plain {
        let text = format!("{title} has a second plain start event");
        let hint = "keep one; others need a message or a timer";
        report.error(code::START_TWICE, extra.spot(), text, hint);
    }
    let mut names = BTreeSet::new();
    for index in children {
        let Some(element) = program.elements.get(index.0 as usize) else { continue };
        let Kind::Start(StartTrigger::Message { name }) = &element.kind else { continue };
        let Some(feel::Value::String(name)) = name.as_constant() else { continue };
        if !names.insert(name) {
            let text = format!("two start events wait for the message `{name}`");
            let hint = "keep one, or let them wait for different messages";
            let spot = source.nodes.get(index.0 as usize - 1).map_or(source.spot(), Node::spot);
            report.error(code::START_TWICE, spot, text, hint);
        }
    }
}

fn starts<'n, 'a>(
    source: &'n Process<'a>,
    children: &[ElementIndex],
) -> impl Iterator<Item = &'n Node<'a>> {
    children
        .iter()
        .filter_map(|child| source.nodes.get((child.0 as usize).checked_sub(1)?))
        .filter(|node| matches!(node.form, Form::Start(_)))
}

fn missing(title: &str, spot: Spot<'_>, report: &mut Report<'_>) {
    let text = format!("{title} has no start event");
    report.error(code::START_MISSING, spot, text, "add a start event");
}
