//! Process requests: durable, claimed by one server, run once.

use std::collections::BTreeSet;

use feel::Context;
use node::{Node, WorkerRequest};
use store::{RequestFilter, RequestRow, RequestState, Store};

use crate::world::{JOB, PATIENCE, SCRIPT, START_MS, World, deploy, until};

fn number(n: i64) -> Context {
    Context::builder().with("n", n).build()
}

async fn requests(world: &World, state: RequestState) -> Vec<RequestRow> {
    let filter = RequestFilter { state: Some(state), limit: 10_000, ..RequestFilter::default() };
    world.store.requests(&filter).await.unwrap().into_iter().map(|(_, row)| row).collect()
}

/// REQ-1, REQ-2: one instance for each request, and its end in the row.
#[tokio::test]
async fn each_of_many_is_run_once_by_one_of_three_servers() {
    let world = World::new();
    let start = |name| world.start_with(name, |options| options.cluster.shards = 9);
    let nodes = ["a", "b", "c"].map(start);
    for node in &nodes {
        node.ready(PATIENCE).await.unwrap();
    }
    for node in &nodes {
        world.owns(node.name(), 3).await;
    }
    deploy(&nodes[0], SCRIPT).await;
    let mut keys = BTreeSet::new();
    for n in 0..200 {
        let node = &nodes[usize::try_from(n % 3).unwrap()];
        keys.insert(node.request("order", number(n), None).await.unwrap());
    }
    assert_eq!(keys.len(), 200);
    until("all completed", async || requests(&world, RequestState::Completed).await.len() == 200)
        .await;
    let instances = world.instances().await;
    assert_eq!(instances.len(), 200, "REQ-1: none twice");
    let of_requests: BTreeSet<_> =
        requests(&world, RequestState::Completed).await.iter().map(|row| row.instance).collect();
    assert_eq!(of_requests, instances.iter().map(|row| Some(row.key)).collect(), "REQ-2");
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test]
async fn the_end_of_a_long_instance_is_noted_wherever_it_goes_on() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    b.ready(PATIENCE).await.unwrap();
    deploy(&a, JOB).await;
    let first = a.request("order", number(1), None).await.unwrap();
    let second = b.request("order", number(2), None).await.unwrap();
    until("both run", async || requests(&world, RequestState::Running).await.len() == 2).await;
    world.kill(&b).await;
    world.outlive(&a).await;
    world.owns("a", 4).await;
    let instance = a.process_request(second).await.unwrap().instance.unwrap();
    a.cancel(instance).await.unwrap();
    let row = a.process_request(second).await.unwrap();
    assert_eq!(row.state, RequestState::Failed, "{row:?}");
    assert_eq!(row.reason.as_deref(), Some("its instance was cancelled"));
    let worker = WorkerRequest {
        job_type: "charge".into(),
        worker: "w".into(),
        timeout_ms: 60_000,
        fetch: Vec::new(),
    };
    let jobs = a.activate_jobs(worker, 1, Some(PATIENCE)).await.unwrap();
    a.complete_job(jobs[0].job, Context::default()).await.unwrap();
    assert_eq!(a.process_request(first).await.unwrap().state, RequestState::Completed);
    assert_eq!(world.instances().await.len(), 2);
    a.stop().await;
}

/// REQ-1: what was claimed belongs to the shard, not to the server that died.
#[tokio::test]
async fn what_was_claimed_and_not_started_is_started_by_the_next_owner() {
    let world = World::new();
    let a = world.start("a");
    a.ready(PATIENCE).await.unwrap();
    deploy(&a, SCRIPT).await;
    a.set_setting("maintenance", Some("on"), "anna").await.unwrap();
    let key = a.request("order", number(1), None).await.unwrap();
    // The claim of a server that died between claim and start.
    let owner = a.pulse().await.unwrap().shards[0];
    let claimed = world.store.claim(owner.shard, owner.epoch, 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    world.kill(&a).await;
    let b = world.start("b");
    world.pass(5_000);
    b.ready(PATIENCE).await.unwrap();
    let row = b.process_request(key).await.unwrap();
    assert_eq!(row.state, RequestState::Claimed, "maintenance mode holds it");
    b.set_setting("maintenance", None, "anna").await.unwrap();
    until("it ran", async || {
        b.process_request(key).await.unwrap().state == RequestState::Completed
    })
    .await;
    assert_eq!(world.instances().await.len(), 1);
    b.stop().await;
}

#[tokio::test]
async fn none_is_started_before_its_time() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    b.ready(PATIENCE).await.unwrap();
    deploy(&a, SCRIPT).await;
    let late = b.request("order", number(1), Some(START_MS + 1_200)).await.unwrap();
    let now = b.request("order", number(2), None).await.unwrap();
    let state = async |node: &Node, key| node.process_request(key).await.unwrap().state;
    until("the other one ran", async || state(&a, now).await == RequestState::Completed).await;
    assert_eq!(state(&a, late).await, RequestState::Waiting);
    for _ in 0..4 {
        world.pass(400);
        until("signs of life", async || {
            let servers = a.servers().await.unwrap();
            servers.len() == 2 && servers.iter().all(|server| server.lease_ms > 1_400)
        })
        .await;
    }
    until("it ran", async || state(&a, late).await == RequestState::Completed).await;
    let row = world.instances().await.into_iter().max_by_key(|row| row.started_ms).unwrap();
    assert!(row.started_ms >= START_MS + 1_200, "{row:?}");
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn one_that_cannot_start_says_why() {
    let world = World::new();
    let a = world.start("a");
    a.ready(PATIENCE).await.unwrap();
    let key = a.request("order", number(1), None).await.unwrap();
    until("it is refused", async || {
        a.process_request(key).await.unwrap().state == RequestState::Refused
    })
    .await;
    let row = a.process_request(key).await.unwrap();
    assert_eq!(row.reason.as_deref(), Some("no process `order`"));
    deploy(&a, SCRIPT).await;
    a.enable("order", None).await.unwrap();
    let key = a.request("order", number(1), None).await.unwrap();
    until("it is refused", async || {
        a.process_request(key).await.unwrap().state == RequestState::Refused
    })
    .await;
    let row = a.process_request(key).await.unwrap();
    assert_eq!(row.reason.as_deref(), Some("process `order` has no enabled version"));
    assert!(world.instances().await.is_empty());
    a.stop().await;
}
