//! What a review of the commit path looked for: work that is neither lost nor doubled while a
//! unit is on its way, idle shards, volatile instances (SHD-1, DSP-2, WAK-1, BAT-1).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use engine::ids::ShardId;
use feel::Context;
use host::package::PackageSource;
use node::{Clock, Error, Node, Options, Publication, Which, WorkerRequest};
use store::memory::Memory;
use store::{EntryState, InstanceFilter, InstanceRow, InstanceState, Store};

const PATIENCE: Duration = Duration::from_secs(10);
const START_MS: i64 = 1_700_000_000_000;
const HEAD: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">"#;
const SCRIPT: &str = r#"<bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:scriptTask id="c"><bpmn:extensionElements><zeebe:script expression="=n + 1"
 resultVariable="m"/></bpmn:extensionElements></bpmn:scriptTask>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>"#;
const JOB: &str = r#"<bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:serviceTask id="c"><bpmn:extensionElements><zeebe:taskDefinition type="work"/>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>"#;
const TIMER: &str = r#"<bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:intermediateCatchEvent id="c"><bpmn:timerEventDefinition>
<bpmn:timeDuration>PT10M</bpmn:timeDuration></bpmn:timerEventDefinition>
</bpmn:intermediateCatchEvent>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>"#;
const TERMINATED: &str = r#"<bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f0" sourceRef="s" targetRef="g"/><bpmn:parallelGateway id="g"/>
<bpmn:sequenceFlow id="f1" sourceRef="g" targetRef="c"/>
<bpmn:serviceTask id="c"><bpmn:extensionElements><zeebe:taskDefinition type="work"/>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>
<bpmn:sequenceFlow id="f3" sourceRef="g" targetRef="t"/>
<bpmn:endEvent id="t"><bpmn:terminateEventDefinition/></bpmn:endEvent>"#;
const VOLATILE: &str = "[processes.order]\nvolatile-tracking = true";
const SCHEMA: &str = r#"{"type":"object","required":["n"],"properties":{"n":{"type":"number"}}}"#;

struct Server {
    node: Node,
    clock: Arc<AtomicI64>,
    store: Arc<dyn Store>,
    _scratch: tempfile::TempDir,
}

impl Server {
    async fn open(store: Arc<dyn Store>) -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(AtomicI64::new(START_MS));
        let mut options = Options::new("test", scratch.path().to_owned());
        options.clock = Clock::Manual(clock.clone());
        let node = Node::open(store.clone(), options);
        node.ready(PATIENCE).await.expect("ready");
        Self { node, clock, store, _scratch: scratch }
    }

    async fn pass(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
        self.node.replay(Vec::new()).await.expect("an answer");
        self.node.replay(Vec::new()).await.expect("an answer");
    }

    async fn publish(&self, json: &str) -> Result<node::Accepted, Error> {
        let data = feel::json::parse(json.as_bytes()).expect("JSON");
        let publication = Publication { source: None, id: None, data };
        let mut answers = self.node.publish("shop/order", vec![publication]).await?;
        answers.pop().expect("an answer")
    }

    async fn instances(&self) -> Vec<InstanceRow> {
        let all = InstanceFilter { limit: 100, ..InstanceFilter::default() };
        self.node.instances(&all).await.expect("a list")
    }

    async fn entries(&self, state: EntryState) -> usize {
        self.node.entries(state, None, None, 100).await.expect("entries").len()
    }
}

async fn shop(process: &str, back_off: &str, rest: &str) -> Server {
    let manifest = format!(
        "name = \"shop\"\nversion = \"1.0.0\"\ndescription = \"d\"\n[[triggers]]\n\
         name = \"order\"\ndocument = \"order\"\nprocess = \"order\"\nback-off = \"{back_off}\"\n\
         retries = 2\n{rest}\n"
    );
    let model = format!(
        r#"{HEAD}<bpmn:process id="order" isExecutable="true">{process}</bpmn:process>
</bpmn:definitions>"#
    );
    let files = BTreeMap::from([
        ("package.toml".to_owned(), manifest.into_bytes()),
        ("documents/order.json".to_owned(), SCHEMA.as_bytes().to_vec()),
        ("processes/order.bpmn".to_owned(), model.into_bytes()),
    ]);
    let server = Server::open(Arc::new(Memory::new())).await;
    let package = PackageSource::from_files(files).expect("a package");
    server.node.deploy(vec![package]).await.expect("deploys");
    server
}

fn worker() -> WorkerRequest {
    WorkerRequest {
        job_type: "work".into(),
        worker: "w".into(),
        timeout_ms: 1_000_000,
        fetch: Vec::new(),
    }
}

#[tokio::test]
async fn a_shard_with_nothing_to_write_goes_on_taking_inputs() {
    let server = shop(JOB, "PT1S", "").await;
    for _ in 0..1_100 {
        let jobs = server.node.activate_jobs(worker(), 1, None).await.expect("an answer");
        assert!(jobs.is_empty());
    }
    server.publish(r#"{"n":1}"#).await.expect("still accepted");
    server.node.stop().await;
}

#[tokio::test]
async fn a_stream_opened_while_a_job_is_not_yet_durable_gets_it() {
    let server = shop(JOB, "PT1S", "").await;
    let create = server.node.create(Which::Enabled("order".into()), Context::default());
    let (created, stream) = tokio::join!(create, async { server.node.open_stream(worker()) });
    created.expect("created");
    let mut stream = stream.expect("a stream");
    let mut jobs = Vec::new();
    let next = tokio::time::timeout(PATIENCE, stream.next(&mut jobs, 10)).await;
    assert!(next.expect("DSP-2: nobody else wakes the stream"));
    assert_eq!(jobs.len(), 1);
    server.node.stop().await;
}

#[tokio::test]
async fn a_volatile_job_without_a_worker_waits_for_one() {
    let server = shop(JOB, "PT1S", VOLATILE).await;
    server.publish(r#"{"n":1}"#).await.expect("accepted");
    let jobs = server.node.activate_jobs(worker(), 1, None).await.expect("an answer");
    assert_eq!(jobs.len(), 1, "it has no row that could be read");
    server.node.complete_job(jobs[0].job, Context::default()).await.expect("completed");
    assert_eq!(server.instances().await[0].state, InstanceState::Completed);
    server.node.stop().await;
}

#[tokio::test]
async fn a_volatile_timer_far_away_fires() {
    let server = shop(TIMER, "PT1S", VOLATILE).await;
    server.publish(r#"{"n":1}"#).await.expect("accepted");
    server.pass(599_999).await;
    assert_eq!(server.instances().await[0].state, InstanceState::Active);
    server.pass(1).await;
    assert_eq!(server.instances().await[0].state, InstanceState::Completed, "WAK-1");
    server.node.stop().await;
}

#[tokio::test]
async fn a_document_parked_in_the_same_batch_goes_on_when_its_process_is_enabled() {
    let server = shop(SCRIPT, "PT1S", "when-disabled = \"park\"").await;
    server.node.enable("order", None).await.expect("disabled");
    let (published, enabled) =
        tokio::join!(server.publish(r#"{"n":1}"#), server.node.enable("order", Some(1)));
    published.expect("accepted");
    enabled.expect("enabled");
    server.pass(0).await;
    assert_eq!(server.entries(EntryState::Parked).await, 0);
    assert_eq!(server.instances().await.len(), 1);
    server.node.stop().await;
}

#[tokio::test]
async fn a_redelivery_that_is_due_before_the_commit_finds_its_document() {
    let server = shop(SCRIPT, "PT0S", "filter = \"=n\"").await;
    server.publish(r#"{"n":1}"#).await.expect("accepted");
    server.pass(0).await;
    let dead = server.node.entries(EntryState::Dead, None, None, 1).await.expect("entries");
    assert_eq!(dead.len(), 1);
    let reason = dead[0].1.reason.clone().expect("a reason");
    assert!(reason.contains("must be true or false"), "{reason}");
    assert_eq!(dead[0].1.attempts, 3);
    server.node.stop().await;
}

#[tokio::test]
async fn a_job_that_came_and_went_in_one_decision_leaves_no_row() {
    let server = shop(TERMINATED, "PT1S", "").await;
    server.publish(r#"{"n":1}"#).await.expect("accepted");
    assert_eq!(server.instances().await[0].state, InstanceState::Completed);
    let rows = server.store.jobs_ready(ShardId(1), "work", None, 10).await.expect("rows");
    assert_eq!(rows, [], "BAT-1");
    server.node.stop().await;
}

/// A clock that was wrong for a moment does not stop what is due after it was set right.
#[tokio::test]
async fn a_clock_that_is_set_back_far_is_followed() {
    let server = shop(TIMER, "PT1S", "").await;
    server.pass(3_600_000).await;
    server.pass(-3_600_000).await;
    server.publish(r#"{"n":1}"#).await.expect("accepted");
    server.pass(0).await;
    assert_eq!(server.instances().await[0].state, InstanceState::Active);
    server.pass(600_000).await;
    assert_eq!(server.instances().await[0].state, InstanceState::Completed);
    server.node.stop().await;
}
