//! Named locks in the shard (R49).
//!
//! Boundary: loads a lock, asks the engine, and turns its effects into commands to instances and
//! answers to clients. What concerns a lock or an instance of another shard goes there as a letter.
//! A client waits in memory only: when the shard moves it asks again, and keeps its place.
//! Read first: [`Shard::tell_lock`], then [`Shard::ask_lock`].   Tests: `tests/locks.rs`

use std::collections::VecDeque;

use engine::ids::{Address, Block, InstanceKey};
use engine::lock::{Command as LockCommand, Effect as LockEffect, Lock, Owner, Party, decide};
use engine::{Command, Rejection};
use feel::Str;
use store::LockRow;

use crate::cluster::letter::Letter;
use crate::error::Error;
use crate::input::{Grant, LockAct, Reply};

use super::Shard;
use super::cache::HotLock;
use super::slots::slot;

/// How long a lock is kept for a client that waited for it at an earlier owner of the shard. A
/// client that is still there asks again within milliseconds of finding the new owner.
const ABSENT_MS: i64 = 3_000;

/// When so many wait for a lock, further clients are refused: each change writes all of them.
const WAITERS_MAX: usize = 1_000;

/// A client that waits for a lock.
pub(super) struct Waiting {
    reply: Reply<Option<Grant>>,
    wait_ms: i64,
    lease_ms: i64,
}

impl Shard {
    /// Answers a client, at once or when it has the lock.
    pub(super) async fn ask_lock(
        &mut self,
        name: Str,
        act: LockAct,
        reply: Reply<Option<Grant>>,
    ) -> Result<(), Error> {
        if !self.has(&Address::Lock { name: name.clone() }) {
            // The caller may have given up waiting.
            let _ = reply.send(Err(Error::Unavailable { doing: "moving a shard" }));
            return Ok(());
        }
        let until = |ms: i64| self.now_ms.saturating_add(ms);
        let command = match act {
            LockAct::Acquire { session, wait_ms, lease_ms } => {
                let command = LockCommand::Acquire {
                    party: Party::Client { session: session.clone() },
                    deadline_ms: Some(until(wait_ms)),
                    // While it waits it lives; from the grant on its lease is counted anew.
                    lease_until_ms: Some(until(wait_ms).saturating_add(lease_ms)),
                };
                if self.is_crowded(&name, &session).await? {
                    let detail =
                        format!("{WAITERS_MAX} or more wait for lock `{name}` already: try later");
                    self.answer(reply, Err(Error::State { detail }));
                    return Ok(());
                }
                let waiting = Waiting { reply, wait_ms, lease_ms };
                let key = (name.clone(), session);
                self.lock_waiters.entry(key.clone()).or_default().push(waiting);
                if let Err(rejection) = self.tell_lock_here(name, command).await? {
                    self.answer_waiting(&key, &Err(Error::from(rejection)));
                }
                return Ok(());
            }
            LockAct::Release { session } => {
                LockCommand::Release { party: Party::Client { session } }
            }
            LockAct::Renew { session, lease_ms } => {
                LockCommand::Renew { session, lease_until_ms: until(lease_ms) }
            }
            LockAct::TakeAway { fence } => LockCommand::ReleaseHolder { fence },
        };
        let told = self.tell_lock_here(name, command).await?;
        self.answer(reply, told.map(|()| None).map_err(Error::from));
        Ok(())
    }

    /// Whether so many wait for a lock that a client that does not wait yet may not.
    async fn is_crowded(&mut self, name: &Str, session: &Str) -> Result<bool, Error> {
        self.fetch_lock(name).await?;
        let Some(hot) = self.cache.locks.get(name) else { return Ok(false) };
        let mut waiting = hot.state.waiting.iter();
        let client = Owner::Client(session.clone());
        let holds = hot.state.holder.as_ref().is_some_and(|holder| holder.owner == client);
        let is_full = waiting.len() >= WAITERS_MAX;
        Ok(is_full && !holds && waiting.all(|waiter| waiter.party.owner() != client))
    }

    /// Gives a command to a lock, here or by a letter.
    pub(super) async fn tell_lock(
        &mut self,
        name: Str,
        command: LockCommand,
    ) -> Result<Result<(), Rejection>, Error> {
        if let Some(shard) = self.elsewhere(&Address::Lock { name: name.clone() }) {
            if let Some(letter) = Letter::to_lock(name, &command) {
                self.send(shard, &letter);
            }
            return Ok(Ok(()));
        }
        self.tell_lock_here(name, command).await
    }

    /// Gives a command to a lock of this shard and carries out what it asks for.
    pub(super) async fn tell_lock_here(
        &mut self,
        name: Str,
        command: LockCommand,
    ) -> Result<Result<(), Rejection>, Error> {
        self.fetch_lock(&name).await?;
        let mut effects = match self.decide_lock(&name, command) {
            Ok(effects) => effects,
            Err(rejection) => return Ok(Err(rejection)),
        };
        while let Some(effect) = effects.pop_front() {
            if let Some(answer) = self.carry_out_for_lock(&name, effect).await? {
                // What was given back or renewed was granted in this moment.
                effects.extend(self.decide_lock(&name, answer).into_iter().flatten());
            }
        }
        Ok(Ok(()))
    }

    /// A step wants a lock.
    pub(super) async fn acquire_for(
        &mut self,
        party: Party,
        name: Str,
        deadline_ms: Option<i64>,
    ) -> Result<(), Error> {
        let command = LockCommand::Acquire { party, deadline_ms, lease_until_ms: None };
        self.tell_lock(name, command).await??;
        Ok(())
    }

    /// A step gives a lock back, or wants it no more.
    pub(super) async fn release_for(&mut self, party: Party, name: Str) -> Result<(), Error> {
        // An operator may have taken it away in the meantime.
        let _lost = self.tell_lock(name, LockCommand::Release { party }).await?;
        Ok(())
    }

    fn decide_lock(
        &mut self,
        name: &Str,
        command: LockCommand,
    ) -> Result<VecDeque<LockEffect>, Rejection> {
        let now_ms = self.now_ms;
        let Some(hot) = self.cache.locks.get_mut(name) else { return Ok(VecDeque::new()) };
        let decision = decide(&mut hot.state, command, now_ms)?;
        self.batch.changes += 1;
        if !hot.dirty {
            hot.dirty = true;
            self.batch.locks.push(name.clone());
            self.giving.note(&Address::Lock { name: name.clone() });
        }
        Ok(decision.effects.into())
    }

    /// Carries an effect out. Answers what the lock must be told because of it.
    async fn carry_out_for_lock(
        &mut self,
        name: &Str,
        effect: LockEffect,
    ) -> Result<Option<LockCommand>, Error> {
        match effect {
            LockEffect::Granted { party: Party::Client { session }, fence } => {
                return Ok(self.granted(name, session, fence));
            }
            LockEffect::TimedOut { party: Party::Client { session } } => {
                let holder = self.cache.locks.get(name).and_then(|hot| hot.state.holder.as_ref());
                let holder = holder.map(|holder| holder.owner.clone());
                self.timed_out(name, session, holder.as_ref());
            }
            // Whoever lost it learns of it when it renews, or from what the lock protects.
            LockEffect::Lost { party: Party::Client { .. }, .. } => {}
            LockEffect::Granted { party: Party::Step { instance, step }, fence } => {
                let name = name.clone();
                if let Some(shard) = self.elsewhere(&Address::Instance(instance)) {
                    self.send(shard, &Letter::Granted { name, instance, step, fence });
                } else if self
                    .tell(instance, Command::TakeLock { step, name, fence })
                    .await?
                    .is_err()
                {
                    let party = Party::Step { instance, step };
                    return Ok(Some(LockCommand::Release { party }));
                }
            }
            LockEffect::TimedOut { party: Party::Step { instance, step } } => {
                let name = name.clone();
                if let Some(shard) = self.elsewhere(&Address::Instance(instance)) {
                    self.send(shard, &Letter::LockTimedOut { name, instance, step });
                } else {
                    // A step that was left does not wait any more.
                    let _gone = self.tell(instance, Command::TimeOutLock { step, name }).await?;
                }
            }
            LockEffect::Lost { party: Party::Step { instance, .. }, fence } => {
                let name = name.clone();
                if let Some(shard) = self.elsewhere(&Address::Instance(instance)) {
                    self.send(shard, &Letter::LockLost { name, instance, fence });
                } else {
                    // An instance that ended has given it back already.
                    let _gone = self.tell(instance, Command::LoseLock { name, fence }).await?;
                }
            }
            LockEffect::ArmExpiry { due_ms } => {
                let armed = self.cache.locks.get_mut(name).map(|hot| &mut hot.armed_ms);
                // Each wake-up arms the next one: one that is earlier is enough.
                if let Some(armed_ms) = armed {
                    if armed_ms.is_some_and(|armed_ms| armed_ms <= due_ms) {
                        return Ok(None);
                    }
                    *armed_ms = Some(due_ms);
                }
                let address = Address::Lock { name: name.clone() };
                self.wakes.arm(due_ms, address.clone(), 0, self.lease.sequence + 1);
                self.batch.arm(due_ms, address, 0);
            }
        }
        Ok(None)
    }

    /// A client has the lock. If it was here and went, the lock is given back at once; if it has
    /// not asked again since the shard moved, it may be gone, and the lock is kept for it for a
    /// short time only, whatever it asked for.
    fn granted(&mut self, name: &Str, session: Str, fence: u64) -> Option<LockCommand> {
        let key = (name.clone(), session);
        let Some(mut waiting) = self.lock_waiters.remove(&key) else {
            let lease_until_ms = self.now_ms.saturating_add(ABSENT_MS);
            return Some(LockCommand::Renew { session: key.1, lease_until_ms });
        };
        waiting.retain(|waiting| !waiting.reply.is_closed());
        let party = Party::Client { session: key.1.clone() };
        let Some(lease_ms) = waiting.last().map(|waiting| waiting.lease_ms) else {
            return Some(LockCommand::Release { party });
        };
        let lease_until_ms = self.now_ms.saturating_add(lease_ms);
        for waiting in waiting {
            self.answer(waiting.reply, Ok(Some(Grant { fence, lease_until_ms })));
        }
        Some(LockCommand::Renew { session: key.1, lease_until_ms })
    }

    fn timed_out(&mut self, name: &Str, session: Str, holder: Option<&Owner>) {
        for waiting in self.lock_waiters.remove(&(name.clone(), session)).unwrap_or_default() {
            let error = match u64::try_from(waiting.wait_ms) {
                Ok(ms) if ms > 0 => Error::Timeout { what: "the lock", ms },
                _ => Error::from(Rejection::LockPassedOn { holder: holder.cloned() }),
            };
            self.answer(waiting.reply, Err(error));
        }
    }

    fn answer_waiting(&mut self, key: &(Str, Str), result: &Result<Option<Grant>, Error>) {
        for waiting in self.lock_waiters.remove(key).unwrap_or_default() {
            self.answer(waiting.reply, result.clone());
        }
    }

    /// Whoever waits here for a lock asks its next owner.
    pub(super) fn refuse_lock_waiters(&mut self, error: &Error) {
        for waiting in std::mem::take(&mut self.lock_waiters).into_values().flatten() {
            // The caller may have given up waiting.
            let _ = waiting.reply.send(Err(error.clone()));
        }
    }

    /// As [`Shard::refuse_lock_waiters`], for locks that were given to another shard.
    pub(super) fn refuse_lock_waiters_elsewhere(&mut self) {
        let slots = &self.slots;
        let is_gone = |name: &Str| {
            slot(&Address::Lock { name: name.clone() }).is_some_and(|slot| !slots.has(slot))
        };
        let gone = self.lock_waiters.extract_if(.., |(name, _), _| is_gone(name));
        for waiting in gone.flat_map(|(_, waiting)| waiting) {
            // The caller may have given up waiting.
            let _ = waiting.reply.send(Err(Error::Unavailable { doing: "moving a slot" }));
        }
    }

    async fn fetch_lock(&mut self, name: &Str) -> Result<(), Error> {
        if self.cache.locks.contains_key(name) {
            return Ok(());
        }
        let address = Address::Lock { name: name.clone() };
        let found = self.store.load(self.lease.shard, &[address]).await?;
        let mut hot = HotLock::default();
        if let Some(snapshot) = found.into_iter().next().flatten() {
            hot.state = Lock::decode(&snapshot).map_err(|error| Error::Internal {
                detail: format!("the snapshot of a lock cannot be read: {error}"),
            })?;
        }
        self.cache.locks.insert(name.clone(), hot);
        Ok(())
    }

    /// A lock's wake-up: somebody may be past a deadline or a lease. One that moved has another
    /// elsewhere.
    pub(super) async fn expire_lock(&mut self, name: Str) -> Result<(), Error> {
        if self.has(&Address::Lock { name: name.clone() }) {
            if let Some(hot) = self.cache.locks.get_mut(&name) {
                hot.armed_ms = None;
            }
            self.tell_lock_here(name, LockCommand::Expire).await??;
        }
        Ok(())
    }

    /// Frees what instances hold that were in the memory of the earlier owner only.
    pub(super) async fn free_locks_of_the_lost(&mut self) -> Result<(), Error> {
        if !self.catalog.definitions.values().any(|known| known.quality.volatile_tracking) {
            return Ok(());
        }
        let here = |key: &InstanceKey| Block::of(key.0).shard() == self.lease.shard;
        let rows = self.store.locks().await?;
        let held: Vec<(Str, InstanceKey)> = rows
            .into_iter()
            .filter_map(|(name, row)| Some((name, row.instance.filter(here)?)))
            .collect();
        let alive = self.survivors(held.iter().map(|(_, instance)| *instance)).await?;
        for (name, instance) in held {
            if !alive.contains(&instance) {
                self.tell_lock(name, LockCommand::Forget { instance }).await??;
            }
        }
        self.settle().await
    }
}

/// The row of the list of locks; none if nobody holds it.
pub(super) fn row_of(lock: &Lock) -> Option<LockRow> {
    let holder = lock.holder.as_ref()?;
    let (shown, instance) = match &holder.owner {
        Owner::Instance(key) => (format!("instance {}", key.0), Some(*key)),
        Owner::Client(session) => (format!("client {session}"), None),
    };
    Some(LockRow {
        holder: shown.into(),
        instance,
        fence: holder.fence,
        since_ms: holder.since_ms,
        waiting: u32::try_from(lock.waiting.len()).unwrap_or(u32::MAX),
    })
}
