//! A shard: the one writer of a fixed partition of instances.
//!
//! Boundary: runs the pure deciders, gathers what they bring about into one unit per batch, and
//! lets nothing out before the unit is durable. Business rules live in `engine`.
//! Invariants: SHD-1 no reply, job or call leaves before the commit of the unit it came from.
//! SHD-2 a failed commit drops the shard's memory; it is acquired again from the store.
//! Read first: `shard/run.rs`, then `shard/turn.rs`, then `shard/batch.rs`.

mod batch;
mod cache;
mod claims;
mod decisions;
mod delivery;
mod deploy;
mod died;
mod dispatch;
mod documents;
mod effects;
mod entries;
pub(crate) mod gates;
mod inbox;
mod jobs;
mod keeper;
mod landing;
mod locks;
mod lost;
mod maintenance;
mod messages;
mod moves;
mod requests;
mod restore;
mod run;
mod seal;
pub(crate) mod services;
mod settings;
mod slots;
mod turn;
mod wakes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use engine::ids::{
    Address, Block, Blocks, DocumentKey, EntryKey, InstanceKey, KeyCursor, RequestKey,
};
use engine::{Effect, Limits, Stamp};
use feel::Str;
use hashbrown::HashMap;
use host::gate::Gates;
use store::{EntryRow, Lease, LetterKey, RequestRow, ServerKey, Store};
use tokio::task::JoinSet;

use crate::catalog::{Catalog, Definition};
use crate::clock::Clock;
use crate::cluster::settings::InForce;
use crate::cluster::{Catalogs, HOME, Post, Routes, Shared};
use crate::error::Error;
use crate::input::{Ended, Input, Reply};
use crate::published::Published;
use crate::watched::Follower;

use batch::Batch;
use cache::Cache;
use dispatch::Dispatcher;
use entries::EntryQueue;
use gates::HeldUp;
use moves::Giving;
use services::CallDone;
use slots::Slots;
use wakes::Wakes;

pub(crate) use keeper::{Ended as ShardEnded, Order as ShardOrder, Surroundings, keep};

/// What a shard is built with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bounds of decisions.
    pub limits: Limits,
    /// Instances kept in memory when nothing happens to them. Default 20,000.
    pub hot_instances_max: usize,
    /// Inputs taken into one batch. Default 1,024.
    pub batch_inputs_max: usize,
    /// How long a stop waits for service calls, in milliseconds; what is not done by then is
    /// called again by the next server. Default 10,000.
    pub stop_calls_ms: i64,
    /// Service calls at once. Default 64.
    pub service_calls_max: usize,
    /// How long finished instances are kept if their process does not say, in milliseconds.
    /// Default 30 days.
    pub retention_ms: i64,
    /// How long a job is leased to a server that hosts its logical server, unless that renews it,
    /// in milliseconds. Default 30,000.
    pub hosted_lease_ms: i64,
    /// How long published ids are kept for recognising duplicates, in milliseconds. Default 7 days.
    pub duplicates_ms: i64,
    /// How often a shard looks into its inbox if nobody says that there is something, in
    /// milliseconds. Default 1,000.
    pub inbox_ms: i64,
    /// How often a shard looks for process requests if nobody says that there are some, in
    /// milliseconds. Default 5,000.
    pub requests_ms: i64,
    /// Since when nothing new may start, if so.
    pub maintenance: Option<Maintenance>,
    /// Where packages are unpacked for their services.
    pub packages_dir: std::path::PathBuf,
    /// What expressions of services see as `server`: a context with `url` and `name`.
    pub server: feel::Value,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY_MS: i64 = 86_400_000;
        Self {
            limits: Limits::default(),
            hot_instances_max: 20_000,
            batch_inputs_max: 1_024,
            stop_calls_ms: 10_000,
            service_calls_max: 64,
            hosted_lease_ms: 30_000,
            retention_ms: 30 * DAY_MS,
            duplicates_ms: 7 * DAY_MS,
            inbox_ms: 1_000,
            requests_ms: 5_000,
            maintenance: None,
            packages_dir: std::env::temp_dir().join("pointsman-packages"),
            server: feel::Value::Null,
        }
    }
}

/// Why nothing new may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    /// Who turned maintenance mode on.
    pub by: Str,
    /// When, milliseconds since 1970 UTC.
    pub since_ms: i64,
}

/// One effect with the instance that it comes from.
type Outgoing = (InstanceKey, Effect);

/// One shard in memory.
pub(crate) struct Shard {
    store: Arc<dyn Store>,
    clock: Clock,
    settings: Settings,
    shared: Arc<Shared>,
    settings_changes: Follower<InForce>,
    /// The home shard's newest decision on what is set; none: as the store has it.
    settings_planned: Option<settings::Rows>,
    /// The tokens by their names, with their digests, once they were asked for.
    tokens: Option<BTreeMap<Str, Str>>,
    services: Arc<host::service::Services>,
    gates: Gates,
    held_up: HeldUp,
    published: Arc<Published>,
    lease: Lease,
    now_ms: i64,
    routes: Arc<Routes>,
    post: Post,
    catalogs: Catalogs,
    /// What is deployed, as the server has published it.
    catalog: Arc<Catalog>,
    catalog_changes: Follower<Catalog>,
    /// The home shard's newest decision on what is deployed, published when it is durable.
    plan: Option<Arc<Catalog>>,
    blocks: Blocks,
    /// Keys of documents, entries, messages and definitions.
    loose: KeyCursor,
    /// Further blocks claimed by instances and not yet readable in the store, with the unit that
    /// makes them so.
    claimed: HashMap<Block, (InstanceKey, u64)>,
    cache: Cache,
    batch: Batch,
    outgoing: VecDeque<Outgoing>,
    /// Instances that get another turn as soon as others had theirs.
    again: VecDeque<InstanceKey>,
    /// Inputs that the shard gives itself.
    backlog: VecDeque<Input>,
    dispatcher: Dispatcher,
    wakes: Wakes,
    entries: EntryQueue,
    waiters: BTreeMap<InstanceKey, Reply<Ended>>,
    /// Processes whose instances fail because the last owner died, until all were told.
    failing: BTreeMap<Str, died::Failing>,
    /// Clients that wait for a lock, by its name and their session.
    lock_waiters: BTreeMap<(Str, Str), Vec<locks::Waiting>>,
    calls: JoinSet<CallDone>,
    /// The sequence of the last durable unit.
    landed: u64,
    /// What instances published in this pass of the loop.
    chain: u32,
    /// Documents of the unit that is being written.
    documents_in_flight: HashMap<DocumentKey, Arc<documents::Document>>,
    /// Entries of the unit that is being written.
    entries_in_flight: HashMap<EntryKey, Option<EntryRow>>,
    /// Schedules of the unit that is being written.
    schedules_in_flight: HashMap<Address, Option<Bytes>>,
    /// Published ids of the unit that is being written.
    seen_in_flight: HashMap<(Str, Str), DocumentKey>,
    /// Letters that were dealt with, and the unit that takes them out of the inbox.
    dealt_with: HashMap<LetterKey, u64>,
    /// Process requests as this shard wrote them last, with the unit that makes that readable.
    requests_in_flight: HashMap<RequestKey, (RequestRow, u64)>,
    /// When process requests are looked for even if nobody says that there are some.
    claim_ms: i64,
    /// When process requests are due that were accepted here.
    dues: BTreeSet<i64>,
    /// Claimed process requests that maintenance mode or a closed gate holds.
    held_requests: Vec<(RequestKey, RequestRow)>,
    /// Timer start events that maintenance mode or a closed gate holds.
    held_schedules: Vec<(i64, Address, u64)>,
    /// Whether the message that is being published starts nothing.
    starts_nothing: bool,
    /// When the inbox is looked into even if nobody says that there is something.
    inbox_ms: i64,
    /// Letters that wait for a slot, as of the last look.
    letters_held: usize,
    /// Letters that cannot be read here.
    unreadable: BTreeSet<LetterKey>,
    /// Where things are, and who was there when it was looked last.
    routes_changes: Follower<crate::cluster::Table>,
    members: BTreeSet<ServerKey>,
    /// Which slots are here.
    slots: Slots,
    /// What is known of slots that this shard gives away.
    giving: Giving,
    /// When it is looked whether there are some.
    give_ms: i64,
}

impl Shard {
    /// A key that belongs to no instance.
    fn loose_key(&mut self) -> u64 {
        if self.loose.is_exhausted() {
            self.loose = KeyCursor { block: self.blocks.take(), next: 1 };
        }
        let key = self.loose.peek();
        self.loose.next += 1;
        key
    }

    fn stamp<'a>(
        now_ms: i64,
        limits: &'a Limits,
        blocks: &'a mut Blocks,
        catalog: &'a Catalog,
    ) -> Stamp<'a> {
        Stamp { now_ms, limits, blocks, decisions: catalog }
    }

    /// The process version of an instance, which must be deployed.
    fn definition(&self, key: engine::ids::DefinitionKey) -> Result<Arc<Definition>, Error> {
        let planned = || self.plan.as_ref()?.definitions.get(&key);
        let known = self.catalog.definitions.get(&key).or_else(planned);
        known.cloned().ok_or_else(|| Error::Internal {
            detail: format!("process version `{}` is not deployed", key.0),
        })
    }

    /// Whether this shard changes what is shared.
    fn is_home(&self) -> bool {
        self.lease.shard == HOME
    }
}

/// What a bucket address is made of.
type BucketName = (Str, Str);
