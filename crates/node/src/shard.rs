//! A shard: the one writer of a fixed partition of instances.
//!
//! Boundary: runs the pure deciders, gathers what they bring about into one unit per batch, and
//! lets nothing out before the unit is durable. Business rules live in `engine`.
//! Invariants: SHD-1 no reply, job or call leaves before the commit of the unit it came from.
//! SHD-2 a failed commit drops the shard's memory; it is acquired again from the store.
//! Read first: `shard/run.rs`, then `shard/turn.rs`, then `shard/batch.rs`.

mod batch;
mod cache;
mod delivery;
mod deploy;
mod dispatch;
mod documents;
mod effects;
mod entries;
mod jobs;
mod keeper;
mod landing;
mod messages;
mod requests;
mod restore;
mod run;
mod seal;
mod services;
mod turn;
mod wakes;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use engine::ids::{Address, Block, Blocks, DocumentKey, EntryKey, InstanceKey, KeyCursor};
use engine::{Effect, Limits, Stamp};
use feel::Str;
use hashbrown::HashMap;
use store::{EntryRow, Lease, Store};
use tokio::task::JoinSet;

use crate::catalog::{Catalog, Definition};
use crate::clock::Clock;
use crate::error::Error;
use crate::input::{Ended, Input, Reply};
use crate::published::Published;

use batch::Batch;
use cache::Cache;
use dispatch::Dispatcher;
use entries::EntryQueue;
use services::CallDone;
use wakes::Wakes;

pub(crate) use keeper::{Surroundings, start};

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
    /// How long published ids are kept for recognising duplicates, in milliseconds. Default 7 days.
    pub duplicates_ms: i64,
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
            retention_ms: 30 * DAY_MS,
            duplicates_ms: 7 * DAY_MS,
            packages_dir: std::env::temp_dir().join("pointsman-packages"),
            server: feel::Value::Null,
        }
    }
}

/// One effect with the instance that it comes from.
type Outgoing = (InstanceKey, Effect);

/// One shard in memory.
pub(crate) struct Shard {
    store: Arc<dyn Store>,
    clock: Clock,
    settings: Settings,
    services: Arc<host::service::Services>,
    published: Arc<Published>,
    lease: Lease,
    now_ms: i64,
    catalog: Arc<Catalog>,
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
    waiters: HashMap<InstanceKey, Reply<Ended>>,
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

    fn stamp<'a>(now_ms: i64, limits: &'a Limits, blocks: &'a mut Blocks) -> Stamp<'a> {
        Stamp { now_ms, limits, blocks }
    }

    /// The process version of an instance, which must be deployed.
    fn definition(&self, key: engine::ids::DefinitionKey) -> Result<Arc<Definition>, Error> {
        self.catalog.definitions.get(&key).cloned().ok_or_else(|| Error::Internal {
            detail: format!("process version `{}` is not deployed", key.0),
        })
    }
}

/// What a bucket address is made of.
type BucketName = (Str, Str);
