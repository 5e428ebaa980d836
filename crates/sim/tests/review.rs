//! What happens while a unit is on its way, and after one that failed (SHD-1, SHD-2, DSP-2).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use engine::ids::{Block, InstanceKey, ShardId};
use feel::Context;
use host::package::PackageSource;
use node::{Clock, Condition, Node, Options, Publication, Which, WorkerRequest};
use sim::{Death, Mortal};
use store::memory::Memory;
use store::{EntryState, InstanceFilter};
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(10);
const START_MS: i64 = 1_700_000_000_000;
const HEAD: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">"#;
const PASS: &str = r#"<bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="e"/><bpmn:endEvent id="e"/>"#;
const JOB: &str = r#"<bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:serviceTask id="c"><bpmn:extensionElements><zeebe:taskDefinition type="work"/>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>"#;
const HOURLY: &str = r#"<bpmn:startEvent id="s"><bpmn:timerEventDefinition>
<bpmn:timeCycle>R/PT1H</bpmn:timeCycle></bpmn:timerEventDefinition></bpmn:startEvent>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="e"/><bpmn:endEvent id="e"/>"#;

struct Server {
    node: Node,
    clock: Arc<AtomicI64>,
    store: Arc<Mortal>,
    _scratch: tempfile::TempDir,
}

impl Server {
    async fn open(death: Death) -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(AtomicI64::new(START_MS));
        let mut options = Options::new("test", scratch.path().to_owned());
        options.clock = Clock::Manual(clock.clone());
        let store = Arc::new(Mortal::mortal(Arc::new(Memory::new()), death));
        let node = Node::open(store.clone(), options);
        node.ready(PATIENCE).await.expect("ready");
        Self { node, clock, store, _scratch: scratch }
    }

    /// With a process `order` and a trigger of the same name.
    async fn shop(death: Death, process: &str) -> Self {
        let server = Self::open(death).await;
        let manifest = "name = \"shop\"\nversion = \"1.0.0\"\ndescription = \"d\"\n[[triggers]]\n\
                        name = \"order\"\ndocument = \"order\"\nprocess = \"order\"\n\
                        when-disabled = \"dead-letter\"";
        let model = model("order", process);
        let files = BTreeMap::from([
            ("package.toml".to_owned(), manifest.into()),
            ("documents/order.json".to_owned(), br#"{"type":"object"}"#.to_vec()),
            ("processes/order.bpmn".to_owned(), model.into_bytes()),
        ]);
        let package = PackageSource::from_files(files).expect("a package");
        server.node.deploy(vec![package]).await.expect("deploys");
        server
    }

    /// Sets the clock, and lets the shard see it.
    async fn pass(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
        self.settle().await;
    }

    async fn settle(&self) {
        for _ in 0..2 {
            look(&self.node).await;
        }
    }

    /// Lets the shard decide on everything that was sent, without a commit.
    async fn decided(&self, inputs: u64) {
        let seen = || self.node.counters().inputs.load(Ordering::Relaxed);
        let all = async {
            while seen() < inputs {
                tokio::task::yield_now().await;
            }
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("inputs are taken");
    }

    fn inputs(&self) -> u64 {
        self.node.counters().inputs.load(Ordering::Relaxed)
    }

    async fn instances(&self) -> usize {
        let all = InstanceFilter { limit: 100, ..InstanceFilter::default() };
        self.node.instances(&all).await.expect("a list").len()
    }
}

/// Has the shard look at what is due, by asking it for something that is not there.
async fn look(node: &Node) {
    let nobody = InstanceKey(Block::new(ShardId(1), 1 << 20).first());
    node.cancel(nobody).await.expect_err("there is no such instance");
}

fn model(id: &str, process: &str) -> String {
    format!(
        r#"{HEAD}<bpmn:process id="{id}" isExecutable="true">{process}</bpmn:process>
</bpmn:definitions>"#
    )
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_stops_though_its_last_unit_fails() {
    // A deployment is four commits: its row, what it is about, the switch, and how it ended.
    let server = Server::shop(Death::Before(5), PASS).await;
    let create = server.node.create(Which::Enabled("order".into()), Context::default());
    let both = async { tokio::join!(create, server.node.stop()) };
    let (created, ()) = tokio::time::timeout(PATIENCE, both).await.expect("it stops");
    assert!(created.is_err(), "SHD-1");
}

#[tokio::test]
async fn a_stream_that_stayed_through_a_failed_commit_gets_what_is_ready() {
    // Four of the deployment, the instance, and the lease, which fails.
    let server = Server::shop(Death::Hiccup(6), JOB).await;
    let which = || Which::Enabled("order".into());
    server.node.create(which(), Context::default()).await.expect("created");
    let request = WorkerRequest {
        job_type: "work".into(),
        worker: "w".into(),
        timeout_ms: 1_000_000,
        fetch: Vec::new(),
    };
    let mut stream = server.node.open_stream(request).expect("a stream");
    let mut jobs = Vec::new();
    let next = tokio::time::timeout(PATIENCE, stream.next(&mut jobs, 10)).await;
    assert!(next.expect("DSP-2: it is not forgotten"));
    assert_eq!(jobs.len(), 1);
    assert_eq!(server.node.condition(), Condition::Ready);
    server.node.stop().await;
}

#[tokio::test]
async fn a_schedule_goes_on_and_is_taken_away_while_its_last_change_is_not_durable() {
    let server = Server::open(Death::Never).await;
    let resources = vec![("hourly.bpmn".to_owned(), model("hourly", HOURLY).into())];
    server.node.deploy_resources(resources).await.expect("deploys");
    let mut calls = JoinSet::new();
    let slow = server.store.hold().await;
    for _ in 0..3 {
        let taken = server.inputs() + 1;
        server.clock.fetch_add(3_600_000, Ordering::Relaxed);
        let node = server.node.clone();
        calls.spawn(async move {
            look(&node).await;
            Ok(())
        });
        server.decided(taken).await;
    }
    drop(slow);
    server.settle().await;
    assert_eq!(server.instances().await, 3);
    server.pass(3_600_000).await;
    assert_eq!(server.instances().await, 4, "it goes on");
    // Disabled while the change of the next firing is on its way.
    let slow = server.store.hold().await;
    let taken = server.inputs() + 1;
    server.clock.fetch_add(3_600_000, Ordering::Relaxed);
    let node = server.node.clone();
    calls.spawn(async move {
        look(&node).await;
        Ok(())
    });
    server.decided(taken).await;
    let node = server.node.clone();
    calls.spawn(async move { node.enable("hourly", None).await });
    server.decided(taken + 1).await;
    drop(slow);
    for answer in calls.join_all().await {
        answer.expect("an answer");
    }
    assert_eq!(server.instances().await, 5);
    server.pass(3_600_000).await;
    assert_eq!(server.instances().await, 5, "a disabled version starts nothing");
    server.node.stop().await;
}

#[tokio::test]
async fn a_dead_letter_that_is_replayed_twice_is_delivered_once() {
    let server = Server::shop(Death::Never, PASS).await;
    server.node.enable("order", None).await.expect("disabled");
    let data = feel::Value::Context(Context::default());
    let publication = Publication { source: None, id: None, data };
    server.node.publish("shop/order", vec![publication]).await.expect("accepted");
    server.node.enable("order", Some(1)).await.expect("enabled");
    let dead = server.node.entries(EntryState::Dead, None, None, 1).await.expect("entries");
    let entry = dead[0].0;
    let slow = server.store.hold().await;
    let mut answers = JoinSet::new();
    for _ in 0..2 {
        let taken = server.inputs() + 1;
        let node = server.node.clone();
        answers.spawn(async move { node.replay(vec![entry]).await });
        server.decided(taken).await;
    }
    drop(slow);
    let answers = answers.join_all().await.into_iter();
    let replayed: u64 = answers.map(|answer| answer.expect("an answer")).sum();
    assert_eq!(replayed, 1);
    server.settle().await;
    assert_eq!(server.instances().await, 1);
    server.node.stop().await;
}
