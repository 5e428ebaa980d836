//! No step is recorded twice in an audit log, and nothing happens after the end of an instance.
//!
//! Boundary: sees the audit log. No process of a world has a loop, so that an element is passed
//! at most once, but for those behind boundary events, which have steps of their own.
//! Read first: [`check`].

use std::collections::BTreeSet;

use engine::Event;
use engine::ids::{InstanceKey, StepKey};
use store::InstanceState;

use super::{End, Violation};

pub(super) fn check(end: &End) -> Vec<Violation> {
    let mut found = Vec::new();
    for (instance, events) in &end.events {
        found.extend(check_one(*instance, events));
    }
    for row in &end.rows {
        let events = end.events.get(&row.key).map(Vec::as_slice).unwrap_or_default();
        let ends = events.iter().filter(|event| is_end(event)).count();
        let wanted = usize::from(row.state != InstanceState::Active);
        if ends != wanted {
            let what = format!("{} is {:?} but its log has {ends} ends", row.key, row.state);
            found.push(violation(row.key, what));
        }
    }
    found
}

fn check_one(instance: InstanceKey, events: &[Event]) -> Option<Violation> {
    let mut activated: BTreeSet<StepKey> = BTreeSet::new();
    let mut left: BTreeSet<StepKey> = BTreeSet::new();
    let mut elements = BTreeSet::new();
    let mut has_ended = false;
    for event in events {
        let what = match event {
            _ if has_ended => Some("goes on after its end".to_owned()),
            Event::InstanceCompleted | Event::InstanceCancelled => {
                has_ended = true;
                None
            }
            Event::StepActivated { step, element, .. } => {
                let is_new = activated.insert(*step) && elements.insert(*element);
                (!is_new).then(|| format!("enters element {element} twice ({step})"))
            }
            Event::StepCompleted { step, .. } | Event::StepTerminated { step, .. } => {
                let is_known = activated.contains(step) || step.0 == instance.0;
                let is_new = left.insert(*step);
                let what = format!("leaves {step} twice, or never entered it");
                (!(is_known && is_new)).then_some(what)
            }
            _ => None,
        };
        if let Some(what) = what {
            return Some(violation(instance, format!("{instance} {what}: {event:?}")));
        }
    }
    None
}

fn is_end(event: &Event) -> bool {
    matches!(event, Event::InstanceCompleted | Event::InstanceCancelled)
}

fn violation(instance: InstanceKey, what: String) -> Violation {
    Violation { rule: "twice", what, about: vec![instance.to_string()] }
}
