//! Message buckets in the shard.
//!
//! Boundary: loads a bucket, asks the engine, and turns its effects into commands to instances.
//! What concerns a bucket or an instance of another shard goes there as a letter.
//! Read first: [`Shard::tell_bucket`].

use std::collections::VecDeque;

use engine::ids::{Address, MessageKey};
use engine::message::{
    Bucket, Command as BucketCommand, Decision, Effect as BucketEffect, Holder, decide,
};
use engine::{Command, Rejection, Start};

use crate::cluster::letter::Letter;
use crate::error::Error;
use crate::input::NewMessage;

use super::cache::HotBucket;
use super::{BucketName, Shard};

impl Shard {
    /// Gives a command to a bucket, here or by a letter. Answers whether a published message found
    /// a taker at once.
    pub(super) async fn tell_bucket(
        &mut self,
        name: BucketName,
        command: BucketCommand,
    ) -> Result<Result<bool, Rejection>, Error> {
        let address = Address::Bucket { name: name.0.clone(), key: name.1.clone() };
        if let Some(shard) = self.elsewhere(&address) {
            if let Some(letter) = Letter::to_bucket(name.0, name.1, command) {
                self.send(shard, &letter);
            }
            return Ok(Ok(false));
        }
        self.tell_bucket_here(name, command).await
    }

    /// Gives a command to a bucket of this shard and carries out what it asks for.
    pub(super) async fn tell_bucket_here(
        &mut self,
        name: BucketName,
        command: BucketCommand,
    ) -> Result<Result<bool, Rejection>, Error> {
        self.fetch_bucket(&name).await?;
        let decision = match self.decide_bucket(&name, command) {
            Ok(decision) => decision,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let mut effects = VecDeque::from(decision.effects);
        while let Some(effect) = effects.pop_front() {
            if let Some(answer) = self.carry_out_for_bucket(&name, effect).await? {
                match self.decide_bucket(&name, answer) {
                    Ok(decision) => effects.extend(decision.effects),
                    Err(rejection) => return Ok(Err(rejection)),
                }
            }
        }
        Ok(Ok(decision.taken))
    }

    fn decide_bucket(
        &mut self,
        name: &BucketName,
        command: BucketCommand,
    ) -> Result<Decision, Rejection> {
        let starts = self.catalog.message_starts.get(&name.0).cloned();
        let starts = starts.as_deref().filter(|_| !self.starts_nothing).unwrap_or_default();
        let now_ms = self.now_ms;
        let Some(hot) = self.cache.buckets.get_mut(name) else { return Ok(Decision::default()) };
        let decision = decide(&mut hot.state, command, starts, !name.1.is_empty(), now_ms)?;
        self.batch.changes += 1;
        if !hot.dirty {
            hot.dirty = true;
            self.batch.buckets.push(name.clone());
            let (name, key) = name.clone();
            self.giving.note(&Address::Bucket { name, key });
        }
        Ok(decision)
    }

    /// Carries an effect out. Answers what the bucket must be told because of it.
    async fn carry_out_for_bucket(
        &mut self,
        name: &BucketName,
        effect: BucketEffect,
    ) -> Result<Option<BucketCommand>, Error> {
        match effect {
            BucketEffect::Correlate { message, process, instance, step, element, variables } => {
                if let Some(shard) = self.elsewhere(&Address::Instance(instance)) {
                    let (name, key) = name.clone();
                    let letter = Letter::Correlate {
                        name,
                        key,
                        message,
                        process,
                        instance,
                        step,
                        element,
                        variables,
                    };
                    self.send(shard, &letter);
                    return Ok(None);
                }
                let command = Command::Correlate { step, element, variables };
                if self.tell(instance, command).await?.is_err() {
                    return Ok(Some(BucketCommand::Return { message, process, step, element }));
                }
            }
            BucketEffect::Start { option, variables, holds } => {
                let definition = self.definition(option.definition)?;
                let start = Start {
                    element: Some(option.element),
                    variables,
                    caller: None,
                    origin: None,
                    holds: holds.then(|| name.clone()),
                    business_key: holds.then(|| name.1.clone()),
                };
                match self.begin(&definition, start) {
                    Ok((instance, decision)) => {
                        self.note(instance, decision);
                        if holds {
                            self.hold(name, Holder { process: option.process, instance });
                        }
                    }
                    Err(rejection) => {
                        return Err(Error::Internal {
                            detail: format!(
                                "a message start is refused: {}",
                                Error::from(rejection)
                            ),
                        });
                    }
                }
            }
            BucketEffect::ArmExpiry { due_ms } => {
                let address = Address::Bucket { name: name.0.clone(), key: name.1.clone() };
                self.wakes.arm(due_ms, address.clone(), 0, self.lease.sequence + 1);
                self.batch.arm(due_ms, address, 0);
            }
        }
        Ok(None)
    }

    /// Whether a step waits for messages of a bucket.
    pub(super) async fn is_awaited(&mut self, name: &BucketName) -> Result<bool, Error> {
        self.fetch_bucket(name).await?;
        Ok(self.cache.buckets.get(name).is_some_and(|hot| !hot.state.waiting.is_empty()))
    }

    fn hold(&mut self, name: &BucketName, holder: Holder) {
        if let Some(hot) = self.cache.buckets.get_mut(name) {
            let held = decide(&mut hot.state, BucketCommand::Hold(holder), &[], true, self.now_ms);
            debug_assert!(held.is_ok(), "holding cannot be refused");
        }
    }

    async fn fetch_bucket(&mut self, name: &BucketName) -> Result<(), Error> {
        if self.cache.buckets.contains_key(name) {
            return Ok(());
        }
        let address = Address::Bucket { name: name.0.clone(), key: name.1.clone() };
        let found = self.store.load(self.lease.shard, &[address]).await?;
        let mut hot = HotBucket::default();
        if let Some(snapshot) = found.into_iter().next().flatten() {
            hot.state = Bucket::decode(&snapshot).map_err(|error| Error::Internal {
                detail: format!("a bucket's snapshot cannot be read: {error}"),
            })?;
            hot.stored = true;
        }
        self.cache.buckets.insert(name.clone(), hot);
        Ok(())
    }

    /// Publishes a message on behalf of an instance; a duplicate is dropped.
    pub(super) async fn publish_from(&mut self, message: NewMessage) -> Result<(), Error> {
        self.chain += 1;
        if self.is_long() {
            // It comes back from the inbox, where a crash does not lose it.
            let (bucket, command) = self.publication(message);
            let address = Address::Bucket { name: bucket.0.clone(), key: bucket.1.clone() };
            let shard = self.elsewhere(&address).unwrap_or(self.lease.shard);
            if let Some(letter) = Letter::to_bucket(bucket.0, bucket.1, command) {
                self.send(shard, &letter);
            }
            return Ok(());
        }
        let (bucket, command) = self.publication(message);
        match self.tell_bucket(bucket, command).await? {
            Ok(_) | Err(Rejection::Duplicate) => Ok(()),
            Err(rejection) => Err(Error::from(rejection)),
        }
    }

    /// Puts a client's message into its bucket, which is here. Answers its key.
    pub(super) async fn publish_message(
        &mut self,
        message: NewMessage,
    ) -> Result<Result<u64, Rejection>, Error> {
        let (bucket, command) = self.publication(message);
        let BucketCommand::Publish { message, .. } = command else { return Ok(Ok(0)) };
        let told = self.tell_bucket_here(bucket, command).await?;
        Ok(told.map(|_| message.0))
    }

    fn publication(&mut self, message: NewMessage) -> (BucketName, BucketCommand) {
        let NewMessage { name, key, id, time_to_live_ms, variables } = message;
        let message = MessageKey(self.loose_key());
        let deadline_ms = self.now_ms.saturating_add(time_to_live_ms.max(0));
        let command = BucketCommand::Publish { message, id, variables, deadline_ms, only: None };
        ((name, key), command)
    }

    /// A bucket's wake-up: drops what is past its deadline. One that moved has another elsewhere.
    pub(super) async fn expire_bucket(&mut self, name: BucketName) -> Result<(), Error> {
        if self.has(&Address::Bucket { name: name.0.clone(), key: name.1.clone() }) {
            self.tell_bucket_here(name, BucketCommand::Expire).await??;
        }
        Ok(())
    }
}
