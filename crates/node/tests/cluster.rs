//! Several servers on one store, in one process: what one cannot do, another does.

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/world.rs"]
mod world;

use engine::ids::Block;
use feel::Context;
use node::{NewMessage, Which, WorkerRequest};
use store::Standing;

use world::{PATIENCE, World, deploy};

const JOB: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:process id="order" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:serviceTask id="c"><bpmn:extensionElements><zeebe:taskDefinition type="charge"/>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;

const MESSAGE: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:message id="m" name="paid"><bpmn:extensionElements>
<zeebe:subscription correlationKey="=key"/></bpmn:extensionElements></bpmn:message>
<bpmn:process id="wait" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:intermediateCatchEvent id="c"><bpmn:messageEventDefinition id="md" messageRef="m"/>
</bpmn:intermediateCatchEvent>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;

fn worker() -> WorkerRequest {
    WorkerRequest {
        job_type: "charge".into(),
        worker: "w".into(),
        timeout_ms: 60_000,
        fetch: Vec::new(),
    }
}

#[tokio::test]
async fn shards_are_shared_fairly_and_given_back_on_stop() {
    let world = World::new();
    let a = world.start("a");
    world.owns(&a, 8).await;
    let b = world.start("b");
    world.owns(&a, 4).await;
    world.owns(&b, 4).await;
    b.stop().await;
    world.owns(&a, 8).await;
    assert_eq!(a.members().len(), 1, "who stops leaves");
    a.stop().await;
}

#[tokio::test]
async fn what_one_server_deploys_another_starts_and_a_third_works() {
    let world = World::new();
    let (a, b, c) = (world.start("a"), world.start("b"), world.start("c"));
    for (node, number) in [(&a, 3), (&b, 3), (&c, 2)] {
        let _ = (node, number);
        node.ready(PATIENCE).await.unwrap();
    }
    deploy(&a, JOB).await;
    let mut stream = c.open_stream(worker()).unwrap();
    for _ in 0..20 {
        b.create(Which::Enabled("order".into()), Context::default()).await.expect("known at once");
        a.create(Which::Enabled("order".into()), Context::default()).await.expect("created");
    }
    let mut jobs = Vec::new();
    let mut done = 0;
    while done < 40 {
        let next = stream.next(&mut jobs, 64);
        assert!(tokio::time::timeout(PATIENCE, next).await.expect("jobs of all servers come"));
        for job in jobs.drain(..) {
            c.complete_job(job.job, Context::default()).await.expect("completed at its owner");
            done += 1;
        }
    }
    world.completed(40).await;
    drop(stream);
    for node in [a, b, c] {
        node.stop().await;
    }
}

#[tokio::test]
async fn a_message_reaches_an_instance_of_another_shard_in_both_orders() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    b.ready(PATIENCE).await.unwrap();
    deploy(&a, MESSAGE).await;
    let message = |key: &str| NewMessage {
        name: "paid".into(),
        key: key.into(),
        // Shards may still be on the move: with an id it can be sent again.
        id: key.into(),
        time_to_live_ms: 60_000,
        variables: Context::builder().with("paid", true).build(),
    };
    let mut shards = std::collections::BTreeSet::new();
    for number in 0..20 {
        let key = format!("o-{number}");
        let variables = Context::builder().with("key", key.as_str()).build();
        if number % 2 == 0 {
            b.publish_message(message(&key)).await.expect("published");
        }
        let created = a.create(Which::Enabled("wait".into()), variables).await.expect("created");
        shards.insert(Block::of(created.instance.0).shard());
        if number % 2 == 1 {
            b.publish_message(message(&key)).await.expect("published");
        }
    }
    assert!(shards.len() > 1, "instances are spread over shards");
    world.completed(20).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_killed_servers_instances_go_on_at_another() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    world.owns(&b, 4).await;
    deploy(&a, JOB).await;
    for _ in 0..20 {
        b.create(Which::Enabled("order".into()), Context::default()).await.expect("created");
    }
    world.kill("b", b).await;
    world.owns(&a, 8).await;
    for _ in 0..20 {
        let patience = Some(PATIENCE);
        let jobs = a.activate_jobs(worker(), 1, patience).await.expect("an answer");
        assert_eq!(jobs.len(), 1);
        a.complete_job(jobs[0].job, Context::default()).await.expect("completed");
    }
    world.completed(20).await;
    a.stop().await;
}

#[tokio::test]
async fn a_server_that_stands_by_owns_nothing_and_forwards() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    deploy(&a, JOB).await;
    b.stand(Standing::Standby).await.unwrap();
    world.owns(&a, 8).await;
    world.owns(&b, 0).await;
    b.create(Which::Enabled("order".into()), Context::default()).await.expect("forwarded");
    let jobs = b.activate_jobs(worker(), 1, Some(PATIENCE)).await.expect("an answer");
    b.complete_job(jobs[0].job, Context::default()).await.expect("forwarded");
    world.completed(1).await;
    b.stand(Standing::Serving).await.unwrap();
    world.owns(&b, 4).await;
    a.stop().await;
    world.owns(&b, 8).await;
    b.stop().await;
}
