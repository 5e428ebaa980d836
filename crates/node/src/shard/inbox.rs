//! Letters: what this shard tells others, and what others told it.
//!
//! Boundary: a letter is written with the unit that decided on it and removed with the unit that
//! dealt with it (LTR-2); a reader may be told of it twice, which does nothing.
//! Read first: [`Shard::send`], then [`Shard::read_inbox`].

use engine::Command;
use engine::ids::{Address, ShardId};
use engine::lock::{Command as LockCommand, Party};
use engine::message::Command as BucketCommand;
use store::{Letter as Row, LetterKey};

use crate::cluster::letter::Letter;
use crate::cluster::wire;
use crate::error::Error;

use super::Shard;

/// Letters read at once.
const PAGE: u32 = 1_000;

impl Shard {
    /// The shard of an aggregate, if that is another one.
    pub(super) fn elsewhere(&self, address: &Address) -> Option<ShardId> {
        self.routes.table().shard_of(address).filter(|shard| *shard != self.lease.shard)
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
    }

    /// Deals with letters that wait.
    pub(super) async fn read_inbox(&mut self) -> Result<(), Error> {
        self.inbox_ms = self.now_ms.saturating_add(self.settings.inbox_ms);
        let known = u32::try_from(self.dealt_with.len()).unwrap_or(u32::MAX);
        let limit = PAGE.saturating_add(known);
        let letters = self.store.inbox(self.lease.shard, limit).await?;
        if letters.len() >= limit as usize {
            // There may be more: at once, but after others had their turn.
            self.inbox_ms = self.now_ms;
        }
        let sequence = self.lease.sequence + 1;
        // LTR-1: in the order of their keys, which is the order in which each was sent.
        for (key, content) in letters {
            if self.dealt_with.contains_key(&key) {
                continue;
            }
            let (revision, letter): (u64, Letter) = wire::read(&content)?;
            if revision > self.catalog.revision {
                // It was decided on with a catalogue that is not here yet (LTR-3).
                self.catalogs.hint(revision);
                break;
            }
            self.dealt_with.insert(key, sequence);
            self.batch.changes += 1;
            self.batch.unit.received.push(key);
            self.deal_with(letter).await?;
            self.settle().await?;
        }
        Ok(())
    }

    async fn deal_with(&mut self, letter: Letter) -> Result<(), Error> {
        let (bucket, command) = match letter {
            Letter::AcquireLock { .. }
            | Letter::ReleaseLock { .. }
            | Letter::ForgetLock { .. }
            | Letter::Granted { .. }
            | Letter::LockTimedOut { .. }
            | Letter::LockLost { .. } => return self.deal_with_lock(letter).await,
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
                if self.tell(instance, command).await?.is_ok() {
                    return Ok(());
                }
                ((name, key), BucketCommand::Return { message, process, step, element })
            }
        };
        // A message that a bucket refuses (a duplicate) had its answer when it was published.
        let _refused = self.tell_bucket(bucket, command).await?;
        Ok(())
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
                if self.tell(instance, command).await?.is_ok() {
                    return Ok(());
                }
                (name, LockCommand::Release { party: Party::Step { instance, step } })
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
            | Letter::Fail { .. } => return Ok(()),
        };
        // What is given back may have been taken away in the meantime.
        let _lost = self.tell_lock(name, command).await?;
        Ok(())
    }
}
