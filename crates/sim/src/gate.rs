//! A store behind a gate: what stands between a server and its database.
//!
//! Boundary: forwards every call of the port; what a gate does to a call is the gate's business. A
//! call reaches the store only after the gate let it through, because a commit of the memory store
//! takes effect when it is called.
//! Read first: [`Gate`], then [`Gated`].

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use engine::ids::{
    Address, Block, DefinitionKey, DeploymentKey, DocumentKey, EntryKey, IncidentKey, InstanceKey,
    JobKey, RequestKey, ShardId,
};
use feel::Str;
use store::{
    Acquired, AuditRow, Beat, Bond, Cluster, Committed, DefinitionRow, DeploymentFilter,
    DeploymentRow, DeploymentState, Deployments, DocumentRow, EntryFilter, EntryRow, Error, Health,
    IncidentRow, InstanceFilter, InstanceRow, LeasedJob, LetterKey, LockRow, NewMember, PackageRow,
    Pulse, ReadyJob, RequestFilter, RequestRow, ServerKey, Store, Task, TimerRow, TokenRow, Unit,
};

/// A call on its way to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub name: &'static str,
    /// Whether it may change anything.
    pub is_write: bool,
}

/// What stands between a server and its store. Futures may be dropped at any point.
pub trait Gate: Send + Sync + 'static {
    /// What the gate remembers of a call on its way.
    type Pass: Send;

    /// Before the store sees the call; an error keeps it from it.
    fn enter(&self, call: Call) -> impl Future<Output = Result<Self::Pass, Error>> + Send;

    /// After the store has answered; an error replaces the answer.
    fn leave(&self, call: Call, pass: Self::Pass)
    -> impl Future<Output = Result<(), Error>> + Send;

    /// What the store answered to an attempt to own a shard.
    fn acquired(&self, shard: ShardId, server: ServerKey, answer: &Acquired) {
        let _ = (shard, server, answer);
    }

    /// What the store answered to a unit. Nothing happens between its effect and this.
    fn committed(&self, unit: &Sealed, answer: &Committed) {
        let _ = (unit, answer);
    }
}

/// What identifies a unit that was handed to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// The shard.
    pub shard: ShardId,
    /// The epoch under which it was written.
    pub epoch: u64,
    /// Its place in the shard's history.
    pub sequence: u64,
}

/// A store behind a gate.
pub struct Gated<G> {
    inner: Arc<dyn Store>,
    /// The gate.
    pub gate: G,
}

impl<G: Gate> Gated<G> {
    /// Puts a gate before a store.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, gate: G) -> Self {
        Self { inner, gate }
    }

    fn pass<'a, T: Send + 'a>(
        &'a self,
        call: Call,
        ask: impl FnOnce(&'a dyn Store) -> Task<'a, T> + Send + 'a,
    ) -> Task<'a, T> {
        Box::pin(async move {
            let pass = self.gate.enter(call).await?;
            let answer = ask(&*self.inner).await;
            self.gate.leave(call, pass).await?;
            answer
        })
    }
}

macro_rules! forward {
    ($($kind:ident $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name<'a>(&'a self $(, $argument: $type)*) -> Task<'a, $answer> {
            let call = Call { name: stringify!($name), is_write: forward!(@$kind) };
            self.pass(call, move |store| store.$name($($argument),*))
        })*
    };
    (@read) => { false };
    (@write) => { true };
}

impl<G: Gate> Cluster for Gated<G> {
    fn acquire(&self, shard: ShardId, server: ServerKey) -> Task<'_, Acquired> {
        let call = Call { name: "acquire", is_write: true };
        self.pass(call, move |store| {
            Box::pin(async move {
                let answer = store.acquire(shard, server).await?;
                self.gate.acquired(shard, server, &answer);
                Ok(answer)
            })
        })
    }

    forward! {
        write found(shards: u16) -> u16;
        write join(member: &'a NewMember, lease_ms: i64) -> ServerKey;
        write beat(beat: &'a Beat) -> Pulse;
        read pulse() -> Pulse;
        write leave(server: ServerKey) -> ();
        write release(shard: ShardId, server: ServerKey, epoch: u64) -> ();
        read slots() -> Vec<ShardId>;
        write bond(said: Option<Bond>) -> Option<Bond>;
    }
}

impl<G: Gate> Deployments for Gated<G> {
    forward! {
        write abort_deployment(key: DeploymentKey, detail: Bytes) -> Option<DeploymentState>;
        read deployments(filter: &'a DeploymentFilter) -> Vec<(DeploymentKey, DeploymentRow)>;
        read deployment(key: DeploymentKey) -> Option<DeploymentRow>;
    }
}

impl<G: Gate> Store for Gated<G> {
    fn commit(&self, unit: Unit) -> Task<'_, Committed> {
        let call = Call { name: "commit", is_write: true };
        let (shard, epoch, sequence) = (unit.shard, unit.epoch, unit.sequence);
        self.pass(call, move |store| {
            Box::pin(async move {
                let answer = store.commit(unit).await?;
                if let Some(shard) = shard {
                    self.gate.committed(&Sealed { shard, epoch, sequence }, &answer);
                }
                Ok(answer)
            })
        })
    }

    forward! {
        read load(shard: ShardId, of: &'a [Address]) -> Vec<Option<Bytes>>;
        read aggregates(shard: ShardId, after: Option<&'a Address>, limit: u32)
            -> Vec<(Address, Bytes)>;
        read block_owner(shard: ShardId, block: Block) -> Option<InstanceKey>;
        read timers(shard: ShardId, after: Option<&'a TimerRow>, before_ms: i64, limit: u32)
            -> Vec<TimerRow>;
        read jobs_ready(shard: ShardId, job_type: &'a str, after: Option<JobKey>, limit: u32)
            -> Vec<ReadyJob>;
        read job_types(shard: ShardId) -> Vec<(Str, u64)>;
        read jobs_leased(shard: ShardId, after: Option<JobKey>, limit: u32) -> Vec<LeasedJob>;
        read seen(of: &'a [(Str, Str)]) -> Vec<Option<DocumentKey>>;
        read document(key: DocumentKey) -> Option<DocumentRow>;
        read entries(filter: &'a EntryFilter) -> Vec<(EntryKey, EntryRow)>;
        read entry(key: EntryKey) -> Option<EntryRow>;
        read instances(filter: &'a InstanceFilter) -> Vec<InstanceRow>;
        read instance(key: InstanceKey) -> Option<InstanceRow>;
        read forgettable(shard: ShardId, before_ms: i64, limit: u32) -> Vec<InstanceKey>;
        read audit(instance: InstanceKey) -> Vec<AuditRow>;
        read incidents(instance: Option<InstanceKey>, after: Option<IncidentKey>, limit: u32)
            -> Vec<(IncidentKey, IncidentRow)>;
        read incident(key: IncidentKey) -> Option<IncidentRow>;
        read definitions() -> Vec<DefinitionRow>;
        read packages() -> Vec<PackageRow>;
        read inbox(shard: ShardId, limit: u32) -> Vec<(LetterKey, Bytes)>;
        write claim(shard: ShardId, epoch: u64, limit: u32) -> Vec<(RequestKey, RequestRow)>;
        read requests(filter: &'a RequestFilter) -> Vec<(RequestKey, RequestRow)>;
        read locks() -> Vec<(Str, LockRow)>;
        read tokens() -> Vec<(Str, TokenRow)>;
        read blob(digest: &'a str) -> Option<Bytes>;
        read settings() -> Vec<(Str, Str)>;
        read counts() -> Vec<(DefinitionKey, u64, u64)>;
        read health() -> Health;
    }
}
