//! What readers outside the shard see: the committed catalogue and how the server is.
//!
//! Boundary: written by the shard after its commits only.
//! Read first: [`Published`].

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::catalog::Catalog;

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
    catalog: RwLock<Arc<Catalog>>,
    condition: AtomicU8,
    /// Counters since the server started.
    pub(crate) counters: Counters,
}

impl Published {
    pub(crate) fn new() -> Self {
        Self {
            catalog: RwLock::new(Arc::new(Catalog::default())),
            condition: AtomicU8::new(0),
            counters: Counters::default(),
        }
    }

    /// The committed catalogue.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn publish(&self, catalog: Arc<Catalog>) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
    }

    /// How the server is.
    pub(crate) fn condition(&self) -> Condition {
        match self.condition.load(Ordering::Acquire) {
            0 => Condition::Starting,
            1 => Condition::Ready,
            2 => Condition::Full,
            3 => Condition::Recovering,
            _ => Condition::Stopping,
        }
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
