//! Instances that are in memory only, when their shard moves: in order nothing is lost, and after a
//! crash what was lost is known as such (VOL-1).

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/world.rs"]
mod world;

use engine::Event;
use engine::ids::{Block, InstanceKey};
use feel::Context;
use node::{Node, Which, WorkerRequest};
use store::{InstanceFilter, InstanceState, Store};

use world::{PATIENCE, World, package};

const HEAD: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">"#;

/// A job with a boundary timer that is long after the test, then a short wait.
const WORK: &str = r#"<bpmn:process id="work" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
<bpmn:serviceTask id="t"><bpmn:extensionElements><zeebe:taskDefinition type="work"/>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="t" targetRef="e"/><bpmn:endEvent id="e"/></bpmn:process>"#;

const WAIT: &str = r#"<bpmn:process id="wait" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:intermediateCatchEvent id="c"><bpmn:timerEventDefinition id="td"><bpmn:timeDuration>PT1S
</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/></bpmn:process>"#;

/// Durable, and calls one that is not.
const CALL: &str = r#"<bpmn:process id="caller" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:callActivity id="c"><bpmn:extensionElements><zeebe:calledElement processId="work"/>
</bpmn:extensionElements></bpmn:callActivity>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/></bpmn:process>"#;

const VOLATILE: &str =
    "[processes.work]\nvolatile-tracking = true\n[processes.wait]\nvolatile-tracking = true";

async fn deploy(node: &Node) {
    let model = |process: &str| format!("{HEAD}{process}</bpmn:definitions>");
    let (work, wait, call) = (model(WORK), model(WAIT), model(CALL));
    let files = [
        ("processes/work.bpmn", work.as_str()),
        ("processes/wait.bpmn", wait.as_str()),
        ("processes/caller.bpmn", call.as_str()),
    ];
    node.deploy(vec![package("shop", VOLATILE, &files)]).await.expect("deploys");
}

async fn create(node: &Node, process: &str, number: usize) -> Vec<InstanceKey> {
    let mut created = Vec::new();
    for _ in 0..number {
        let which = Which::Enabled(process.into());
        created.push(node.create(which, Context::default()).await.expect("created").instance);
    }
    created
}

async fn keys(world: &World, process: &str, state: InstanceState) -> Vec<InstanceKey> {
    let filter = InstanceFilter {
        process: Some(process.into()),
        state: Some(state),
        limit: 10_000,
        ..InstanceFilter::default()
    };
    world.store.instances(&filter).await.unwrap().into_iter().map(|row| row.key).collect()
}

#[tokio::test]
async fn shards_that_move_in_order_take_volatile_instances_along() {
    let world = World::new();
    let a = world.start("a");
    world.owns(&a, 8).await;
    deploy(&a).await;
    create(&a, "wait", 16).await;
    create(&a, "work", 32).await;
    let worker = WorkerRequest {
        job_type: "work".into(),
        worker: "w".into(),
        timeout_ms: 60_000,
        fetch: Vec::new(),
    };
    // Some are with a worker, who stays.
    let mut jobs = a.activate_jobs(worker.clone(), 8, None).await.expect("jobs");
    assert!(!jobs.is_empty());
    let b = world.start("b");
    world.owns(&b, 4).await;
    world.owns(&a, 4).await;
    a.stop().await;
    world.owns(&b, 8).await;
    while jobs.len() < 32 {
        let more = b.activate_jobs(worker.clone(), 64, Some(PATIENCE)).await.expect("jobs");
        assert!(!more.is_empty(), "{} of 32", jobs.len());
        jobs.extend(more);
    }
    for job in jobs {
        b.complete_job(job.job, Context::default()).await.expect("the instance is there");
    }
    world.completed_after(1_100, 48).await;
    b.stop().await;
}

#[tokio::test]
async fn what_was_lost_with_a_server_does_not_stay_active() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    world.owns(&b, 4).await;
    deploy(&a).await;
    let lost = create(&b, "work", 10).await;
    let callers = create(&b, "caller", 3).await;
    world.kill("b", b).await;
    world.owns(&a, 8).await;
    world
        .until("all that was lost has failed", async || {
            keys(&world, "work", InstanceState::Active).await.is_empty()
        })
        .await;
    assert_eq!(keys(&world, "work", InstanceState::Failed).await.len(), 13);
    for key in &lost {
        let records = a.audit(*key).await.unwrap();
        let why = records.iter().any(|record| {
            matches!(&record.event, Event::InstanceFailed { reason } if reason.contains("memory"))
        });
        assert!(why, "{key:?} in shard {:?}: {records:?}", Block::of(key.0).shard());
    }
    // Who called one of them does not wait for ever.
    for caller in callers {
        let row = world.store.instance(caller).await.unwrap().unwrap();
        assert_eq!((row.state, row.incidents), (InstanceState::Active, 1));
    }
    a.stop().await;
}
