//! Applies units inside the writer's transaction.
//!
//! Boundary: fence, then rows; when to begin and commit is `writer`'s. Statements are prepared
//! once. The lists of a unit are sorted by key first, because neighbours share pages.
//! Invariants: SQC-1 a unit that is refused has changed nothing. SQC-2 after any error the
//! caller rolls back and calls [`Commit::forget_cached`].
//! Read first: [`Commit::apply`].   Tests: `conformance`

mod cluster;
mod deployments;
mod documents;
mod exchange;
mod instances;
mod work;

use std::collections::BTreeMap;

use engine::ids::{Address, ShardId};
use rusqlite::{Connection, OptionalExtension as _};

use self::cluster::Cluster;
use self::deployments::Deployments;
use self::documents::Documents;
use self::exchange::Exchange;
use self::instances::Instances;
use self::work::{Jobs, Timers};
use super::statement::statements;
use crate::port::Committed;
use crate::unit::{AggregateChange, InstanceChange, JobChange, Unit};

/// Everything that is needed to write.
pub(super) struct Commit<'c> {
    /// What the shards' rows say, to spare the reading; only rows that were read are here.
    fences: BTreeMap<ShardId, Fence>,
    shards: Shards<'c>,
    aggregates: Aggregates<'c>,
    instances: Instances<'c>,
    jobs: Jobs<'c>,
    timers: Timers<'c>,
    documents: Documents<'c>,
    exchange: Exchange<'c>,
    deployments: Deployments<'c>,
    cluster: Cluster<'c>,
}

#[derive(Clone, Copy)]
struct Fence {
    epoch: u64,
    sequence: u64,
    blocks_next: u64,
}

impl Fence {
    /// Whether a unit under `epoch` may be applied; nobody holds epoch 0.
    fn is_held_under(&self, epoch: u64) -> bool {
        epoch > 0 && self.epoch == epoch
    }
}

statements!(Shards from "shards" { read, advance, take_block, forget_blocks });
statements!(Aggregates from "aggregates" { put_instance, delete_instance, put, delete });

impl<'c> Commit<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            fences: BTreeMap::new(),
            shards: Shards::prepare(connection)?,
            aggregates: Aggregates::prepare(connection)?,
            instances: Instances::prepare(connection)?,
            jobs: Jobs::prepare(connection)?,
            timers: Timers::prepare(connection)?,
            documents: Documents::prepare(connection)?,
            exchange: Exchange::prepare(connection)?,
            deployments: Deployments::prepare(connection)?,
            cluster: Cluster::prepare(connection)?,
        })
    }

    /// Forgets what was remembered of a transaction that was rolled back.
    pub(super) fn forget_cached(&mut self) {
        self.fences.clear();
        self.instances.forget_counted();
    }

    /// Applies a unit, or says why not.
    pub(super) fn apply(&mut self, shard: ShardId, unit: &Unit) -> rusqlite::Result<Committed> {
        let Some(fence) = self.fence(shard)? else {
            return Ok(Committed::NotOwner { epoch: 0 });
        };
        if !fence.is_held_under(unit.epoch) {
            return Ok(Committed::NotOwner { epoch: fence.epoch });
        }
        if fence.sequence.checked_add(1) != Some(unit.sequence) {
            return Ok(Committed::Conflict { stored: fence.sequence });
        }
        if let Some(deployment) = self.deployments.refused(&unit.deployments)? {
            return Ok(Committed::Decided { deployment });
        }
        // SQC-1: nothing was written up to here, and nothing is refused from here on.
        self.shards.advance.execute((
            shard.0,
            unit.sequence.cast_signed(),
            unit.blocks_next.cast_signed(),
        ))?;
        let next = Fence { sequence: unit.sequence, blocks_next: unit.blocks_next, ..fence };
        self.fences.insert(shard, next);
        self.write(shard, unit)?;
        Ok(Committed::Done)
    }

    /// Completes the transaction: what is written once for all its units.
    pub(super) fn finish(&mut self) -> rusqlite::Result<()> {
        self.instances.write_counted()
    }

    fn fence(&mut self, shard: ShardId) -> rusqlite::Result<Option<Fence>> {
        if let Some(fence) = self.fences.get(&shard) {
            return Ok(Some(*fence));
        }
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Fence {
                epoch: row.get::<_, i64>(0)?.cast_unsigned(),
                sequence: row.get::<_, i64>(1)?.cast_unsigned(),
                blocks_next: row.get::<_, i64>(2)?.cast_unsigned(),
            })
        };
        let fence = self.shards.read.query_row([shard.0], read).optional()?;
        if let Some(fence) = fence {
            self.fences.insert(shard, fence);
        }
        Ok(fence)
    }

    fn write(&mut self, shard: ShardId, unit: &Unit) -> rusqlite::Result<()> {
        for change in &unit.aggregates {
            self.aggregates.write(shard, change)?;
        }
        for (block, instance) in &unit.blocks {
            self.shards.take_block.execute((block.0.cast_signed(), instance.to_i64()))?;
        }
        self.instances.change_all(&unit.instances)?;
        for row in &unit.audit {
            self.instances.append(row)?;
        }
        for change in &unit.jobs {
            self.jobs.change(shard, change)?;
        }
        for change in &unit.timers {
            self.timers.change(shard, change)?;
        }
        for (key, row) in &unit.incidents {
            self.instances.put_incident(*key, row.as_ref())?;
        }
        self.documents.write(shard, unit)?;
        self.exchange.write(shard, unit)?;
        for change in &unit.deployments {
            self.deployments.write(change)?;
        }
        self.cluster.raise_revisions(unit)?;
        for key in &unit.forget {
            if self.instances.forget(*key)? {
                self.shards.forget_blocks.execute([key.to_i64()])?;
            }
        }
        Ok(())
    }
}

impl Aggregates<'_> {
    fn write(&mut self, shard: ShardId, change: &AggregateChange) -> rusqlite::Result<()> {
        match (&change.address, &change.snapshot) {
            (Address::Instance(key), Some(snapshot)) => {
                self.put_instance.execute((key.to_i64(), &**snapshot))
            }
            (Address::Instance(key), None) => self.delete_instance.execute([key.to_i64()]),
            (address, Some(snapshot)) => {
                self.put.execute((shard.0, address.to_bytes(), &**snapshot))
            }
            (address, None) => self.delete.execute((shard.0, address.to_bytes())),
        }
        .map(drop)
    }
}

/// Brings neighbours together. Changes of one row keep their order.
pub(super) fn sort(unit: &mut Unit) {
    unit.aggregates.sort_by(|left, right| left.address.cmp(&right.address));
    unit.instances.sort_by_key(|change| match change {
        InstanceChange::Started { key, .. }
        | InstanceChange::Incidents { key, .. }
        | InstanceChange::Ended { key, .. } => *key,
    });
    unit.audit.sort_by_key(|row| (row.instance, row.sequence));
    unit.jobs.sort_by_key(|change| match change {
        JobChange::Ready { job, .. }
        | JobChange::Leased { job, .. }
        | JobChange::Gone { job, .. } => *job,
    });
    unit.documents.sort_by_key(|(key, _)| *key);
    unit.entries.sort_by_key(|(key, _)| *key);
    unit.sent.sort_by_key(|letter| (letter.to, letter.key));
    unit.seen.sort_by(|left, right| (&left.source, &left.id).cmp(&(&right.source, &right.id)));
}
