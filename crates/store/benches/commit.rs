//! How fast SQLite takes units: the rows that one-job instances make, in units of many sizes.
//!
//! `cargo bench -p store --bench commit -- [seconds] [waiting instances] [size, 0 for all]
//! [log pages]`
//! The latency is from handing a unit over to its answer.

#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop at any error")]
#![expect(clippy::disallowed_methods, reason = "time is what it measures")]

#[path = "work/shard.rs"]
mod shard;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shard::{Mix, Shard};
use store::sqlite::{Options, Sqlite};

struct Case {
    mix: Mix,
    shards: u16,
    operations: u64,
    /// Units of a shard that are under way at the same time.
    depth: usize,
}

async fn shards(store: &Arc<Sqlite>, case: &Case, waiting: u64) -> Vec<Shard> {
    let mut shards = Vec::new();
    for number in 1..=case.shards {
        let mut shard = Shard::new(store.clone(), number, case.mix).await;
        shard.let_wait(waiting / 1_000 / u64::from(case.shards)).await;
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
