//! The port, before another store: what may be large is put back, everything else passes.
//!
//! Boundary: no decision.
//! Read first: the implementation of [`Store`].   Tests: `tests/stored.rs`

use bytes::Bytes;
use engine::ids::{
    Address, Block, DefinitionKey, DeploymentKey, DocumentKey, EntryKey, IncidentKey, InstanceKey,
    JobKey, RequestKey, ShardId,
};
use feel::Str;
use tokio::sync::watch;

use super::Stored;
use crate::cluster::{Acquired, Beat, Bond, Cluster, NewMember, Pulse, ServerKey};
use crate::deployments::{DeploymentFilter, DeploymentRow, DeploymentState, Deployments};
use crate::port::{
    AuditRow, Committed, EntryFilter, Health, InstanceFilter, InstanceRow, LeasedJob, ReadyJob,
    RequestFilter, Store, Task, TimerRow,
};
use crate::unit::{
    DefinitionRow, DocumentRow, EntryRow, IncidentRow, LetterKey, LockRow, PackageRow, RequestRow,
    TokenRow, Unit,
};

/// What the other store answers as well.
macro_rules! pass {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name<'a>(&'a self $(, $argument: $type)*) -> Task<'a, $answer> {
            self.inner.$name($($argument),*)
        })*
    };
}

/// Lists whose rows have a value.
macro_rules! resolve {
    ($($name:ident($($argument:ident: $type:ty),*) -> $row:ty, $value:expr;)*) => {
        $(fn $name<'a>(&'a self $(, $argument: $type)*) -> Task<'a, Vec<$row>> {
            Box::pin(async move {
                self.resolve_all(self.inner.$name($($argument),*).await?, $value).await
            })
        })*
    };
}

impl Cluster for Stored {
    pass! {
        found(shards: u16) -> u16;
        join(member: &'a NewMember, lease_ms: i64) -> ServerKey;
        beat(beat: &'a Beat) -> Pulse;
        pulse() -> Pulse;
        leave(server: ServerKey) -> ();
        acquire(shard: ShardId, server: ServerKey) -> Acquired;
        release(shard: ShardId, server: ServerKey, epoch: u64) -> ();
        slots() -> Vec<ShardId>;
        bond(said: Option<Bond>) -> Option<Bond>;
    }
}

impl Deployments for Stored {
    pass! {
        abort_deployment(key: DeploymentKey, detail: Bytes) -> Option<DeploymentState>;
        deployments(filter: &'a DeploymentFilter) -> Vec<(DeploymentKey, DeploymentRow)>;
        deployment(key: DeploymentKey) -> Option<DeploymentRow>;
    }
}

impl Store for Stored {
    fn commit(&self, unit: Unit) -> Task<'_, Committed> {
        self.accept(unit)
    }

    resolve! {
        load(shard: ShardId, of: &'a [Address]) -> Option<Bytes>, Option::as_mut;
        aggregates(shard: ShardId, after: Option<&'a Address>, limit: u32) -> (Address, Bytes),
            |(_, snapshot)| Some(snapshot);
        audit(instance: InstanceKey) -> AuditRow, |row| Some(&mut row.records);
        inbox(shard: ShardId, limit: u32) -> (LetterKey, Bytes), |(_, content)| Some(content);
        requests(filter: &'a RequestFilter) -> (RequestKey, RequestRow),
            |(_, row)| Some(&mut row.variables);
        claim(shard: ShardId, epoch: u64, limit: u32) -> (RequestKey, RequestRow),
            |(_, row)| Some(&mut row.variables);
    }

    fn document(&self, key: DocumentKey) -> Task<'_, Option<DocumentRow>> {
        Box::pin(async move {
            let Some(mut row) = self.inner.document(key).await? else { return Ok(None) };
            row.content = self.resolve(row.content).await?;
            Ok(Some(row))
        })
    }

    fn blob<'a>(&'a self, digest: &'a str) -> Task<'a, Option<Bytes>> {
        Box::pin(async move {
            match self.inner.blob(digest).await? {
                Some(content) => self.resolve(content).await.map(Some),
                None => Ok(None),
            }
        })
    }

    pass! {
        block_owner(shard: ShardId, block: Block) -> Option<InstanceKey>;
        timers(shard: ShardId, after: Option<&'a TimerRow>, before_ms: i64, limit: u32)
            -> Vec<TimerRow>;
        jobs_ready(shard: ShardId, job_type: &'a str, after: Option<JobKey>, limit: u32)
            -> Vec<ReadyJob>;
        job_types(shard: ShardId) -> Vec<(Str, u64)>;
        jobs_leased(shard: ShardId, after: Option<JobKey>, limit: u32) -> Vec<LeasedJob>;
        seen(of: &'a [(Str, Str)]) -> Vec<Option<DocumentKey>>;
        entries(filter: &'a EntryFilter) -> Vec<(EntryKey, EntryRow)>;
        entry(key: EntryKey) -> Option<EntryRow>;
        instances(filter: &'a InstanceFilter) -> Vec<InstanceRow>;
        instance(key: InstanceKey) -> Option<InstanceRow>;
        forgettable(shard: ShardId, before_ms: i64, limit: u32) -> Vec<InstanceKey>;
        incidents(instance: Option<InstanceKey>, after: Option<IncidentKey>, limit: u32)
            -> Vec<(IncidentKey, IncidentRow)>;
        incident(key: IncidentKey) -> Option<IncidentRow>;
        definitions() -> Vec<DefinitionRow>;
        packages() -> Vec<PackageRow>;
        locks() -> Vec<(Str, LockRow)>;
        tokens() -> Vec<(Str, TokenRow)>;
        settings() -> Vec<(Str, Str)>;
        counts() -> Vec<(DefinitionKey, u64, u64)>;
        health() -> Health;
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.inner.changes()
    }
}
