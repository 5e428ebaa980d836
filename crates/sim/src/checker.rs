//! Judges of a world: each looks from outside, keeps a small model of its own, and explains a
//! violation in one sentence.
//!
//! Boundary: sees the history, the answers to clients and the rows of the store; knows nothing of
//! the node.
//! Read first: [`judge`], then `checker/owner.rs`.

pub(crate) mod holder;
mod jobs;
mod locks;
mod messages;
mod outcome;
mod owner;
pub(crate) mod quiet;
mod told;
mod twice;
mod versions;

use std::collections::BTreeMap;

use engine::Event;
use engine::ids::InstanceKey;
use store::{InstanceFilter, InstanceRow, Store};

use crate::history::{Fact, Write};
use crate::world::World;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// What happened, in one sentence.
    pub what: String,
    /// What the lines of the trace that prove it contain.
    pub about: Vec<String>,
}

/// What is left of a world when it has come to rest.
pub(crate) struct End {
    pub(crate) writes: Vec<Write>,
    pub(crate) facts: Vec<Fact>,
    /// Requests of servers that arrived twice.
    pub(crate) doubled: u64,
    pub(crate) rows: Vec<InstanceRow>,
    pub(crate) events: BTreeMap<InstanceKey, Vec<Event>>,
    /// The reference of each instance that has one.
    pub(crate) references: BTreeMap<InstanceKey, String>,
}

/// Everything that is wrong with a world that has come to rest.
pub(crate) async fn judge(world: &World) -> Vec<Violation> {
    let end = gather(world).await;
    let mut found = Vec::new();
    found.extend(told::check(&end));
    found.extend(owner::check(&end));
    found.extend(twice::check(&end));
    found.extend(jobs::check(&end));
    found.extend(messages::check(&end));
    found.extend(locks::check(&end));
    found.extend(outcome::check(&world.setup, &end));
    found.extend(versions::check(&*world.store).await);
    found
}

async fn gather(world: &World) -> End {
    let all = InstanceFilter { limit: 100_000, ..InstanceFilter::default() };
    let rows = world.store.instances(&all).await.unwrap_or_default();
    let mut events = BTreeMap::new();
    let mut references = BTreeMap::new();
    for row in &rows {
        events.insert(row.key, world.events(row.key).await);
        if let Some(reference) = world.reference(row.key).await {
            references.insert(row.key, reference);
        }
    }
    End {
        writes: world.history.writes(),
        facts: world.history.facts(),
        doubled: world.history.number_doubled(),
        rows,
        events,
        references,
    }
}
