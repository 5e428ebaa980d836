//! What a shard knows of slots: which it has, and where the others went.
//!
//! Boundary: read from the store when the shard is taken over, from then on changed by units and
//! letters of this shard alone: what a server hears of slots may be old, or too new for the letters
//! that are still on their way.
//! Read first: [`Slots`].   Tests: `shard/moves.rs`

use std::collections::{BTreeMap, BTreeSet};

use engine::ids::{Address, ShardId};
use store::slot_of;

/// What a shard knows of slots.
#[derive(Debug)]
pub(super) struct Slots {
    me: ShardId,
    /// Where letters for each slot go; empty: not yet read.
    routes: Vec<ShardId>,
    /// Slots whose buckets and locks are here.
    owned: BTreeSet<u16>,
    /// Letters to itself that wait, by slot: what follows them waits behind them (LTR-1).
    own_letters: BTreeMap<u16, u32>,
}

/// The slot of an aggregate, if it has one.
pub(super) fn slot(address: &Address) -> Option<u16> {
    match address {
        Address::Instance(_) | Address::Schedule { .. } => None,
        Address::Bucket { .. } | Address::Lock { .. } => Some(slot_of(&address.to_bytes())),
    }
}

impl Slots {
    /// Nothing is known yet.
    pub(super) fn new(me: ShardId) -> Self {
        Self { me, routes: Vec::new(), owned: BTreeSet::new(), own_letters: BTreeMap::new() }
    }

    /// As the store has them; those that are `arriving` are not here yet.
    pub(super) fn read(me: ShardId, routes: Vec<ShardId>, arriving: &BTreeSet<u16>) -> Self {
        let mine = (0_u16..)
            .zip(&routes)
            .filter(|(slot, shard)| **shard == me && !arriving.contains(slot));
        let owned = mine.map(|(slot, _)| slot).collect();
        Self { owned, routes, ..Self::new(me) }
    }

    /// Whether the buckets and locks of a slot are here.
    pub(super) fn has(&self, slot: u16) -> bool {
        self.routes.is_empty() || self.owned.contains(&slot)
    }

    /// Where letters for a slot go.
    pub(super) fn route(&self, slot: u16) -> ShardId {
        self.routes.get(usize::from(slot)).copied().unwrap_or(self.me)
    }

    /// Where this shard's own letter for a slot goes; none: it needs none. To itself while the
    /// slot is on its way here, or while earlier such letters wait.
    pub(super) fn way(&self, slot: u16) -> Option<ShardId> {
        let is_here = self.has(slot) && !self.own_letters.contains_key(&slot);
        (!is_here).then(|| self.route(slot))
    }

    /// The slots that are here and may go.
    pub(super) fn free(&self) -> impl Iterator<Item = u16> {
        self.owned.iter().copied().filter(|slot| !self.own_letters.contains_key(slot))
    }

    /// A letter to itself was written.
    pub(super) fn sent_to_itself(&mut self, slot: u16) {
        *self.own_letters.entry(slot).or_default() += 1;
    }

    /// It was dealt with.
    pub(super) fn dealt_with_own(&mut self, slot: u16) {
        if let Some(number) = self.own_letters.get_mut(&slot) {
            *number -= 1;
            if *number == 0 {
                self.own_letters.remove(&slot);
            }
        }
    }

    /// Slots belong to another shard from now on, or come here.
    pub(super) fn moved(&mut self, slots: &[u16], to: ShardId) {
        for slot in slots {
            self.owned.remove(slot);
            if let Some(route) = self.routes.get_mut(usize::from(*slot)) {
                *route = to;
            }
        }
    }

    /// Slots are here.
    pub(super) fn opened(&mut self, slots: &[u16]) {
        self.moved(slots, self.me);
        self.owned.extend(slots);
    }
}
