//! The reference model: which instances have to be there at the end, given what clients wanted
//! and were told.
//!
//! Boundary: knows the wishes and the processes of the package, and nothing of servers. Where a
//! client cannot know whether something happened, both are right; a request that the network
//! doubled may have happened once more.
//! Read first: [`expected`].

use std::collections::BTreeMap;

use crate::history::Fact;
use crate::setup::{Setup, Wish};

/// How many instances there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) least: u64,
    pub(crate) most: u64,
    pub(crate) may_be_cancelled: bool,
}

/// What clients were told about one reference.
#[derive(Default, Clone, Copy)]
struct Told {
    created: u64,
    accepted: u64,
    published: u64,
    /// Requests whose outcome is unknown.
    unknown: u64,
}

/// The instances of each reference and process.
pub(crate) fn expected(
    setup: &Setup,
    facts: &[Fact],
    doubled: u64,
) -> BTreeMap<(String, String), Expected> {
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    for fact in facts {
        match fact {
            Fact::Tried { reference } => entry(&mut told, reference).unknown += 1,
            Fact::Created { reference, .. } => entry(&mut told, reference).created += 1,
            Fact::Accepted { reference, .. } => entry(&mut told, reference).accepted += 1,
            Fact::Published { reference } => entry(&mut told, reference).published += 1,
            Fact::Got { .. }
            | Fact::Finished { .. }
            | Fact::Held { .. }
            | Fact::Unfounded { .. } => {}
        }
    }
    let mut model = BTreeMap::new();
    for (number, (_, wish)) in setup.wishes.iter().enumerate() {
        let reference = format!("r{number}");
        let told = told.get(&reference).copied().unwrap_or_default();
        for (process, expected) in of_wish(wish, told, doubled) {
            model.insert((reference.clone(), process.to_owned()), expected);
        }
    }
    model
}

fn entry<'a>(told: &'a mut BTreeMap<String, Told>, reference: &str) -> &'a mut Told {
    told.entry(reference.to_owned()).or_default()
}

fn of_wish(wish: &Wish, told: Told, doubled: u64) -> Vec<(&'static str, Expected)> {
    let between = |least: u64| Expected {
        least,
        most: least + told.unknown + doubled,
        may_be_cancelled: false,
    };
    let created = between(told.created);
    match wish {
        // Recognised by its id, however often it is published.
        Wish::Order => {
            let once = Expected { least: 1, most: 1, may_be_cancelled: false };
            vec![("work", once), ("calc", once)]
        }
        Wish::Loose => vec![("work", between(told.accepted)), ("calc", between(told.accepted))],
        Wish::Fork => vec![("fork", created), ("child", created)],
        Wish::Cancelled => {
            let perhaps = Expected { may_be_cancelled: true, ..created };
            vec![("fork", perhaps), ("child", Expected { least: 0, ..perhaps })]
        }
        Wish::Await(_) => vec![("wait", created)],
        Wish::Open(_) => vec![("join", between(told.published))],
        Wish::Late => vec![("late", created)],
        Wish::Guard(_) => vec![("guard", created)],
        Wish::Hold(_) => Vec::new(),
        // Two requests, told apart by their process only.
        Wish::Tell => {
            let either =
                Expected { least: 0, most: 1 + told.unknown + doubled, may_be_cancelled: false };
            vec![("wait", either), ("tell", either)]
        }
    }
}
