//! The rows that one-job instances and documents make, committed unit by unit.
//!
//! Boundary: one shard of any store; who measures what is up to the benchmarks. A W1 operation
//! creates an instance or completes one: four row changes each. A D1 operation accepts a document
//! with an id, or runs the instance that it starts from start to end: three and five.
//! Read first: [`Shard::run`].

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use engine::ids::{
    Address, Block, DefinitionKey, DocumentKey, EntryKey, InstanceKey, JobKey, ShardId,
};
use feel::Str;
use store::conformance::Owner;
use store::{
    AggregateChange, Committed, DocumentRow, EntryRow, EntryState, InstanceChange, InstanceState,
    JobChange, NewAudit, Seen, Store, Unit,
};

/// Instances between their creation and their completion.
const IN_FLIGHT: u64 = 512;

/// What the operations are.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mix {
    W1,
    D1,
}

/// A shard that commits units of so many operations.
pub(crate) struct Shard {
    mix: Mix,
    store: Arc<dyn Store>,
    shard: ShardId,
    epoch: u64,
    sequence: u64,
    created: u64,
    completed: u64,
    snapshot: Bytes,
    records: Bytes,
}

impl Shard {
    pub(crate) async fn new(store: Arc<dyn Store>, shard: u16, mix: Mix) -> Self {
        let lease = Owner::of(&*store, shard).await.lease();
        Self {
            mix,
            store,
            shard: lease.shard,
            epoch: lease.epoch,
            sequence: lease.sequence,
            created: 0,
            completed: 0,
            snapshot: vec![7; 600].into(),
            records: vec![7; 150].into(),
        }
    }

    /// Creates instances, a thousand times as many, that wait and are never completed.
    pub(crate) async fn let_wait(&mut self, thousands: u64) {
        for _ in 0..thousands {
            let mut unit = self.unit(0);
            for _ in 0..1_000 {
                self.created += 1;
                self.create(&mut unit);
            }
            unit.blocks_next = self.created + 1;
            self.store.commit(unit).await.unwrap();
        }
        self.completed = self.created;
    }

    fn unit(&mut self, operations: u64) -> Unit {
        self.sequence += 1;
        let mut unit = Unit {
            shard: Some(self.shard),
            epoch: self.epoch,
            sequence: self.sequence,
            ..Unit::default()
        };
        for _ in 0..operations {
            if self.created - self.completed < IN_FLIGHT {
                self.created += 1;
                match self.mix {
                    Mix::W1 => self.create(&mut unit),
                    Mix::D1 => self.accept(&mut unit),
                }
            } else {
                self.completed += 1;
                match self.mix {
                    Mix::W1 => self.complete(&mut unit),
                    Mix::D1 => self.run_through(&mut unit),
                }
            }
        }
        unit.blocks_next = self.created + 1;
        unit
    }

    fn key(&self, number: u64) -> u64 {
        Block::new(self.shard, number).first()
    }

    fn accept(&self, unit: &mut Unit) {
        let key = self.key(self.created);
        // Evenly spread, as random ids are.
        let id: Str = format!("{:016x}", key.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into();
        let row = DocumentRow {
            document_type: "orders/order".into(),
            id: Str::clone(&id),
            source: "/shop/web".into(),
            at_ms: 1_790_000_000_000,
            content: self.snapshot.clone(),
        };
        unit.documents.push((DocumentKey(key), Some(row)));
        let row = EntryRow {
            trigger: "orders/on-order".into(),
            document: DocumentKey(key),
            state: EntryState::Queued,
            attempts: 0,
            due_ms: 1_790_000_000_000,
            instance: None,
            reason: None,
        };
        unit.entries.push((EntryKey(key + 1), Some(row)));
        unit.seen.push(Seen {
            source: "/shop/web".into(),
            id,
            document: DocumentKey(key),
            at_ms: 1_790_000_000_000,
        });
    }

    fn run_through(&self, unit: &mut Unit) {
        let key = self.key(self.completed);
        unit.documents.push((DocumentKey(key), None));
        unit.entries.push((EntryKey(key + 1), None));
        unit.instances.extend([self.started(key), self.ended(key)]);
        unit.audit.push(self.audit(key, 1));
    }

    fn create(&self, unit: &mut Unit) {
        let key = self.key(self.created);
        unit.aggregates.push(AggregateChange {
            address: Address::Instance(InstanceKey(key)),
            snapshot: Some(self.snapshot.clone()),
        });
        unit.instances.push(self.started(key));
        unit.jobs.push(JobChange::Leased {
            job: JobKey(key + 2),
            job_type: "charge-card".into(),
            deadline_ms: 1_790_000_060_000,
        });
        unit.audit.push(self.audit(key, 1));
    }

    fn complete(&self, unit: &mut Unit) {
        let key = self.key(self.completed);
        unit.aggregates
            .push(AggregateChange { address: Address::Instance(InstanceKey(key)), snapshot: None });
        unit.instances.push(self.ended(key));
        unit.jobs.push(JobChange::Gone { job: JobKey(key + 2), job_type: "charge-card".into() });
        unit.audit.push(self.audit(key, 2));
    }

    fn started(&self, key: u64) -> InstanceChange {
        InstanceChange::Started {
            key: InstanceKey(key),
            definition: DefinitionKey(1),
            process: "order-fulfilment".into(),
            version: 1,
            parent: None,
            business_key: None,
            started_ms: 1_790_000_000_000 + i64::try_from(self.sequence).unwrap(),
        }
    }

    fn ended(&self, key: u64) -> InstanceChange {
        InstanceChange::Ended {
            key: InstanceKey(key),
            state: InstanceState::Completed,
            ended_ms: 1_790_000_000_000,
            forget_ms: 1_790_000_000_000 + i64::try_from(self.sequence).unwrap(),
        }
    }

    fn audit(&self, key: u64, sequence: u64) -> NewAudit {
        NewAudit {
            instance: InstanceKey(key),
            sequence,
            at_ms: 1_790_000_000_000,
            records: self.records.clone(),
        }
    }

    /// Commits until `end`; the latencies in microseconds.
    pub(crate) async fn run(mut self, case: (u64, usize), end: Instant) -> Vec<u64> {
        let (operations, depth) = case;
        let store = Arc::clone(&self.store);
        let mut latencies = Vec::new();
        let mut under_way = VecDeque::new();
        while Instant::now() < end {
            while under_way.len() < depth {
                let unit = self.unit(operations);
                under_way.push_back((Instant::now(), store.commit(unit)));
            }
            if let Some((from, answer)) = under_way.pop_front() {
                assert_eq!(answer.await.unwrap(), Committed::Done);
                latencies.push(u64::try_from(from.elapsed().as_micros()).unwrap());
            }
        }
        for (_, answer) in under_way {
            assert_eq!(answer.await.unwrap(), Committed::Done);
        }
        latencies
    }
}
