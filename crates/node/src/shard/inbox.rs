//! Letters: what this shard tells others, and what others told it.
//!
//! Boundary: a letter is written with the unit that decided on it and removed with the unit that
//! dealt with it (LTR-2); a reader may be told of it twice, which does nothing. Letters for slots
//! that move are held or passed on: see `moves.rs`.
//! Read first: [`Shard::send`], then [`Shard::read_inbox`].

use std::collections::BTreeSet;

use engine::Command;
use engine::ids::{Address, ShardId};
use engine::lock::{Command as LockCommand, Party};
use engine::message::Command as BucketCommand;
use store::{Letter as Row, LetterKey};

use crate::cluster::letter::Letter;
use crate::cluster::wire;
use crate::error::Error;

use super::Shard;
use super::moves::Arrivals;
use super::slots::slot;

/// Letters read at once.
const PAGE: u32 = 1_000;

impl Shard {
    /// The shard that is to get this shard's letter for an aggregate; none: it needs none. That is
    /// this shard itself while the aggregate is on its way here.
    pub(super) fn elsewhere(&self, address: &Address) -> Option<ShardId> {
        if let Some(slot) = slot(address) {
            return self.slots.way(slot);
        }
        self.routes.table().shard_of(address).filter(|shard| *shard != self.lease.shard)
    }

    /// Whether a bucket or lock is here.
    pub(super) fn has(&self, address: &Address) -> bool {
        slot(address).is_none_or(|slot| self.slots.has(slot))
    }

    /// Sends a letter with the open batch.
    pub(super) fn send(&mut self, to: ShardId, letter: &Letter) {
        self.batch.changes += 1;
        let index = u32::try_from(self.batch.unit.sent.len()).unwrap_or(u32::MAX);
        let key = LetterKey { from: self.lease.shard, sequence: self.lease.sequence + 1, index };
        self.batch.unit.sent.push(Row {
            to,
            key,
            content: wire::write(&(self.catalog.revision, letter)),
        });
        self.batch.after.nudges.insert(to);
        if to == self.lease.shard
            && let Some(slot) = letter.slot()
        {
            self.slots.sent_to_itself(slot);
        }
    }

    /// Deals with letters that wait.
    pub(super) async fn read_inbox(&mut self) -> Result<(), Error> {
        self.inbox_ms = self.now_ms.saturating_add(self.settings.inbox_ms);
        let (dealt_with, held_before) = (self.dealt_with.len(), self.letters_held);
        let known = dealt_with + held_before + self.unreadable.len();
        let known = u32::try_from(known).unwrap_or(u32::MAX);
        let limit = PAGE.saturating_add(known);
        let rows = self.store.inbox(self.lease.shard, limit).await?;
        let is_cut = rows.len() >= limit as usize;
        let mut is_whole = !is_cut;
        let mut letters = Vec::with_capacity(rows.len());
        for (key, content) in rows {
            if self.dealt_with.contains_key(&key) {
                continue;
            }
            let Some((revision, letter)) = self.open_letter(key, &content) else { continue };
            if revision > self.catalog.revision {
                // It was decided on with a catalogue that is not here yet (LTR-3).
                self.catalogs.hint(revision);
                is_whole = false;
                break;
            }
            letters.push((key, letter));
        }
        let arrivals = Arrivals::of(self.lease.shard, letters.iter());
        let arriving = arrivals.slots();
        let mut held = Vec::new();
        // LTR-1: in the order of their keys, which is the order in which each was sent.
        for (key, letter) in letters {
            if self.is_held(&letter, &arriving, is_whole) {
                held.push((key, letter));
            } else {
                self.take_out(key);
                self.deal_with(key, letter).await?;
                self.settle().await?;
            }
        }
        let (opening, givers) = self.open_slots(arrivals)?;
        for key in opening {
            self.take_out(key);
        }
        self.letters_held = 0;
        // LTR-1: what the giver passed on was sent before what others sent straight here.
        let of_giver = |key: &LetterKey, letter: &Letter| {
            letter.slot().is_some_and(|slot| givers.get(&slot) == Some(&key.from))
        };
        let (first, then) =
            held.into_iter().partition::<Vec<_>, _>(|(key, letter)| of_giver(key, letter));
        for (key, letter) in first.into_iter().chain(then) {
            if self.dealt_with.contains_key(&key) {
                continue;
            }
            if letter.slot().is_some_and(|slot| self.slots.has(slot)) {
                self.take_out(key);
                self.deal_with(key, letter).await?;
                self.settle().await?;
            } else {
                self.letters_held += 1;
            }
        }
        if is_cut && (self.dealt_with.len() > dealt_with || self.letters_held > held_before) {
            // There may be more: at once, but after others had their turn.
            self.inbox_ms = self.now_ms;
        }
        Ok(())
    }

    /// A letter, unless it cannot be read: that one stays in the inbox for a program that can, and
    /// keeps up no others.
    fn open_letter(&mut self, key: LetterKey, content: &[u8]) -> Option<(u64, Letter)> {
        match wire::read(content) {
            Ok(read) => Some(read),
            Err(error) => {
                if self.unreadable.insert(key) {
                    tracing::error!(
                        shard = self.lease.shard.0,
                        from = key.from.0,
                        sequence = key.sequence,
                        index = key.index,
                        %error,
                        "a letter of another shard cannot be read and is set aside"
                    );
                }
                None
            }
        }
    }

    /// Whether a letter waits until slots are opened here, or until it is known whether they are on
    /// their way here: in that case whoever gives them is found in the whole inbox.
    fn is_held(&self, letter: &Letter, arriving: &BTreeSet<u16>, is_whole: bool) -> bool {
        let me = self.lease.shard;
        match letter {
            Letter::Part { .. } => true,
            Letter::Given { of, .. } | Letter::Confirmed { of, .. } => of.to == me,
            letter => letter.slot().is_some_and(|slot| {
                let is_here = self.slots.has(slot);
                let is_gone = self.slots.route(slot) != me && !arriving.contains(&slot) && is_whole;
                !is_here && !is_gone
            }),
        }
    }

    /// The open batch takes a letter out of the inbox (LTR-2).
    fn take_out(&mut self, key: LetterKey) {
        self.dealt_with.insert(key, self.lease.sequence + 1);
        self.batch.changes += 1;
        self.batch.unit.received.push(key);
    }

    /// All letters that wait, whatever they need.
    pub(super) async fn whole_inbox(&mut self) -> Result<Vec<(LetterKey, Letter)>, Error> {
        let mut limit = PAGE;
        let rows = loop {
            let rows = self.store.inbox(self.lease.shard, limit).await?;
            if rows.len() < limit as usize {
                break rows;
            }
            limit = limit.saturating_mul(4);
        };
        let read = rows.into_iter().filter_map(|(key, content)| {
            let (_, letter) = self.open_letter(key, &content)?;
            Some((key, letter))
        });
        Ok(read.collect())
    }

    async fn deal_with(&mut self, key: LetterKey, letter: Letter) -> Result<(), Error> {
        if let Some(slot) = letter.slot() {
            if key.from == self.lease.shard {
                self.slots.dealt_with_own(slot);
            }
            if !self.slots.has(slot) {
                // It moved meanwhile: in the order in which they came.
                self.send(self.slots.route(slot), &letter);
                return Ok(());
            }
        }
        let (bucket, command) = match letter {
            Letter::AcquireLock { .. }
            | Letter::ReleaseLock { .. }
            | Letter::ForgetLock { .. }
            | Letter::Granted { .. }
            | Letter::LockTimedOut { .. }
            | Letter::LockLost { .. } => return self.deal_with_lock(letter).await,
            Letter::Part { .. }
            | Letter::Given { .. }
            | Letter::Moved { .. }
            | Letter::Confirmed { .. } => return self.deal_with_move(key.from, letter).await,
            Letter::Fail { server, process, before } => {
                return self.fail_page(server, process, before).await;
            }
            Letter::Publish { name, key, message, id, variables, deadline_ms, only } => {
                ((name, key), BucketCommand::Publish { message, id, variables, deadline_ms, only })
            }
            Letter::Subscribe { name, key, waiting } => {
                ((name, key), BucketCommand::Subscribe(waiting))
            }
            Letter::Unsubscribe { name, key, step, element } => {
                ((name, key), BucketCommand::Unsubscribe { step, element })
            }
            Letter::Return { name, key, message, process, step, element } => {
                ((name, key), BucketCommand::Return { message, process, step, element })
            }
            Letter::Release { name, key, instance } => {
                ((name, key), BucketCommand::Release { instance })
            }
            Letter::Correlate {
                name,
                key,
                message,
                process,
                instance,
                step,
                element,
                variables,
            } => {
                let command = Command::Correlate { step, element, variables };
                if self.tell(instance, command).await?.is_err() {
                    let back = BucketCommand::Return { message, process, step, element };
                    let _refused = self.tell_bucket((name, key), back).await?;
                }
                return Ok(());
            }
        };
        // A message that a bucket refuses (a duplicate) had its answer when it was published.
        let _refused = self.tell_bucket_here(bucket, command).await?;
        Ok(())
    }

    /// A letter of a shard that gives slots away, or of one that was told of it.
    async fn deal_with_move(&mut self, from: ShardId, letter: Letter) -> Result<(), Error> {
        match letter {
            Letter::Given { of, .. } => self.tell_of_move(of).await,
            Letter::Moved { of } => {
                self.confirm_move(from, of);
                Ok(())
            }
            Letter::Confirmed { of, by } => {
                self.pass_confirmation_on(of, by);
                Ok(())
            }
            other => {
                let detail = format!("{other:?} is no letter of a move that can be dealt with");
                Err(Error::Internal { detail })
            }
        }
    }

    /// A letter between an instance and a lock.
    async fn deal_with_lock(&mut self, letter: Letter) -> Result<(), Error> {
        let (name, command) = match letter {
            Letter::AcquireLock { name, instance, step, deadline_ms } => {
                let party = Party::Step { instance, step };
                (name, LockCommand::Acquire { party, deadline_ms, lease_until_ms: None })
            }
            Letter::ReleaseLock { name, instance, step } => {
                (name, LockCommand::Release { party: Party::Step { instance, step } })
            }
            Letter::ForgetLock { name, instance } => (name, LockCommand::Forget { instance }),
            Letter::Granted { name, instance, step, fence } => {
                let command = Command::TakeLock { step, name: name.clone(), fence };
                if self.tell(instance, command).await?.is_err() {
                    self.release_for(Party::Step { instance, step }, name).await?;
                }
                return Ok(());
            }
            Letter::LockTimedOut { name, instance, step } => {
                // A step that was left does not wait any more.
                let _gone = self.tell(instance, Command::TimeOutLock { step, name }).await?;
                return Ok(());
            }
            Letter::LockLost { name, instance, fence } => {
                // An instance that ended has given it back already.
                let _gone = self.tell(instance, Command::LoseLock { name, fence }).await?;
                return Ok(());
            }
            Letter::Publish { .. }
            | Letter::Subscribe { .. }
            | Letter::Unsubscribe { .. }
            | Letter::Return { .. }
            | Letter::Release { .. }
            | Letter::Correlate { .. }
            | Letter::Fail { .. }
            | Letter::Part { .. }
            | Letter::Given { .. }
            | Letter::Moved { .. }
            | Letter::Confirmed { .. } => return Ok(()),
        };
        // What is given back may have been taken away in the meantime.
        let _lost = self.tell_lock_here(name, command).await?;
        Ok(())
    }
}
