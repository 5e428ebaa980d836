//! Publishers that try again elsewhere until they are told that a document is accepted, others that
//! start instances and look at them, others that want locks, and workers at every server.
//!
//! Boundary: what real ones do; they know what they were told, and write it down.
//! Read first: [`Clients`].

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine::ids::ShardId;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::faults::Dice;
use super::history::{Found, History, LEASE, Span};
use super::http::{Http, JSON};
use super::servers::Servers;
use super::{asked, now, workers};

/// How often each publisher publishes: so often that every shard has new jobs all the time.
const PACE: Duration = Duration::from_millis(20);
/// How often each client starts an instance.
const STARTS: Duration = Duration::from_millis(100);
/// Locks that are wanted.
const LOCKS: u64 = 3;

const MANIFEST: &str = r#"name = "killing"
version = "1.0.0"
description = "Orders that survive their servers"

[[triggers]]
name = "order"
document = "order"
process = "order"

[[triggers]]
name = "later"
document = "later"
process = "later"
"#;

const WAITS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d"
  targetNamespace="t"><bpmn:process id="later" isExecutable="true">
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="rest"/>
<bpmn:intermediateCatchEvent id="rest"><bpmn:timerEventDefinition>
<bpmn:timeDuration>P30D</bpmn:timeDuration></bpmn:timerEventDefinition>
</bpmn:intermediateCatchEvent>
<bpmn:sequenceFlow id="f2" sourceRef="rest" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;

const BPMN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:process id="order" isExecutable="true">
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="pick"/>
<bpmn:serviceTask id="pick"><bpmn:extensionElements>
<zeebe:taskDefinition type="work"/></bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="pick" targetRef="rest"/>
<bpmn:intermediateCatchEvent id="rest"><bpmn:timerEventDefinition>
<bpmn:timeDuration>PT0.05S</bpmn:timeDuration></bpmn:timerEventDefinition>
</bpmn:intermediateCatchEvent>
<bpmn:sequenceFlow id="f3" sourceRef="rest" targetRef="pack"/>
<bpmn:serviceTask id="pack"><bpmn:extensionElements>
<zeebe:taskDefinition type="work"/></bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f5" sourceRef="pack" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;

pub(crate) fn write_package(directory: &Path) {
    let package = directory.join("killing");
    std::fs::create_dir_all(package.join("processes")).unwrap();
    std::fs::create_dir_all(package.join("documents")).unwrap();
    std::fs::write(package.join("package.toml"), MANIFEST).unwrap();
    std::fs::write(package.join("documents/order.json"), r#"{"type":"object"}"#).unwrap();
    std::fs::write(package.join("documents/later.json"), r#"{"type":"object"}"#).unwrap();
    std::fs::write(package.join("processes/order.bpmn"), BPMN).unwrap();
    std::fs::write(package.join("processes/later.bpmn"), WAITS).unwrap();
}

/// Instances that wait for a month.
pub(crate) fn let_wait(servers: &Servers, directory: &Path, number: usize) {
    const FILE: &str = "later.ndjson";
    for begin in (0..number).step_by(5_000) {
        let lines: Vec<String> =
            (begin..number.min(begin + 5_000)).map(|n| format!(r#"{{"number":{n}}}"#)).collect();
        std::fs::write(directory.join(FILE), lines.join("\n") + "\n").unwrap();
        let output = servers.command(begin % 3, &["publish", "killing/later", FILE]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What the clients know of each other.
pub(crate) struct Shared {
    pub(crate) servers: Arc<Servers>,
    pub(crate) history: Arc<History>,
    no_more: AtomicBool,
    pub(crate) stop: AtomicBool,
    pub(crate) done: Mutex<BTreeSet<i64>>,
    /// Since the last kill: when it was, and the shards of which no job was seen yet.
    awaited: Mutex<Option<(Instant, BTreeSet<ShardId>)>>,
    /// Shards of which a job was ever seen.
    known: Mutex<BTreeSet<ShardId>>,
    take_overs: Mutex<Vec<Duration>>,
    /// Documents and instances that were accepted.
    accepted: AtomicUsize,
    /// Instances that may have been created: nobody was told.
    unknown: AtomicUsize,
    /// Instances that somebody was told of.
    created: Mutex<Vec<u64>>,
    /// What was refused or broke.
    failures: Mutex<Vec<Failed>>,
}

/// A call that failed.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) server: usize,
    pub(crate) why: String,
}

/// Publishers and workers.
pub(crate) struct Clients {
    shared: Arc<Shared>,
    publishers: Mutex<JoinSet<()>>,
    workers: Mutex<JoinSet<()>>,
}

impl Clients {
    pub(crate) fn start(servers: Arc<Servers>) -> Self {
        let shared = Arc::new(Shared {
            servers,
            history: Arc::default(),
            no_more: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            done: Mutex::default(),
            awaited: Mutex::default(),
            known: Mutex::default(),
            take_overs: Mutex::default(),
            accepted: AtomicUsize::new(0),
            unknown: AtomicUsize::new(0),
            created: Mutex::default(),
            failures: Mutex::default(),
        });
        let (mut publishers, mut workers) = (JoinSet::new(), JoinSet::new());
        for number in 0..shared.servers.count() {
            publishers.spawn(publish(shared.clone(), number));
            publishers.spawn(create(shared.clone(), number));
            publishers.spawn(look(shared.clone(), number));
            publishers.spawn(lock(shared.clone(), number));
            for _ in 0..asked("POINTSMAN_TEST_CLUSTER_WORKERS", 1) {
                workers.spawn(workers::work(shared.clone(), number));
            }
        }
        Self { shared, publishers: Mutex::new(publishers), workers: Mutex::new(workers) }
    }

    /// Documents and instances that were accepted, and how many more there may be.
    pub(crate) fn accepted(&self) -> (usize, usize) {
        let load = |number: &AtomicUsize| number.load(Ordering::SeqCst);
        (load(&self.shared.accepted), load(&self.shared.unknown))
    }

    pub(crate) fn history(&self) -> &History {
        &self.shared.history
    }

    /// Calls that failed so far.
    pub(crate) fn failures(&self) -> Vec<Failed> {
        self.shared.failures.lock().unwrap().clone()
    }

    pub(crate) async fn stop_publishing(&self) {
        self.shared.no_more.store(true, Ordering::SeqCst);
        let mut publishers = std::mem::take(&mut *self.publishers.lock().unwrap());
        while let Some(ended) = publishers.join_next().await {
            ended.unwrap();
        }
    }

    /// The jobs that the workers were told are done.
    pub(crate) async fn stop_working(&self) -> BTreeSet<i64> {
        self.shared.stop.store(true, Ordering::SeqCst);
        let mut workers = std::mem::take(&mut *self.workers.lock().unwrap());
        while let Some(ended) = workers.join_next().await {
            ended.unwrap();
        }
        self.shared.done.lock().unwrap().clone()
    }

    /// A server is killed now: how long is it until jobs of all shards are seen again?
    pub(crate) fn expect_take_over(&self) {
        let known = self.shared.known.lock().unwrap().clone();
        *self.shared.awaited.lock().unwrap() = Some((now(), known));
    }

    /// Waits until jobs of all shards were seen.
    pub(crate) async fn taken_over(&self) {
        let all = async {
            while self.shared.awaited.lock().unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let missing = tokio::time::timeout(Duration::from_secs(30), all).await;
        assert!(missing.is_ok(), "no jobs of {:?}", self.shared.awaited.lock().unwrap());
    }

    /// How long it took after each kill until jobs of all shards were seen again, longest last.
    pub(crate) fn take_overs(&self) -> Vec<Duration> {
        let mut all = self.shared.take_overs.lock().unwrap().clone();
        all.sort_unstable();
        all
    }
}

impl Shared {
    /// Jobs of these shards came on a request that was begun then.
    pub(crate) fn saw(&self, shards: &BTreeSet<ShardId>, begun: Instant) {
        self.known.lock().unwrap().extend(shards.iter().copied());
        let mut awaited = self.awaited.lock().unwrap();
        let Some((killed, missing)) = awaited.as_mut().filter(|(killed, _)| begun > *killed) else {
            return;
        };
        missing.retain(|shard| !shards.contains(shard));
        if missing.is_empty() {
            self.take_overs.lock().unwrap().push(now().duration_since(*killed));
            *awaited = None;
        }
    }

    fn failed(&self, server: usize, why: String) {
        self.failures.lock().unwrap().push(Failed { server, why });
    }

    fn publishes(&self) -> bool {
        !self.no_more.load(Ordering::SeqCst)
    }
}

/// Publishes at a pace, each chunk again at the next server until it is accepted: sending it twice
/// does no harm.
async fn publish(shared: Arc<Shared>, number: usize) {
    const MEDIA: &str = "application/cloudevents-batch+json";
    let http = Http::new();
    let chunk = asked("POINTSMAN_TEST_CLUSTER_RATE", 100).div_ceil(50);
    let mut next = 0;
    let mut pace = tokio::time::interval(PACE);
    while shared.publishes() {
        pace.tick().await;
        let events: Vec<Value> = (next..next + chunk)
            .map(|order| {
                json!({"specversion": "1.0", "type": "order", "source": "test",
                    "id": format!("o-{number}-{order}"), "data": {"number": order}})
            })
            .collect();
        next += chunk;
        let body = Value::from(events);
        let mut at = number;
        loop {
            let address = shared.servers.http(at);
            let path = "/api/documents/killing/order";
            let answer = http.post(&address, path, (MEDIA, &body)).await;
            let refused = match answer {
                Ok(Value::Array(items)) => items.iter().find(|item| item["key"].is_null()).cloned(),
                Ok(other) => Some(other),
                Err(why) => Some(why.into()),
            };
            let Some(refused) = refused else { break };
            shared.failed(at, format!("publish: {refused}"));
            at = (at + 1) % shared.servers.count();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        shared.accepted.fetch_add(chunk, Ordering::SeqCst);
    }
}

/// Starts instances, and does not know of those whose answer is lost.
async fn create(shared: Arc<Shared>, number: usize) {
    let http = Http::new();
    while shared.publishes() {
        tokio::time::sleep(STARTS).await;
        let begun = now();
        let body = json!({"process": "order", "variables": {"number": 0}});
        match http.post(&shared.servers.http(number), "/api/instances", (JSON, &body)).await {
            Ok(answer) => {
                let key: u64 = answer["key"].as_str().unwrap().parse().unwrap();
                shared.history.created(key, Span::since(begun));
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                shared.created.lock().unwrap().push(key);
            }
            Err(why) => {
                shared.failed(number, format!("create: {why}"));
                shared.unknown.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

/// Looks at a new instance, wherever it was started, and at an older one.
async fn look(shared: Arc<Shared>, number: usize) {
    let http = Http::new();
    let mut dice = Dice::of(number as u64);
    while shared.publishes() {
        tokio::time::sleep(STARTS / 2).await;
        let created = shared.created.lock().unwrap().clone();
        let back = usize::try_from(dice.below(20)).unwrap();
        let Some(key) = created.len().checked_sub(back + 1).map(|place| created[place]) else {
            continue;
        };
        let begun = now();
        let path = format!("/api/instances/{key}");
        let found = match http.get(&shared.servers.http(number), &path).await {
            Ok(answer) if answer["state"] == "completed" => Found::Completed,
            Ok(_) => Found::Active,
            Err(why) if why.starts_with("404") => Found::Missing,
            Err(why) => {
                shared.failed(number, format!("look: {why}"));
                continue;
            }
        };
        shared.history.read(key, found, Span::since(begun));
    }
}

/// Wants a lock, has it a moment, gives it back.
async fn lock(shared: Arc<Shared>, number: usize) {
    let http = Http::new();
    let mut dice = Dice::of(100 + number as u64);
    let mut turn = 0;
    while shared.publishes() {
        let name = format!("lock-{}", dice.below(LOCKS));
        turn += 1;
        let lease = format!("PT{}S", LEASE.as_secs());
        let wanted =
            json!({"session": format!("{number}-{turn}"), "wait": "PT10S", "lease": lease});
        let begun = now();
        let path = format!("/api/locks/{name}");
        let address = shared.servers.http(number);
        match http.post(&address, &format!("{path}/acquire"), (JSON, &wanted)).await {
            Ok(answer) => {
                let fence = answer["fence"].as_u64().unwrap();
                shared.history.granted(&name, fence, Span::since(begun));
                tokio::time::sleep(Duration::from_millis(dice.below(30))).await;
                shared.history.gives_back(&name, fence);
                let session = json!({"session": wanted["session"]});
                let released =
                    http.post(&address, &format!("{path}/release"), (JSON, &session)).await;
                if let Err(why) = released {
                    shared.failed(number, format!("release: {why}"));
                }
            }
            // It was not free in time: its holder is lost, and its lease runs.
            Err(why) if why.starts_with("504") => {}
            Err(why) => shared.failed(number, format!("lock: {why}")),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
