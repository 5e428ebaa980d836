//! The changes of a lock.
//!
//! Boundary: total and silent, as `instance::apply`; whether a change is allowed is decided before.
//! Read first: [`grant`].

use alloc::vec;
use alloc::vec::Vec;

use crate::ids::StepKey;

use super::state::{Holder, Lock, Owner, Party, Waiter};

/// Makes `waiter` the holder, or adds its acquisition to those of its owner.
pub(super) fn grant(lock: &mut Lock, waiter: &Waiter, now_ms: i64) -> u64 {
    let owner = waiter.party.owner();
    let step = step_of(&waiter.party);
    match &mut lock.holder {
        Some(holder) if holder.owner == owner => {
            holder.steps.extend(step.filter(|step| !holder.steps.contains(step)));
            holder.lease_until_ms = holder.lease_until_ms.max(waiter.lease_until_ms);
        }
        holder => {
            // LCK-2: the number is kept in the lock, not in its holder.
            lock.fence += 1;
            *holder = Some(Holder {
                owner,
                steps: step.map_or_else(Vec::new, |step| vec![step]),
                fence: lock.fence,
                since_ms: now_ms,
                lease_until_ms: waiter.lease_until_ms,
            });
        }
    }
    lock.fence
}

/// Puts `waiter` at the end of the queue; it keeps its place if it waits already.
pub(super) fn enqueue(lock: &mut Lock, waiter: Waiter) {
    match lock.waiting.iter_mut().find(|known| known.party == waiter.party) {
        Some(known) => {
            known.deadline_ms = waiter.deadline_ms;
            known.lease_until_ms = known.lease_until_ms.max(waiter.lease_until_ms);
        }
        None => lock.waiting.push(waiter),
    }
}

/// Takes one acquisition back, held or waited for; the lock is free with the last one held.
pub(super) fn give_back(lock: &mut Lock, party: &Party) {
    lock.waiting.retain(|waiter| waiter.party != *party);
    if let Some(holder) = lock.holder.as_mut().filter(|holder| holder.has(party)) {
        holder.steps.retain(|step| Some(*step) != step_of(party));
        if holder.steps.is_empty() {
            lock.holder = None;
        }
    }
}

/// Takes everything of `owner` back.
pub(super) fn forget(lock: &mut Lock, owner: &Owner) {
    lock.waiting.retain(|waiter| waiter.party.owner() != *owner);
    if lock.holder.as_ref().is_some_and(|holder| holder.owner == *owner) {
        lock.holder = None;
    }
}

/// Gives a session another end, wherever it holds or waits.
pub(super) fn renew(lock: &mut Lock, owner: &Owner, until_ms: i64) {
    if let Some(holder) = lock.holder.as_mut().filter(|holder| holder.owner == *owner) {
        holder.lease_until_ms = Some(until_ms);
    }
    for waiter in lock.waiting.iter_mut().filter(|waiter| waiter.party.owner() == *owner) {
        waiter.lease_until_ms = Some(until_ms);
    }
}

fn step_of(party: &Party) -> Option<StepKey> {
    match party {
        Party::Step { step, .. } => Some(*step),
        Party::Client { .. } => None,
    }
}
