//! A lock has one holder under each number (LCK-1, LCK-2), wherever the lock is kept.
//!
//! Boundary: clients say which number they were told; instances have it in the variable `fence`,
//! which the audit log keeps.
//! Read first: [`check`].

use std::collections::{BTreeMap, BTreeSet};

use engine::Event;
use feel::Value;

use super::{End, Violation};
use crate::history::Fact;

pub(super) fn check(end: &End) -> Vec<Violation> {
    let mut holders: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    for fact in &end.facts {
        let Fact::Held { lock, session, fence } = fact else { continue };
        holders.entry((lock.clone(), *fence)).or_default().insert(session.clone());
    }
    for (instance, events) in &end.events {
        let mut lock = None;
        for event in events {
            let Event::VariablesSet { variables, .. } = event else { continue };
            if let Some(Value::String(name)) = variables.get("lock") {
                lock = Some(name.to_string());
            }
            let fence = variables.get("fence").and_then(Value::as_i64);
            if let (Some(lock), Some(fence)) = (&lock, fence) {
                let number = (lock.clone(), u64::try_from(fence).unwrap_or(0));
                holders.entry(number).or_default().insert(instance.to_string());
            }
        }
    }
    let shared = holders.into_iter().filter(|(_, holders)| holders.len() > 1);
    shared
        .map(|((lock, fence), holders)| {
            let about: Vec<String> = holders.into_iter().collect();
            let what = format!("{} hold {lock} under the number {fence}", about.join(" and "));
            Violation { rule: "locks", what, about }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::check;
    use crate::checker::End;
    use crate::history::Fact;

    fn found(held: &[(&str, &str, u64)]) -> usize {
        let fact = |(lock, session, fence): &(&str, &str, u64)| Fact::Held {
            lock: (*lock).to_owned(),
            session: (*session).to_owned(),
            fence: *fence,
        };
        let end = End {
            writes: Vec::new(),
            facts: held.iter().map(fact).collect(),
            doubled: 0,
            rows: Vec::new(),
            events: BTreeMap::new(),
            references: BTreeMap::new(),
        };
        check(&end).len()
    }

    #[test]
    fn two_holders_under_one_number_are_found() {
        assert_eq!(found(&[("l", "a", 1), ("l", "b", 2), ("l", "a", 1), ("m", "b", 1)]), 0);
        assert_eq!(found(&[("l", "a", 1), ("l", "b", 1)]), 1, "LCK-2");
    }
}
