//! What readers outside the shard see: the committed catalogue and how the server is.
//!
//! Boundary: written by the shard after its commits only.
//! Read first: [`Published`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use engine::ids::ShardId;
use tokio::sync::Notify;

use crate::catalog::Catalog;
use crate::error::Error;
use crate::watched::{Follower, Watched};

/// How the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Loading its state.
    Starting,
    /// Taking requests.
    Ready,
    /// The storage is full: nothing is accepted until there is room.
    Full,
    /// Recovering after a failed commit.
    Recovering,
    /// Finishing its work before it ends.
    Stopping,
}

/// Counters since the server started; read by `/metrics`.
#[derive(Debug, Default)]
pub struct Counters {
    /// Instances started.
    pub started: AtomicU64,
    /// Instances ended normally.
    pub completed: AtomicU64,
    /// Instances cancelled.
    pub cancelled: AtomicU64,
    /// Jobs completed.
    pub jobs_completed: AtomicU64,
    /// Steps completed.
    pub steps_completed: AtomicU64,
    /// Incidents raised.
    pub incidents_raised: AtomicU64,
    /// Documents accepted.
    pub documents: AtomicU64,
    /// Documents recognised as duplicates.
    pub duplicates: AtomicU64,
    /// Entries put on the dead-letter queue.
    pub dead_letters: AtomicU64,
    /// Units committed.
    pub commits: AtomicU64,
    /// Commits that failed.
    pub commits_failed: AtomicU64,
    /// Inputs decided.
    pub inputs: AtomicU64,
    /// Instances in memory.
    pub hot_instances: AtomicU64,
}

/// What readers outside the shard see.
#[derive(Debug)]
pub(crate) struct Published {
    catalog: Watched<Catalog>,
    condition: AtomicU8,
    /// How the shards are that this server serves.
    shards: Mutex<BTreeMap<ShardId, Condition>>,
    moved: Notify,
    /// Why the server does not take part.
    refusal: Mutex<Option<Error>>,
    /// Counters since the server started.
    pub(crate) counters: Counters,
}

impl Published {
    pub(crate) fn new() -> Self {
        Self {
            catalog: Watched::new(Catalog::default()),
            condition: AtomicU8::new(0),
            shards: Mutex::new(BTreeMap::new()),
            moved: Notify::new(),
            refusal: Mutex::new(None),
            counters: Counters::default(),
        }
    }

    /// The committed catalogue.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.get()
    }

    /// The committed catalogue and those that follow it.
    pub(crate) fn catalogs(&self) -> Follower<Catalog> {
        self.catalog.follow()
    }

    pub(crate) fn publish(&self, catalog: Arc<Catalog>) {
        self.catalog.set(catalog);
    }

    /// How the server's membership is.
    pub(crate) fn own(&self) -> Condition {
        match self.condition.load(Ordering::Acquire) {
            0 => Condition::Starting,
            1 => Condition::Ready,
            2 => Condition::Full,
            3 => Condition::Recovering,
            _ => Condition::Stopping,
        }
    }

    /// How the server is: as its membership and the worst of its shards.
    pub(crate) fn condition(&self) -> Condition {
        let own = self.own();
        if own != Condition::Ready {
            return own;
        }
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |wanted| shards.values().any(|condition| *condition == wanted);
        if has(Condition::Full) {
            Condition::Full
        } else if has(Condition::Recovering) {
            Condition::Recovering
        } else {
            Condition::Ready
        }
    }

    /// How one shard is; none: it is not served here any more.
    pub(crate) fn set_shard(&self, shard: ShardId, condition: Option<Condition>) {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        match condition {
            Some(condition) => shards.insert(shard, condition),
            None => shards.remove(&shard),
        };
        self.moved.notify_one();
    }

    /// Waits until a shard's condition changed since the last time. Cancel safe.
    pub(crate) async fn moved(&self) {
        self.moved.notified().await;
    }

    /// The server will not take part, and why.
    pub(crate) fn refuse(&self, error: Error) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Why the server does not take part, if so.
    pub(crate) fn refusal(&self) -> Option<Error> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How one shard is, if it is served here.
    pub(crate) fn shard(&self, shard: ShardId) -> Option<Condition> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).get(&shard).copied()
    }

    pub(crate) fn set_condition(&self, condition: Condition) {
        let number = match condition {
            Condition::Starting => 0,
            Condition::Ready => 1,
            Condition::Full => 2,
            Condition::Recovering => 3,
            Condition::Stopping => 4,
        };
        self.condition.store(number, Ordering::Release);
    }
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Ordering::Relaxed);
    }
}
