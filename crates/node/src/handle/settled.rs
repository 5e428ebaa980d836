//! What became of a request whose first try may have been done, and whose second one was refused.
//!
//! Boundary: reads what the first try would have left in the store. Where nothing tells, the
//! outcome stays unknown: a refusal would be taken for the word that nothing was done.
//! RTE-1 allows the second try only where this can be told, or doing it twice does no harm.
//! Read first: [`Node::settled`].

use engine::Event;
use engine::ids::{Address, Block, InstanceKey};
use engine::message::Bucket;
use engine::value::from_context;
use store::InstanceState;

use crate::audit::Record;
use crate::cluster::wire::{Answer, Order, Request, TokenChange};
use crate::error::Error;
use crate::handle::Node;
use crate::input::{LockAct, NewMessage};

impl Node {
    /// The answer to a request that was repeated after `unknown` and is `refused` now.
    pub(super) async fn settled(
        &self,
        request: &Request,
        refused: Error,
        unknown: Error,
    ) -> Result<Answer, Error> {
        match (request, &refused) {
            (
                Request::Lock { act: LockAct::Release { .. } | LockAct::TakeAway { .. }, .. },
                Error::State { .. },
            ) => {
                // Nobody has it any more who had it before: the first try did it.
                Ok(Answer::Done)
            }
            (Request::Tokens { changes }, Error::NotFound { .. } | Error::Exists { .. }) => {
                if self.are_changed(changes).await? { Ok(Answer::Done) } else { Err(refused) }
            }
            (Request::Message { message, .. }, Error::Exists { .. }) => {
                self.buffered(message).await?.map(Answer::Number).ok_or(refused)
            }
            (
                Request::Command { instance, order },
                Error::NotFound { .. } | Error::State { .. },
            ) => self.settled_order(*instance, order, refused, unknown).await,
            _ => Err(refused),
        }
    }

    /// Whether tokens are as they were to be.
    async fn are_changed(&self, changes: &[TokenChange]) -> Result<bool, Error> {
        let tokens = self.inner.store.tokens().await?;
        Ok(changes.iter().all(|change| {
            let found = tokens.iter().find(|(name, _)| *name == change.name);
            found.map(|(_, row)| &row.hash) == change.hash.as_ref()
        }))
    }

    /// The key of a buffered message that is this one.
    async fn buffered(&self, message: &NewMessage) -> Result<Option<u64>, Error> {
        let address = Address::Bucket { name: message.name.clone(), key: message.key.clone() };
        let Some(shard) = self.inner.routes.table().shard_of(&address) else { return Ok(None) };
        let loaded = self.inner.store.load(shard, &[address]).await?;
        let bucket = loaded.into_iter().flatten().next().map(|bytes| Bucket::decode(&bytes));
        let Some(Ok(bucket)) = bucket else { return Ok(None) };
        let variables = from_context(&message.variables);
        let mut known = bucket.buffered.iter();
        let same = known.find(|known| known.id == message.id && known.variables == variables);
        Ok(same.map(|known| known.message.0))
    }

    async fn settled_order(
        &self,
        instance: InstanceKey,
        order: &Order,
        refused: Error,
        unknown: Error,
    ) -> Result<Answer, Error> {
        // One that leaves no row, or that there never was.
        let Some(owner) = self.owner_of(instance).await? else { return Err(unknown) };
        if matches!(order, Order::Cancel) {
            let row = self.inner.store.instance(owner).await?;
            let is_done = row.is_some_and(|row| row.state == InstanceState::Cancelled);
            return if is_done { Ok(Answer::Done) } else { Err(refused) };
        }
        let records = self.audit(owner).await?;
        match told(order, &records) {
            Told::Done => Ok(Answer::Done),
            Told::NotDone => Err(refused),
            // It has failed, and not because of something that is over.
            Told::Nothing if matches!(refused, Error::State { .. }) => Err(refused),
            Told::Nothing => Err(unknown),
        }
    }

    /// The instance that a key of one of its blocks leads to.
    async fn owner_of(&self, key: InstanceKey) -> Result<Option<InstanceKey>, Error> {
        let block = Block::of(key.0);
        let first = InstanceKey(block.first());
        if self.inner.store.instance(first).await?.is_some() {
            return Ok(Some(first));
        }
        Ok(self.inner.store.block_owner(block.shard(), block).await?)
    }
}

/// What an audit log tells of an order.
enum Told {
    Done,
    NotDone,
    /// The log was not kept at a level that would tell.
    Nothing,
}

fn told(order: &Order, records: &[Record]) -> Told {
    let (mut is_kept, mut leases) = (false, 0);
    for record in records {
        match (order, &record.event) {
            (
                Order::Complete { job, .. } | Order::Fail { job, .. } | Order::Throw { job, .. },
                Event::JobLeased { job: leased, .. },
            ) => leases += u32::from(leased == job),
            // With several holders, nobody knows whose word it was that counted.
            (Order::Complete { job, .. }, Event::JobCompleted { job: done }) if done == job => {
                return if leases > 1 { Told::Nothing } else { Told::Done };
            }
            // Others may have failed at the same job before: only the same outcome counts.
            (
                Order::Fail { job, retries, message, .. },
                Event::JobFailed { job: failed, retries: left, message: why, .. },
            ) if (failed, *left, why) == (job, (*retries).max(0), message) => return Told::Done,
            (
                Order::Throw { job, code, .. },
                Event::JobErrorThrown { job: thrown, code: found, .. },
            ) if (thrown, found) == (job, code) => return Told::Done,
            (Order::Resolve { incident }, Event::IncidentResolved { incident: over })
                if over == incident =>
            {
                return Told::Done;
            }
            // A log that knows how it began knows how it went on.
            (
                Order::Complete { job, .. } | Order::Fail { job, .. } | Order::Throw { job, .. },
                Event::JobCreated { job: known, .. },
            ) => is_kept |= known == job,
            (Order::Resolve { incident }, Event::IncidentRaised { incident: known, .. }) => {
                is_kept |= known == incident;
            }
            _ => {}
        }
    }
    match order {
        Order::Complete { .. }
        | Order::Fail { .. }
        | Order::Throw { .. }
        | Order::Resolve { .. }
            if !is_kept =>
        {
            Told::Nothing
        }
        _ => Told::NotDone,
    }
}
