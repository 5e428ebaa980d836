//! A scenario with N commits is run again and again, dying before and after each of them: the end
//! is the same, no document is lost or doubled, and no recorded step runs again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engine::Event;
use engine::ids::JobKey;
use feel::{Context, Value};
use host::package::PackageSource;
use node::{Clock, Error, Node, Options, Publication, WorkerRequest};
use sim::{Death, Mortal, store_clock};
use store::memory::Memory;
use store::{EntryFilter, InstanceFilter, InstanceState, Store};

const PATIENCE: Duration = Duration::from_secs(20);
const ORDERS: usize = 4;

const MANIFEST: &str = r#"
name = "shop"
version = "1.0.0"
description = "Crash test"

[[triggers]]
name = "order"
document = "order"
process = "order"

[[triggers]]
name = "straight"
document = "order"
process = "straight"

[[triggers]]
name = "paid"
document = "paid"
process = "order"
correlation-key = "=id"
"#;

const SCHEMA: &str = r#"{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}"#;

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">"#;

/// Split, job, timer, message, call and join.
const ORDER: &str = r#"
<bpmn:message id="m" name="paid"><bpmn:extensionElements>
<zeebe:subscription correlationKey="=id"/></bpmn:extensionElements></bpmn:message>
<bpmn:process id="order" isExecutable="true">
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f0" sourceRef="s" targetRef="g"/>
<bpmn:parallelGateway id="g"/>
<bpmn:sequenceFlow id="f1" sourceRef="g" targetRef="pick"/>
<bpmn:sequenceFlow id="f2" sourceRef="g" targetRef="pay"/>
<bpmn:sequenceFlow id="f3" sourceRef="g" targetRef="rest"/>
<bpmn:serviceTask id="pick"><bpmn:extensionElements>
<zeebe:taskDefinition type="pick"/></bpmn:extensionElements></bpmn:serviceTask>
<bpmn:intermediateCatchEvent id="pay"><bpmn:messageEventDefinition messageRef="m"/>
</bpmn:intermediateCatchEvent>
<bpmn:intermediateCatchEvent id="rest"><bpmn:timerEventDefinition>
<bpmn:timeDuration>PT0.02S</bpmn:timeDuration></bpmn:timerEventDefinition>
</bpmn:intermediateCatchEvent>
<bpmn:sequenceFlow id="f4" sourceRef="pick" targetRef="j"/>
<bpmn:sequenceFlow id="f5" sourceRef="pay" targetRef="j"/>
<bpmn:sequenceFlow id="f6" sourceRef="rest" targetRef="j"/>
<bpmn:parallelGateway id="j"/><bpmn:sequenceFlow id="f7" sourceRef="j" targetRef="c"/>
<bpmn:callActivity id="c"><bpmn:extensionElements>
<zeebe:calledElement processId="child"/></bpmn:extensionElements></bpmn:callActivity>
<bpmn:sequenceFlow id="f8" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process>
<bpmn:process id="child" isExecutable="true">
<bpmn:startEvent id="cs"/><bpmn:sequenceFlow id="c1" sourceRef="cs" targetRef="pack"/>
<bpmn:serviceTask id="pack"><bpmn:extensionElements>
<zeebe:taskDefinition type="pack"/></bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="c2" sourceRef="pack" targetRef="ce"/><bpmn:endEvent id="ce"/>
</bpmn:process>
<bpmn:process id="straight" isExecutable="true">
<bpmn:startEvent id="ss"/><bpmn:sequenceFlow id="s1" sourceRef="ss" targetRef="calc"/>
<bpmn:scriptTask id="calc"><bpmn:extensionElements>
<zeebe:script expression="=1 + 1" resultVariable="two"/></bpmn:extensionElements>
</bpmn:scriptTask>
<bpmn:sequenceFlow id="s2" sourceRef="calc" targetRef="se"/><bpmn:endEvent id="se"/>
</bpmn:process></bpmn:definitions>"#;

fn shop() -> PackageSource {
    let files = BTreeMap::from([
        ("package.toml".to_owned(), MANIFEST.as_bytes().to_vec()),
        ("documents/order.json".to_owned(), SCHEMA.as_bytes().to_vec()),
        ("documents/paid.json".to_owned(), SCHEMA.as_bytes().to_vec()),
        ("processes/order.bpmn".to_owned(), format!("{HEAD}{ORDER}").into_bytes()),
    ]);
    PackageSource::from_files(files).expect("a package")
}

/// What the outside world knows; it survives the server.
#[derive(Default)]
struct World {
    deployed: bool,
    published: BTreeSet<(&'static str, usize)>,
    completed: BTreeSet<JobKey>,
    finished: bool,
}

impl World {
    /// Works until everything is done or the server dies.
    async fn drive(&mut self, node: &Node) -> Result<(), Error> {
        if !self.deployed {
            node.deploy(vec![shop()]).await?;
            self.deployed = true;
        }
        for number in 0..ORDERS {
            self.publish(node, "order", number).await?;
        }
        let mut paid = 0;
        loop {
            for job_type in ["pick", "pack"] {
                self.work(node, job_type).await?;
            }
            if paid < ORDERS {
                self.publish(node, "paid", paid).await?;
                paid += 1;
            }
            let active = InstanceFilter {
                state: Some(InstanceState::Active),
                limit: 10,
                ..InstanceFilter::default()
            };
            if paid == ORDERS && node.instances(&active).await?.is_empty() {
                self.finished = true;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn publish(
        &mut self,
        node: &Node,
        kind: &'static str,
        number: usize,
    ) -> Result<(), Error> {
        if self.published.contains(&(kind, number)) {
            return Ok(());
        }
        let data = Context::new(vec![("id".into(), Value::from(format!("o-{number}")))]);
        let publication = Publication {
            source: Some("test".to_owned()),
            id: Some(format!("{kind}-{number}")),
            data: Value::Context(data),
        };
        let answers = node.publish(&format!("shop/{kind}"), vec![publication]).await?;
        for answer in answers {
            answer?;
        }
        self.published.insert((kind, number));
        Ok(())
    }

    async fn work(&mut self, node: &Node, job_type: &str) -> Result<(), Error> {
        let request = WorkerRequest {
            job_type: job_type.into(),
            worker: "w".into(),
            timeout_ms: 40,
            fetch: Vec::new(),
        };
        for activation in node.activate_jobs(request, 10, None).await? {
            let job = activation.job;
            assert!(!self.completed.contains(&job), "{job} was recorded as done and came again");
            match node.complete_job(job, Context::default()).await {
                Ok(()) => {
                    self.completed.insert(job);
                }
                // Its completion was durable, but the answer was lost with the server.
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Runs the scenario with one death. Answers how many commits the first server asked for.
async fn run(death: Death) -> u64 {
    let inner: Arc<dyn Store> = Arc::new(Memory::with_clock(store_clock()));
    let mut world = World::default();
    let first = Arc::new(Mortal::mortal(inner.clone(), death));
    let mut commits = 0;
    for life in 0..2 {
        let store = if life == 0 {
            first.clone()
        } else {
            Arc::new(Mortal::mortal(inner.clone(), Death::Never))
        };
        let scratch = tempfile::tempdir().expect("a directory");
        let mut options = Options::new("t", scratch.path().to_owned());
        options.clock = Clock::shared();
        // A server that died holds its shards until its lease runs out.
        let node = Node::open(store.clone(), options);
        node.ready(PATIENCE).await.expect("ready");
        let driven = tokio::time::timeout(PATIENCE, world.drive(&node)).await;
        let driven = driven.unwrap_or_else(|_| panic!("{death:?} life {life}: stuck"));
        node.stop().await;
        if life == 0 {
            commits = first.commits();
        }
        match driven {
            Ok(()) => break,
            Err(error) => assert!(store.is_dead(), "{death:?} life {life}: {error}"),
        }
    }
    assert!(world.finished, "{death:?}");
    check(&*inner, death).await;
    commits
}

/// Looks at what is left, from outside.
async fn check(store: &dyn Store, death: Death) {
    let all = InstanceFilter { limit: 1_000, ..InstanceFilter::default() };
    let rows = store.instances(&all).await.expect("a list");
    for process in ["order", "child", "straight"] {
        let number = rows.iter().filter(|row| &*row.process == process).count();
        assert_eq!(number, ORDERS, "{death:?}: instances of {process}");
    }
    for row in &rows {
        assert_eq!(row.state, InstanceState::Completed, "{death:?}");
        let mut records = Vec::new();
        for batch in store.audit(row.key).await.expect("a log") {
            node::audit::read(&batch.records, &mut records).expect("records");
        }
        let mut completed = BTreeSet::new();
        for record in records {
            if let Event::StepCompleted { element, .. } = record.event {
                assert!(completed.insert(element), "{death:?}: element {element} ran twice");
            }
        }
        assert!(!completed.is_empty());
    }
    let shard = engine::ids::ShardId(1);
    assert!(store.job_types(shard).await.expect("types").is_empty(), "{death:?}");
    assert!(store.jobs_leased(shard, None, 10).await.expect("jobs").is_empty(), "{death:?}");
    let timers = store.timers(shard, None, i64::MAX, 100).await.expect("timers");
    // The buffered messages' deadlines remain until they are over.
    assert!(
        timers.iter().all(|row| matches!(row.address, engine::ids::Address::Bucket { .. })),
        "{death:?}: {timers:?}"
    );
    for state in [store::EntryState::Queued, store::EntryState::InProcess] {
        let filter = EntryFilter { state: Some(state), limit: 10, ..EntryFilter::default() };
        let entries = store.entries(&filter).await.expect("entries");
        assert!(entries.is_empty(), "{death:?}: {entries:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_commit_may_be_the_last_one() {
    let commits = run(Death::Never).await;
    assert!(commits > 10, "the scenario has {commits} commits");
    let mut died = 0;
    for number in 1..=commits + 4 {
        for death in [Death::Before(number), Death::After(number)] {
            if run(death).await >= number {
                died += 1;
            }
        }
    }
    assert!(died >= 2 * (commits - 4), "{died} of {commits} commits were the last one");
}
