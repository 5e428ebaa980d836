//! A process is killed while it commits: every acknowledged unit is there, and no half unit.
//!
//! The test runs itself as the child: with a directory in the environment it only commits, and
//! prints each acknowledgement, until it is killed.

#![expect(clippy::unwrap_used, reason = "a test may stop at any error")]
#![expect(clippy::disallowed_methods, reason = "the child is told its directory")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use engine::ids::{Address, Block, DefinitionKey, InstanceKey, JobKey, ShardId};
use store::conformance::Owner;
use store::sqlite::{Options, Sqlite};
use store::{
    AggregateChange, Committed, InstanceChange, InstanceFilter, JobChange, NewAudit, Store, Unit,
};

const DIRECTORY: &str = "STORE_CRASH_DIRECTORY";
const SHARDS: u16 = 3;

/// Unit `sequence` of a shard starts one instance, with a row of each kind.
fn unit(shard: ShardId, epoch: u64, sequence: u64) -> Unit {
    let instance = instance(shard, sequence);
    let records = Bytes::from(vec![7; 500 + usize::try_from(sequence % 7).unwrap() * 900]);
    Unit {
        shard: Some(shard),
        epoch,
        sequence,
        blocks_next: sequence + 1,
        aggregates: vec![AggregateChange {
            address: Address::Instance(instance),
            snapshot: Some(records.clone()),
        }],
        instances: vec![InstanceChange::Started {
            key: instance,
            definition: DefinitionKey(1),
            process: "order".into(),
            version: 1,
            parent: None,
            business_key: None,
            started_ms: 0,
        }],
        audit: vec![NewAudit { instance, sequence: 1, at_ms: 0, records }],
        jobs: vec![JobChange::Ready { job: JobKey(instance.0 + 1), job_type: "pay".into() }],
        ..Unit::default()
    }
}

fn instance(shard: ShardId, sequence: u64) -> InstanceKey {
    InstanceKey(Block::new(shard, sequence).first())
}

/// The log is copied often here, so that some deaths fall into that.
fn open(directory: &Path) -> Sqlite {
    Sqlite::open(directory, &Options { log_pages: 50, ..Options::default() }).unwrap()
}

/// What the child does, for ever.
async fn commit_until_killed(directory: &Path) {
    let store = std::sync::Arc::new(open(directory));
    let mut shards = tokio::task::JoinSet::new();
    for shard in (1..=SHARDS).map(ShardId) {
        let store = std::sync::Arc::clone(&store);
        let lease = Owner::of(&*store, shard.0).await.lease();
        shards.spawn(async move {
            for sequence in lease.sequence + 1.. {
                let answer = store.commit(unit(shard, lease.epoch, sequence)).await.unwrap();
                assert_eq!(answer, Committed::Done);
                // One write per line: a killed process leaves no part of a line behind.
                let line = format!("done {} {sequence}\n", shard.0);
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    shards.join_all().await;
}

/// Starts the child and kills it behind `lines` acknowledgements; the last one of each shard.
fn run_and_kill(directory: &Path, lines: usize) -> BTreeMap<u16, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "acknowledged_units_survive_a_kill", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = BTreeMap::new();
    let mut read = |line: &str| {
        let Some(line) = line.strip_prefix("done ") else { return };
        let (shard, sequence) = line.trim_end().split_once(' ').unwrap();
        acknowledged.insert(shard.parse().unwrap(), sequence.parse().unwrap());
    };
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in output.by_ref().take(lines) {
        read(&line.unwrap());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had said before it died counts, too.
    for line in output {
        read(&line.unwrap());
    }
    acknowledged
}

/// Exactly the units up to the stored sequence are there, each whole.
async fn check(store: &Sqlite, acknowledged: &BTreeMap<u16, u64>) {
    let mut total = 0;
    for shard in (1..=SHARDS).map(ShardId) {
        let lease = Owner::of(store, shard.0).await.lease();
        let promised = acknowledged.get(&shard.0).copied().unwrap_or(0);
        assert!(lease.sequence >= promised, "STO-1, SQW-2: {lease:?}, {promised}");
        assert_eq!(lease.blocks_next, lease.sequence + 1);
        let jobs = store.jobs_ready(shard, "pay", None, u32::MAX).await.unwrap();
        assert_eq!(jobs.len(), usize::try_from(lease.sequence).unwrap());
        for sequence in 1..=lease.sequence {
            let expected = unit(shard, 1, sequence);
            let address = Address::Instance(instance(shard, sequence));
            let found = store.load(shard, &[address]).await.unwrap();
            assert_eq!(found, [expected.aggregates[0].snapshot.clone()], "UNI-1");
            let audit = store.audit(instance(shard, sequence)).await.unwrap();
            assert_eq!(audit.len(), 1, "UNI-1");
            assert_eq!(audit[0].records, expected.audit[0].records);
        }
        let next = Address::Instance(instance(shard, lease.sequence + 1));
        assert_eq!(store.load(shard, &[next]).await.unwrap(), [None]);
        total += lease.sequence;
    }
    let all = InstanceFilter { limit: u32::MAX, ..InstanceFilter::default() };
    assert_eq!(u64::try_from(store.instances(&all).await.unwrap().len()).unwrap(), total);
    let counted = store.counts().await.unwrap();
    assert_eq!(counted.iter().map(|(_, active, _)| active).sum::<u64>(), total);
}

#[tokio::test]
async fn acknowledged_units_survive_a_kill() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        commit_until_killed(Path::new(&directory)).await;
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for round in 0..10_usize {
        let lines = 10 + round * 37 % 150;
        let acknowledged = run_and_kill(directory.path(), lines);
        let store = open(directory.path());
        check(&store, &acknowledged).await;
    }
}
