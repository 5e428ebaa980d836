//! Maintenance mode: nothing new starts, what runs goes on.

use std::collections::BTreeMap;

use feel::{Context, Value};
use host::package::PackageSource;
use node::{Error, NewMessage, Node, Publication, Which, WorkerRequest};
use store::{EntryState, InstanceState, RequestState};

use crate::world::{PATIENCE, World, until};

const MODEL: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:message id="m" name="begin"/>
<bpmn:process id="order" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:startEvent id="sm"><bpmn:messageEventDefinition id="md" messageRef="m"/></bpmn:startEvent>
<bpmn:sequenceFlow id="f3" sourceRef="sm" targetRef="c"/>
<bpmn:serviceTask id="c"><bpmn:extensionElements><zeebe:taskDefinition type="charge"/>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;
const TIMED: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 id="d" targetNamespace="t">
<bpmn:process id="timed" isExecutable="true"><bpmn:startEvent id="every">
<bpmn:timerEventDefinition><bpmn:timeCycle>R/PT10S</bpmn:timeCycle></bpmn:timerEventDefinition>
</bpmn:startEvent><bpmn:sequenceFlow id="f1" sourceRef="every" targetRef="e"/>
<bpmn:endEvent id="e"/></bpmn:process></bpmn:definitions>"#;
const SCHEMA: &str = r#"{"type":"object"}"#;
const MANIFEST: &str = "name = \"shop\"\nversion = \"1.0.0\"\ndescription = \"d\"\n[[triggers]]\n\
                        name = \"order\"\ndocument = \"order\"\nprocess = \"order\"\n";

fn package() -> PackageSource {
    let files = BTreeMap::from([
        ("package.toml".to_owned(), MANIFEST.as_bytes().to_vec()),
        ("documents/order.json".to_owned(), SCHEMA.as_bytes().to_vec()),
        ("processes/order.bpmn".to_owned(), MODEL.as_bytes().to_vec()),
        ("processes/timed.bpmn".to_owned(), TIMED.as_bytes().to_vec()),
    ]);
    PackageSource::from_files(files).unwrap()
}

fn worker() -> WorkerRequest {
    WorkerRequest {
        job_type: "charge".into(),
        worker: "w".into(),
        timeout_ms: 600_000,
        fetch: Vec::new(),
    }
}

fn order() -> Which {
    Which::Enabled("order".into())
}

async fn of(world: &World, process: &str) -> usize {
    world.instances().await.iter().filter(|row| *row.process == *process).count()
}

async fn publish(node: &Node) {
    let data = Value::Context(Context::default());
    let publication = Publication { source: None, id: None, data };
    node.publish("shop/order", vec![publication]).await.unwrap().pop().unwrap().unwrap();
}

fn is_maintained<T: std::fmt::Debug>(answer: Result<T, Error>) {
    let error = answer.unwrap_err();
    let Error::Maintenance { by, at } = &error else { panic!("{error}") };
    assert_eq!((by.as_str(), at.starts_with("2023-")), ("anna", true), "{error}");
}

#[tokio::test]
async fn nothing_new_starts_and_what_runs_goes_on() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    b.ready(PATIENCE).await.unwrap();
    world.owns("b", 2).await;
    a.deploy(vec![package()]).await.unwrap();
    let running = a.create(order(), Context::default()).await.unwrap();
    b.set_setting("maintenance", Some("on"), "anna").await.unwrap();
    until("all know it", async || a.values().is_maintained && b.values().is_maintained).await;
    for node in [&a, &b] {
        until("its shards know it", async || {
            node.create(order(), Context::default()).await.is_err()
        })
        .await;
    }
    let before = of(&world, "order").await;
    for node in [&a, &b] {
        is_maintained(node.create(order(), Context::default()).await);
        is_maintained(node.deploy(vec![package()]).await);
        let message = NewMessage {
            name: "begin".into(),
            key: "".into(),
            id: "".into(),
            time_to_live_ms: 60_000,
            variables: Context::default(),
        };
        is_maintained(node.publish_message(message).await);
        publish(node).await;
    }
    let request = b.request("order", Context::default(), None).await.unwrap();
    let queued = a.entries(EntryState::Queued, None, None, 10).await.unwrap();
    assert_eq!(queued.len(), 2, "documents wait");
    let jobs = b.activate_jobs(worker(), 10, Some(PATIENCE)).await.unwrap();
    for job in jobs {
        b.complete_job(job.job, Context::default()).await.unwrap();
    }
    let row = a.instance(running.instance).await.unwrap();
    assert_eq!(row.state, InstanceState::Completed, "what runs goes on");
    assert_eq!(of(&world, "order").await, before, "nothing new");
    assert_eq!(a.process_request(request).await.unwrap().state, RequestState::Waiting);
    a.set_setting("maintenance", Some("off"), "anna").await.unwrap();
    until("what waited starts", async || of(&world, "order").await == before + 3).await;
    let state = a.process_request(request).await.unwrap().state;
    assert_eq!(state, RequestState::Running);
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn missed_timer_starts_are_listed_or_run_late() {
    for (missed, late) in [("list", 0), ("skip", 0), ("run-late", 3)] {
        let world = World::new();
        let a = world.start_with("a", |options| options.cluster.lease_ms = 3_600_000);
        a.ready(PATIENCE).await.unwrap();
        a.deploy(vec![package()]).await.unwrap();
        world.pass(10_000);
        until("the first one", async || of(&world, "timed").await == 1).await;
        a.set_setting("maintenance.missed", Some(missed), "anna").await.unwrap();
        a.set_setting("maintenance", Some("on"), "anna").await.unwrap();
        until("its shards know it", async || a.create(order(), Context::default()).await.is_err())
            .await;
        world.pass(35_000);
        // Another owner holds what its predecessor held.
        world.kill(&a).await;
        world.pass(3_600_000);
        let b = world.start("b");
        b.ready(PATIENCE).await.unwrap();
        world.pass(-3_600_000);
        until("it is held", async || b.create(order(), Context::default()).await.is_err()).await;
        assert_eq!(of(&world, "timed").await, 1, "{missed}");
        let list = b.set_setting("maintenance", Some("off"), "anna").await.unwrap();
        let shown: Vec<_> = list.iter().map(|start| (&*start.element, start.number)).collect();
        match missed {
            "list" => assert_eq!(shown.len(), 1, "{shown:?}"),
            _ => assert!(shown.is_empty(), "{shown:?}"),
        }
        until("late ones ran", async || of(&world, "timed").await > late).await;
        b.stop().await;
    }
}
