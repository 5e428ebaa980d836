//! A whole server in one process on a store in memory: what its handle promises.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use feel::{Context, Value};
use node::{NewMessage, Node, Options, Which, WorkerRequest};
use store::memory::Memory;
use store::{InstanceFilter, InstanceState, Store};
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(10);

fn bpmn(id: &str, body: &str) -> Bytes {
    let text = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:process id="{id}" isExecutable="true">{body}</bpmn:process></bpmn:definitions>"#
    );
    Bytes::from(text)
}

const ONE_JOB: &str = r#"
<bpmn:startEvent id="s"><bpmn:outgoing>f1</bpmn:outgoing></bpmn:startEvent>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
<bpmn:serviceTask id="t"><bpmn:extensionElements>
  <zeebe:taskDefinition type="work"/></bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="t" targetRef="e"/>
<bpmn:endEvent id="e"/>"#;

async fn open(store: Arc<dyn Store>) -> (Node, tempfile::TempDir) {
    let scratch = tempfile::tempdir().expect("a directory");
    let node = Node::open(store, Options::new("test", scratch.path().to_owned()));
    node.ready(PATIENCE).await.expect("ready");
    (node, scratch)
}

async fn deploy(node: &Node, id: &str, body: &str) {
    let resources = vec![(format!("{id}.bpmn"), bpmn(id, body))];
    node.deploy_resources(resources).await.expect("deploys");
}

fn worker(job_type: &str) -> WorkerRequest {
    WorkerRequest {
        job_type: job_type.into(),
        worker: "w".into(),
        timeout_ms: 60_000,
        fetch: Vec::new(),
    }
}

fn variables(json: &str) -> Context {
    match feel::json::parse(json.as_bytes()) {
        Ok(Value::Context(context)) => context,
        other => panic!("no object: {other:?}"),
    }
}

fn paid(order: &str, time_to_live_ms: i64, json: &str) -> NewMessage {
    let variables = variables(json);
    NewMessage { name: "paid".into(), key: order.into(), id: "".into(), time_to_live_ms, variables }
}

#[tokio::test]
async fn a_job_goes_to_a_stream_and_its_completion_ends_the_instance() {
    let (node, _scratch) = open(Arc::new(Memory::new())).await;
    deploy(&node, "p", ONE_JOB).await;
    let mut stream = node.open_stream(worker("work")).expect("a stream");
    let which = Which::Enabled("p".into());
    let created = node.create(which, variables(r#"{"a":1}"#)).await.expect("created");
    let mut jobs = Vec::new();
    assert!(stream.next(&mut jobs, 10).await);
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].variables.get("a"), Some(&Value::from(1)));
    node.complete_job(jobs[0].job, variables(r#"{"b":2}"#)).await.expect("completed");
    let again = node.complete_job(jobs[0].job, Context::default()).await;
    assert_eq!(again.map_err(|error| error.code()), Err("NODE-001"));
    let row = node.instance(created.instance).await.expect("a row");
    assert_eq!(row.state, InstanceState::Completed);
    node.stop().await;
}

#[tokio::test]
async fn jobs_that_piled_up_are_drained_by_a_stream_and_by_polls_after_a_restart() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let (node, _scratch) = open(store.clone()).await;
    deploy(&node, "p", ONE_JOB).await;
    for _ in 0..2_500 {
        node.create(Which::Enabled("p".into()), Context::default()).await.expect("created");
    }
    node.stop().await;
    let (node, _scratch) = open(store).await;
    let polled = node.activate_jobs(worker("work"), 700, None).await.expect("jobs");
    assert_eq!(polled.len(), 700);
    for job in &polled {
        node.complete_job(job.job, Context::default()).await.expect("completed");
    }
    let mut stream = node.open_stream(worker("work")).expect("a stream");
    let mut done = 700;
    while done < 2_500 {
        let mut jobs = Vec::new();
        assert!(stream.next(&mut jobs, 64).await);
        for job in &jobs {
            node.complete_job(job.job, Context::default()).await.expect("completed");
        }
        done += jobs.len();
    }
    let active = InstanceFilter {
        state: Some(InstanceState::Active),
        limit: 1,
        ..InstanceFilter::default()
    };
    assert_eq!(node.instances(&active).await.expect("a list").len(), 0);
    node.stop().await;
}

/// Idle instances are evicted and loaded again while others change.
#[tokio::test]
async fn with_room_for_one_instance_nothing_is_lost_and_nothing_comes_back() {
    let scratch = tempfile::tempdir().expect("a directory");
    let mut options = Options::new("test", scratch.path().to_owned());
    options.settings.hot_instances_max = 1;
    let node = Node::open(Arc::new(Memory::new()), options);
    node.ready(PATIENCE).await.expect("ready");
    deploy(&node, "p", ONE_JOB).await;
    for _ in 0..100 {
        node.create(Which::Enabled("p".into()), Context::default()).await.expect("created");
    }
    let hot = node.counters().hot_instances.load(Ordering::Relaxed);
    assert!(hot < 10, "{hot} instances are still in memory");
    let jobs = node.activate_jobs(worker("work"), 100, None).await.expect("jobs");
    assert_eq!(jobs.len(), 100);
    let mut completions = JoinSet::new();
    for job in jobs {
        for wave in 0..20 {
            let node = node.clone();
            completions.spawn(async move {
                for _ in 0..wave {
                    tokio::task::yield_now().await;
                }
                node.complete_job(job.job, Context::default()).await.is_ok()
            });
        }
    }
    let done = completions.join_all().await.into_iter().filter(|is_done| *is_done).count();
    assert_eq!(done, 100, "each job is completed once");
    node.stop().await;
}

#[tokio::test]
async fn a_long_poll_is_woken_by_a_new_job() {
    let (node, _scratch) = open(Arc::new(Memory::new())).await;
    deploy(&node, "p", ONE_JOB).await;
    let none = node.activate_jobs(worker("work"), 1, None).await.expect("an answer");
    assert!(none.is_empty());
    let poller = node.clone();
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { poller.activate_jobs(worker("work"), 1, Some(PATIENCE)).await });
    tokio::task::yield_now().await;
    node.create(Which::Enabled("p".into()), Context::default()).await.expect("created");
    let jobs = waiting.join_next().await.expect("one").expect("joined").expect("jobs");
    assert_eq!(jobs.len(), 1);
    node.stop().await;
}

#[tokio::test]
async fn a_straight_process_answers_with_its_result() {
    let script = r#"
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
<bpmn:scriptTask id="t"><bpmn:extensionElements>
  <zeebe:script expression="=a + 1" resultVariable="b"/></bpmn:extensionElements></bpmn:scriptTask>
<bpmn:sequenceFlow id="f2" sourceRef="t" targetRef="e"/><bpmn:endEvent id="e"/>"#;
    let (node, _scratch) = open(Arc::new(Memory::new())).await;
    deploy(&node, "q", script).await;
    let which = Which::Enabled("q".into());
    let ended =
        node.create_and_wait(which, variables(r#"{"a":41}"#), PATIENCE).await.expect("ended");
    assert!(ended.completed);
    assert_eq!(ended.variables.get("b"), Some(&Value::from(42)));
    node.stop().await;
}

#[tokio::test]
async fn a_timer_fires_and_a_message_correlates_in_both_orders() {
    let body = r#"
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="m"/>
<bpmn:intermediateCatchEvent id="m"><bpmn:messageEventDefinition messageRef="msg"/>
</bpmn:intermediateCatchEvent><bpmn:sequenceFlow id="f2" sourceRef="m" targetRef="w"/>
<bpmn:intermediateCatchEvent id="w"><bpmn:timerEventDefinition>
<bpmn:timeDuration>PT0.05S</bpmn:timeDuration></bpmn:timerEventDefinition>
</bpmn:intermediateCatchEvent><bpmn:sequenceFlow id="f3" sourceRef="w" targetRef="e"/>
<bpmn:endEvent id="e"/></bpmn:process><bpmn:message id="msg" name="paid">
<bpmn:extensionElements><zeebe:subscription correlationKey="=order"/></bpmn:extensionElements>
</bpmn:message><bpmn:process id="unused" isExecutable="false">"#;
    let (node, _scratch) = open(Arc::new(Memory::new())).await;
    deploy(&node, "r", body).await;
    node.publish_message(paid("early", 60_000, r#"{"x":1}"#)).await.expect("ok");
    let early = node
        .create_and_wait(Which::Enabled("r".into()), variables(r#"{"order":"early"}"#), PATIENCE)
        .await
        .expect("ended");
    assert_eq!(early.variables.get("x"), Some(&Value::from(1)));
    let (mut waiting, starter) = (JoinSet::new(), node.clone());
    waiting.spawn(async move {
        let which = Which::Enabled("r".into());
        starter.create_and_wait(which, variables(r#"{"order":"late"}"#), PATIENCE).await
    });
    let key = loop {
        let row = node.instances(&InstanceFilter { limit: 1, ..InstanceFilter::default() }).await;
        match row.expect("a list").first() {
            Some(row) if row.state == InstanceState::Active => break row.key,
            _ => tokio::task::yield_now().await,
        }
    };
    assert!(node.state(key).await.expect("a state").is_some());
    node.publish_message(paid("late", 0, r#"{"x":2}"#)).await.expect("ok");
    let late = waiting.join_next().await.expect("one").expect("joined").expect("ended");
    assert_eq!(late.variables.get("x"), Some(&Value::from(2)));
    node.stop().await;
}
