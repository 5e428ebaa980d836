//! What becomes of instances when the server that runs them dies, by what their process says
//! (R42): DIE-1 and DIE-2 are shown here.

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/world.rs"]
mod world;

use engine::Event;
use engine::ids::{Block, InstanceKey};
use feel::Context;
use node::{Node, Publication, Which, WorkerRequest};
use store::{EntryState, InstanceFilter, InstanceState, Store};

use world::{PATIENCE, World, package};

const HEAD: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">"#;

/// A process with one step and perhaps a rollback behind an error boundary event.
fn model(process: &str, step: &str, rollback: bool) -> String {
    let boundary = r#"<bpmn:boundaryEvent id="b" attachedToRef="c"><bpmn:errorEventDefinition
 id="ed"/></bpmn:boundaryEvent><bpmn:sequenceFlow id="f3" sourceRef="b" targetRef="r"/>
<bpmn:serviceTask id="r"><bpmn:extensionElements><zeebe:taskDefinition type="rollback"/>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f4" sourceRef="r" targetRef="e2"/><bpmn:endEvent id="e2"/>"#;
    let boundary = if rollback { boundary } else { "" };
    format!(
        r#"{HEAD}<bpmn:process id="{process}" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>{step}{boundary}
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#
    )
}

fn job(job_type: &str) -> String {
    format!(
        r#"<bpmn:serviceTask id="c"><bpmn:extensionElements><zeebe:taskDefinition
 type="{job_type}"/></bpmn:extensionElements></bpmn:serviceTask>"#
    )
}

const CALL: &str = r#"<bpmn:callActivity id="c"><bpmn:extensionElements>
<zeebe:calledElement processId="plain"/></bpmn:extensionElements></bpmn:callActivity>"#;

const FAIL: &str = "[processes.careful]\non-server-failure = \"fail\"\n\
    [processes.plain]\non-server-failure = \"fail\"\n\
    [processes.caller]\non-server-failure = \"fail\"\n\
    [processes.slow]\non-server-failure = \"fail\"\n\
    [services.sleep]\nkind = \"command\"\nprogram = \"sleep\"\nargs = [\"60\"]\n\
    [[triggers]]\nname = \"order\"\ndocument = \"order\"\nprocess = \"slow\"\n";

async fn deploy(node: &Node) {
    let models = [
        ("processes/careful.bpmn", model("careful", &job("work"), true)),
        ("processes/plain.bpmn", model("plain", &job("work"), false)),
        ("processes/patient.bpmn", model("patient", &job("wait"), false)),
        ("processes/caller.bpmn", model("caller", CALL, false)),
        ("processes/slow.bpmn", model("slow", &job("service:sleep"), false)),
        ("documents/order.json", "{\"type\":\"object\"}".to_owned()),
    ];
    let files: Vec<(&str, &str)> =
        models.iter().map(|(path, text)| (*path, text.as_str())).collect();
    node.deploy(vec![package("shop", FAIL, &files)]).await.expect("deploys");
}

async fn create(node: &Node, process: &str, number: usize) -> Vec<InstanceKey> {
    let mut created = Vec::new();
    for _ in 0..number {
        let which = Which::Enabled(process.into());
        created.push(node.create(which, Context::default()).await.expect("created").instance);
    }
    created
}

async fn number(world: &World, process: &str, state: InstanceState) -> usize {
    let filter = InstanceFilter {
        process: Some(process.into()),
        state: Some(state),
        limit: 10_000,
        ..InstanceFilter::default()
    };
    world.store.instances(&filter).await.unwrap().len()
}

async fn complete(node: &Node, job_type: &str, number: usize) {
    let worker = WorkerRequest {
        job_type: job_type.into(),
        worker: "w".into(),
        timeout_ms: 60_000,
        fetch: Vec::new(),
    };
    let mut done = 0;
    while done < number {
        let jobs = node.activate_jobs(worker.clone(), 64, Some(PATIENCE)).await.expect("jobs");
        assert!(!jobs.is_empty(), "{done} of {number} `{job_type}`");
        for job in jobs {
            node.complete_job(job.job, Context::default()).await.expect("completed");
            done += 1;
        }
    }
}

#[tokio::test]
async fn instances_of_a_killed_server_fail_or_roll_back_on_another() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    world.owns(&b, 4).await;
    deploy(&a).await;
    // Of those on `a` none fails.
    let kept = create(&a, "plain", 5).await;
    let failing = create(&b, "plain", 10).await;
    create(&b, "careful", 10).await;
    create(&b, "caller", 10).await;
    create(&b, "patient", 10).await;
    world.kill("b", b).await;
    world.owns(&a, 8).await;
    complete(&a, "rollback", 10).await;
    world
        .until("all that nothing catches fail", async || {
            number(&world, "plain", InstanceState::Failed).await == 20
        })
        .await;
    assert_eq!(number(&world, "careful", InstanceState::Completed).await, 10);
    assert_eq!(number(&world, "caller", InstanceState::Failed).await, 10);
    assert_eq!(number(&world, "patient", InstanceState::Active).await, 10);
    assert_eq!(a.incidents(None, None, 10).await.unwrap().len(), 0, "callers fail first: DIE-2");
    for instance in failing {
        let records = a.audit(instance).await.unwrap();
        let failed = |event: &Event| matches!(event, Event::InstanceFailed { .. });
        assert_eq!(records.iter().filter(|record| failed(&record.event)).count(), 1, "FLR-1");
    }
    for instance in &kept {
        assert_eq!(a.instance(*instance).await.unwrap().state, InstanceState::Active);
    }
    complete(&a, "work", 5).await;
    complete(&a, "wait", 10).await;
    // What began later is not concerned.
    create(&a, "plain", 20).await;
    complete(&a, "work", 20).await;
    a.stop().await;
}

#[tokio::test]
async fn many_pages_fail_although_the_next_server_dies_too_and_a_third_gives_back() {
    let world = World::new();
    let one = |options: &mut node::Options| options.cluster.shards = 1;
    let a = world.start_with("a", one);
    world.owns(&a, 1).await;
    deploy(&a).await;
    create(&a, "plain", 900).await;
    create(&a, "patient", 3).await;
    let b = world.start_with("b", one);
    b.ready(PATIENCE).await.unwrap();
    let (dies, next) = if owns(&a).await { (("a", a), ("b", b)) } else { (("b", b), ("a", a)) };
    world.kill(dies.0, dies.1).await;
    world
        .until("it has begun", async || number(&world, "plain", InstanceState::Failed).await > 0)
        .await;
    world.kill(next.0, next.1).await;
    let c = world.start_with("c", one);
    world.owns(&c, 1).await;
    let d = world.start_with("d", one);
    d.ready(PATIENCE).await.unwrap();
    // The rest is told by whoever has the shard; a hand-over in order loses nothing of it.
    c.stop().await;
    world.owns(&d, 1).await;
    world
        .until("all fail", async || number(&world, "plain", InstanceState::Failed).await == 900)
        .await;
    assert_eq!(number(&world, "patient", InstanceState::Active).await, 3);
    d.stop().await;
}

async fn owns(node: &Node) -> bool {
    let pulse = node.pulse().await.unwrap();
    let me = pulse.members.iter().find(|member| *member.about.name == *node.name());
    me.is_some_and(|me| pulse.shards.iter().any(|shard| shard.owner == Some(me.key)))
}

#[tokio::test]
async fn a_graceful_stop_fails_nothing() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    world.owns(&b, 4).await;
    deploy(&a).await;
    let created = create(&b, "plain", 10).await;
    let shards = created.iter().map(|key| Block::of(key.0).shard());
    assert!(shards.collect::<std::collections::BTreeSet<_>>().len() > 1);
    b.stop().await;
    world.owns(&a, 8).await;
    complete(&a, "work", 10).await;
    world.completed(10).await;
    a.stop().await;
}

#[tokio::test]
async fn a_document_whose_instance_failed_is_acknowledged() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    world.owns(&b, 4).await;
    deploy(&a).await;
    let publish = || Publication { source: None, id: None, data: Context::default().into() };
    b.publish("shop/order", (0..4).map(|_| publish()).collect()).await.expect("accepted");
    let running = async || number(&world, "slow", InstanceState::Active).await == 4;
    world.until("they run", running).await;
    world.kill("b", b).await;
    world.owns(&a, 8).await;
    let failed = async || number(&world, "slow", InstanceState::Failed).await == 4;
    world.until("they fail", failed).await;
    let gone = async || {
        let found = a.entries(EntryState::InProcess, None, None, 10).await.unwrap();
        found.is_empty()
    };
    world.until("the documents are acknowledged", gone).await;
    assert_eq!(a.entries(EntryState::Queued, None, None, 10).await.unwrap().len(), 0);
    assert_eq!(a.entries(EntryState::Dead, None, None, 10).await.unwrap().len(), 0);
    a.kill().await;
}
