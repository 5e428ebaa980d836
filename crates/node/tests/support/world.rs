//! Several servers on one store, in one process, and ways to let one of them die.
//!
//! Boundary: for tests; the store's clock stands still unless a server is killed.
//! Read first: [`World`].

#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use host::package::PackageSource;
use node::cluster::Others;
use node::{Condition, Node, Options};
use store::memory::Memory;
use store::{InstanceFilter, InstanceState, Store};
use wire::Wire;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) store: Arc<Memory>,
    ticks: Arc<AtomicI64>,
    pub(crate) wire: Arc<Wire>,
    pub(crate) scratch: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let ticks = Arc::new(AtomicI64::new(0));
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
        let mut options = Options::new(name, self.scratch.path().join(name));
        options.cluster.shards = 8;
        options.cluster.others = Others::Possible;
        options.cluster.beat = Duration::from_millis(20);
        options.cluster.transport = self.wire.clone();
        change(&mut options);
        let node = Node::open(self.store.clone(), options);
        self.wire.join(name, &node);
        node
    }

    pub(crate) async fn kill(&self, name: &str, node: Node) {
        self.wire.cut(name);
        node.kill().await;
        // Its lease runs out.
        self.ticks.fetch_add(1_200, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.ticks.fetch_add(1_200, Ordering::SeqCst);
    }

    pub(crate) async fn owns(&self, node: &Node, number: usize) {
        let all = async {
            loop {
                let pulse = node.pulse().await.unwrap();
                let me = pulse.members.iter().find(|member| *member.about.name == *node.name());
                let owned = pulse
                    .shards
                    .iter()
                    .filter(|shard| me.is_some_and(|me| shard.owner == Some(me.key)))
                    .count();
                if owned == number && node.condition() == Condition::Ready {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("it owns its share");
    }

    pub(crate) async fn completed(&self, number: usize) {
        let all = async {
            loop {
                let filter = InstanceFilter {
                    state: Some(InstanceState::Completed),
                    limit: 10_000,
                    ..InstanceFilter::default()
                };
                let found = self.store.instances(&filter).await.unwrap().len();
                if found >= number {
                    assert_eq!(found, number, "none twice");
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("all complete");
    }

    /// As [`World::completed`], when the store's clock has gone on.
    pub(crate) async fn completed_after(&self, ms: i64, number: usize) {
        // Not so much at once that a lease runs out.
        for _ in 0..ms / 100 {
            self.ticks.fetch_add(100, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        self.completed(number).await;
    }

    /// Waits until a condition holds.
    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let waiting = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}"));
    }
}

pub(crate) async fn deploy(node: &Node, model: &str) {
    let resources = vec![("model.bpmn".to_owned(), Bytes::from(model.to_owned()))];
    node.deploy_resources(resources).await.expect("deploys");
}

/// A package of these files, whose manifest goes on like this.
pub(crate) fn package(name: &str, manifest: &str, files: &[(&str, &str)]) -> PackageSource {
    let manifest =
        format!("name = \"{name}\"\nversion = \"1.0.0\"\ndescription = \"d\"\n{manifest}\n");
    let mut all = BTreeMap::from([("package.toml".to_owned(), manifest.into_bytes())]);
    all.extend(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())));
    PackageSource::from_files(all).expect("a package")
}
