//! A message reaches each process at most once (MSG-1).
//!
//! Boundary: each message has a name of its own in the variable `msg`, which the audit log keeps.
//! Read first: [`check`].

use std::collections::BTreeMap;

use engine::Event;
use feel::Value;

use super::{End, Violation};

pub(super) fn check(end: &End) -> Vec<Violation> {
    let mut takers: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in &end.rows {
        for event in end.events.get(&row.key).into_iter().flatten() {
            let Event::VariablesSet { variables, .. } = event else { continue };
            let Some(Value::String(message)) = variables.get("msg") else { continue };
            let key = (row.process.to_string(), message.to_string());
            let takers = takers.entry(key).or_default();
            // One instance may set it in more than one scope.
            if takers.last() != Some(&row.key.to_string()) {
                takers.push(row.key.to_string());
            }
        }
    }
    let twice = takers.into_iter().filter(|(_, instances)| instances.len() > 1);
    twice
        .map(|((process, message), mut about)| {
            let what =
                format!("message {message} reached process {process} in {}", about.join(", "));
            about.push(message);
            Violation { rule: "messages", what, about }
        })
        .collect()
}
