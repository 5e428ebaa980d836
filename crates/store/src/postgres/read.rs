//! The port, but for the writing and the cluster: queries and what they answer.
//!
//! Boundary: which connection a query takes and from rows to values. Queries are sent again if
//! their connection was lost.
//! Read first: any of them.   Tests: `conformance`

use bytes::Bytes;
use engine::ids::{
    Address, Block, DefinitionKey, DocumentKey, EntryKey, IncidentKey, InstanceKey, JobKey,
    RequestKey, ShardId,
};
use feel::Str;
use std::future::ready;
use tokio::sync::watch;

use super::link::Link;
use super::row::{Answer, Columns};
use super::session::{Value, values};
use super::text::encode;
use super::{Pooling, Postgres, map, migrate};
use crate::keys;
use crate::port::{
    AuditRow, Committed, EntryFilter, Error, Health, InstanceFilter, InstanceRow, LeasedJob,
    ReadyJob, RequestFilter, Store, Task, TimerRow,
};
use crate::statement::named;
use crate::unit::{
    DefinitionRow, DocumentRow, EntryRow, EntryState, IncidentRow, InstanceState, LetterKey,
    LockRow, PackageRow, RequestRow, RequestState, Role, TokenRow, Unit,
};

const AGGREGATES: &str = include_str!("../sql/aggregates.postgres.sql");
const AUDIT: &str = include_str!("../sql/audit.postgres.sql");
const CLUSTER: &str = include_str!("../sql/cluster.postgres.sql");
const DOCUMENTS: &str = include_str!("../sql/documents.postgres.sql");
const EXCHANGE: &str = include_str!("../sql/exchange.postgres.sql");
const INCIDENTS: &str = include_str!("../sql/incidents.postgres.sql");
const INSTANCES: &str = include_str!("../sql/instances.postgres.sql");
const JOBS: &str = include_str!("../sql/jobs.postgres.sql");
const PACKAGES: &str = include_str!("../sql/packages.postgres.sql");
const SHARDS: &str = include_str!("../sql/shards.postgres.sql");
const TIMERS: &str = include_str!("../sql/timers.postgres.sql");

const READ: &str = "read";

/// All rows of a query.
pub(super) fn many<'a, T: Send + 'a>(
    link: &'a Link,
    sql: &'static str,
    values: Vec<Value<'a>>,
    read: impl Fn(&Columns<'_>) -> Answer<T> + Send + 'a,
) -> Task<'a, Vec<T>> {
    Box::pin(async move {
        let rows = link.rows(READ, sql, &values).await?;
        map(link, READ, &rows, read)
    })
}

/// The first row of a query.
pub(super) fn one<'a, T: Send + 'a>(
    link: &'a Link,
    sql: &'static str,
    values: Vec<Value<'a>>,
    read: impl Fn(&Columns<'_>) -> Answer<T> + Send + 'a,
) -> Task<'a, Option<T>> {
    Box::pin(async move { Ok(many(link, sql, values, read).await?.into_iter().next()) })
}

/// Answers by their places, counted from 1, among so many that were asked for.
fn placed<T>(number: usize, found: Vec<(i64, T)>) -> Vec<Option<T>> {
    let mut answers: Vec<Option<T>> = Vec::new();
    answers.resize_with(number, || None);
    for (place, value) in found {
        let place = usize::try_from(place - 1).ok();
        if let Some(answer) = place.and_then(|place| answers.get_mut(place)) {
            *answer = Some(value);
        }
    }
    answers
}

fn number(shard: ShardId) -> i32 {
    i32::from(shard.0)
}

impl Store for Postgres {
    fn commit(&self, unit: Unit) -> Task<'_, Committed> {
        match unit.shard {
            Some(shard) => self.enqueue(shard, unit),
            None => Box::pin(ready(Err(Error::no_shard()))),
        }
    }

    fn load<'a>(&'a self, shard: ShardId, of: &'a [Address]) -> Task<'a, Vec<Option<Bytes>>> {
        let instances: Vec<Option<i64>> = of
            .iter()
            .map(|address| match address {
                Address::Instance(key) => Some(key.to_i64()),
                Address::Bucket { .. } | Address::Schedule { .. } | Address::Lock { .. } => None,
            })
            .collect();
        let others: Vec<Option<Vec<u8>>> = of
            .iter()
            .zip(&instances)
            .map(|(address, instance)| instance.is_none().then(|| address.to_bytes()))
            .collect();
        let values = values![number(shard), instances, others];
        let sql = const { named(AGGREGATES, "load") };
        let found = many(&self.server, sql, values, |row| Ok((row.get::<i64>(0)?, row.bytes(1)?)));
        Box::pin(async move { Ok(placed(of.len(), found.await?)) })
    }

    fn aggregates<'a>(
        &'a self,
        shard: ShardId,
        after: Option<&'a Address>,
        limit: u32,
    ) -> Task<'a, Vec<(Address, Bytes)>> {
        let after = after.map_or(Vec::new(), Address::to_bytes);
        let values = values![number(shard), after, i64::from(limit)];
        many(&self.server, const { named(AGGREGATES, "others") }, values, |row| {
            Ok((row.address(0)?, row.bytes(1)?))
        })
    }

    fn block_owner(&self, _shard: ShardId, block: Block) -> Task<'_, Option<InstanceKey>> {
        let values = values![block.0.cast_signed()];
        one(&self.server, const { named(SHARDS, "block_owner") }, values, |row| {
            row.key(0).map(InstanceKey)
        })
    }

    fn timers<'a>(
        &'a self,
        shard: ShardId,
        after: Option<&'a TimerRow>,
        before_ms: i64,
        limit: u32,
    ) -> Task<'a, Vec<TimerRow>> {
        let read = |row: &Columns<'_>| {
            Ok(TimerRow { due_ms: row.get(0)?, address: row.address(1)?, id: row.key(2)? })
        };
        let mut values = values![number(shard), before_ms, i64::from(limit)];
        let Some(TimerRow { due_ms, address, id }) = after else {
            return many(&self.server, const { named(TIMERS, "due") }, values, read);
        };
        values.extend(values![*due_ms, address.to_bytes(), id.cast_signed()]);
        many(&self.server, const { named(TIMERS, "due_after") }, values, read)
    }

    fn jobs_ready<'a>(
        &'a self,
        shard: ShardId,
        job_type: &'a str,
        after: Option<JobKey>,
        limit: u32,
    ) -> Task<'a, Vec<ReadyJob>> {
        let after = after.map_or(-1, JobKey::to_i64);
        let values = values![number(shard), encode(job_type), after, i64::from(limit)];
        many(&self.server, const { named(JOBS, "ready") }, values, |row| {
            Ok(ReadyJob { job: JobKey(row.key(0)?) })
        })
    }

    fn job_types(&self, shard: ShardId) -> Task<'_, Vec<(Str, u64)>> {
        many(&self.server, const { named(JOBS, "types") }, values![number(shard)], |row| {
            Ok((row.text(0)?, row.key(1)?))
        })
    }

    fn jobs_leased(
        &self,
        shard: ShardId,
        after: Option<JobKey>,
        limit: u32,
    ) -> Task<'_, Vec<LeasedJob>> {
        let values = values![number(shard), after.map_or(-1, JobKey::to_i64), i64::from(limit)];
        many(&self.server, const { named(JOBS, "leased") }, values, |row| {
            Ok(LeasedJob {
                job: JobKey(row.key(0)?),
                job_type: row.text(1)?,
                deadline_ms: row.get(2)?,
            })
        })
    }

    fn seen<'a>(&'a self, of: &'a [(Str, Str)]) -> Task<'a, Vec<Option<DocumentKey>>> {
        let (sources, ids): (Vec<_>, Vec<_>) =
            of.iter().map(|(source, id)| (encode(source), encode(id))).unzip();
        let sql = const { named(DOCUMENTS, "seen") };
        let found = many(&self.server, sql, values![sources, ids], |row| {
            Ok((row.get::<i64>(0)?, DocumentKey(row.key(1)?)))
        });
        Box::pin(async move { Ok(placed(of.len(), found.await?)) })
    }

    fn document(&self, key: DocumentKey) -> Task<'_, Option<DocumentRow>> {
        one(&self.server, const { named(DOCUMENTS, "one") }, values![key.to_i64()], |row| {
            Ok(DocumentRow {
                document_type: row.text(0)?,
                id: row.text(1)?,
                source: row.text(2)?,
                at_ms: row.get(3)?,
                content: row.bytes(4)?,
            })
        })
    }

    fn entries<'a>(&'a self, filter: &'a EntryFilter) -> Task<'a, Vec<(EntryKey, EntryRow)>> {
        let is_held = matches!(filter.state, Some(EntryState::Parked | EntryState::Dead));
        let sql = if is_held {
            const { named(DOCUMENTS, "entries_held") }
        } else {
            const { named(DOCUMENTS, "entries") }
        };
        let (first, last) = keys::bounds(filter.shard);
        let values = values![
            filter.after.map_or(-1, EntryKey::to_i64).max(first - 1),
            last,
            filter.state.map(|state| state as i16),
            filter.trigger.as_deref().map(encode),
            i64::from(filter.limit),
        ];
        many(&self.server, sql, values, |row| row.entry())
    }

    fn entry(&self, key: EntryKey) -> Task<'_, Option<EntryRow>> {
        one(&self.server, const { named(DOCUMENTS, "entry") }, values![key.to_i64()], |row| {
            Ok(row.entry()?.1)
        })
    }

    fn instances<'a>(&'a self, filter: &'a InstanceFilter) -> Task<'a, Vec<InstanceRow>> {
        // The narrowest index that the filter allows.
        let sql = if filter.business_key.is_some() {
            const { named(INSTANCES, "list_business_key") }
        } else if filter.parent.is_some() {
            const { named(INSTANCES, "list_parent") }
        } else if filter.with_incidents {
            const { named(INSTANCES, "list_incidents") }
        } else if filter.state == Some(InstanceState::Active) {
            const { named(INSTANCES, "list_active") }
        } else {
            const { named(INSTANCES, "list") }
        };
        let (first, last) = keys::bounds(filter.shard);
        let before = filter.before.map_or(i64::MAX, InstanceKey::to_i64);
        let values = values![
            before.min(last.saturating_add(1)),
            filter.process.as_deref().map(encode),
            filter.version.map(i64::from),
            filter.state.map(|state| state as i16),
            filter.with_incidents,
            filter.business_key.as_deref().map(encode),
            filter.parent.map(InstanceKey::to_i64),
            i64::from(filter.limit),
            first,
        ];
        many(&self.person, sql, values, |row| row.instance())
    }

    fn instance(&self, key: InstanceKey) -> Task<'_, Option<InstanceRow>> {
        let sql = const { named(INSTANCES, "one") };
        one(&self.server, sql, values![key.to_i64()], |row| row.instance())
    }

    fn forgettable(
        &self,
        shard: ShardId,
        before_ms: i64,
        limit: u32,
    ) -> Task<'_, Vec<InstanceKey>> {
        let values = values![i64::from(shard.0), before_ms, i64::from(limit)];
        many(&self.server, const { named(INSTANCES, "forgettable") }, values, |row| {
            row.key(0).map(InstanceKey)
        })
    }

    fn audit(&self, instance: InstanceKey) -> Task<'_, Vec<AuditRow>> {
        many(&self.person, const { named(AUDIT, "read") }, values![instance.to_i64()], |row| {
            Ok(AuditRow { sequence: row.key(0)?, at_ms: row.get(1)?, records: row.bytes(2)? })
        })
    }

    fn incidents(
        &self,
        instance: Option<InstanceKey>,
        after: Option<IncidentKey>,
        limit: u32,
    ) -> Task<'_, Vec<(IncidentKey, IncidentRow)>> {
        let mut values = values![after.map_or(-1, IncidentKey::to_i64), i64::from(limit)];
        let Some(instance) = instance else {
            let sql = const { named(INCIDENTS, "all") };
            return many(&self.person, sql, values, |row| row.incident());
        };
        values.extend(values![instance.to_i64()]);
        many(&self.person, const { named(INCIDENTS, "of_instance") }, values, |row| row.incident())
    }

    fn incident(&self, key: IncidentKey) -> Task<'_, Option<IncidentRow>> {
        one(&self.server, const { named(INCIDENTS, "one") }, values![key.to_i64()], |row| {
            Ok(row.incident()?.1)
        })
    }

    fn definitions(&self) -> Task<'_, Vec<DefinitionRow>> {
        many(&self.server, const { named(PACKAGES, "definitions") }, vec![], |row| row.definition())
    }

    fn packages(&self) -> Task<'_, Vec<PackageRow>> {
        many(&self.server, const { named(PACKAGES, "packages") }, vec![], |row| {
            Ok(PackageRow {
                name: row.text(0)?,
                version: row.text(1)?,
                digest: row.text(2)?,
                active: row.get(3)?,
                disabled: row.get(4)?,
                note: row.text(5)?,
                at_ms: row.get(6)?,
            })
        })
    }

    fn inbox(&self, shard: ShardId, limit: u32) -> Task<'_, Vec<(LetterKey, Bytes)>> {
        let values = values![number(shard), i64::from(limit)];
        many(&self.server, const { named(EXCHANGE, "inbox") }, values, |row| {
            let key =
                LetterKey { from: row.shard(0)?, sequence: row.key(1)?, index: row.small(2)? };
            Ok((key, row.bytes(3)?))
        })
    }

    fn claim(
        &self,
        shard: ShardId,
        epoch: u64,
        limit: u32,
    ) -> Task<'_, Vec<(RequestKey, RequestRow)>> {
        Box::pin(self.claim_for(shard, epoch, limit))
    }

    fn requests<'a>(
        &'a self,
        filter: &'a RequestFilter,
    ) -> Task<'a, Vec<(RequestKey, RequestRow)>> {
        let is_open = matches!(filter.state, Some(RequestState::Claimed | RequestState::Running));
        let sql = if is_open && filter.shard.is_some() {
            const { named(EXCHANGE, "requests_open") }
        } else {
            const { named(EXCHANGE, "requests") }
        };
        let only = filter.key.map(RequestKey::to_i64);
        let before = filter.before.map_or(i64::MAX, RequestKey::to_i64);
        let values = values![
            only.map_or(before, |only| before.min(only.saturating_add(1))),
            only.unwrap_or(0),
            filter.state.map(|state| state as i16),
            filter.shard.map(number),
            filter.process.as_deref().map(encode),
            i64::from(filter.limit),
        ];
        many(&self.person, sql, values, |row| row.request())
    }

    fn locks(&self) -> Task<'_, Vec<(Str, LockRow)>> {
        many(&self.person, const { named(EXCHANGE, "locks") }, vec![], |row| {
            let lock = LockRow {
                holder: row.text(1)?,
                instance: row.key_if_any(2)?.map(InstanceKey),
                fence: row.key(3)?,
                since_ms: row.get(4)?,
                waiting: row.small(5)?,
            };
            Ok((row.text(0)?, lock))
        })
    }

    fn tokens(&self) -> Task<'_, Vec<(Str, TokenRow)>> {
        many(&self.server, const { named(EXCHANGE, "tokens") }, vec![], |row| {
            let role = match row.get::<i16>(2)? {
                1 => Role::Viewer,
                2 => Role::Operator,
                3 => Role::Developer,
                4 => Role::Admin,
                other => return Err(format!("unknown role {other}").into()),
            };
            let token = TokenRow {
                hash: row.text(1)?,
                role,
                created_ms: row.get(3)?,
                expires_ms: row.get(4)?,
            };
            Ok((row.text(0)?, token))
        })
    }

    fn blob<'a>(&'a self, digest: &'a str) -> Task<'a, Option<Bytes>> {
        let values = values![encode(digest)];
        one(&self.server, const { named(PACKAGES, "blob") }, values, |row| row.bytes(0))
    }

    fn settings(&self) -> Task<'_, Vec<(Str, Str)>> {
        many(&self.server, const { named(PACKAGES, "settings") }, vec![], |row| {
            Ok((row.text(0)?, row.text(1)?))
        })
    }

    fn counts(&self) -> Task<'_, Vec<(DefinitionKey, u64, u64)>> {
        many(&self.person, const { named(INSTANCES, "counts") }, vec![], |row| {
            Ok((DefinitionKey(row.key(0)?), row.key(1)?, row.key(2)?))
        })
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.changes.as_ref().map(watch::Sender::subscribe)
    }

    fn health(&self) -> Task<'_, Health> {
        let kind = match self.pooling {
            Pooling::Session => "postgres",
            Pooling::Transaction => "postgres, pooled",
        };
        let sql = const { named(CLUSTER, "size") };
        let bytes = one(&self.server, sql, vec![], |row| row.key(0));
        Box::pin(async move {
            let bytes = bytes.await?.unwrap_or(0);
            Ok(Health { kind, format: migrate::FORMAT, bytes })
        })
    }
}
