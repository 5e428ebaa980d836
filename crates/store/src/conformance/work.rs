//! Aggregates, blocks, jobs and timers: what the server needs to go on.
//!
//! Boundary: what belongs to a shard.
//! Read first: [`jobs_become_ready_leased_and_gone`].

use engine::ids::{Address, Block, DefinitionKey, JobKey, ShardId};

use super::{Owner, instance, snapshot};
use crate::{AggregateChange, JobChange, LeasedJob, ReadyJob, Store, TimerChange, TimerRow};

const SHARD: ShardId = ShardId(1);

/// Every kind of address; answers in the order asked.
pub async fn aggregates_are_replaced_and_removed(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let addresses = [
        Address::Schedule { definition: DefinitionKey(9), element: 3 },
        Address::Instance(instance(1)),
        Address::Bucket { name: "paid".into(), key: "o-1".into() },
        Address::Bucket { name: "pai".into(), key: "do-1".into() },
        Address::Instance(instance(2)),
    ];
    let change = |address: &Address, snapshot: Option<&'static str>| AggregateChange {
        address: address.clone(),
        snapshot: snapshot.map(Into::into),
    };
    owner
        .commit(|unit| {
            unit.aggregates = addresses[..4].iter().map(|of| change(of, Some("first"))).collect();
            unit.aggregates.push(change(&addresses[1], Some("last")));
            unit.aggregates.push(change(&addresses[3], None));
            unit.aggregates.push(change(&addresses[4], None));
        })
        .await;
    let stored = store.load(SHARD, &addresses).await.unwrap();
    let first = Some("first".into());
    assert_eq!(stored, [first.clone(), Some("last".into()), first, None, None]);
    assert_eq!(store.load(SHARD, &[]).await.unwrap(), Vec::<Option<bytes::Bytes>>::new());
    owner
        .commit(|unit| {
            unit.aggregates.push(change(&addresses[0], None));
            unit.aggregates.push(snapshot(1, None));
            unit.aggregates.push(change(&addresses[2], Some("")));
        })
        .await;
    let stored = store.load(SHARD, &addresses).await.unwrap();
    assert_eq!(stored, [None, None, Some("".into()), None, None]);
}

/// In order of the bytes of their addresses, of their shard.
pub async fn aggregates_that_are_no_instances_are_paged(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let mut other = Owner::of(store, 2).await;
    let bucket = |name: &str, key: &str| Address::Bucket { name: name.into(), key: key.into() };
    let mut addresses = vec![
        Address::Lock { name: "printer".into() },
        Address::Lock { name: "".into() },
        Address::Schedule { definition: DefinitionKey(9), element: 3 },
        Address::Schedule { definition: DefinitionKey(8), element: 300 },
        bucket("paid", "o-1"),
        bucket("pai", "do-1"),
        bucket("paid", ""),
    ];
    let put = |address: &Address| AggregateChange {
        address: address.clone(),
        snapshot: Some(address.to_bytes().into()),
    };
    owner
        .commit(|unit| {
            unit.aggregates = addresses.iter().map(put).collect();
            unit.aggregates.push(snapshot(1, Some("an instance")));
        })
        .await;
    other.commit(|unit| unit.aggregates.push(put(&Address::Lock { name: "other".into() }))).await;
    addresses.sort_by_key(Address::to_bytes);
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = store.aggregates(SHARD, after.as_ref(), 2).await.unwrap();
        assert!(page.iter().all(|(address, snapshot)| address.to_bytes() == *snapshot));
        found.extend(page.iter().map(|(address, _)| address.clone()));
        after = page.into_iter().last().map(|(address, _)| address);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, addresses);
    // From an address that is not there.
    let page = store.aggregates(SHARD, Some(&Address::Lock { name: "a".into() }), 1).await.unwrap();
    assert_eq!(page[0].0, Address::Lock { name: "printer".into() });
}

/// Until the instance is forgotten.
pub async fn blocks_lead_to_instances(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let (first, second) = (Block::new(SHARD, 7), Block::new(SHARD, 8));
    owner.commit(|unit| unit.blocks = vec![(first, instance(1)), (second, instance(2))]).await;
    assert_eq!(store.block_owner(SHARD, first).await.unwrap(), Some(instance(1)));
    assert_eq!(store.block_owner(SHARD, Block::new(SHARD, 9)).await.unwrap(), None);
    owner.commit(|unit| unit.forget = vec![instance(1)]).await;
    assert_eq!(store.block_owner(SHARD, first).await.unwrap(), None);
    assert_eq!(store.block_owner(SHARD, second).await.unwrap(), Some(instance(2)));
}

fn ready(job: u64, job_type: &str) -> JobChange {
    JobChange::Ready { job: JobKey(job), job_type: job_type.into() }
}

fn leased(job: u64, job_type: &str, deadline_ms: i64) -> JobChange {
    JobChange::Leased { job: JobKey(job), job_type: job_type.into(), deadline_ms }
}

fn gone(job: u64, job_type: &str) -> JobChange {
    JobChange::Gone { job: JobKey(job), job_type: job_type.into() }
}

async fn ready_jobs(store: &dyn Store, job_type: &str) -> Vec<u64> {
    let jobs = store.jobs_ready(SHARD, job_type, None, 100).await.unwrap();
    jobs.iter().map(|job| job.job.0).collect()
}

async fn leased_jobs(store: &dyn Store) -> Vec<(u64, i64)> {
    let jobs = store.jobs_leased(SHARD, None, 100).await.unwrap();
    jobs.iter().map(|job| (job.job.0, job.deadline_ms)).collect()
}

/// A job is in one place at a time.
pub async fn jobs_become_ready_leased_and_gone(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    owner
        .commit(|unit| unit.jobs = vec![ready(11, "pay"), ready(12, "pay"), ready(13, "ship")])
        .await;
    assert_eq!(ready_jobs(store, "pay").await, [11, 12]);
    let types = store.job_types(SHARD).await.unwrap();
    assert_eq!(types, [("pay".into(), 2), ("ship".into(), 1)]);
    owner.commit(|unit| unit.jobs = vec![leased(11, "pay", 50), leased(14, "ship", 60)]).await;
    assert_eq!(ready_jobs(store, "pay").await, [12], "SQW-1");
    assert_eq!(leased_jobs(store).await, [(11, 50), (14, 60)], "SQW-1");
    // A longer lease; a lease that ran out; a job that is done from either place.
    owner
        .commit(|unit| unit.jobs = vec![leased(11, "pay", 70), ready(14, "ship"), gone(13, "ship")])
        .await;
    assert_eq!(leased_jobs(store).await, [(11, 70)], "SQW-1");
    assert_eq!(ready_jobs(store, "ship").await, [14], "SQW-1");
    owner.commit(|unit| unit.jobs = vec![gone(11, "pay"), gone(12, "pay"), gone(12, "pay")]).await;
    assert_eq!(leased_jobs(store).await, []);
    assert_eq!(store.job_types(SHARD).await.unwrap(), [("ship".into(), 1)]);
    // The whole life in one unit.
    let life = vec![ready(15, "pay"), leased(15, "pay", 80), gone(15, "pay")];
    owner.commit(|unit| unit.jobs = life).await;
    assert_eq!((ready_jobs(store, "pay").await, leased_jobs(store).await), (vec![], vec![]));
}

/// In order of their keys, within their shard.
pub async fn jobs_are_paged(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let mut other = Owner::of(store, 2).await;
    owner
        .commit(|unit| {
            for job in (1..=10).rev() {
                unit.jobs.extend([ready(job, "pay"), ready(100 + job, "paying")]);
                unit.jobs.push(leased(200 + job, "pay", 1));
            }
        })
        .await;
    other.commit(|unit| unit.jobs = vec![ready(300, "pay"), leased(301, "pay", 1)]).await;
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page: Vec<ReadyJob> = store.jobs_ready(SHARD, "pay", after, 4).await.unwrap();
        found.extend(page.iter().map(|job| job.job.0));
        after = page.last().map(|job| job.job);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, (1..=10).collect::<Vec<_>>());
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page: Vec<LeasedJob> = store.jobs_leased(SHARD, after, 4).await.unwrap();
        found.extend(page.iter().map(|job| job.job.0));
        after = page.last().map(|job| job.job);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, (201..=210).collect::<Vec<_>>());
}

/// By time, then by address, then by id.
pub async fn timers_are_ordered_and_paged(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let mut other = Owner::of(store, 2).await;
    let schedule = Address::Schedule { definition: DefinitionKey(9), element: 3 };
    let rows: Vec<TimerRow> = [
        (-5, Address::Instance(instance(2)), 1),
        (10, Address::Instance(instance(1)), 1),
        (10, Address::Instance(instance(1)), 2),
        (10, Address::Instance(instance(2)), 0),
        (10, schedule.clone(), 0),
        (20, schedule, u64::MAX),
    ]
    .into_iter()
    .map(|(due_ms, address, id)| TimerRow { due_ms, address, id })
    .collect();
    let arm = |row: &TimerRow| TimerChange::Arm {
        due_ms: row.due_ms,
        address: row.address.clone(),
        id: row.id,
    };
    owner.commit(|unit| unit.timers = rows.iter().rev().chain(&rows).map(arm).collect()).await;
    other.commit(|unit| unit.timers = vec![arm(&rows[1])]).await;
    let due = store.timers(SHARD, None, 20, 100).await.unwrap();
    assert_eq!(due, rows[..5]);
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = store.timers(SHARD, after.as_ref(), i64::MAX, 2).await.unwrap();
        after = page.last().cloned();
        found.extend(page);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, rows);
    let TimerRow { due_ms, address, id } = rows[2].clone();
    owner.commit(|unit| unit.timers = vec![TimerChange::Disarm { due_ms, address, id }]).await;
    let due = store.timers(SHARD, None, 11, 100).await.unwrap();
    assert_eq!(due, [&rows[..2], &rows[3..5]].concat());
}
