//! Random units give the same picture in memory, in SQLite and in PostgreSQL, before and after
//! reopening.

#![expect(clippy::unwrap_used, reason = "a test may stop at any error")]

use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert_eq, proptest};
use store::conformance::differential::{Draw, SHARDS, aborted, add, picture};
use store::conformance::postgres::Server;
use store::conformance::{Owner, all};
use store::memory::Memory;
use store::postgres::Postgres;
use store::sqlite::{Options, Sqlite};
use store::{Committed, DeploymentState, Lease, Store, Unit};

fn unit_of(lease: &Lease, is_wrong: bool, draws: &[Draw]) -> Unit {
    let mut unit = Unit {
        shard: Some(lease.shard),
        epoch: lease.epoch,
        sequence: lease.sequence + 1 + u64::from(is_wrong),
        blocks_next: 1,
        ..Unit::default()
    };
    for draw in draws {
        add(&mut unit, *draw);
    }
    unit
}

/// What units and aborts were answered.
type Answers = (Vec<Committed>, Vec<Option<DeploymentState>>);

/// Applies units, one per entry: its shard, whether its sequence is wrong, and its changes. Behind
/// some of them somebody aborts a deployment.
async fn run(store: &dyn Store, units: &[(u16, bool, Vec<Draw>)]) -> Answers {
    let mut leases: Vec<Lease> = Vec::new();
    for shard in 1..=SHARDS {
        leases.push(Owner::of(store, shard).await.lease());
    }
    let (mut answers, mut aborts) = (Vec::new(), Vec::new());
    for (shard, is_wrong, draws) in units {
        let lease = &mut leases[usize::from(shard % SHARDS)];
        let unit = unit_of(lease, *is_wrong, draws);
        let answer = store.commit(unit).await.unwrap();
        lease.sequence += u64::from(answer == Committed::Done);
        answers.push(answer);
        for key in draws.iter().filter_map(|draw| aborted(lease.shard, *draw)) {
            aborts.push(store.abort_deployment(key, "aborted".into()).await.unwrap());
        }
    }
    (answers, aborts)
}

/// Applies units as [`run`] does, but hands all of them over before any answer is awaited.
async fn run_at_once(store: &dyn Store, units: &[(u16, bool, Vec<Draw>)]) -> Vec<Committed> {
    let mut leases: Vec<Lease> = Vec::new();
    for shard in 1..=SHARDS {
        leases.push(Owner::of(store, shard).await.lease());
    }
    let mut answers = Vec::new();
    for (shard, is_wrong, draws) in units {
        let lease = &mut leases[usize::from(shard % SHARDS)];
        answers.push(store.commit(unit_of(lease, *is_wrong, draws)));
        lease.sequence += u64::from(!is_wrong);
    }
    let mut found = Vec::new();
    for answer in all(answers).await {
        found.push(answer.unwrap());
    }
    found
}

fn units() -> impl Strategy<Value = Vec<(u16, bool, Vec<Draw>)>> {
    let draws = proptest::collection::vec(any::<Draw>(), 0..40);
    proptest::collection::vec((any::<u16>(), proptest::bool::weighted(0.1), draws), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn memory_and_sqlite_agree(
        units in units(),
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

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn memory_and_postgres_agree(units in units()) {
        let Some(server) = Server::shared("memory_and_postgres_agree") else { return Ok(()) };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (one_by_one, at_once) = runtime.block_on(async {
            let memory = Memory::new();
            let expected = run(&memory, &units).await;
            let options = store::postgres::Options::new(&server.schema().await);
            let postgres = Postgres::open(&options).await.unwrap();
            let found = run(&postgres, &units).await;
            // Another server sees the same.
            let other = Postgres::open(&options).await.unwrap();
            let pictures = (picture(&memory).await, picture(&other).await);
            let one_by_one = ((expected, pictures.0), (found, pictures.1));
            let memory = Memory::new();
            let expected = run_at_once(&memory, &units).await;
            let options = store::postgres::Options::new(&server.schema().await);
            let postgres = Postgres::open(&options).await.unwrap();
            let found = run_at_once(&postgres, &units).await;
            let pictures = (picture(&memory).await, picture(&postgres).await);
            (one_by_one, ((expected, pictures.0), (found, pictures.1)))
        });
        prop_assert_eq!(one_by_one.1, one_by_one.0);
        prop_assert_eq!(at_once.1, at_once.0, "PGW-2");
    }
}
