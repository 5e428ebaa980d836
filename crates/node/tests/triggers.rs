//! Documents, triggers and quality of service on a whole server in memory, with a clock that
//! stands until it is set: DOC-1, DOC-2, CAT-1, DPL-1 and DPL-2 are shown here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use engine::Event;
use feel::Context;
use host::package::PackageSource;
use node::{Clock, Condition, Error, Node, Options, Publication, WorkerRequest};
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
const SCHEMA: &str = r#"{"type":"object","required":["n"],"properties":{"n":{"type":"number"}}}"#;

/// A server in memory whose clock stands.
struct Server {
    node: Node,
    clock: Arc<AtomicI64>,
    store: Arc<dyn Store>,
    _scratch: tempfile::TempDir,
}

impl Server {
    async fn open(store: Arc<dyn Store>) -> Self {
        Self::open_at(store, START_MS).await
    }

    async fn open_at(store: Arc<dyn Store>, now_ms: i64) -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(AtomicI64::new(now_ms));
        let mut options = Options::new("test", scratch.path().to_owned());
        options.clock = Clock::Manual(clock.clone());
        let node = Node::open(store.clone(), options);
        node.ready(PATIENCE).await.expect("ready");
        Self { node, clock, store, _scratch: scratch }
    }

    /// Sets the clock, and lets the shard see it.
    async fn pass(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
        self.node.replay(Vec::new()).await.expect("an answer");
        self.node.replay(Vec::new()).await.expect("an answer");
    }

    async fn publish(&self, id: Option<&str>, json: &str) -> Result<node::Accepted, Error> {
        let publication = Publication {
            source: id.map(|_| "test".to_owned()),
            id: id.map(str::to_owned),
            data: feel::json::parse(json.as_bytes()).expect("JSON"),
        };
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

fn package(version: &str, process: &str, rest: &str) -> PackageSource {
    let manifest = format!(
        "name = \"shop\"\nversion = \"{version}\"\ndescription = \"d\"\n[[triggers]]\n\
         name = \"order\"\ndocument = \"order\"\nprocess = \"order\"\nback-off = \"PT1S\"\n\
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
    PackageSource::from_files(files).expect("a package")
}

async fn shop(process: &str, rest: &str) -> Server {
    shop_on(Arc::new(Memory::new()), process, rest).await
}

async fn shop_on(store: Arc<dyn Store>, process: &str, rest: &str) -> Server {
    let server = Server::open(store).await;
    server.node.deploy(vec![package("1.0.0", process, rest)]).await.expect("deploys");
    server
}

#[tokio::test]
async fn a_document_starts_an_instance_and_a_straight_one_leaves_no_rows() {
    let server = shop(SCRIPT, "").await;
    let accepted = server.publish(None, r#"{"n":1}"#).await.expect("accepted");
    let rows = server.instances().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].state, InstanceState::Completed);
    for state in [EntryState::Queued, EntryState::InProcess, EntryState::Dead] {
        assert_eq!(server.entries(state).await, 0);
    }
    assert!(server.store.document(accepted.document).await.expect("an answer").is_none());
    server.node.stop().await;
}

#[tokio::test]
async fn the_same_source_and_id_is_one_document_even_after_a_restart() {
    let server = shop(SCRIPT, "").await;
    let first = server.publish(Some("a"), r#"{"n":1}"#).await.expect("accepted");
    let again = server.publish(Some("a"), r#"{"n":1}"#).await.expect("accepted");
    assert!(!first.duplicate);
    assert!(again.duplicate);
    assert_eq!(again.document, first.document);
    server.node.stop().await;
    let server = Server::open(server.store.clone()).await;
    assert!(server.publish(Some("a"), r#"{"n":1}"#).await.expect("accepted").duplicate);
    assert_eq!(server.instances().await.len(), 1);
    server.node.stop().await;
}

#[tokio::test]
async fn a_batch_with_one_id_twice_is_one_document() {
    let server = shop(SCRIPT, "").await;
    let twice = |id: &str| Publication {
        source: Some("s".to_owned()),
        id: Some(id.to_owned()),
        data: feel::json::parse(br#"{"n":1}"#).expect("JSON"),
    };
    let batch = vec![twice("x"), twice("x"), twice("y")];
    let answers = server.node.publish("shop/order", batch).await.expect("answers");
    let duplicates = answers.iter().filter(|a| a.as_ref().is_ok_and(|a| a.duplicate)).count();
    assert_eq!(duplicates, 1);
    assert_eq!(server.instances().await.len(), 2);
    server.node.stop().await;
}

#[tokio::test]
async fn a_bad_document_is_refused_with_its_pointer_and_the_others_are_accepted() {
    let server = shop(SCRIPT, "").await;
    match server.publish(None, r#"{"n":"one"}"#).await {
        Err(Error::Schema { violations, .. }) => assert_eq!(violations[0].0, "/n"),
        other => panic!("not refused: {other:?}"),
    }
    let unknown = server.node.publish("shop/ordr", Vec::new()).await;
    match unknown {
        Err(Error::UnknownType { nearest, .. }) => {
            assert_eq!(nearest.as_deref(), Some("shop/order"));
        }
        other => panic!("not refused: {other:?}"),
    }
    server.node.stop().await;
}

#[tokio::test]
async fn a_filter_that_is_false_acknowledges_and_one_that_fails_is_retried_then_dead() {
    let server = shop(SCRIPT, "filter = \"=if n > 9 then n else n > 5\"").await;
    server.publish(None, r#"{"n":1}"#).await.expect("accepted");
    assert_eq!(server.instances().await.len(), 0);
    assert_eq!(server.entries(EntryState::Queued).await, 0);
    server.publish(None, r#"{"n":7}"#).await.expect("accepted");
    assert_eq!(server.instances().await.len(), 1);
    server.publish(None, r#"{"n":10}"#).await.expect("accepted");
    assert_eq!(server.entries(EntryState::Queued).await, 1);
    server.pass(1_000).await;
    assert_eq!(server.entries(EntryState::Queued).await, 1, "the second delivery failed too");
    server.pass(1_999).await;
    assert_eq!(server.entries(EntryState::Dead).await, 0, "the pause doubles");
    server.pass(1).await;
    assert_eq!(server.entries(EntryState::Dead).await, 1);
    let dead = server.node.entries(EntryState::Dead, None, None, 1).await.expect("entries");
    let (row, document) = server.node.entry(dead[0].0).await.expect("an entry");
    assert_eq!(row.attempts, 3);
    assert!(row.reason.is_some_and(|reason| reason.contains("must be true or false")));
    assert!(document.is_some());
    server.node.deploy(vec![package("1.1.0", SCRIPT, "")]).await.expect("deploys");
    assert_eq!(server.node.replay(vec![dead[0].0]).await.expect("an answer"), 1);
    server.pass(0).await;
    assert_eq!(server.entries(EntryState::Dead).await, 0);
    assert_eq!(server.instances().await.len(), 2);
    server.node.stop().await;
}

#[tokio::test]
async fn a_disabled_process_acknowledges_parks_or_dead_letters() {
    for (policy, parked, dead) in [("acknowledge", 0, 0), ("park", 1, 0), ("dead-letter", 0, 1)] {
        let server = shop(SCRIPT, &format!("when-disabled = \"{policy}\"")).await;
        server.node.enable("order", None).await.expect("disabled");
        server.publish(None, r#"{"n":1}"#).await.expect("accepted");
        assert_eq!(server.instances().await.len(), 0);
        assert_eq!(server.entries(EntryState::Parked).await, parked, "{policy}");
        assert_eq!(server.entries(EntryState::Dead).await, dead, "{policy}");
        server.node.enable("order", Some(1)).await.expect("enabled");
        server.pass(0).await;
        assert_eq!(server.instances().await.len(), parked, "parked documents go on");
        assert_eq!(server.entries(EntryState::Parked).await, 0);
        server.node.stop().await;
    }
}

#[tokio::test]
async fn one_version_is_enabled_and_running_instances_stay_on_theirs() {
    let server = shop(JOB, "").await;
    server.publish(None, r#"{"n":1}"#).await.expect("accepted");
    server.node.deploy(vec![package("1.1.0", SCRIPT, "")]).await.expect("deploys");
    server.publish(None, r#"{"n":2}"#).await.expect("accepted");
    let rows = server.instances().await;
    let versions: Vec<(u32, InstanceState)> =
        rows.iter().map(|row| (row.version, row.state)).collect();
    assert_eq!(versions, [(2, InstanceState::Completed), (1, InstanceState::Active)]);
    let catalog = server.node.catalog();
    let enabled = catalog.definitions.values().filter(|known| known.enabled).count();
    assert_eq!(enabled, 1);
    server.node.deploy(vec![package("1.2.0", SCRIPT, "")]).await.expect("deploys");
    let same = server.node.catalog().definitions.len();
    assert_eq!(same, 2, "the same resource gives no new version");
    let changed = server.node.deploy(vec![package("1.2.0", JOB, "")]).await;
    assert!(matches!(changed, Err(Error::Refused { .. })), "a version never changes");
    server.node.stop().await;
}

#[tokio::test]
async fn a_set_with_one_bad_package_changes_nothing() {
    let server = Server::open(Arc::new(Memory::new())).await;
    let bad = package("1.0.0", r#"<bpmn:startEvent id="s"/><bpmn:userTask id="u"/>"#, "");
    let refused = server.node.deploy(vec![bad]).await;
    match refused {
        Err(Error::Refused { problems }) => {
            assert!(problems.iter().any(|problem| problem.element.as_deref() == Some("u")));
        }
        other => panic!("not refused: {other:?}"),
    }
    assert!(server.node.catalog().packages.is_empty());
    assert_eq!(server.node.condition(), Condition::Ready);
    server.node.stop().await;
}

#[tokio::test]
async fn volatile_tracking_starts_over_after_a_crash_and_writes_no_snapshot() {
    let rest = "[processes.order]\nvolatile-tracking = true";
    let waits = r#"<bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:serviceTask id="c"><bpmn:extensionElements><zeebe:taskDefinition type="service:slow"/>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>"#;
    let service = "\n[services.slow]\nkind = \"command\"\nprogram = \"/bin/sleep\"\n\
                   args = [\"30\"]\ntimeout = \"PT60S\"";
    let ticks = Arc::new(AtomicI64::new(0));
    let store_clock = ticks.clone();
    let clock = Arc::new(move || store_clock.load(Ordering::Relaxed));
    let store = Arc::new(Memory::with_clock(clock));
    let server = shop_on(store, waits, &format!("{rest}{service}")).await;
    server.publish(None, r#"{"n":1}"#).await.expect("accepted");
    let first = server.instances().await[0].key;
    let address = [engine::ids::Address::Instance(first)];
    let snapshots = server.store.load(engine::ids::ShardId(1), &address).await;
    assert_eq!(snapshots.expect("an answer"), [None]);
    assert_eq!(server.entries(EntryState::InProcess).await, 1);
    // The server dies: nothing of it is told to stop.
    let store = server.store.clone();
    drop(server);
    ticks.store(60_000, Ordering::Relaxed);
    let server = Server::open(store).await;
    server.pass(0).await;
    assert_eq!(server.instances().await.len(), 2, "the start document came again");
}

#[tokio::test]
async fn without_local_optimisation_every_transition_is_a_unit_of_its_own() {
    let units = |server: &Server| server.node.counters().commits.load(Ordering::Relaxed);
    let fast = shop(SCRIPT, "").await;
    let before = units(&fast);
    fast.publish(None, r#"{"n":1}"#).await.expect("accepted");
    assert_eq!(units(&fast) - before, 1);
    fast.node.stop().await;
    let slow = shop(SCRIPT, "[processes.order]\noptimize-locally = false").await;
    let before = units(&slow);
    slow.publish(None, r#"{"n":1}"#).await.expect("accepted");
    let ended = async {
        while slow.instances().await[0].state == InstanceState::Active {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("it ends");
    assert!(units(&slow) - before >= 3, "{}", units(&slow) - before);
    slow.node.stop().await;
}

#[tokio::test]
async fn the_audit_log_keeps_what_its_level_says_and_is_forgotten_in_time() {
    let mut sizes = Vec::new();
    for level in ["none", "errors", "process", "start", "all"] {
        let rest = format!("[processes.order]\nlogging-level = \"{level}\"\nretention = \"PT1H\"");
        let server = shop(SCRIPT, &rest).await;
        server.publish(None, r#"{"n":1}"#).await.expect("accepted");
        let key = server.instances().await[0].key;
        let records = server.node.audit(key).await.expect("a log");
        let started =
            records.iter().any(|record| matches!(record.event, Event::InstanceStarted(_)));
        assert_eq!(started, !matches!(level, "none" | "errors"), "{level}");
        sizes.push(records.len());
        server.pass(3_599_999).await;
        assert_eq!(server.node.purge().await.expect("an answer"), 0);
        server.pass(1).await;
        assert_eq!(server.node.purge().await.expect("an answer"), 1);
        assert_eq!(server.instances().await.len(), 0);
        assert!(server.node.audit(key).await.expect("a log").is_empty());
        server.node.stop().await;
    }
    assert_eq!(sizes[..2], [0, 0]);
    assert!(sizes.windows(2).all(|pair| pair[0] <= pair[1]), "{sizes:?}");
    assert!(sizes[4] > sizes[3] && sizes[3] > sizes[2], "{sizes:?}");
}

#[tokio::test]
async fn a_lease_that_runs_out_gives_the_job_to_the_next_worker() {
    let server = shop(JOB, "").await;
    server.publish(None, r#"{"n":1}"#).await.expect("accepted");
    let request = || WorkerRequest {
        job_type: "work".into(),
        worker: "w".into(),
        timeout_ms: 1_000,
        fetch: vec!["n".into()],
    };
    let first = server.node.activate_jobs(request(), 5, None).await.expect("jobs");
    assert_eq!(first.len(), 1);
    assert_eq!(server.node.activate_jobs(request(), 5, None).await.expect("jobs").len(), 0);
    server.pass(1_000).await;
    let second = server.node.activate_jobs(request(), 5, None).await.expect("jobs");
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].job, first[0].job);
    server.node.complete_job(first[0].job, Context::default()).await.expect("the first wins");
    let late = server.node.complete_job(second[0].job, Context::default()).await;
    assert!(matches!(late, Err(Error::NotFound { .. })));
    server.node.stop().await;
}

#[tokio::test]
async fn timers_that_expired_while_the_server_was_down_fire_at_its_start() {
    let waits = r#"<bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:intermediateCatchEvent id="c"><bpmn:timerEventDefinition>
<bpmn:timeDuration>PT10M</bpmn:timeDuration></bpmn:timerEventDefinition>
</bpmn:intermediateCatchEvent>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>"#;
    let server = shop(waits, "").await;
    server.publish(None, r#"{"n":1}"#).await.expect("accepted");
    server.pass(599_999).await;
    assert_eq!(server.instances().await[0].state, InstanceState::Active);
    server.node.stop().await;
    let server = Server::open_at(server.store.clone(), START_MS + 600_000).await;
    server.pass(0).await;
    assert_eq!(server.instances().await[0].state, InstanceState::Completed);
    server.node.stop().await;
}

#[tokio::test]
async fn a_timer_start_event_starts_an_instance_each_time_it_is_due() {
    let cycle = r#"<bpmn:startEvent id="s"><bpmn:timerEventDefinition>
<bpmn:timeCycle>R2/PT1H</bpmn:timeCycle></bpmn:timerEventDefinition></bpmn:startEvent>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="e"/><bpmn:endEvent id="e"/>"#;
    let server = Server::open(Arc::new(Memory::new())).await;
    let model = format!(
        r#"{HEAD}<bpmn:process id="hourly" isExecutable="true">{cycle}</bpmn:process>
</bpmn:definitions>"#
    );
    let resources = vec![("hourly.bpmn".to_owned(), model.into())];
    server.node.deploy_resources(resources).await.expect("deploys");
    for expected in [0, 1, 2, 2] {
        assert_eq!(server.instances().await.len(), expected);
        server.pass(3_600_000).await;
    }
    server.node.stop().await;
}

#[tokio::test]
async fn a_process_that_publishes_what_starts_it_leaves_room_for_others() {
    let again = r#"<bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="e"/>
<bpmn:endEvent id="e"><bpmn:messageEventDefinition messageRef="m"/></bpmn:endEvent>
</bpmn:process><bpmn:message id="m" name="order"/><bpmn:process id="x" isExecutable="false">"#;
    let server = shop(again, "").await;
    server.publish(None, r#"{"n":1}"#).await.expect("accepted");
    let started = || server.node.counters().started.load(Ordering::Relaxed);
    let before = started();
    let more = async {
        while started() < before + 10 {
            server.pass(1).await;
        }
    };
    tokio::time::timeout(PATIENCE, more).await.expect("others get their turn, and so does it");
    server.node.enable("order", None).await.expect("it can be stopped");
    server.node.stop().await;
}

#[tokio::test]
async fn a_version_keeps_the_quality_of_its_own_package_over_a_restart() {
    let server = shop(JOB, "").await;
    server.publish(None, r#"{"n":1}"#).await.expect("accepted");
    let volatile = package("1.1.0", SCRIPT, "[processes.order]\nvolatile-tracking = true");
    server.node.deploy(vec![volatile]).await.expect("deploys");
    server.node.stop().await;
    let server = Server::open(server.store.clone()).await;
    let catalog = server.node.catalog();
    let volatile = |version| {
        let known = catalog.version("order", version).expect("a version");
        known.quality.volatile_tracking
    };
    assert!(!volatile(1));
    assert!(volatile(2));
    server.node.stop().await;
}
