//! Acquiring, giving back and expiring, for one lock.
//!
//! Boundary: a grant is an effect addressed to its party. A party that does not want the lock any
//! more when the grant arrives answers with [`Command::Release`]: a withdrawal may cross a grant.
//! Invariants: LCK-3 nothing is granted to a waiter past its deadline, nor kept by a client past
//! its lease, whenever the wake-up comes. LCK-4 whoever waits first is granted first, except that
//! the holder's own instance never waits.
//! Read first: [`decide`].   Tests: tests/scenarios/locks/

use alloc::string::ToString;
use alloc::vec::Vec;

use feel::Str;

use crate::ids::InstanceKey;
use crate::rejection::Rejection;

use super::apply;
use super::state::{Holder, Lock, Owner, Party, Waiter};

/// What a lock can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A party wants it. Repeated by the same party it changes nothing, and a grant is repeated.
    Acquire {
        /// Who.
        party: Party,
        /// Until when it waits, milliseconds since 1970 UTC; none: for ever. A moment that is past
        /// already asks without waiting.
        deadline_ms: Option<i64>,
        /// Until when a client's session lasts, if it is not renewed; clients have to say so.
        lease_until_ms: Option<i64>,
    },
    /// A party gives it back, or does not want it any more.
    Release {
        /// Who.
        party: Party,
    },
    /// An operator takes it away from whoever holds it.
    ReleaseHolder {
        /// The fencing number of the holder that is meant; none: whoever it is.
        fence: Option<u64>,
    },
    /// A client lives: its session gets another end.
    Renew {
        /// Its session.
        session: Str,
        /// Milliseconds since 1970 UTC.
        lease_until_ms: i64,
    },
    /// Somebody may be past a deadline or a lease.
    Expire,
    /// The instance ended: it neither holds nor waits.
    Forget {
        /// The instance.
        instance: InstanceKey,
    },
}

/// What the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell a party that it has the lock: an instance by `Command::TakeLock`. If it refuses, the
    /// answer is [`Command::Release`].
    Granted {
        /// Who.
        party: Party,
        /// The fencing number.
        fence: u64,
    },
    /// Tell a party that it does not get the lock: an instance by `Command::TimeOutLock`.
    TimedOut {
        /// Who.
        party: Party,
    },
    /// Tell a holder that it has the lock no longer: an instance by `Command::LoseLock`. One for
    /// all acquisitions of an instance.
    Lost {
        /// Who; for an instance its first acquisition.
        party: Party,
        /// The number that is void.
        fence: u64,
    },
    /// Wake the lock with [`Command::Expire`]. Earlier wake-ups do no harm.
    ArmExpiry {
        /// Milliseconds since 1970 UTC.
        due_ms: i64,
    },
}

/// What a decision brought about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// What the shell must do, in order.
    pub effects: Vec<Effect>,
}

/// Answers a command to a lock.
///
/// # Errors
/// [`Rejection::LockNotHeld`] if the party neither holds it nor waits for it;
/// [`Rejection::LockPassedOn`] if another one holds it than the operator meant;
/// [`Rejection::Invalid`] if a client comes without a lease that lasts. The lock is then unchanged.
pub fn decide(lock: &mut Lock, command: Command, now_ms: i64) -> Result<Decision, Rejection> {
    check(lock, &command, now_ms)?;
    let due_before_ms = lock.next_due_ms();
    let woken = command == Command::Expire;
    let mut effects = Vec::new();
    expire(lock, now_ms, &mut effects);
    match command {
        Command::Acquire { party, deadline_ms, lease_until_ms } => {
            let waiter = Waiter { party, since_ms: now_ms, deadline_ms, lease_until_ms };
            acquire(lock, waiter, now_ms, &mut effects);
        }
        Command::Release { party } => apply::give_back(lock, &party),
        Command::ReleaseHolder { .. } => {
            if let Some(holder) = lock.holder.take() {
                effects.push(Effect::Lost { party: holder.party(), fence: holder.fence });
            }
        }
        Command::Renew { session, lease_until_ms } => {
            apply::renew(lock, &Owner::Client(session), lease_until_ms);
        }
        Command::Expire => {}
        Command::Forget { instance } => apply::forget(lock, &Owner::Instance(instance)),
    }
    hand_over(lock, now_ms, &mut effects);
    if let Some(due_ms) = lock.next_due_ms()
        && (woken || due_before_ms != Some(due_ms))
    {
        effects.push(Effect::ArmExpiry { due_ms });
    }
    Ok(Decision { effects })
}

/// Refuses a command that makes no sense now.
fn check(lock: &Lock, command: &Command, now_ms: i64) -> Result<(), Rejection> {
    let holder = lock.holder.as_ref().filter(|holder| !is_over(holder.lease_until_ms, now_ms));
    let waits = |owner: &Owner| {
        let alive = |waiter: &&Waiter| !is_over(waiter.until_ms(), now_ms);
        lock.waiting.iter().filter(alive).any(|waiter| waiter.party.owner() == *owner)
    };
    let not_held = |owner: Owner| {
        let holder = holder.map(|holder| holder.owner.clone());
        Err(Rejection::LockNotHeld { owner, holder })
    };
    match command {
        Command::Acquire { party: Party::Client { .. }, lease_until_ms, .. }
            if lease_until_ms.is_none_or(|until_ms| until_ms <= now_ms) =>
        {
            let detail = "a client needs a lease that ends later than now".to_string();
            Err(Rejection::Invalid { detail })
        }
        Command::Release { party } => {
            let waits = lock.waiting.iter().any(|waiter| waiter.party == *party);
            if waits || holder.is_some_and(|holder| holder.has(party)) {
                return Ok(());
            }
            not_held(party.owner())
        }
        Command::Renew { session, lease_until_ms } => {
            if *lease_until_ms <= now_ms {
                let detail = "the new end of a lease is later than now".to_string();
                return Err(Rejection::Invalid { detail });
            }
            let owner = Owner::Client(session.clone());
            if waits(&owner) || holder.is_some_and(|holder| holder.owner == owner) {
                return Ok(());
            }
            not_held(owner)
        }
        Command::ReleaseHolder { fence } => match (holder, fence) {
            (Some(Holder { fence: held, .. }), meant)
                if meant.is_none_or(|meant| meant == *held) =>
            {
                Ok(())
            }
            (holder, _) => {
                let holder = holder.map(|holder| holder.owner.clone());
                Err(Rejection::LockPassedOn { holder })
            }
        },
        Command::Acquire { .. } | Command::Expire | Command::Forget { .. } => Ok(()),
    }
}

/// Drops whoever is past a deadline or a lease (LCK-3).
fn expire(lock: &mut Lock, now_ms: i64, effects: &mut Vec<Effect>) {
    let over = |waiter: &Waiter| is_over(waiter.until_ms(), now_ms);
    for waiter in lock.waiting.iter().filter(|waiter| over(waiter)) {
        effects.push(Effect::TimedOut { party: waiter.party.clone() });
    }
    lock.waiting.retain(|waiter| !over(waiter));
    if let Some(holder) = lock.holder.take_if(|holder| is_over(holder.lease_until_ms, now_ms)) {
        effects.push(Effect::Lost { party: holder.party(), fence: holder.fence });
    }
}

fn acquire(lock: &mut Lock, waiter: Waiter, now_ms: i64, effects: &mut Vec<Effect>) {
    // Somebody whose lease ran out in this very moment left the lock to those who wait already.
    hand_over(lock, now_ms, effects);
    let owner = waiter.party.owner();
    let is_free = lock.holder.as_ref().is_none_or(|holder| holder.owner == owner);
    if is_free {
        let fence = apply::grant(lock, &waiter, now_ms);
        effects.push(Effect::Granted { party: waiter.party, fence });
    } else if is_over(waiter.deadline_ms, now_ms) {
        lock.waiting.retain(|known| known.party != waiter.party);
        effects.push(Effect::TimedOut { party: waiter.party });
    } else {
        apply::enqueue(lock, waiter);
    }
}

/// Gives a free lock to whoever waits first, and with it to all other steps of that instance
/// (LCK-1, LCK-4).
fn hand_over(lock: &mut Lock, now_ms: i64, effects: &mut Vec<Effect>) {
    if lock.holder.is_some() || lock.waiting.is_empty() {
        return;
    }
    let owner = lock.waiting[0].party.owner();
    let (granted, kept) = core::mem::take(&mut lock.waiting)
        .into_iter()
        .partition::<Vec<_>, _>(|waiter| waiter.party.owner() == owner);
    lock.waiting = kept;
    for waiter in granted {
        let fence = apply::grant(lock, &waiter, now_ms);
        effects.push(Effect::Granted { party: waiter.party, fence });
    }
}

fn is_over(until_ms: Option<i64>, now_ms: i64) -> bool {
    until_ms.is_some_and(|until_ms| until_ms <= now_ms)
}
