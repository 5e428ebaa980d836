//! Slots that move: given away by their owner, taken by the next one, while work goes on.
//!
//! The giver's unit takes the slots' buckets and locks out of its rows and writes them into letters
//! to the receiver (`Part`). A letter to itself (`Given`) makes the giver tell all shards where the
//! slots are now (`Moved`); each confirms that to the giver (`Confirmed`), behind all letters that
//! it ever sent there for these slots, and the giver passes both on in this order. Once the
//! receiver has the confirmations of all shards it opens the slots, and only then deals with
//! letters and calls for them. What waits for that is not kept in memory: the letters stay in the
//! inbox.
//!
//! Boundary: what moves where is planned in `cluster/slots.rs`; a published id moves by itself,
//! because its row belongs to no shard.
//! Invariants: MOV-1 a bucket or lock is in one place: rows of its owner, or letters to the next
//! one. MOV-2 a slot is opened when nothing for it, and nothing of its last owner about it, is on
//! its way any more except behind the confirmations: LTR-1 holds across the move.
//! Read first: [`Shard::give_slots`], then [`Arrivals`].   Tests: `tests/slots.rs`

use std::collections::{BTreeMap, BTreeSet};

use engine::ids::{Address, ShardId};
use engine::lock::Lock;
use engine::message::Bucket;
use store::{AggregateChange, LetterKey};

use crate::cluster::letter::{Letter, Move, Parcel};
use crate::cluster::slots::targets;
use crate::error::Error;

use super::Shard;
use super::cache::{HotBucket, HotLock};
use super::slots::slot;

/// How often a shard looks whether it is to give slots away, in milliseconds.
const LOOK_MS: i64 = 250;
/// Aggregates that are looked for at once.
const PAGE: u32 = 1_000;
/// Slots that move together.
const SLOTS_MAX: usize = 16;
/// Buckets and locks that move together, unless one slot has more.
const AGGREGATES_MAX: usize = 500;
/// Bytes of one letter, roughly.
const LETTER_BYTES: usize = 64 * 1_024;

/// What a shard that gives slots away knows of them.
#[derive(Debug, Default)]
pub(super) struct Giving {
    /// Buckets and locks by slot; complete once all rows were looked at.
    index: BTreeMap<u16, BTreeSet<Address>>,
    search: Search,
    /// The unit of the last move, and who has not confirmed it; none: it is not yet known who has
    /// to.
    last: Option<(u64, Option<BTreeSet<ShardId>>)>,
}

#[derive(Debug, Default)]
enum Search {
    #[default]
    No,
    /// Behind this one.
    Running(Option<Address>),
    Done,
}

impl Giving {
    /// A bucket or lock is changed while rows are looked at, or later.
    pub(super) fn note(&mut self, address: &Address) {
        if !matches!(self.search, Search::No)
            && let Some(slot) = slot(address)
        {
            self.index.entry(slot).or_default().insert(address.clone());
        }
    }
}

/// A move of slots to this shard, as far as its letters have come.
#[derive(Debug, Default)]
struct Arrival {
    slots: Vec<u16>,
    told: Option<Vec<ShardId>>,
    confirmed: BTreeSet<ShardId>,
    parcels: Vec<Parcel>,
    keys: Vec<LetterKey>,
}

/// Moves of slots to this shard, by giver and unit.
#[derive(Debug, Default)]
pub(super) struct Arrivals(BTreeMap<(ShardId, u64), Arrival>);

impl Arrivals {
    /// Those of which these letters tell.
    pub(super) fn of<'a>(
        me: ShardId,
        letters: impl Iterator<Item = &'a (LetterKey, Letter)>,
    ) -> Self {
        let mut all = Self::default();
        for (key, letter) in letters {
            let Some(of) = letter.of_move().filter(|of| of.to == me) else { continue };
            let arrival = all.0.entry((key.from, of.unit)).or_default();
            arrival.keys.push(*key);
            match letter {
                Letter::Part { parcels, .. } => {
                    arrival.slots.clone_from(&of.slots);
                    arrival.parcels.extend(parcels.iter().cloned());
                }
                Letter::Given { told, .. } => arrival.told = Some(told.clone()),
                Letter::Confirmed { by, .. } => drop(arrival.confirmed.insert(*by)),
                _ => {}
            }
        }
        all
    }

    /// The slots that are on their way.
    pub(super) fn slots(&self) -> BTreeSet<u16> {
        self.0.values().flat_map(|arrival| arrival.slots.iter().copied()).collect()
    }
}

impl Shard {
    /// Gives slots away that belong elsewhere, some at a time.
    pub(super) async fn give_slots(&mut self) -> Result<(), Error> {
        self.give_ms = self.now_ms.saturating_add(LOOK_MS);
        if self.giving.last.is_some() {
            return Ok(());
        }
        let Some((to, slots)) = self.next_gift() else {
            self.giving = Giving::default();
            return Ok(());
        };
        if matches!(self.giving.search, Search::Done) {
            return self.give(to, slots).await;
        }
        // There is more to do: at once, but after others had their turn.
        self.give_ms = self.now_ms;
        self.search().await
    }

    /// Slots that belong to a shard that is served.
    fn next_gift(&self) -> Option<(ShardId, Vec<u16>)> {
        let table = self.routes.table();
        let targets = targets(&table.slots, &table.wanted());
        let mut gifts: BTreeMap<ShardId, Vec<u16>> = BTreeMap::new();
        for slot in self.slots.free() {
            let Some(to) = targets.get(usize::from(slot)) else { continue };
            if *to != self.lease.shard && table.is_served(*to) {
                gifts.entry(*to).or_default().push(slot);
            }
        }
        gifts.pop_first()
    }

    /// Looks at a page of rows.
    async fn search(&mut self) -> Result<(), Error> {
        let after = match &mut self.giving.search {
            Search::Running(after) => after.take(),
            Search::No => {
                self.giving.search = Search::Running(None);
                // What was changed and is not yet a row is in memory (CCH-1).
                for address in self.cache.addresses() {
                    self.giving.note(&address);
                }
                None
            }
            Search::Done => return Ok(()),
        };
        let rows = self.store.aggregates(self.lease.shard, after.as_ref(), PAGE).await?;
        for (address, _) in &rows {
            self.giving.note(address);
        }
        self.giving.search = match rows.into_iter().next_back() {
            Some((last, _)) => Search::Running(Some(last)),
            None => Search::Done,
        };
        Ok(())
    }

    /// One move, in the open batch (MOV-1).
    async fn give(&mut self, to: ShardId, mut slots: Vec<u16>) -> Result<(), Error> {
        let mut number = 0;
        let mut fits = |slot: &u16| {
            number += self.giving.index.get(slot).map_or(0, BTreeSet::len);
            number <= AGGREGATES_MAX
        };
        let many = slots.iter().take_while(|slot| fits(slot)).count();
        slots.truncate(many.clamp(1, SLOTS_MAX));
        let parcels = self.pack(&slots).await?;
        let of = Move { unit: self.lease.sequence + 1, to, slots };
        tracing::debug!(
            shard = self.lease.shard.0,
            to = to.0,
            slots = of.slots.len(),
            "slots move"
        );
        for parcels in letters_of(parcels) {
            self.send(to, &Letter::Part { of: of.clone(), parcels });
        }
        self.send(self.lease.shard, &Letter::Given { of: of.clone(), told: Vec::new() });
        self.batch.unit.slots.extend(of.slots.iter().map(|slot| (*slot, to)));
        self.batch.after.look = true;
        self.slots.moved(&of.slots, to);
        self.giving.last = Some((of.unit, None));
        self.refuse_lock_waiters_elsewhere();
        Ok(())
    }

    /// Takes the buckets and locks of slots out of memory and rows.
    async fn pack(&mut self, slots: &[u16]) -> Result<Vec<Parcel>, Error> {
        let mut parcels = Vec::new();
        let mut stored = Vec::new();
        for slot in slots {
            for address in self.giving.index.remove(slot).unwrap_or_default() {
                match self.cache.take(&address) {
                    Some(Some(snapshot)) => {
                        parcels.push(Parcel { address: address.to_bytes(), snapshot });
                    }
                    Some(None) => {}
                    None => stored.push(address.clone()),
                }
                let gone = AggregateChange { address, snapshot: None };
                self.batch.unit.aggregates.push(gone);
            }
        }
        let found = self.store.load(self.lease.shard, &stored).await?;
        for (address, snapshot) in stored.iter().zip(found) {
            if let Some(snapshot) = snapshot {
                let snapshot = snapshot.to_vec();
                parcels.push(Parcel { address: address.to_bytes(), snapshot });
            }
        }
        Ok(parcels)
    }

    /// What this shard gave away is durable: all others are told, and the receiver hears who will
    /// confirm it. A shard that is not there yet begins with where the slots are now.
    pub(super) async fn tell_of_move(&mut self, of: Move) -> Result<(), Error> {
        let pulse = self.store.pulse().await?;
        let me = self.lease.shard;
        let others = pulse.shards.iter().map(|owner| owner.shard).filter(|shard| *shard != me);
        let told: Vec<ShardId> = others.collect();
        for shard in &told {
            self.send(*shard, &Letter::Moved { of: of.clone() });
        }
        if let Some((unit, unconfirmed)) = &mut self.giving.last
            && *unit == of.unit
        {
            *unconfirmed = Some(told.iter().copied().collect());
        }
        self.send(of.to, &Letter::Given { of, told });
        Ok(())
    }

    /// Another shard's slots have moved; to this one perhaps, which does not have them before all
    /// have confirmed it.
    pub(super) fn confirm_move(&mut self, giver: ShardId, of: Move) {
        self.slots.moved(&of.slots, of.to);
        let by = self.lease.shard;
        self.send(giver, &Letter::Confirmed { of, by });
    }

    /// A shard sends no more for what this one gave away; the receiver is to know.
    pub(super) fn pass_confirmation_on(&mut self, of: Move, by: ShardId) {
        if let Some((unit, Some(unconfirmed))) = &mut self.giving.last
            && *unit == of.unit
        {
            unconfirmed.remove(&by);
            if unconfirmed.is_empty() {
                self.giving.last = None;
                self.give_ms = self.now_ms;
            }
        }
        self.send(of.to, &Letter::Confirmed { of, by });
    }

    /// Opens the slots of moves that are confirmed by all (MOV-2). Answers their letters, and
    /// which slots came from whom.
    pub(super) fn open_slots(
        &mut self,
        arrivals: Arrivals,
    ) -> Result<(Vec<LetterKey>, BTreeMap<u16, ShardId>), Error> {
        let mut keys = Vec::new();
        let mut givers = BTreeMap::new();
        for ((giver, _), arrival) in arrivals.0 {
            let is_confirmed =
                |told: &Vec<ShardId>| told.iter().all(|shard| arrival.confirmed.contains(shard));
            if !arrival.told.as_ref().is_some_and(is_confirmed) {
                continue;
            }
            self.slots.opened(&arrival.slots);
            for parcel in &arrival.parcels {
                self.unpack(parcel)?;
            }
            keys.extend(arrival.keys);
            givers.extend(arrival.slots.iter().map(|slot| (*slot, giver)));
        }
        Ok((keys, givers))
    }

    /// Takes a bucket or lock in, with its wake-ups: those of the giver find nothing there.
    fn unpack(&mut self, parcel: &Parcel) -> Result<(), Error> {
        let broken = |detail: String| Error::Internal { detail };
        let unreadable = |error| broken(format!("what another shard gave cannot be read: {error}"));
        let address = Address::from_bytes(&parcel.address)
            .ok_or_else(|| broken("what another shard gave has no address".to_owned()))?;
        self.giving.note(&address);
        let mut dues = BTreeSet::new();
        match &address {
            Address::Bucket { name, key } => {
                let state = Bucket::decode(&parcel.snapshot).map_err(unreadable)?;
                dues.extend(state.buffered.iter().map(|message| message.deadline_ms));
                let name = (name.clone(), key.clone());
                self.batch.buckets.push(name.clone());
                self.cache.buckets.insert(name, HotBucket::changed(state));
            }
            Address::Lock { name } => {
                let state = Lock::decode(&parcel.snapshot).map_err(unreadable)?;
                dues.extend(state.next_due_ms());
                self.batch.locks.push(name.clone());
                self.cache.locks.insert(name.clone(), HotLock::changed(state));
            }
            Address::Instance(_) | Address::Schedule { .. } => {
                return Err(broken("what another shard gave has no slot".to_owned()));
            }
        }
        self.batch.changes += 1;
        for due_ms in dues {
            self.wakes.arm(due_ms, address.clone(), 0, self.lease.sequence + 1);
            self.batch.arm(due_ms, address.clone(), 0);
        }
        Ok(())
    }

    /// Finds out which slots are here: those of the store's table that are not on their way, and
    /// what this shard has told itself.
    pub(super) async fn restore_slots(&mut self) -> Result<(), Error> {
        let me = self.lease.shard;
        // The table first: what is given to this shard later is no news for it.
        let routes = self.store.slots().await?;
        let letters = self.whole_inbox().await?;
        let arriving = Arrivals::of(me, letters.iter()).slots();
        self.slots = super::slots::Slots::read(me, routes, &arriving);
        for (key, letter) in &letters {
            if key.from == me
                && let Some(slot) = letter.slot()
            {
                self.slots.sent_to_itself(slot);
            }
        }
        Ok(())
    }
}

/// Parcels in letters of some size; always one.
fn letters_of(parcels: Vec<Parcel>) -> Vec<Vec<Parcel>> {
    let mut letters = vec![Vec::new()];
    let mut bytes = 0;
    for parcel in parcels {
        bytes += parcel.address.len() + parcel.snapshot.len();
        if bytes > LETTER_BYTES {
            letters.push(Vec::new());
            bytes = parcel.address.len() + parcel.snapshot.len();
        }
        if let Some(last) = letters.last_mut() {
            last.push(parcel);
        }
    }
    letters
}
