//! Aggregates in memory.
//!
//! Boundary: what was changed and is not yet committed stays; everything else may be evicted and
//! is loaded again when it is needed. A waiting instance therefore costs a row and no memory.
//! Invariants: CCH-1 an aggregate whose last change is not committed is in memory, and an ended
//! one leaves a tombstone until its end is committed, so that a load never brings back the past.
//! Read first: [`Cache`].

use std::collections::VecDeque;
use std::sync::Arc;

use engine::ids::{Address, InstanceKey};
use engine::instance::Instance;
use engine::lock::Lock;
use engine::message::Bucket;
use feel::Str;
use hashbrown::HashMap;

use crate::catalog::Definition;

use super::BucketName;

/// An instance in memory.
pub(super) struct Hot {
    pub(super) state: Instance,
    pub(super) definition: Arc<Definition>,
    /// Whether the store has (or is about to have) a snapshot.
    pub(super) stored: bool,
    /// Whether its row of the instance list is still to be written.
    pub(super) unlisted: bool,
    /// Whether the open batch changes it.
    pub(super) dirty: bool,
    /// Open incidents as last written to the instance list.
    pub(super) incidents_listed: u32,
    /// Audit records of the open batch.
    pub(super) audit: Vec<u8>,
    /// The business key, for the instance list.
    pub(super) business_key: Option<Str>,
    /// The wake-up that stands for a further turn, if one is to come.
    pub(super) continue_ms: Option<i64>,
    /// The sequence of the last unit that has it.
    sealed_in: u64,
    touched: bool,
}

impl Hot {
    pub(super) fn new(state: Instance, definition: Arc<Definition>) -> Self {
        Self {
            incidents_listed: state.incidents,
            state,
            definition,
            stored: false,
            unlisted: false,
            dirty: false,
            audit: Vec::new(),
            business_key: None,
            continue_ms: None,
            sealed_in: 0,
            touched: true,
        }
    }

    /// Whether it is in memory only: until its shard is given back, if its process says so.
    pub(super) fn is_volatile(&self) -> bool {
        self.definition.quality.volatile_tracking && !self.stored
    }
}

/// A bucket in memory.
#[derive(Default)]
pub(super) struct HotBucket {
    pub(super) state: Bucket,
    pub(super) stored: bool,
    pub(super) dirty: bool,
    sealed_in: u64,
}

impl HotBucket {
    /// One that came from another shard, in the open batch.
    pub(super) fn changed(state: Bucket) -> Self {
        Self { state, dirty: true, ..Self::default() }
    }
}

/// A lock in memory. Its row stays when nobody holds it: it has the last fencing number.
#[derive(Default)]
pub(super) struct HotLock {
    pub(super) state: Lock,
    /// The earliest wake-up that is known to be armed.
    pub(super) armed_ms: Option<i64>,
    pub(super) dirty: bool,
    sealed_in: u64,
}

impl HotLock {
    /// One that came from another shard, in the open batch.
    pub(super) fn changed(state: Lock) -> Self {
        Self { state, dirty: true, ..Self::default() }
    }
}

/// Aggregates in memory.
#[derive(Default)]
pub(super) struct Cache {
    instances: HashMap<InstanceKey, Hot>,
    order: VecDeque<InstanceKey>,
    /// Ended instances and the sequence of the unit that ends them.
    gone: HashMap<InstanceKey, u64>,
    pub(super) buckets: HashMap<BucketName, HotBucket>,
    pub(super) locks: HashMap<Str, HotLock>,
}

/// What the cache knows of an instance.
pub(super) enum Known {
    Hot,
    Gone,
    Unknown,
}

impl Cache {
    pub(super) fn len(&self) -> usize {
        self.instances.len()
    }

    pub(super) fn look(&self, key: InstanceKey) -> Known {
        if self.instances.contains_key(&key) {
            Known::Hot
        } else if self.gone.contains_key(&key) {
            Known::Gone
        } else {
            Known::Unknown
        }
    }

    /// Instances that are in memory only, in order.
    pub(super) fn volatile(&self) -> Vec<InstanceKey> {
        let volatile = self.instances.values().filter(|hot| hot.is_volatile());
        let mut keys: Vec<InstanceKey> = volatile.map(|hot| hot.state.key).collect();
        keys.sort_unstable();
        keys
    }

    pub(super) fn insert(&mut self, hot: Hot) {
        let key = hot.state.key;
        self.instances.insert(key, hot);
        self.order.push_back(key);
    }

    pub(super) fn get(&self, key: InstanceKey) -> Option<&Hot> {
        self.instances.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: InstanceKey) -> Option<&mut Hot> {
        let hot = self.instances.get_mut(&key)?;
        hot.touched = true;
        Some(hot)
    }

    /// The unit `sequence` has the instance's present state.
    pub(super) fn sealed(&mut self, key: InstanceKey, sequence: u64) {
        if let Some(hot) = self.instances.get_mut(&key) {
            hot.dirty = false;
            hot.sealed_in = sequence;
        }
    }

    /// The unit `sequence` ends the instance.
    pub(super) fn end(&mut self, key: InstanceKey, sequence: u64) {
        self.instances.remove(&key);
        self.gone.insert(key, sequence);
    }

    pub(super) fn sealed_bucket(&mut self, name: &BucketName, sequence: u64) {
        if let Some(bucket) = self.buckets.get_mut(name) {
            bucket.dirty = false;
            bucket.stored = !bucket.state.is_empty();
            bucket.sealed_in = sequence;
        }
    }

    pub(super) fn sealed_lock(&mut self, name: &Str, sequence: u64) {
        if let Some(lock) = self.locks.get_mut(name) {
            lock.dirty = false;
            lock.sealed_in = sequence;
        }
    }

    /// The buckets and locks in memory, in order.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let bucket =
            |(name, key): &BucketName| Address::Bucket { name: name.clone(), key: key.clone() };
        let locks = self.locks.keys().map(|name| Address::Lock { name: name.clone() });
        let mut addresses: Vec<Address> = self.buckets.keys().map(bucket).chain(locks).collect();
        addresses.sort_unstable();
        addresses
    }

    /// Takes a bucket or lock out. Answers its snapshot, unless there is nothing to keep, if it
    /// was in memory.
    pub(super) fn take(&mut self, address: &Address) -> Option<Option<Vec<u8>>> {
        let mut snapshot = Vec::new();
        match address {
            Address::Bucket { name, key } => {
                let bucket = self.buckets.remove(&(name.clone(), key.clone()))?;
                if bucket.state.is_empty() {
                    return Some(None);
                }
                bucket.state.encode_to(&mut snapshot);
            }
            Address::Lock { name } => {
                let lock = self.locks.remove(name)?;
                if lock.state == Lock::default() {
                    return Some(None);
                }
                lock.state.encode_to(&mut snapshot);
            }
            Address::Instance(_) | Address::Schedule { .. } => return None,
        }
        Some(Some(snapshot))
    }

    /// Everything up to unit `sequence` is durable: tombstones go, and idle aggregates beyond
    /// `most` are evicted, oldest first.
    pub(super) fn landed(&mut self, sequence: u64, most: usize) {
        self.gone.retain(|_, ended_in| *ended_in > sequence);
        if self.buckets.len() > most {
            self.buckets.retain(|_, bucket| bucket.dirty || bucket.sealed_in > sequence);
        }
        if self.locks.len() > most {
            self.locks.retain(|_, lock| lock.dirty || lock.sealed_in > sequence);
        }
        let mut looks = self.order.len();
        while looks > 0 && self.instances.len() > most {
            looks -= 1;
            let Some(key) = self.order.pop_front() else { break };
            let Some(hot) = self.instances.get_mut(&key) else { continue };
            let kept = hot.dirty || hot.sealed_in > sequence || hot.is_volatile();
            if kept || hot.touched {
                hot.touched = false;
                self.order.push_back(key);
            } else {
                self.instances.remove(&key);
            }
        }
        if self.order.len() > 2 * self.instances.len() + 1024 {
            let instances = &self.instances;
            self.order.retain(|key| instances.contains_key(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::ids::InstanceKey;

    use super::{Cache, HotBucket, HotLock, Known};

    #[test]
    fn an_ended_instance_is_known_until_its_end_is_durable() {
        let mut cache = Cache::default();
        cache.end(InstanceKey(1), 7);
        cache.landed(6, 0);
        assert!(matches!(cache.look(InstanceKey(1)), Known::Gone), "CCH-1");
        cache.landed(7, 0);
        assert!(matches!(cache.look(InstanceKey(1)), Known::Unknown));
    }

    #[test]
    fn a_changed_bucket_stays_until_its_change_is_durable() {
        let mut cache = Cache::default();
        let name = ("paid".into(), "o-1".into());
        cache.buckets.insert(name, HotBucket { dirty: true, ..HotBucket::default() });
        let name = ("paid".into(), "o-1".into());
        cache.landed(6, 0);
        assert!(cache.buckets.contains_key(&name), "CCH-1: it is in the open batch");
        cache.sealed_bucket(&name, 7);
        cache.landed(6, 0);
        assert!(cache.buckets.contains_key(&name), "CCH-1: its unit is being written");
        cache.landed(7, 0);
        assert!(cache.buckets.is_empty());
    }

    #[test]
    fn a_changed_lock_stays_until_its_change_is_durable() {
        let mut cache = Cache::default();
        cache.locks.insert("printer".into(), HotLock { dirty: true, ..HotLock::default() });
        cache.landed(6, 0);
        assert_eq!(cache.locks.len(), 1, "CCH-1: it is in the open batch");
        cache.sealed_lock(&"printer".into(), 7);
        cache.landed(6, 0);
        assert_eq!(cache.locks.len(), 1, "CCH-1: its unit is being written");
        cache.landed(7, 0);
        assert!(cache.locks.is_empty());
    }
}
