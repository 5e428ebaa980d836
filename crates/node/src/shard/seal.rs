//! Turns the open batch into a unit.
//!
//! Boundary: encodes snapshots and rows; which rows there are was decided before.
//! Read first: [`Shard::seal`].

use bytes::Bytes;
use engine::ids::{Address, DocumentKey, InstanceKey};
use engine::instance::Status;
use feel::{Str, Value};
use hashbrown::HashSet;
use store::{
    AggregateChange, DocumentRow, InstanceChange, InstanceState, NewAudit, TimerChange, Unit,
};

use super::Shard;
use super::batch::{After, Batch};
use super::cache::Hot;
use super::documents::Document;

impl Shard {
    /// Takes the open batch as a unit, with what may leave once that is durable.
    pub(super) fn seal(&mut self) -> (Unit, After) {
        let batch = std::mem::take(&mut self.batch);
        let Batch { mut unit, after, .. } = batch;
        self.lease.sequence += 1;
        unit.shard = Some(self.lease.shard);
        unit.epoch = self.lease.epoch;
        unit.sequence = self.lease.sequence;
        unit.blocks_next = self.blocks.next();
        unit.blocks = batch.blocks;
        // So far there are only those of schedules, and what was given to other shards.
        let schedules = unit.aggregates.iter();
        self.schedules_in_flight =
            schedules.map(|change| (change.address.clone(), change.snapshot.clone())).collect();
        for key in batch.instances {
            self.seal_instance(key, &mut unit);
        }
        for name in batch.buckets {
            self.seal_bucket(&name, &mut unit);
        }
        for name in batch.locks {
            self.seal_lock(name, &mut unit);
        }
        unit.jobs = batch.jobs.into_values().map(|slot| slot.change).collect();
        unit.timers = batch
            .timers
            .into_iter()
            .map(|((due_ms, address, id), armed)| {
                if armed {
                    TimerChange::Arm { due_ms, address, id }
                } else {
                    TimerChange::Disarm { due_ms, address, id }
                }
            })
            .collect();
        unit.incidents = batch.incidents.into_iter().collect();
        unit.entries = batch.entries.into_iter().map(|(entry, (_, row))| (entry, row)).collect();
        unit.entries.sort_unstable_by_key(|(entry, _)| *entry);
        let held: HashSet<DocumentKey> =
            unit.entries.iter().filter_map(|(_, row)| Some(row.as_ref()?.document)).collect();
        self.documents_in_flight = batch.documents;
        self.documents_in_flight.retain(|key, _| held.contains(key));
        let rows = self.documents_in_flight.iter();
        unit.documents = rows.map(|(key, document)| (*key, Some(row_of(document)))).collect();
        unit.documents.sort_unstable_by_key(|(key, _)| *key);
        self.entries_in_flight = unit.entries.iter().cloned().collect();
        self.seen_in_flight = batch.seen;
        (unit, after)
    }

    fn seal_instance(&mut self, key: InstanceKey, unit: &mut Unit) {
        let sequence = unit.sequence;
        let retention_ms = self.settings.retention_ms;
        let now_ms = self.now_ms;
        let Some(hot) = self.cache.get_mut(key) else { return };
        let ended = match hot.state.status {
            Status::Active => None,
            Status::Completed => Some(InstanceState::Completed),
            Status::Cancelled => Some(InstanceState::Cancelled),
            Status::Failed => Some(InstanceState::Failed),
        };
        list(hot, unit);
        if let Some(state) = ended {
            let kept = hot.definition.quality.retention_ms.and_then(|ms| i64::try_from(ms).ok());
            let forget_ms = now_ms.saturating_add(kept.unwrap_or(retention_ms));
            unit.instances.push(InstanceChange::Ended { key, state, ended_ms: now_ms, forget_ms });
        }
        if !hot.audit.is_empty() {
            hot.state.audited += 1;
            unit.audit.push(NewAudit {
                instance: key,
                sequence: hot.state.audited,
                at_ms: now_ms,
                records: Bytes::from(std::mem::take(&mut hot.audit)),
            });
        }
        let address = Address::Instance(key);
        if ended.is_some() {
            if hot.stored {
                unit.aggregates.push(AggregateChange { address, snapshot: None });
            }
            self.cache.end(key, sequence);
            return;
        }
        if !hot.is_volatile() {
            let mut snapshot = Vec::with_capacity(256);
            hot.state.encode_to(&mut snapshot);
            let snapshot = Some(Bytes::from(snapshot));
            unit.aggregates.push(AggregateChange { address, snapshot });
            hot.stored = true;
        }
        self.cache.sealed(key, sequence);
    }

    fn seal_bucket(&mut self, name: &super::BucketName, unit: &mut Unit) {
        let Some(bucket) = self.cache.buckets.get(name) else { return };
        let address = Address::Bucket { name: name.0.clone(), key: name.1.clone() };
        if !bucket.state.is_empty() {
            let mut snapshot = Vec::with_capacity(128);
            bucket.state.encode_to(&mut snapshot);
            let snapshot = Some(Bytes::from(snapshot));
            unit.aggregates.push(AggregateChange { address, snapshot });
        } else if bucket.stored {
            unit.aggregates.push(AggregateChange { address, snapshot: None });
        }
        self.cache.sealed_bucket(name, unit.sequence);
    }

    fn seal_lock(&mut self, name: Str, unit: &mut Unit) {
        let Some(lock) = self.cache.locks.get(&name) else { return };
        let mut snapshot = Vec::with_capacity(64);
        lock.state.encode_to(&mut snapshot);
        let address = Address::Lock { name: name.clone() };
        unit.aggregates.push(AggregateChange { address, snapshot: Some(Bytes::from(snapshot)) });
        let row = super::locks::row_of(&lock.state);
        self.cache.sealed_lock(&name, unit.sequence);
        unit.locks.push((name, row));
    }
}

/// The row of the instance list, if it is new or its incidents changed.
fn list(hot: &mut Hot, unit: &mut Unit) {
    let state = &hot.state;
    if hot.unlisted {
        hot.unlisted = false;
        unit.instances.push(InstanceChange::Started {
            key: state.key,
            definition: state.definition,
            process: state.process.clone(),
            version: state.version,
            parent: state.caller.map(|caller| caller.instance),
            business_key: hot.business_key.take(),
            started_ms: state.started_ms,
        });
        hot.incidents_listed = 0;
    }
    if hot.incidents_listed != state.incidents {
        hot.incidents_listed = state.incidents;
        unit.instances.push(InstanceChange::Incidents { key: state.key, open: state.incidents });
    }
}

fn row_of(document: &Document) -> DocumentRow {
    let mut json = String::new();
    feel::json::write(&Value::Context(document.content.clone()), &mut json);
    DocumentRow {
        document_type: document.document_type.clone(),
        id: document.id.clone(),
        source: document.source.clone(),
        at_ms: document.at_ms,
        content: Bytes::from(json),
    }
}
