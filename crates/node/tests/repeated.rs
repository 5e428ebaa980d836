//! Requests whose answer was lost on its way from another server: what was done is told as done,
//! what may not be done twice is not, and what nobody can tell is told as unknown (RTE-1).

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/world.rs"]
mod world;

use engine::ids::{InstanceKey, ShardId, StepKey};
use engine::{Event, Reach};
use feel::Context;
use node::{Error, JobFailure, JobLease, NewMessage, Node, Which, WorkerRequest};
use store::{Role, TokenRow};

use world::{PATIENCE, World, package};

/// Numbers of requests between servers.
const COMMAND: u8 = 0;
const TOKENS: u8 = 16;
/// Around a message.
const KNOWING: u8 = 22;

const JOB: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:process id="order" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:serviceTask id="c"><bpmn:extensionElements><zeebe:taskDefinition type="charge"/>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;

/// Two servers, and an instance that waits for its job at the other one.
async fn asked(level: &str) -> (World, Node, Node, InstanceKey) {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    world.owns(&a, 4).await;
    world.owns(&b, 4).await;
    let rest = format!("[processes.order]\nlogging-level = \"{level}\"");
    let shop = package("shop", &rest, &[("processes/order.bpmn", JOB)]);
    a.deploy(vec![shop]).await.expect("deploys");
    let created = a.create(Which::Enabled("order".into()), Context::default()).await.unwrap();
    (world, a, b, created.instance)
}

async fn job(node: &Node) -> engine::instance::Activation {
    let worker = WorkerRequest {
        job_type: "charge".into(),
        worker: "w".into(),
        timeout_ms: 3_600_000,
        fetch: Vec::new(),
    };
    let mut jobs = node.activate_jobs(worker, 1, Some(PATIENCE)).await.unwrap();
    jobs.pop().expect("a job")
}

fn failure(retries: i32) -> JobFailure {
    JobFailure { retries, message: "no".into(), back_off_ms: 0, variables: Context::default() }
}

async fn stop(a: Node, b: Node) {
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_cancelled_instance_is_told_as_cancelled() {
    let (world, a, b, instance) = asked("none").await;
    world.wire.lose(COMMAND);
    b.cancel(instance).await.expect("it is cancelled");
    assert!(world.wire.has_lost());
    assert!(matches!(b.cancel(instance).await, Err(Error::NotFound { .. })), "but only once");
    stop(a, b).await;
}

/// The first one's lease was given back, and the second one's result counted.
#[tokio::test]
async fn of_two_holders_of_a_job_only_the_one_that_completed_it_is_told_so() {
    let (world, a, b, _) = asked("all").await;
    let first = job(&b).await;
    b.give_back([JobLease::of(&first)]);
    let second = job(&a).await;
    assert_eq!(first.job, second.job);
    a.complete_job(second.job, Context::default()).await.expect("completed");
    world.completed(1).await;
    world.wire.lose(COMMAND);
    let late = b.complete_job(first.job, Context::default()).await;
    assert!(world.wire.has_lost());
    assert!(matches!(late, Err(Error::Storage { .. })), "RTE-1: nobody can tell: {late:?}");
    let late = b.complete_job(first.job, Context::default()).await;
    assert!(matches!(late, Err(Error::NotFound { .. })), "{late:?}");
    stop(a, b).await;
}

#[tokio::test]
async fn a_resolved_incident_is_told_as_resolved() {
    let (world, a, b, instance) = asked("errors").await;
    let failed = job(&b).await;
    world.wire.lose(COMMAND);
    b.fail_job(failed.job, failure(0)).await.expect("it failed");
    assert!(world.wire.has_lost());
    let (incident, _) = b.incidents(Some(instance), None, 1).await.unwrap().remove(0);
    b.update_retries(failed.job, 1).await.unwrap();
    world.wire.lose(COMMAND);
    b.resolve(incident, None).await.expect("it is resolved");
    assert!(world.wire.has_lost());
    assert!(matches!(b.resolve(incident, None).await, Err(Error::NotFound { .. })));
    stop(a, b).await;
}

#[tokio::test]
async fn a_token_is_kept_and_revoked_once() {
    let (world, a, b, _) = asked("none").await;
    let has_home = a.standing_here().shards.contains(&ShardId(1));
    let asks = if has_home { &b } else { &a };
    let row = TokenRow { hash: "h".into(), role: Role::Viewer, created_ms: 0, expires_ms: None };
    world.wire.lose(TOKENS);
    asks.keep_token("t", row.clone()).await.expect("it is kept");
    assert!(world.wire.has_lost());
    let other = TokenRow { hash: "i".into(), ..row };
    assert!(matches!(asks.keep_token("t", other.clone()).await, Err(Error::Exists { .. })));
    world.wire.lose(TOKENS);
    assert!(matches!(asks.keep_token("t", other).await, Err(Error::Exists { .. })));
    world.wire.lose(TOKENS);
    asks.revoke_token("t").await.expect("it is revoked");
    assert!(world.wire.has_lost());
    assert!(matches!(asks.revoke_token("t").await, Err(Error::NotFound { .. })));
    stop(a, b).await;
}

#[tokio::test]
async fn a_completed_job_is_done_or_unknown_but_not_gone() {
    for level in ["all", "process"] {
        let (world, a, b, _) = asked(level).await;
        let job = job(&b).await;
        world.wire.lose(COMMAND);
        let told = b.complete_job(job.job, Context::default()).await;
        match level {
            "all" => told.expect("the log tells"),
            _ => assert!(matches!(told, Err(Error::Storage { .. })), "unknown: {told:?}"),
        }
        assert!(world.wire.has_lost());
        world.completed(1).await;
        stop(a, b).await;
    }
}

#[tokio::test]
async fn a_failure_that_leaves_tries_fails_nobody_elses_lease() {
    let (world, a, b, instance) = asked("all").await;
    let first = job(&b).await;
    world.wire.lose(COMMAND);
    let told = b.fail_job(first.job, failure(2)).await;
    assert!(matches!(told, Err(Error::Storage { .. })), "unknown: {told:?}");
    let next = job(&b).await;
    assert_eq!((next.job, next.retries), (first.job, 2));
    let records = b.audit(instance).await.unwrap();
    let failed = records.iter().filter(|record| matches!(record.event, Event::JobFailed { .. }));
    assert_eq!(failed.count(), 1);
    stop(a, b).await;
}

#[tokio::test]
async fn variables_are_not_set_twice() {
    let (world, a, b, instance) = asked("none").await;
    let set = async |node: &Node, value: i64| {
        let variables = Context::builder().with("x", value).build();
        node.set_variables(StepKey(instance.0), variables, Reach::Local).await
    };
    world.wire.lose(COMMAND);
    let told = set(&b, 1).await;
    assert!(matches!(told, Err(Error::Storage { .. })), "unknown: {told:?}");
    set(&a, 2).await.unwrap();
    stop(a, b).await;
}

#[tokio::test]
async fn a_message_with_an_id_is_published_once_and_told_so() {
    let (world, a, b, _) = asked("none").await;
    let message = |key: String, id: &str, n: i64| NewMessage {
        name: "paid".into(),
        key: key.into(),
        id: id.into(),
        time_to_live_ms: 3_600_000,
        variables: Context::builder().with("n", n).build(),
    };
    // Some bucket of many is at the other server.
    let mut number = 0;
    world.wire.lose(KNOWING);
    while !world.wire.has_lost() {
        number += 1;
        b.publish_message(message(format!("k-{number}"), "i", 1)).await.expect("published");
    }
    let again = b.publish_message(message(format!("k-{number}"), "i", 1)).await;
    assert!(matches!(again, Err(Error::Exists { .. })), "it is there: {again:?}");
    world.wire.lose(KNOWING);
    let other = b.publish_message(message(format!("k-{number}"), "i", 2)).await;
    assert!(matches!(other, Err(Error::Exists { .. })), "another one: {other:?}");
    world.wire.lose(KNOWING);
    let without = b.publish_message(message(format!("k-{number}"), "", 1)).await;
    assert!(matches!(without, Err(Error::Storage { .. })), "unknown: {without:?}");
    stop(a, b).await;
}
