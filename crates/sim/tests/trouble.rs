//! A server whose store lets it live but not work: others serve its shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use node::cluster::Others;
use node::{Clock, Node, Options};
use sim::{Call, Gate, Gated};
use store::memory::Memory;
use store::{Cluster as _, Error, ServerKey, Standing, Store};

/// Lets nothing of these names through while it is closed.
struct Broken {
    names: &'static [&'static str],
    is_closed: Arc<AtomicBool>,
}

impl Gate for Broken {
    type Pass = ();

    async fn enter(&self, call: Call) -> Result<(), Error> {
        if self.is_closed.load(Ordering::Relaxed) && self.names.contains(&call.name) {
            let source = "it was told to".into();
            return Err(Error::Failed { act: "use", place: "store".into(), source });
        }
        Ok(())
    }

    async fn leave(&self, _: Call, (): ()) -> Result<(), Error> {
        Ok(())
    }
}

fn server(store: Arc<dyn Store>, name: &str, scratch: &tempfile::TempDir) -> Node {
    let mut options = Options::new(name, scratch.path().join(name));
    options.cluster.shards = 4;
    options.cluster.others = Others::Possible;
    options.clock = Clock::shared_from(sim::START_MS);
    Node::open(store, options)
}

async fn owned(store: &Memory, name: &str) -> usize {
    let pulse = store.pulse().await.expect("a pulse");
    let keys: Vec<ServerKey> = pulse
        .members
        .iter()
        .filter(|member| &*member.about.name == name)
        .map(|member| member.key)
        .collect();
    pulse.shards.iter().filter(|of| of.owner.is_some_and(|key| keys.contains(&key))).count()
}

async fn until_owned(store: &Memory, name: &str, number: usize, within: Duration) {
    let waiting = async {
        while owned(store, name).await != number {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let what = format!("`{name}` owns {number}");
    tokio::time::timeout(within, waiting).await.expect(&what);
}

async fn shards_go_and_come_back(names: &'static [&'static str]) {
    let scratch = tempfile::tempdir().expect("a directory");
    let memory = Arc::new(Memory::with_clock(sim::store_clock()));
    let is_closed = Arc::new(AtomicBool::new(false));
    let gate = Broken { names, is_closed: is_closed.clone() };
    let bad = server(Arc::new(Gated::new(memory.clone(), gate)), "bad", &scratch);
    bad.ready(Duration::from_secs(60)).await.expect("ready");
    let good = server(memory.clone(), "good", &scratch);
    let minute = Duration::from_secs(60);
    until_owned(&memory, "bad", 2, minute).await;
    until_owned(&memory, "good", 2, minute).await;
    is_closed.store(true, Ordering::Relaxed);
    until_owned(&memory, "good", 4, minute).await;
    // It tries again some time, and no others are served worse for long.
    let pulse = memory.pulse().await.expect("a pulse");
    let standing = |name: &str| {
        pulse.members.iter().find(|of| &*of.about.name == name).map(|of| of.about.standing)
    };
    assert_eq!(standing("good"), Some(Standing::Serving));
    assert_ne!(standing("bad"), Some(Standing::Serving));
    is_closed.store(false, Ordering::Relaxed);
    until_owned(&memory, "bad", 2, minute * 10).await;
    good.stop().await;
    until_owned(&memory, "bad", 4, minute).await;
    bad.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_cannot_load_stands_aside() {
    shards_go_and_come_back(&["inbox", "load", "timers"]).await;
}

#[tokio::test(start_paused = true)]
async fn who_cannot_commit_or_give_back_lets_its_lease_run_out() {
    shards_go_and_come_back(&["inbox", "commit", "acquire", "release"]).await;
}

/// While nobody else serves, it tries on.
#[tokio::test(start_paused = true)]
async fn who_is_alone_does_not_stand_aside() {
    let scratch = tempfile::tempdir().expect("a directory");
    let memory = Arc::new(Memory::with_clock(sim::store_clock()));
    let is_closed = Arc::new(AtomicBool::new(false));
    let gate = Broken { names: &["inbox", "load", "timers"], is_closed: is_closed.clone() };
    let bad = server(Arc::new(Gated::new(memory.clone(), gate)), "bad", &scratch);
    bad.ready(Duration::from_secs(60)).await.expect("ready");
    is_closed.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(owned(&memory, "bad").await, 4);
    is_closed.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(owned(&memory, "bad").await, 4);
    bad.stop().await;
}
