//! How fast PostgreSQL takes units, against the raw commits of the same server in the same run.
//!
//! `cargo bench -p store --bench postgres -- [seconds]`
//! The server is the bench's own, with real fsync. Raw: clients that each commit one row at a time,
//! as pgbench does. A W1 operation creates an instance or completes one: four row changes each.

#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop at any error")]
#![expect(clippy::disallowed_methods, reason = "time is what it measures")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::ids::{Address, Block, DefinitionKey, InstanceKey, JobKey, ShardId};
use store::conformance::Owner;
use store::conformance::postgres::{Disk, Server};
use store::postgres::{Options, Postgres};
use store::{
    AggregateChange, Committed, InstanceChange, InstanceState, JobChange, NewAudit, Store as _,
    Unit,
};
use tokio_postgres::NoTls;

/// Instances between their creation and their completion.
const IN_FLIGHT: u64 = 512;
/// Rows that a W1 operation changes.
const ROWS: f64 = 4.0;

struct Case {
    shards: u16,
    operations: u64,
    /// Units of a shard that are under way at the same time.
    depth: usize,
    /// Servers, each with its share of the shards.
    servers: usize,
}

struct Shard {
    store: Arc<Postgres>,
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
            ..Unit::default()
        };
        for _ in 0..operations {
            if self.created - self.completed < IN_FLIGHT {
                self.created += 1;
                self.create(&mut unit);
            } else {
                self.completed += 1;
                self.complete(&mut unit);
            }
        }
        unit.blocks_next = self.created + 1;
        unit
    }

    fn key(&self, number: u64) -> u64 {
        Block::new(self.shard, number).first()
    }

    fn create(&self, unit: &mut Unit) {
        let key = self.key(self.created);
        unit.aggregates.push(AggregateChange {
            address: Address::Instance(InstanceKey(key)),
            snapshot: Some(self.snapshot.clone()),
        });
        unit.instances.push(InstanceChange::Started {
            key: InstanceKey(key),
            definition: DefinitionKey(1),
            process: "order-fulfilment".into(),
            version: 1,
            parent: None,
            business_key: None,
            started_ms: 1_790_000_000_000,
        });
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
        unit.instances.push(InstanceChange::Ended {
            key: InstanceKey(key),
            state: InstanceState::Completed,
            ended_ms: 1_790_000_000_000,
            forget_ms: 1_790_000_000_000 + i64::try_from(self.sequence).unwrap(),
        });
        unit.jobs.push(JobChange::Gone { job: JobKey(key + 2), job_type: "charge-card".into() });
        unit.audit.push(self.audit(key, 2));
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

/// Commits of one row each, per second.
async fn raw(server: &Server, clients: usize, seconds: u64) -> f64 {
    let url = server.schema().await;
    server.execute(&url, "CREATE TABLE raw (id BIGINT PRIMARY KEY, content BYTEA)").await;
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    let mut running = tokio::task::JoinSet::new();
    for number in 0..clients {
        let url = url.clone();
        running.spawn(async move {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
            let mut driver = tokio::task::JoinSet::new();
            driver.spawn(connection);
            let sql = "INSERT INTO raw VALUES ($1, $2)
                ON CONFLICT (id) DO UPDATE SET content = excluded.content";
            let statement = client.prepare(sql).await.unwrap();
            let content = vec![7_u8; 500];
            let mut commits = 0_i64;
            while Instant::now() < end {
                let id = i64::try_from(number).unwrap() << 32 | (commits % 1_000);
                client.execute(&statement, &[&id, &content]).await.unwrap();
                commits += 1;
            }
            commits
        });
    }
    let commits: i64 = running.join_all().await.into_iter().sum();
    commits as f64 / begin.elapsed().as_secs_f64()
}

/// Bytes of the write-ahead log so far.
async fn log_bytes(url: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(connection);
    let sql = "SELECT (pg_current_wal_lsn() - '0/0')::bigint";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn measure(server: &Server, case: &Case, seconds: u64) {
    let url = server.schema().await;
    let mut stores = Vec::new();
    for _ in 0..case.servers {
        stores.push(Arc::new(Postgres::open(&Options::new(&url)).await.unwrap()));
    }
    let mut shards = Vec::new();
    for shard in 1..=case.shards {
        let store = &stores[usize::from(shard) % case.servers];
        let lease = Owner::of(&**store, shard).await.lease();
        shards.push(Shard {
            store: Arc::clone(store),
            shard: lease.shard,
            epoch: lease.epoch,
            sequence: lease.sequence,
            created: 0,
            completed: 0,
            snapshot: vec![7; 600].into(),
            records: vec![7; 150].into(),
        });
    }
    let log = log_bytes(&url).await;
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    let mut runs = tokio::task::JoinSet::new();
    for shard in shards {
        runs.spawn(shard.run((case.operations, case.depth), end));
    }
    let mut latencies: Vec<u64> = runs.join_all().await.into_iter().flatten().collect();
    let spent = begin.elapsed().as_secs_f64();
    let log = (log_bytes(&url).await - log) as f64;
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let units = latencies.len() as f64 / spent;
    let operations = units * case.operations as f64;
    println!(
        "W1 {:8} {:7} {:9} {:6} {:9.0} {:9.0} {:9.0} {:8} {:8} {:10.0}",
        case.servers,
        case.shards,
        case.operations,
        case.depth,
        units,
        operations,
        operations * ROWS,
        at(0.5),
        at(0.99),
        log / (operations * spent),
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let seconds = arguments.next().map_or(3, |seconds| seconds.parse().unwrap());
    let Some(server) = Server::start(Disk::Safe, "-c shared_buffers=512MB -c max_wal_size=4GB")
    else {
        println!("skipped: PostgreSQL is not installed");
        return;
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for clients in [1, 8, 32] {
        let commits = runtime.block_on(raw(&server, clients, seconds));
        println!("raw commits of one row, {clients:2} clients: {commits:6.0}/s");
    }
    println!(
        "mix servers  shards  ops/unit  depth   units/s     ops/s    rows/s   p50 us   p99 us  log B/op"
    );
    for case in [
        Case { shards: 1, operations: 1, depth: 1, servers: 1 },
        Case { shards: 1, operations: 10, depth: 1, servers: 1 },
        Case { shards: 1, operations: 100, depth: 1, servers: 1 },
        Case { shards: 1, operations: 100, depth: 2, servers: 1 },
        Case { shards: 1, operations: 1000, depth: 2, servers: 1 },
        Case { shards: 4, operations: 1, depth: 1, servers: 1 },
        Case { shards: 4, operations: 10, depth: 2, servers: 1 },
        Case { shards: 4, operations: 100, depth: 2, servers: 1 },
        Case { shards: 4, operations: 10, depth: 2, servers: 2 },
        Case { shards: 4, operations: 100, depth: 2, servers: 2 },
    ] {
        runtime.block_on(measure(&server, &case, seconds));
    }
}
