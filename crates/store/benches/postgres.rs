//! How fast PostgreSQL takes units, against the raw commits of the same server in the same run.
//!
//! `cargo bench -p store --bench postgres -- [seconds]`
//! The server is the bench's own, with real fsync. Raw: clients that each commit one row at a time,
//! as pgbench does.

#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop at any error")]
#![expect(clippy::disallowed_methods, reason = "time is what it measures")]

#[path = "work/shard.rs"]
mod shard;

use std::sync::Arc;
use std::time::{Duration, Instant};

use shard::{Mix, Shard};
use store::Store;
use store::conformance::postgres::{Disk, Server};
use store::postgres::{Options, Postgres};
use tokio_postgres::NoTls;

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
        shards.push(Shard::new(Arc::clone(store) as Arc<dyn Store>, shard, Mix::W1).await);
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
