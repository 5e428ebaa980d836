//! What a group of units writes: one statement for each kind of row that it has.
//!
//! Boundary: from units to columns; borrows everything. The units of one shard follow each other in
//! the group. Of what is said about one row the last word counts, so it is written once, and rows
//! are in order of their keys: two servers that write the same rows do not wait for each other in a
//! circle. Only what forgets must come behind all that puts, which [`closes`] takes care of.
//! Read first: [`writes`].   Tests: `conformance`, `tests/postgres.rs`

mod deployments;
mod exchange;
mod instances;

use std::collections::BTreeMap;

use engine::ids::{Address, InstanceKey, ShardId};

use super::session::{Value, Write, values};
use super::text::encode;
use crate::keys;
use crate::statement::named;
use crate::unit::{DocumentRow, EntryRow, JobChange, Seen, TimerChange, Unit};

const AGGREGATES: &str = include_str!("../sql/aggregates.postgres.sql");
const DOCUMENTS: &str = include_str!("../sql/documents.postgres.sql");
const JOBS: &str = include_str!("../sql/jobs.postgres.sql");
const SHARDS: &str = include_str!("../sql/shards.postgres.sql");
const TIMERS: &str = include_str!("../sql/timers.postgres.sql");

/// Columns: of each row the value that the expression makes of it, column by column.
macro_rules! columns {
    ($rows:expr, $row:pat => $($value:expr),+ $(,)?) => {
        $crate::postgres::session::values![
            $({
                #[allow(unused_variables, reason = "each column uses some of them")]
                let column: Vec<_> = $rows.iter().map(|$row| $value).collect();
                column
            }),+
        ]
    };
}
use columns;

pub(super) use self::deployments::commits;

/// A unit with its shard.
pub(super) type Of<'u> = (ShardId, &'u Unit);

/// Whether no further unit of the shard may be in the same group.
pub(super) fn closes(unit: &Unit) -> bool {
    !unit.forget.is_empty() || unit.seen_before_ms.is_some() || !unit.deployments.is_empty()
}

/// How many rows a unit writes, roughly.
pub(super) fn rows(unit: &Unit) -> usize {
    1 + unit.aggregates.len()
        + unit.instances.len()
        + unit.audit.len()
        + unit.jobs.len()
        + unit.timers.len()
        + unit.documents.len()
        + unit.entries.len()
        + unit.seen.len()
        + unit.sent.len()
        + unit.received.len()
        + unit.requests.len()
        + unit.forget.len()
}

/// The statements of a group, the fence first. `channel` is told what others have to hear of.
pub(super) fn writes<'u>(group: &[Of<'u>], mark: i64, channel: &'u str) -> Vec<Write<'u>> {
    let mut batch = Batch { writes: Vec::with_capacity(12) };
    batch.fence(group, mark);
    batch.deployments(group);
    batch.aggregates(group);
    batch.instances(group);
    batch.work(group);
    batch.documents(group);
    batch.exchange(group, channel);
    batch.forget(group);
    batch.writes
}

struct Batch<'u> {
    writes: Vec<Write<'u>>,
}

/// The last word on each key: what is put, and what is gone.
struct Last<K, R> {
    put: Vec<(K, R)>,
    gone: Vec<K>,
}

fn last<K: Ord, R>(changes: impl Iterator<Item = (K, Option<R>)>) -> Last<K, R> {
    let rows: BTreeMap<K, Option<R>> = changes.collect();
    let mut last = Last { put: Vec::with_capacity(rows.len()), gone: Vec::new() };
    for (key, row) in rows {
        match row {
            Some(row) => last.put.push((key, row)),
            None => last.gone.push(key),
        }
    }
    last
}

/// What all units of the group have in one of their lists.
fn each<'u, T: 'u>(
    group: &[Of<'u>],
    list: impl Fn(&'u Unit) -> &'u Vec<T>,
) -> impl Iterator<Item = (ShardId, &'u T)> {
    group.iter().flat_map(move |(shard, unit)| list(unit).iter().map(|item| (*shard, item)))
}

fn number(shard: ShardId) -> i32 {
    i32::from(shard.0)
}

impl<'u> Batch<'u> {
    /// Adds a statement unless it would write nothing.
    fn add<T>(
        &mut self,
        sql: &'static str,
        rows: &[T],
        columns: impl FnOnce(&[T]) -> Vec<Value<'u>>,
    ) {
        if !rows.is_empty() {
            self.writes.push(Write { sql, values: columns(rows) });
        }
    }

    /// Each shard from the first to the last of its units, in order of the shards.
    fn fence(&mut self, group: &[Of<'u>], mark: i64) {
        let mut shards: BTreeMap<i32, (&Unit, &Unit)> = BTreeMap::new();
        for (shard, unit) in group {
            shards
                .entry(number(*shard))
                .and_modify(|(_, last)| *last = unit)
                .or_insert((unit, unit));
        }
        let rows: Vec<_> = shards.into_iter().collect();
        let mut values = columns!(rows, (shard, (first, last)) =>
            *shard,
            first.epoch.cast_signed(),
            first.sequence.cast_signed(),
            last.sequence.cast_signed(),
            last.blocks_next.cast_signed(),
        );
        values.extend(values![mark]);
        self.writes.push(Write { sql: const { named(SHARDS, "advance") }, values });
    }

    fn aggregates(&mut self, group: &[Of<'u>]) {
        let instances = each(group, |unit| &unit.aggregates).filter_map(|(_, change)| {
            let Address::Instance(key) = &change.address else { return None };
            Some((key.to_i64(), change.snapshot.as_deref()))
        });
        let Last { put, gone } = last(instances);
        self.add(
            const { named(AGGREGATES, "put_instances") },
            &put,
            |rows| columns!(rows, (key, snapshot) => *key, *snapshot),
        );
        self.add(
            const { named(AGGREGATES, "delete_instances") },
            &gone,
            |rows| columns!(rows, key => *key),
        );
        let others = each(group, |unit| &unit.aggregates).filter_map(|(shard, change)| {
            let is_instance = matches!(change.address, Address::Instance(_));
            let key = || (number(shard), change.address.to_bytes());
            (!is_instance).then(|| (key(), change.snapshot.as_deref()))
        });
        let Last { put, gone } = last(others);
        self.add(const { named(AGGREGATES, "put") }, &put, |rows| {
            columns!(rows, ((shard, address), snapshot) => *shard, address.clone(), *snapshot)
        });
        self.add(
            const { named(AGGREGATES, "delete") },
            &gone,
            |rows| columns!(rows, (shard, address) => *shard, address.clone()),
        );
        let blocks = each(group, |unit| &unit.blocks)
            .map(|(_, (block, instance))| (block.0.cast_signed(), Some(instance.to_i64())));
        self.add(
            const { named(SHARDS, "take_blocks") },
            &last(blocks).put,
            |rows| columns!(rows, (block, instance) => *block, *instance),
        );
    }

    /// Jobs and timers.
    fn work(&mut self, group: &[Of<'u>]) {
        let jobs = each(group, |unit| &unit.jobs).map(|(shard, change)| match change {
            JobChange::Ready { job, job_type } => {
                (job.to_i64(), Some((number(shard), encode(job_type), None)))
            }
            JobChange::Leased { job, job_type, deadline_ms } => {
                (job.to_i64(), Some((number(shard), encode(job_type), Some(*deadline_ms))))
            }
            JobChange::Gone { job, .. } => (job.to_i64(), None),
        });
        let Last { put, gone } = last(jobs);
        self.add(const { named(JOBS, "put") }, &put, |rows| {
            columns!(rows, (job, (shard, kind, deadline_ms)) =>
                *job, *shard, kind.clone(), *deadline_ms)
        });
        self.add(const { named(JOBS, "delete") }, &gone, |rows| columns!(rows, job => *job));
        let timers = each(group, |unit| &unit.timers).map(|(shard, change)| match change {
            TimerChange::Arm { due_ms, address, id } => {
                ((number(shard), *due_ms, address.to_bytes(), id.cast_signed()), Some(()))
            }
            TimerChange::Disarm { due_ms, address, id } => {
                ((number(shard), *due_ms, address.to_bytes(), id.cast_signed()), None)
            }
        });
        let Last { put, gone } = last(timers);
        self.add(const { named(TIMERS, "arm") }, &put, |rows| {
            columns!(rows, ((shard, due_ms, address, id), ()) =>
                *shard, *due_ms, address.clone(), *id)
        });
        self.add(const { named(TIMERS, "disarm") }, &gone, |rows| {
            columns!(rows, (shard, due_ms, address, id) => *shard, *due_ms, address.clone(), *id)
        });
    }

    /// Documents, queues and published ids.
    fn documents(&mut self, group: &[Of<'u>]) {
        let documents =
            each(group, |unit| &unit.documents).map(|(_, (key, row))| (key.to_i64(), row.as_ref()));
        let Last { put, gone } = last::<_, &DocumentRow>(documents);
        self.add(const { named(DOCUMENTS, "put") }, &put, |rows| {
            columns!(rows, (key, row) =>
                *key,
                encode(&row.document_type),
                encode(&row.id),
                encode(&row.source),
                row.at_ms,
                &*row.content,
            )
        });
        self.add(const { named(DOCUMENTS, "delete") }, &gone, |rows| columns!(rows, key => *key));
        let entries =
            each(group, |unit| &unit.entries).map(|(_, (key, row))| (key.to_i64(), row.as_ref()));
        let Last { put, gone } = last::<_, &EntryRow>(entries);
        self.add(const { named(DOCUMENTS, "put_entries") }, &put, |rows| {
            columns!(rows, (key, row) =>
                *key,
                encode(&row.trigger),
                row.document.to_i64(),
                row.state as i16,
                i64::from(row.attempts),
                row.due_ms,
                row.instance.map(InstanceKey::to_i64),
                row.reason.as_deref().map(encode),
            )
        });
        self.add(
            const { named(DOCUMENTS, "delete_entries") },
            &gone,
            |rows| columns!(rows, key => *key),
        );
        let seen = each(group, |unit| &unit.seen)
            .map(|(_, row)| ((encode(&row.source), encode(&row.id)), Some(row)));
        self.add(const { named(DOCUMENTS, "put_seen") }, &last::<_, &Seen>(seen).put, |rows| {
            columns!(rows, ((source, id), row) =>
                source.clone(), id.clone(), row.document.to_i64(), row.at_ms)
        });
    }

    /// What was put before may be forgotten at once.
    fn forget(&mut self, group: &[Of<'u>]) {
        for (shard, unit) in group {
            if let Some(before_ms) = unit.seen_before_ms {
                let (first, last) = keys::bounds(Some(*shard));
                let sql = const { named(DOCUMENTS, "forget") };
                self.writes.push(Write { sql, values: values![before_ms, first, last] });
            }
        }
        let keys: Vec<i64> =
            each(group, |unit| &unit.forget).map(|(_, key)| key.to_i64()).collect();
        self.forget_instances(&keys);
    }
}
