//! How fast SQLite takes units: the rows that one-job instances make, in units of many sizes.
//!
//! `cargo bench -p store --bench commit -- [seconds] [waiting instances] [size, 0 for all]
//! [log pages]`
//! A W1 operation creates an instance or completes one: four row changes each. A D1
//! operation accepts a document with an id, or runs the instance that it starts from start to
//! end: three and five row changes. The latency is from
//! handing a unit over to its answer.

#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop at any error")]
#![expect(clippy::disallowed_methods, reason = "time is what it measures")]

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::ids::{
    Address, Block, DefinitionKey, DocumentKey, EntryKey, InstanceKey, JobKey, ShardId,
};
use feel::Str;
use store::conformance::Owner;
use store::sqlite::{Options, Sqlite};
use store::{
    AggregateChange, Committed, DocumentRow, EntryRow, EntryState, InstanceChange, InstanceState,
    JobChange, NewAudit, Seen, Store, Unit,
};

/// Instances between their creation and their completion.
const IN_FLIGHT: u64 = 512;

/// What the operations are.
#[derive(Clone, Copy, PartialEq)]
enum Mix {
    W1,
    D1,
}

struct Case {
    mix: Mix,
    shards: u16,
    operations: u64,
    /// Units of a shard that are under way at the same time.
    depth: usize,
}

struct Shard {
    mix: Mix,
    store: Arc<Sqlite>,
    shard: ShardId,
    epoch: u64,
    sequence: u64,
    created: u64,
    completed: u64,
    snapshot: Bytes,
    records: Bytes,
}

impl Shard {
    fn unit(&mut self, operations: u64) -> Unit {
        self.sequence += 1;
        let mut unit = Unit {
            shard: Some(self.shard),
            epoch: self.epoch,
            sequence: self.sequence,
            blocks_next: self.created,
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
    async fn run(mut self, case: (u64, usize), end: Instant) -> Vec<u64> {
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

async fn shards(store: &Arc<Sqlite>, case: &Case, waiting: u64) -> Vec<Shard> {
    let mut shards = Vec::new();
    for shard in 1..=case.shards {
        let lease = Owner::of(&**store, shard).await.lease();
        let mut shard = Shard {
            mix: case.mix,
            store: Arc::clone(store),
            shard: lease.shard,
            epoch: lease.epoch,
            sequence: lease.sequence,
            created: 0,
            completed: 0,
            snapshot: vec![7; 600].into(),
            records: vec![7; 150].into(),
        };
        for _ in 0..waiting / 1_000 / u64::from(case.shards) {
            let mut unit = shard.unit(0);
            for _ in 0..1_000 {
                shard.created += 1;
                shard.create(&mut unit);
            }
            store.commit(unit).await.unwrap();
        }
        // What waits here is never completed.
        shard.completed = shard.created;
        shards.push(shard);
    }
    shards
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let seconds = arguments.next().map_or(3, |seconds| seconds.parse().unwrap());
    let waiting = arguments.next().map_or(0, |waiting| waiting.parse().unwrap());
    let only: u64 = arguments.next().map_or(0, |only| only.parse().unwrap());
    let mut options = Options::default();
    if let Some(pages) = arguments.next() {
        options.log_pages = pages.parse().unwrap();
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    println!(
        "mix  shards  ops/unit  depth  commits/s     ops/s    rows/s   p50 us   p99 us p99.9 us   max us  log MB  db MB"
    );
    for case in [
        Case { mix: Mix::W1, shards: 1, operations: 1, depth: 1 },
        Case { mix: Mix::W1, shards: 1, operations: 10, depth: 1 },
        Case { mix: Mix::W1, shards: 1, operations: 100, depth: 1 },
        Case { mix: Mix::W1, shards: 1, operations: 100, depth: 2 },
        Case { mix: Mix::W1, shards: 1, operations: 1000, depth: 1 },
        Case { mix: Mix::W1, shards: 1, operations: 1000, depth: 2 },
        Case { mix: Mix::W1, shards: 4, operations: 1, depth: 1 },
        Case { mix: Mix::W1, shards: 4, operations: 10, depth: 2 },
        Case { mix: Mix::W1, shards: 4, operations: 100, depth: 2 },
        Case { mix: Mix::D1, shards: 1, operations: 100, depth: 2 },
        Case { mix: Mix::D1, shards: 1, operations: 1000, depth: 2 },
    ] {
        if only == 0 || only == case.operations {
            runtime.block_on(measure(&case, seconds, waiting, &options));
        }
    }
}

async fn measure(case: &Case, seconds: u64, waiting: u64, options: &Options) {
    let directory = tempfile::tempdir_in(PathBuf::from(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let store = Arc::new(Sqlite::open(directory.path(), options).unwrap());
    let shards = shards(&store, case, waiting).await;
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    let mut runs = tokio::task::JoinSet::new();
    for shard in shards {
        runs.spawn(shard.run((case.operations, case.depth), end));
    }
    let mut latencies: Vec<u64> = runs.join_all().await.into_iter().flatten().collect();
    let spent = begin.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let commits = latencies.len() as f64 / spent;
    let size = |name: &str| {
        std::fs::metadata(directory.path().join(name)).map_or(0, |file| file.len()) >> 20
    };
    println!(
        "{} {:8} {:9} {:6} {:10.0} {:9.0} {:9.0} {:8} {:8} {:8} {:8} {:7} {:6}",
        if case.mix == Mix::W1 { "W1" } else { "D1" },
        case.shards,
        case.operations,
        case.depth,
        commits,
        commits * case.operations as f64,
        commits * case.operations as f64 * 4.0,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        size("pointsman.db-wal"),
        size("pointsman.db"),
    );
}
