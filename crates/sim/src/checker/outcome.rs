//! Nothing is lost and nothing is there twice: the instances at the end are those of the
//! reference model.
//!
//! Boundary: compares; what has to be is said by the model.
//! Read first: [`check`].

use std::collections::BTreeMap;

use store::InstanceState;

use super::{End, Violation};
use crate::reference::{Expected, expected};
use crate::setup::Setup;

pub(super) fn check(setup: &Setup, end: &End) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in &end.rows {
        let Some(reference) = end.references.get(&row.key) else {
            found.push(violation(format!("{} has no reference", row.key), row.key.to_string()));
            continue;
        };
        *counted.entry((reference.clone(), row.process.to_string())).or_default() += 1;
    }
    let model = expected(setup, &end.facts, end.doubled);
    for (who, Expected { least, most, may_be_cancelled }) in &model {
        let (reference, process) = who;
        let number = counted.remove(who).unwrap_or(0);
        if number < *least || number > *most {
            let what = format!(
                "{number} instances of `{process}` for {reference}, expected {least} to {most}"
            );
            found.push(violation(what, reference.clone()));
        }
        let of_model = end.rows.iter().filter(|row| {
            end.references.get(&row.key) == Some(reference) && *row.process == **process
        });
        for row in of_model {
            let is_fine = row.state == InstanceState::Completed
                || (*may_be_cancelled && row.state == InstanceState::Cancelled);
            if !is_fine {
                let what = format!("{} ({process}, {reference}) is {:?}", row.key, row.state);
                found.push(violation(what, row.key.to_string()));
            }
        }
    }
    for ((reference, process), number) in counted {
        let what = format!("{number} instances of `{process}` for {reference}, expected none");
        found.push(violation(what, reference));
    }
    found
}

fn violation(what: String, about: String) -> Violation {
    Violation { rule: "outcome", what, about: vec![about] }
}
