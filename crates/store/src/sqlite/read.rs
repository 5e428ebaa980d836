//! The queries behind the reading half of the port.
//!
//! Boundary: from rows to values. A value that cannot be one of ours is an error of conversion.
//! Read first: any of them.   Tests: `conformance`

use bytes::Bytes;
use engine::ids::{
    Address, Block, DefinitionKey, DocumentKey, EntryKey, IncidentKey, InstanceKey, JobKey,
    RequestKey, ShardId, StepKey,
};
use feel::Str;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use crate::keys;
use crate::port::{
    AuditRow, EntryFilter, InstanceFilter, InstanceRow, LeasedJob, ReadyJob, RequestFilter,
    TimerRow,
};
use crate::statement::named;
use crate::unit::{
    DefinitionRow, DocumentRow, EntryRow, EntryState, IncidentRow, InstanceState, LetterKey,
    LockRow, PackageRow, RequestRow, RequestState, Role, TokenRow,
};

const AGGREGATES: &str = include_str!("../sql/aggregates.sqlite.sql");
const AUDIT: &str = include_str!("../sql/audit.sqlite.sql");
const CLUSTER: &str = include_str!("../sql/cluster.sqlite.sql");
const DOCUMENTS: &str = include_str!("../sql/documents.sqlite.sql");
const EXCHANGE: &str = include_str!("../sql/exchange.sqlite.sql");
const INCIDENTS: &str = include_str!("../sql/incidents.sqlite.sql");
const INSTANCES: &str = include_str!("../sql/instances.sqlite.sql");
const JOBS: &str = include_str!("../sql/jobs.sqlite.sql");
const PACKAGES: &str = include_str!("../sql/packages.sqlite.sql");
const SHARDS: &str = include_str!("../sql/shards.sqlite.sql");
const TIMERS: &str = include_str!("../sql/timers.sqlite.sql");

pub(super) type Answer<T> = rusqlite::Result<T>;

pub(super) fn load(on: &Connection, shard: ShardId, of: &[Address]) -> Answer<Vec<Option<Bytes>>> {
    let mut instance = on.prepare_cached(const { named(AGGREGATES, "load_instance") })?;
    let mut other = on.prepare_cached(const { named(AGGREGATES, "load") })?;
    together(on, of.len(), || {
        of.iter()
            .map(|address| match address {
                Address::Instance(key) => instance.query_row([key.to_i64()], |row| bytes(row, 0)),
                address => other.query_row((shard.0, address.to_bytes()), |row| bytes(row, 0)),
            })
            .map(OptionalExtension::optional)
            .collect()
    })
}

pub(super) fn aggregates(
    on: &Connection,
    shard: ShardId,
    after: &[u8],
    limit: u32,
) -> Answer<Vec<(Address, Bytes)>> {
    let values = (shard.0, after, limit);
    many(on, const { named(AGGREGATES, "others") }, values, |row| {
        Ok((read_address(row, 0)?, bytes(row, 1)?))
    })
}

pub(super) fn block_owner(on: &Connection, block: Block) -> Answer<Option<InstanceKey>> {
    one(on, const { named(SHARDS, "block_owner") }, [block.0.cast_signed()], |row| {
        key(row, 0).map(InstanceKey)
    })
}

pub(super) fn seen(on: &Connection, of: &[(Str, Str)]) -> Answer<Vec<Option<DocumentKey>>> {
    let mut statement = on.prepare_cached(const { named(DOCUMENTS, "seen") })?;
    together(on, of.len(), || {
        of.iter()
            .map(|(source, id)| {
                statement
                    .query_row((&**source, &**id), |row| key(row, 0).map(DocumentKey))
                    .optional()
            })
            .collect()
    })
}

pub(super) fn timers(
    on: &Connection,
    shard: ShardId,
    after: Option<&TimerRow>,
    before_ms: i64,
    limit: u32,
) -> Answer<Vec<TimerRow>> {
    let read = |row: &Row<'_>| {
        Ok(TimerRow { due_ms: row.get(0)?, address: read_address(row, 1)?, id: key(row, 2)? })
    };
    match after {
        None => many(on, const { named(TIMERS, "due") }, (shard.0, before_ms, limit), read),
        Some(TimerRow { due_ms, address, id }) => {
            let after = (due_ms, address.to_bytes(), id.cast_signed());
            let values = (shard.0, before_ms, limit, after.0, after.1, after.2);
            many(on, const { named(TIMERS, "due_after") }, values, read)
        }
    }
}

pub(super) fn jobs_ready(
    on: &Connection,
    shard: ShardId,
    job_type: &str,
    after: Option<JobKey>,
    limit: u32,
) -> Answer<Vec<ReadyJob>> {
    let values = (shard.0, job_type, after.map_or(-1, JobKey::to_i64), limit);
    many(on, const { named(JOBS, "ready") }, values, |row| {
        Ok(ReadyJob { job: JobKey(key(row, 0)?) })
    })
}

pub(super) fn job_types(on: &Connection, shard: ShardId) -> Answer<Vec<(Str, u64)>> {
    many(on, const { named(JOBS, "types") }, [shard.0], |row| Ok((text(row, 0)?, key(row, 1)?)))
}

pub(super) fn jobs_leased(
    on: &Connection,
    shard: ShardId,
    after: Option<JobKey>,
    limit: u32,
) -> Answer<Vec<LeasedJob>> {
    let values = (shard.0, after.map_or(-1, JobKey::to_i64), limit);
    many(on, const { named(JOBS, "leased") }, values, |row| {
        Ok(LeasedJob {
            job: JobKey(key(row, 0)?),
            job_type: text(row, 1)?,
            deadline_ms: row.get(2)?,
        })
    })
}

pub(super) fn document(on: &Connection, document: DocumentKey) -> Answer<Option<DocumentRow>> {
    one(on, const { named(DOCUMENTS, "one") }, [document.to_i64()], |row| {
        Ok(DocumentRow {
            document_type: text(row, 0)?,
            id: text(row, 1)?,
            source: text(row, 2)?,
            at_ms: row.get(3)?,
            content: bytes(row, 4)?,
        })
    })
}

pub(super) fn entries(on: &Connection, filter: &EntryFilter) -> Answer<Vec<(EntryKey, EntryRow)>> {
    let statement = match filter.state {
        None => const { named(DOCUMENTS, "entries") },
        Some(_) => const { named(DOCUMENTS, "entries_in_state") },
    };
    let (first, last) = keys::bounds(filter.shard);
    let values = (
        filter.after.map_or(-1, EntryKey::to_i64).max(first - 1),
        last,
        filter.state.map(|state| state as u8),
        filter.trigger.as_deref(),
        filter.limit,
    );
    many(on, statement, values, read_entry)
}

pub(super) fn entry(on: &Connection, entry: EntryKey) -> Answer<Option<EntryRow>> {
    let row = one(on, const { named(DOCUMENTS, "entry") }, [entry.to_i64()], read_entry)?;
    Ok(row.map(|(_, row)| row))
}

pub(super) fn instances(on: &Connection, filter: &InstanceFilter) -> Answer<Vec<InstanceRow>> {
    // The narrowest index that the filter allows.
    let statement = if filter.business_key.is_some() {
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
    let values = (
        filter.before.map_or(i64::MAX, InstanceKey::to_i64).min(last.saturating_add(1)),
        filter.process.as_deref(),
        filter.version,
        filter.state.map(|state| state as u8),
        filter.with_incidents,
        filter.business_key.as_deref(),
        filter.parent.map(InstanceKey::to_i64),
        filter.limit,
        first,
    );
    many(on, statement, values, read_instance)
}

pub(super) fn instance(on: &Connection, instance: InstanceKey) -> Answer<Option<InstanceRow>> {
    one(on, const { named(INSTANCES, "one") }, [instance.to_i64()], read_instance)
}

pub(super) fn forgettable(
    on: &Connection,
    shard: ShardId,
    before_ms: i64,
    limit: u32,
) -> Answer<Vec<InstanceKey>> {
    let values = (shard.0, before_ms, limit);
    many(on, const { named(INSTANCES, "forgettable") }, values, |row| key(row, 0).map(InstanceKey))
}

pub(super) fn audit(on: &Connection, instance: InstanceKey) -> Answer<Vec<AuditRow>> {
    many(on, const { named(AUDIT, "read") }, [instance.to_i64()], |row| {
        Ok(AuditRow { sequence: key(row, 0)?, at_ms: row.get(1)?, records: bytes(row, 2)? })
    })
}

pub(super) fn incidents(
    on: &Connection,
    instance: Option<InstanceKey>,
    after: Option<IncidentKey>,
    limit: u32,
) -> Answer<Vec<(IncidentKey, IncidentRow)>> {
    let after = after.map_or(-1, IncidentKey::to_i64);
    match instance {
        None => many(on, const { named(INCIDENTS, "all") }, (after, limit), read_incident),
        Some(instance) => {
            let values = (after, limit, instance.to_i64());
            many(on, const { named(INCIDENTS, "of_instance") }, values, read_incident)
        }
    }
}

pub(super) fn incident(on: &Connection, incident: IncidentKey) -> Answer<Option<IncidentRow>> {
    let row = one(on, const { named(INCIDENTS, "one") }, [incident.to_i64()], read_incident)?;
    Ok(row.map(|(_, row)| row))
}

pub(super) fn definitions(on: &Connection) -> Answer<Vec<DefinitionRow>> {
    many(on, const { named(PACKAGES, "definitions") }, [], |row| {
        Ok(DefinitionRow {
            key: DefinitionKey(key(row, 0)?),
            process: text(row, 1)?,
            version: row.get(2)?,
            package: text(row, 3)?,
            package_version: text(row, 4)?,
            resource: text(row, 5)?,
            digest: text(row, 6)?,
            deployment: key(row, 7)?,
            enabled: row.get(8)?,
            at_ms: row.get(9)?,
        })
    })
}

pub(super) fn packages(on: &Connection) -> Answer<Vec<PackageRow>> {
    many(on, const { named(PACKAGES, "packages") }, [], |row| {
        Ok(PackageRow {
            name: text(row, 0)?,
            version: text(row, 1)?,
            digest: text(row, 2)?,
            active: row.get(3)?,
            disabled: row.get(4)?,
            note: text(row, 5)?,
            at_ms: row.get(6)?,
        })
    })
}

pub(super) fn slots(on: &Connection) -> Answer<Vec<ShardId>> {
    many(on, const { named(CLUSTER, "slots") }, [], |row| row.get(0).map(ShardId))
}

pub(super) fn inbox(
    on: &Connection,
    shard: ShardId,
    limit: u32,
) -> Answer<Vec<(LetterKey, Bytes)>> {
    many(on, const { named(EXCHANGE, "inbox") }, (shard.0, limit), |row| {
        let from = ShardId(row.get(0)?);
        Ok((LetterKey { from, sequence: key(row, 1)?, index: row.get(2)? }, bytes(row, 3)?))
    })
}

pub(super) fn requests(
    on: &Connection,
    filter: &RequestFilter,
) -> Answer<Vec<(RequestKey, RequestRow)>> {
    let is_open = matches!(filter.state, Some(RequestState::Claimed | RequestState::Running));
    let statement = if is_open && filter.shard.is_some() {
        const { named(EXCHANGE, "requests_open") }
    } else {
        const { named(EXCHANGE, "requests") }
    };
    let only = filter.key.map(RequestKey::to_i64);
    let before = filter.before.map_or(i64::MAX, RequestKey::to_i64);
    let values = (
        only.map_or(before, |only| before.min(only.saturating_add(1))),
        only.unwrap_or(0),
        filter.state.map(|state| state as u8),
        filter.shard.map(|shard| shard.0),
        filter.process.as_deref(),
        filter.limit,
    );
    many(on, statement, values, read_request)
}

pub(super) fn locks(on: &Connection) -> Answer<Vec<(Str, LockRow)>> {
    many(on, const { named(EXCHANGE, "locks") }, [], |row| {
        let lock = LockRow {
            holder: text(row, 1)?,
            instance: key_if_any(row, 2)?.map(InstanceKey),
            fence: key(row, 3)?,
            since_ms: row.get(4)?,
            waiting: row.get(5)?,
        };
        Ok((text(row, 0)?, lock))
    })
}

pub(super) fn tokens(on: &Connection) -> Answer<Vec<(Str, TokenRow)>> {
    many(on, const { named(EXCHANGE, "tokens") }, [], |row| {
        let role = match row.get::<_, i64>(2)? {
            1 => Role::Viewer,
            2 => Role::Operator,
            3 => Role::Developer,
            4 => Role::Admin,
            _ => return Err(unknown(2, "role")),
        };
        let token = TokenRow {
            hash: text(row, 1)?,
            role,
            created_ms: row.get(3)?,
            expires_ms: row.get(4)?,
        };
        Ok((text(row, 0)?, token))
    })
}

pub(super) fn blob(on: &Connection, digest: &str) -> Answer<Option<Bytes>> {
    one(on, const { named(PACKAGES, "blob") }, [digest], |row| bytes(row, 0))
}

pub(super) fn settings(on: &Connection) -> Answer<Vec<(Str, Str)>> {
    many(on, const { named(PACKAGES, "settings") }, [], |row| Ok((text(row, 0)?, text(row, 1)?)))
}

pub(super) fn counts(on: &Connection) -> Answer<Vec<(DefinitionKey, u64, u64)>> {
    many(on, const { named(INSTANCES, "counts") }, [], |row| {
        Ok((DefinitionKey(key(row, 0)?), key(row, 1)?, key(row, 2)?))
    })
}

/// Bytes of the database without its log.
pub(super) fn bytes_used(on: &Connection) -> Answer<u64> {
    let number = |name| on.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(number("page_count")?.saturating_mul(number("page_size")?).cast_unsigned())
}

fn read_address(row: &Row<'_>, column: usize) -> Answer<Address> {
    let address = row.get_ref(column)?.as_blob()?;
    Address::from_bytes(address).ok_or_else(|| unknown(column, "address"))
}

pub(super) fn read_request(row: &Row<'_>) -> Answer<(RequestKey, RequestRow)> {
    let state = match row.get::<_, i64>(3)? {
        1 => RequestState::Waiting,
        2 => RequestState::Claimed,
        3 => RequestState::Running,
        4 => RequestState::Completed,
        5 => RequestState::Failed,
        6 => RequestState::Refused,
        7 => RequestState::Withdrawn,
        _ => return Err(unknown(3, "state of a request")),
    };
    let request = RequestRow {
        process: text(row, 1)?,
        variables: bytes(row, 2)?,
        state,
        at_ms: row.get(4)?,
        due_ms: row.get(5)?,
        shard: row.get::<_, Option<u16>>(6)?.map(ShardId),
        instance: key_if_any(row, 7)?.map(InstanceKey),
        reason: text_if_any(row, 8)?,
        ended_ms: row.get(9)?,
    };
    Ok((RequestKey(key(row, 0)?), request))
}

fn read_entry(row: &Row<'_>) -> Answer<(EntryKey, EntryRow)> {
    let state = match row.get::<_, i64>(3)? {
        1 => EntryState::Queued,
        2 => EntryState::InProcess,
        3 => EntryState::Parked,
        4 => EntryState::Dead,
        _ => return Err(unknown(3, "state of an entry")),
    };
    let entry = EntryRow {
        trigger: text(row, 1)?,
        document: DocumentKey(key(row, 2)?),
        state,
        attempts: row.get(4)?,
        due_ms: row.get(5)?,
        instance: key_if_any(row, 6)?.map(InstanceKey),
        reason: text_if_any(row, 7)?,
    };
    Ok((EntryKey(key(row, 0)?), entry))
}

fn read_instance(row: &Row<'_>) -> Answer<InstanceRow> {
    let state = match row.get::<_, i64>(4)? {
        1 => InstanceState::Active,
        2 => InstanceState::Completed,
        3 => InstanceState::Cancelled,
        4 => InstanceState::Failed,
        _ => return Err(unknown(4, "state of an instance")),
    };
    Ok(InstanceRow {
        key: InstanceKey(key(row, 0)?),
        definition: DefinitionKey(key(row, 1)?),
        process: text(row, 2)?,
        version: row.get(3)?,
        state,
        incidents: row.get(5)?,
        parent: key_if_any(row, 6)?.map(InstanceKey),
        business_key: text_if_any(row, 7)?,
        started_ms: row.get(8)?,
        ended_ms: row.get(9)?,
    })
}

fn read_incident(row: &Row<'_>) -> Answer<(IncidentKey, IncidentRow)> {
    let incident = IncidentRow {
        instance: InstanceKey(key(row, 1)?),
        step: StepKey(key(row, 2)?),
        job: key_if_any(row, 3)?.map(JobKey),
        element: text(row, 4)?,
        process: text(row, 5)?,
        kind: text(row, 6)?,
        message: text(row, 7)?,
        at_ms: row.get(8)?,
    };
    Ok((IncidentKey(key(row, 0)?), incident))
}

fn many<T>(
    on: &Connection,
    statement: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> Answer<T>,
) -> Answer<Vec<T>> {
    on.prepare_cached(statement)?.query_map(values, read)?.collect()
}

fn one<T>(
    on: &Connection,
    statement: &str,
    values: impl Params,
    read: impl FnOnce(&Row<'_>) -> Answer<T>,
) -> Answer<Option<T>> {
    on.prepare_cached(statement)?.query_row(values, read).optional()
}

/// Runs several queries on one view of the data.
fn together<T>(on: &Connection, queries: usize, run: impl FnOnce() -> Answer<T>) -> Answer<T> {
    if queries <= 1 {
        return run();
    }
    let transaction = on.unchecked_transaction()?;
    let answer = run()?;
    transaction.commit()?;
    Ok(answer)
}

pub(super) fn key(row: &Row<'_>, column: usize) -> Answer<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

pub(super) fn key_if_any(row: &Row<'_>, column: usize) -> Answer<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned))
}

pub(super) fn text(row: &Row<'_>, column: usize) -> Answer<Str> {
    Ok(Str::from(row.get_ref(column)?.as_str()?))
}

fn text_if_any(row: &Row<'_>, column: usize) -> Answer<Option<Str>> {
    Ok(row.get_ref(column)?.as_str_or_null()?.map(Str::from))
}

pub(super) fn bytes(row: &Row<'_>, column: usize) -> Answer<Bytes> {
    Ok(Bytes::copy_from_slice(row.get_ref(column)?.as_blob()?))
}

pub(super) fn unknown(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(
        column,
        Type::Integer,
        format!("unknown {what}").into(),
    )
}
