//! Random units give the same picture in memory and in SQLite, before and after reopening.

#![expect(clippy::unwrap_used, reason = "a test may stop at any error")]

use engine::ids::ShardId;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use store::conformance::differential::{Draw, SHARDS, add, picture};
use store::memory::Memory;
use store::sqlite::{Options, Sqlite};
use store::{Committed, Lease, Store, Unit};

/// Applies units, one per entry: its shard, whether its sequence is wrong, and its changes.
async fn run(store: &dyn Store, units: &[(u16, bool, Vec<Draw>)]) -> Vec<Committed> {
    let mut leases: Vec<Lease> = Vec::new();
    for shard in 1..=SHARDS {
        leases.push(store.acquire(ShardId(shard), "test").await.unwrap());
    }
    let mut answers = Vec::new();
    for (shard, is_wrong, draws) in units {
        let lease = &mut leases[usize::from(shard % SHARDS)];
        let mut unit = Unit {
            shard: Some(lease.shard),
            epoch: lease.epoch,
            sequence: lease.sequence + 1 + u64::from(*is_wrong),
            blocks_next: 1,
            ..Unit::default()
        };
        for draw in draws {
            add(&mut unit, *draw);
        }
        let answer = store.commit(unit).await.unwrap();
        lease.sequence += u64::from(answer == Committed::Done);
        answers.push(answer);
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn memory_and_sqlite_agree(
        units in proptest::collection::vec(
            (
                any::<u16>(),
                proptest::bool::weighted(0.1),
                proptest::collection::vec(any::<Draw>(), 0..40),
            ),
            1..12,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::new();
        let sqlite = Sqlite::open(directory.path(), &Options::default()).unwrap();
        let expected = runtime.block_on(run(&memory, &units));
        prop_assert_eq!(runtime.block_on(run(&sqlite, &units)), expected);
        // SQI-1: the picture has the counts, and memory counts rows.
        let expected = runtime.block_on(picture(&memory));
        prop_assert_eq!(runtime.block_on(picture(&sqlite)), expected.clone());
        drop(sqlite);
        let sqlite = Sqlite::open(directory.path(), &Options::default()).unwrap();
        prop_assert_eq!(runtime.block_on(picture(&sqlite)), expected);
    }
}
