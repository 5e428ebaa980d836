//! From the columns of a row to values.
//!
//! Boundary: a value that cannot be one of ours is an error.
//! Read first: [`Columns`].   Tests: `conformance`

use bytes::Bytes;
use engine::ids::{
    Address, DefinitionKey, DocumentKey, EntryKey, IncidentKey, InstanceKey, JobKey, RequestKey,
    ShardId, StepKey,
};
use feel::Str;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::text::decode;
use crate::port::InstanceRow;
use crate::unit::{
    DefinitionRow, EntryRow, EntryState, IncidentRow, InstanceState, RequestRow, RequestState,
};

/// Why a row is not one of ours.
pub(super) type Answer<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A row that is read column by column.
pub(super) struct Columns<'r>(pub(super) &'r Row);

impl<'r> Columns<'r> {
    pub(super) fn get<T: FromSql<'r>>(&self, column: usize) -> Answer<T> {
        Ok(self.0.try_get(column)?)
    }

    pub(super) fn key(&self, column: usize) -> Answer<u64> {
        Ok(self.get::<i64>(column)?.cast_unsigned())
    }

    pub(super) fn key_if_any(&self, column: usize) -> Answer<Option<u64>> {
        Ok(self.get::<Option<i64>>(column)?.map(i64::cast_unsigned))
    }

    /// A number that is smaller than its column allows.
    pub(super) fn small<T: TryFrom<i64>>(&self, column: usize) -> Answer<T> {
        T::try_from(self.get(column)?).map_err(|_| format!("column {column} is too large").into())
    }

    pub(super) fn shard(&self, column: usize) -> Answer<ShardId> {
        Ok(ShardId(u16::try_from(self.get::<i32>(column)?)?))
    }

    pub(super) fn text(&self, column: usize) -> Answer<Str> {
        Ok(Str::from(&*decode(self.get(column)?)))
    }

    pub(super) fn text_if_any(&self, column: usize) -> Answer<Option<Str>> {
        Ok(self.get::<Option<&str>>(column)?.map(|text| Str::from(&*decode(text))))
    }

    pub(super) fn bytes(&self, column: usize) -> Answer<Bytes> {
        Ok(Bytes::copy_from_slice(self.get(column)?))
    }

    pub(super) fn address(&self, column: usize) -> Answer<Address> {
        Address::from_bytes(self.get(column)?).ok_or_else(|| "unknown address".into())
    }

    pub(super) fn entry(&self) -> Answer<(EntryKey, EntryRow)> {
        let state = match self.get::<i16>(3)? {
            1 => EntryState::Queued,
            2 => EntryState::InProcess,
            3 => EntryState::Parked,
            4 => EntryState::Dead,
            other => return Err(format!("unknown state {other} of an entry").into()),
        };
        let entry = EntryRow {
            trigger: self.text(1)?,
            document: DocumentKey(self.key(2)?),
            state,
            attempts: self.small(4)?,
            due_ms: self.get(5)?,
            instance: self.key_if_any(6)?.map(InstanceKey),
            reason: self.text_if_any(7)?,
        };
        Ok((EntryKey(self.key(0)?), entry))
    }

    pub(super) fn instance(&self) -> Answer<InstanceRow> {
        let state = match self.get::<i16>(4)? {
            1 => InstanceState::Active,
            2 => InstanceState::Completed,
            3 => InstanceState::Cancelled,
            4 => InstanceState::Failed,
            other => return Err(format!("unknown state {other} of an instance").into()),
        };
        Ok(InstanceRow {
            key: InstanceKey(self.key(0)?),
            definition: DefinitionKey(self.key(1)?),
            process: self.text(2)?,
            version: self.small(3)?,
            state,
            incidents: self.small(5)?,
            parent: self.key_if_any(6)?.map(InstanceKey),
            business_key: self.text_if_any(7)?,
            started_ms: self.get(8)?,
            ended_ms: self.get(9)?,
        })
    }

    pub(super) fn incident(&self) -> Answer<(IncidentKey, IncidentRow)> {
        let incident = IncidentRow {
            instance: InstanceKey(self.key(1)?),
            step: StepKey(self.key(2)?),
            job: self.key_if_any(3)?.map(JobKey),
            element: self.text(4)?,
            process: self.text(5)?,
            kind: self.text(6)?,
            message: self.text(7)?,
            at_ms: self.get(8)?,
        };
        Ok((IncidentKey(self.key(0)?), incident))
    }

    pub(super) fn request(&self) -> Answer<(RequestKey, RequestRow)> {
        let state = match self.get::<i16>(3)? {
            1 => RequestState::Waiting,
            2 => RequestState::Claimed,
            3 => RequestState::Running,
            4 => RequestState::Completed,
            5 => RequestState::Failed,
            6 => RequestState::Refused,
            7 => RequestState::Withdrawn,
            other => return Err(format!("unknown state {other} of a request").into()),
        };
        let shard = match self.get::<Option<i32>>(6)? {
            Some(_) => Some(self.shard(6)?),
            None => None,
        };
        let request = RequestRow {
            process: self.text(1)?,
            variables: self.bytes(2)?,
            state,
            at_ms: self.get(4)?,
            due_ms: self.get(5)?,
            shard,
            instance: self.key_if_any(7)?.map(InstanceKey),
            reason: self.text_if_any(8)?,
            ended_ms: self.get(9)?,
        };
        Ok((RequestKey(self.key(0)?), request))
    }

    pub(super) fn definition(&self) -> Answer<DefinitionRow> {
        Ok(DefinitionRow {
            key: DefinitionKey(self.key(0)?),
            process: self.text(1)?,
            version: self.small(2)?,
            package: self.text(3)?,
            package_version: self.text(4)?,
            resource: self.text(5)?,
            digest: self.text(6)?,
            deployment: self.key(7)?,
            enabled: self.get(8)?,
            at_ms: self.get(9)?,
        })
    }
}
