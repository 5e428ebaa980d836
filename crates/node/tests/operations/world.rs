//! Servers on one store in memory whose clock the test sets, joined by calls within the process.

#[path = "../support/wire.rs"]
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use node::cluster::Others;
use node::{Clock, Node, Options};
use store::memory::Memory;
use store::{InstanceFilter, InstanceRow, Store};
use wire::Wire;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const START_MS: i64 = 1_700_000_000_000;

pub(crate) struct World {
    pub(crate) store: Arc<Memory>,
    pub(crate) ticks: Arc<AtomicI64>,
    wire: Arc<Wire>,
    scratch: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let ticks = Arc::new(AtomicI64::new(START_MS));
        let clock = ticks.clone();
        let store = Memory::with_clock(Arc::new(move || clock.load(Ordering::SeqCst)));
        Self {
            store: Arc::new(store),
            ticks,
            wire: Arc::new(Wire::default()),
            scratch: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn start(&self, name: &str) -> Node {
        self.start_with(name, |_| {})
    }

    pub(crate) fn start_with(&self, name: &str, change: impl FnOnce(&mut Options)) -> Node {
        self.start_on(self.store.clone(), name, change)
    }

    pub(crate) fn start_on(
        &self,
        store: Arc<dyn Store>,
        name: &str,
        change: impl FnOnce(&mut Options),
    ) -> Node {
        let mut options = Options::new(name, self.scratch.path().to_owned());
        options.clock = Clock::Manual(self.ticks.clone());
        options.cluster.shards = 4;
        options.cluster.others = Others::Possible;
        options.cluster.beat = Duration::from_millis(20);
        options.cluster.transport = self.wire.clone();
        change(&mut options);
        let node = Node::open(store, options);
        self.wire.join(name, &node);
        node
    }

    pub(crate) fn pass(&self, ms: i64) {
        self.ticks.fetch_add(ms, Ordering::SeqCst);
    }

    /// Nobody reaches a server any more, though it reaches others.
    pub(crate) fn cut(&self, node: &Node) {
        self.wire.cut(node.name());
    }

    /// It can be reached again.
    pub(crate) fn join(&self, node: &Node) {
        self.wire.join(node.name(), node);
    }

    /// Cuts a server off and ends it; its lease still runs.
    pub(crate) async fn kill(&self, node: &Node) {
        self.wire.cut(node.name());
        node.kill().await;
    }

    /// Lets the leases of servers that show no signs of life run out.
    pub(crate) async fn outlive(&self, living: &Node) {
        for _ in 0..4 {
            let before = living.pulse().await.unwrap().now_ms;
            self.pass(500);
            until("signs of life", async || {
                let pulse = living.pulse().await.unwrap();
                let me = pulse.members.iter().find(|known| *known.about.name == *living.name());
                me.is_some_and(|me| me.lease_until_ms >= before + 500 + 1_500)
            })
            .await;
        }
    }

    pub(crate) async fn owned(&self, name: &str) -> usize {
        let pulse = self.store_pulse().await;
        let me = pulse.members.iter().find(|known| *known.about.name == *name);
        let Some(me) = me else { return 0 };
        pulse.shards.iter().filter(|shard| shard.owner == Some(me.key)).count()
    }

    async fn store_pulse(&self) -> store::Pulse {
        store::Cluster::pulse(&*self.store).await.unwrap()
    }

    pub(crate) async fn owns(&self, name: &str, number: usize) {
        until("its share", async || self.owned(name).await == number).await;
    }

    pub(crate) async fn instances(&self) -> Vec<InstanceRow> {
        let all = InstanceFilter { limit: 10_000, ..InstanceFilter::default() };
        self.store.instances(&all).await.unwrap()
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

const HEAD: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">"#;

/// Start, script, end.
pub(crate) const SCRIPT: &str = r#"<bpmn:process id="order" isExecutable="true">
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:scriptTask id="c"><bpmn:extensionElements><zeebe:script expression="=n + 1"
 resultVariable="m"/></bpmn:extensionElements></bpmn:scriptTask>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/></bpmn:process>"#;

/// Start, job, end.
pub(crate) const JOB: &str = r#"<bpmn:process id="order" isExecutable="true">
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:serviceTask id="c"><bpmn:extensionElements><zeebe:taskDefinition type="charge"/>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/></bpmn:process>"#;

pub(crate) async fn deploy(node: &Node, process: &str) {
    let model = format!("{HEAD}{process}</bpmn:definitions>");
    let resources = vec![("model.bpmn".to_owned(), Bytes::from(model))];
    node.deploy_resources(resources).await.unwrap();
}
