//! Named locks on several servers: order, time-outs, fencing numbers, and servers that die.

#![expect(clippy::disallowed_methods, reason = "the tests keep and join the handles")]
#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use engine::ids::{Block, InstanceKey, ShardId};
use engine::instance::Activation;
use feel::{Context, Value};
use node::{Error, Node, Which, WorkerRequest};
use store::{InstanceState, LockRow, Store};

use world::{PATIENCE, World, deploy, package};

/// Acquires the lock that the variable `lock` names, works, gives it back.
const PRINT: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:error id="late" errorCode="LOCK_TIMEOUT"/>
<bpmn:process id="print" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="take"/>
<bpmn:serviceTask id="take"><bpmn:extensionElements><zeebe:taskDefinition type="pointsman:lock"/>
<zeebe:ioMapping><zeebe:input source="=lock" target="name"/>
<zeebe:input source="=if patience = null then null else duration(patience)" target="timeout"/>
</zeebe:ioMapping>
<zeebe:taskHeaders><zeebe:header key="fence-variable" value="fence"/></zeebe:taskHeaders>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:boundaryEvent id="tooLate" attachedToRef="take"><bpmn:errorEventDefinition id="ed"
 errorRef="late"/></bpmn:boundaryEvent>
<bpmn:sequenceFlow id="f9" sourceRef="tooLate" targetRef="e9"/><bpmn:endEvent id="e9"/>
<bpmn:sequenceFlow id="f2" sourceRef="take" targetRef="c"/>
<bpmn:serviceTask id="c"><bpmn:extensionElements><zeebe:taskDefinition type="print"/>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f3" sourceRef="c" targetRef="give"/>
<bpmn:serviceTask id="give"><bpmn:extensionElements><zeebe:taskDefinition type="pointsman:unlock"/>
<zeebe:ioMapping><zeebe:input source="=lock" target="name"/></zeebe:ioMapping>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f4" sourceRef="give" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;

const LEASE: Duration = Duration::from_secs(60);

async fn print(node: &Node, lock: &str, patience: Option<&str>) -> InstanceKey {
    let variables = Context::builder().with("lock", lock);
    let variables = variables.with("patience", patience.map_or(Value::Null, Value::from)).build();
    node.create(Which::Enabled("print".into()), variables).await.expect("created").instance
}

async fn job(node: &Node) -> Activation {
    let request = WorkerRequest {
        job_type: "print".into(),
        worker: "w".into(),
        timeout_ms: 60_000,
        fetch: Vec::new(),
    };
    let mut jobs = node.activate_jobs(request, 1, Some(PATIENCE)).await.expect("an answer");
    jobs.pop().expect("a job")
}

fn fence(job: &Activation) -> u64 {
    let fence = job.variables.get("fence").and_then(Value::as_i64).expect("a number");
    u64::try_from(fence).unwrap()
}

async fn row(node: &Node, name: &str) -> Option<LockRow> {
    let rows = node.locks().await.unwrap();
    rows.into_iter().find(|(known, _)| &**known == name).map(|(_, row)| row)
}

async fn waiting(world: &World, node: &Node, name: &str, number: u32) {
    let what = format!("{number} wait for `{name}`");
    let holds = async || row(node, name).await.is_some_and(|row| row.waiting == number);
    world.until(&what, holds).await;
}

async fn free(world: &World, node: &Node, name: &str) {
    world.until("the lock is free", async || row(node, name).await.is_none()).await;
}

#[tokio::test]
async fn whoever_asks_first_gets_it_first_on_whatever_server() {
    let world = World::new();
    let nodes = [world.start("a"), world.start("b"), world.start("c")];
    for node in &nodes {
        node.ready(PATIENCE).await.unwrap();
    }
    deploy(&nodes[0], PRINT).await;
    let mut asked = Vec::new();
    for number in 0..9 {
        asked.push(print(&nodes[number % 3], "printer", None).await);
        waiting(&world, &nodes[0], "printer", u32::try_from(number).unwrap()).await;
    }
    let shards: BTreeSet<_> = asked.iter().map(|key| Block::of(key.0).shard()).collect();
    assert!(shards.len() > 1, "instances of several shards ask for one lock");
    let mut fences = Vec::new();
    for instance in asked {
        let job = job(&nodes[1]).await;
        assert_eq!(job.instance, instance, "first come, first served");
        let row = row(&nodes[2], "printer").await.expect("it is held");
        assert_eq!((row.instance, row.fence), (Some(instance), fence(&job)));
        fences.push(fence(&job));
        nodes[2].complete_job(job.job, Context::default()).await.expect("completed");
    }
    assert!(fences.is_sorted_by(|one, next| one < next), "each number is greater: {fences:?}");
    world.completed(9).await;
    free(&world, &nodes[0], "printer").await;
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test]
async fn clients_and_instances_wait_in_one_queue() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    world.owns(&b, 4).await;
    deploy(&a, PRINT).await;
    let none = Duration::ZERO;
    let first = a.acquire_lock("printer", "s1", none, LEASE).await.expect("it is free");
    let again = b.acquire_lock("printer", "s1", none, LEASE).await.expect("it has it");
    assert_eq!(again.fence, first.fence, "the same session has it already");
    let instance = print(&b, "printer", None).await;
    waiting(&world, &a, "printer", 1).await;
    let refused = a.acquire_lock("printer", "s2", none, LEASE).await;
    let Err(Error::State { detail }) = refused else { panic!("{refused:?}") };
    assert!(detail.contains("s1"), "it says who holds it: {detail}");
    let late = b.acquire_lock("printer", "s2", Duration::from_millis(50), LEASE).await;
    assert!(matches!(late, Err(Error::Timeout { ms: 50, .. })), "{late:?}");
    let third = {
        let a = a.clone();
        tokio::spawn(async move { a.acquire_lock("printer", "s3", PATIENCE, LEASE).await })
    };
    waiting(&world, &a, "printer", 2).await;
    assert!(matches!(a.release_lock("printer", "s4").await, Err(Error::State { .. })));
    assert!(matches!(a.renew_lock("printer", "s4", LEASE).await, Err(Error::State { .. })));
    b.renew_lock("printer", "s1", LEASE).await.expect("it holds it");
    b.release_lock("printer", "s1").await.expect("it holds it");
    let job = job(&a).await;
    assert_eq!(job.instance, instance);
    assert!(fence(&job) > first.fence);
    // An operator takes it away: only from the one that is meant.
    let passed_on = b.take_lock_away("printer", Some(first.fence)).await;
    assert!(matches!(passed_on, Err(Error::State { .. })), "{passed_on:?}");
    b.take_lock_away("printer", Some(fence(&job))).await.expect("it holds it");
    let third = third.await.unwrap().expect("it is next");
    assert!(third.fence > fence(&job));
    // The instance that lost it may unlock it nevertheless, which frees nothing.
    a.complete_job(job.job, Context::default()).await.expect("completed");
    world.completed(1).await;
    assert_eq!(row(&a, "printer").await.expect("it is held").fence, third.fence);
    a.release_lock("printer", "s3").await.expect("it holds it");
    free(&world, &a, "printer").await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_session_that_runs_out_loses_its_lock_and_one_that_is_dropped_its_place() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    world.owns(&b, 4).await;
    // Several names, so that the locks are in several shards.
    for number in 0..8 {
        let name = format!("lock-{number}");
        let short = Duration::from_millis(100);
        let first = a.acquire_lock(&name, "s1", Duration::ZERO, short).await.expect("free");
        let gone = {
            let (b, name) = (b.clone(), name.clone());
            tokio::spawn(async move { b.acquire_lock(&name, "s2", PATIENCE, LEASE).await })
        };
        gone.abort();
        assert!(gone.await.is_err());
        let next = b.acquire_lock(&name, "s3", PATIENCE, LEASE).await.expect("its lease ran out");
        assert!(next.fence > first.fence);
        assert!(matches!(a.renew_lock(&name, "s1", LEASE).await, Err(Error::State { .. })));
        b.release_lock(&name, "s3").await.expect("it holds it");
    }
    for wrong in [
        a.acquire_lock("", "s", Duration::ZERO, LEASE).await,
        a.acquire_lock("x", "", Duration::ZERO, LEASE).await,
        a.acquire_lock("x", "s", Duration::ZERO, Duration::ZERO).await,
        a.acquire_lock("x", "s", Duration::MAX, LEASE).await,
        a.acquire_lock(&"x".repeat(257), "s", Duration::ZERO, LEASE).await,
    ] {
        assert!(matches!(wrong, Err(Error::Invalid { .. })), "{wrong:?}");
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_step_waits_only_so_long_and_a_cancelled_instance_gives_back() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    world.owns(&b, 4).await;
    deploy(&a, PRINT).await;
    for number in 0..6 {
        let name = format!("lock-{number}");
        let holder = print(&b, &name, None).await;
        world.until("it holds it", async || row(&a, &name).await.is_some()).await;
        // One does not wait at all, one not for long; both are told so and end.
        print(&a, &name, Some("PT0S")).await;
        print(&b, &name, Some("PT0.05S")).await;
        world.completed(3 * number + 2).await;
        let last = print(&a, &name, None).await;
        waiting(&world, &a, &name, 1).await;
        b.cancel(holder).await.expect("cancelled");
        let held = async || row(&a, &name).await.is_some_and(|row| row.instance == Some(last));
        world.until("it is passed on", held).await;
        // The job of the cancelled one is withdrawn.
        let job = job(&b).await;
        assert_eq!(job.instance, last);
        b.complete_job(job.job, Context::default()).await.expect("completed");
        free(&world, &a, &name).await;
        world.completed(3 * number + 3).await;
        assert_eq!(a.instance(holder).await.unwrap().state, InstanceState::Cancelled);
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn locks_of_a_killed_server_stay_held_and_move() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    world.owns(&b, 4).await;
    deploy(&a, PRINT).await;
    let names: Vec<String> = (0..10).map(|number| format!("lock-{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        print(if number % 2 == 0 { &a } else { &b }, name, None).await;
        world.until("it is held", async || row(&a, name).await.is_some()).await;
    }
    let before = a.locks().await.unwrap();
    let clients: Vec<_> = names
        .iter()
        .cloned()
        .map(|name| {
            let a = a.clone();
            tokio::spawn(async move { a.acquire_lock(&name, "client", PATIENCE, LEASE).await })
        })
        .collect();
    for name in &names {
        waiting(&world, &a, name, 1).await;
    }
    world.kill("b", b).await;
    world.owns(&a, 8).await;
    let holders = |rows: &[(feel::Str, LockRow)]| -> Vec<_> {
        rows.iter().map(|(name, row)| (name.clone(), row.instance, row.fence)).collect()
    };
    assert_eq!(holders(&a.locks().await.unwrap()), holders(&before), "each is still held");
    for _ in &names {
        let job = job(&a).await;
        a.complete_job(job.job, Context::default()).await.expect("completed");
    }
    for (client, (_, row)) in clients.into_iter().zip(&before) {
        let grant = client.await.unwrap().expect("it waited through the take-over");
        assert!(grant.fence > row.fence);
    }
    world.completed(10).await;
    a.stop().await;
}

#[tokio::test]
async fn a_client_that_died_with_its_server_does_not_keep_others_from_a_lock() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    world.owns(&b, 4).await;
    let month = Duration::from_secs(1_000);
    // Some of them in shards of the server that dies.
    let names: Vec<String> = (0..10).map(|number| format!("lock-{number}")).collect();
    for name in &names {
        a.acquire_lock(name, "first", Duration::ZERO, month).await.unwrap();
    }
    let wants = |node: &Node, session: &'static str| {
        let (node, names) = (node.clone(), names.clone());
        let all = names.into_iter().map(move |name| {
            let node = node.clone();
            tokio::spawn(async move { node.acquire_lock(&name, session, month, month).await })
        });
        all.collect::<Vec<_>>()
    };
    let lost = wants(&b, "lost");
    for name in &names {
        waiting(&world, &a, name, 1).await;
    }
    // Who would have asked again goes with its server.
    world.kill("b", b).await;
    lost.iter().for_each(tokio::task::JoinHandle::abort);
    world.owns(&a, 8).await;
    let patient = wants(&a, "patient");
    for name in &names {
        waiting(&world, &a, name, 2).await;
        a.release_lock(name, "first").await.unwrap();
    }
    for waits in patient {
        let granted = tokio::time::timeout(PATIENCE, waits).await;
        granted.expect("the lost one is passed over").unwrap().unwrap();
    }
    a.stop().await;
}

#[tokio::test]
async fn what_an_instance_in_memory_held_is_free_when_it_is_lost() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    world.owns(&b, 4).await;
    let volatile = "[processes.print]\nvolatile-tracking = true";
    let files = [("processes/print.bpmn", PRINT)];
    a.deploy(vec![package("shop", volatile, &files)]).await.expect("deploys");
    let names: Vec<String> = (0..8).map(|number| format!("lock-{number}")).collect();
    for name in &names {
        print(&b, name, None).await;
        world.until("it is held", async || row(&a, name).await.is_some()).await;
    }
    world.kill("b", b).await;
    world.owns(&a, 8).await;
    for name in &names {
        let grant = a.acquire_lock(name, "s", PATIENCE, LEASE).await.expect("it is free again");
        assert!(grant.fence > 1);
    }
    a.stop().await;
}

#[tokio::test]
async fn a_lock_that_is_renewed_arms_no_further_wake_ups() {
    let world = World::new();
    let a = world.start("a");
    world.owns(&a, 8).await;
    a.acquire_lock("printer", "me", Duration::ZERO, LEASE).await.expect("granted");
    for longer in 1..=20 {
        a.renew_lock("printer", "me", LEASE + Duration::from_secs(longer)).await.expect("renewed");
    }
    let mut armed = 0;
    for shard in 1..=8 {
        armed += world.store.timers(ShardId(shard), None, i64::MAX, 100).await.unwrap().len();
    }
    // One for the grant, until the lease was known, and perhaps an earlier one.
    assert!((1..=2).contains(&armed), "{armed} wake-ups for one lock");
    a.stop().await;
}

#[tokio::test]
async fn clients_that_wait_for_one_lock_are_limited() {
    let world = World::new();
    let a = world.start("a");
    world.owns(&a, 8).await;
    a.acquire_lock("printer", "holder", Duration::ZERO, LEASE).await.expect("granted");
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..1_000 {
        let a = a.clone();
        let session = format!("waits {number}");
        tasks.spawn(async move { a.acquire_lock("printer", &session, PATIENCE, LEASE).await });
    }
    waiting(&world, &a, "printer", 1_000).await;
    let refused = a.acquire_lock("printer", "one more", PATIENCE, LEASE).await;
    assert!(matches!(&refused, Err(Error::State { detail }) if detail.contains("1000")));
    // Who waits already may ask again.
    let a2 = a.clone();
    let again = async move { a2.acquire_lock("printer", "waits 0", PATIENCE, LEASE).await };
    tasks.spawn(again);
    a.release_lock("printer", "holder").await.expect("given back");
    let first = tasks.join_next().await.unwrap().unwrap();
    assert!(first.is_ok(), "{first:?}");
    tasks.shutdown().await;
    a.stop().await;
}
