//! What the rows say at the end.
//!
//! Boundary: reads the database as nobody's server; knows nothing of how it came about.
//! Read first: [`rows`].

use std::collections::BTreeSet;
use std::time::Duration;

use engine::Event;
use store::postgres::{Migrate, Options, Postgres};
use store::{Cluster, EntryFilter, InstanceFilter, InstanceState, Store};

/// How long it may take until everything has ended.
const QUIET: Duration = Duration::from_secs(90);

async fn open(database: &str) -> Postgres {
    let options = Options { migrate: Migrate::Refuse, ..Options::new(database) };
    Postgres::open(&options).await.unwrap()
}

/// Waits until no instance is active and no document waits.
pub(crate) async fn all_ended(database: &str) {
    let store = open(database).await;
    let active = InstanceFilter {
        state: Some(InstanceState::Active),
        limit: 10,
        ..InstanceFilter::default()
    };
    let entries = EntryFilter { limit: 10, ..EntryFilter::default() };
    let quiet = async {
        loop {
            let rows = store.instances(&active).await.unwrap();
            if rows.is_empty() && store.entries(&entries).await.unwrap().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(QUIET, quiet).await.is_err() {
        let rows = store.instances(&active).await.unwrap();
        for row in &rows {
            println!("{row:?}");
            for batch in store.audit(row.key).await.unwrap() {
                let mut records = Vec::new();
                node::audit::read(&batch.records, &mut records).unwrap();
                println!("  {records:?}");
            }
        }
        println!("{:?}", store.entries(&entries).await.unwrap());
        println!("{:?}", store.pulse().await.unwrap());
        panic!("not everything has ended");
    }
}

/// One completed instance for each document, each step of it once, and every job once. There may be
/// up to `unknown` more: somebody wanted them and was told nothing.
pub(crate) async fn rows(
    database: &str,
    (accepted, unknown): (usize, usize),
    done: &BTreeSet<i64>,
) {
    let store = open(database).await;
    let mut filter = InstanceFilter { limit: 500, ..InstanceFilter::default() };
    let (mut orders, mut jobs) = (0, BTreeSet::new());
    loop {
        let page = store.instances(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.key);
        for row in page {
            assert_eq!(row.state, InstanceState::Completed, "{row:?}");
            let mut records = Vec::new();
            for batch in store.audit(row.key).await.unwrap() {
                node::audit::read(&batch.records, &mut records).unwrap();
            }
            let mut completed = Vec::new();
            for record in records {
                match record.event {
                    Event::StepCompleted { element, .. } => completed.push(element),
                    Event::JobCompleted { job, .. } => {
                        assert!(jobs.insert(job.to_i64()), "job {job} was completed twice");
                    }
                    _ => {}
                }
            }
            let once: BTreeSet<u32> = completed.iter().copied().collect();
            assert_eq!(completed.len(), once.len(), "a step ran twice: {completed:?}");
            assert_eq!(once.len(), 5, "steps of {}: {completed:?}", row.key);
            orders += 1;
        }
    }
    let expected = accepted..=accepted + unknown;
    assert!(expected.contains(&orders), "{orders} instances, {expected:?} are wanted");
    let lost: Vec<&i64> = done.difference(&jobs).collect();
    assert!(lost.is_empty(), "workers were told that these are done: {lost:?}");
    for shard in store.pulse().await.unwrap().shards {
        assert_eq!(store.inbox(shard.shard, 10).await.unwrap(), [], "letters of {shard:?}");
        assert_eq!(store.jobs_leased(shard.shard, None, 10).await.unwrap(), []);
    }
}
