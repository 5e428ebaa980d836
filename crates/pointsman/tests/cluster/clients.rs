//! Publishers that try again elsewhere until they are told that a document is accepted, and
//! workers at every server.
//!
//! Boundary: what real ones do; they know what they were told.
//! Read first: [`Clients`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine::ids::{Block, ShardId};
use proto::gateway::gateway_client::GatewayClient;
use proto::gateway::{ActivateJobsRequest, CompleteJobRequest};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use super::now;
use super::servers::Servers;

/// Documents of one call.
const CHUNK: usize = 10;

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
struct Shared {
    servers: Arc<Servers>,
    no_more: AtomicBool,
    stop: AtomicBool,
    done: Mutex<BTreeSet<i64>>,
    /// Since the last kill: when it was, and the shards of which no job was seen yet.
    awaited: Mutex<Option<(Instant, BTreeSet<ShardId>)>>,
    /// Shards of which a job was ever seen.
    known: Mutex<BTreeSet<ShardId>>,
    take_overs: Mutex<Vec<Duration>>,
}

/// Publishers and workers.
pub(crate) struct Clients {
    shared: Arc<Shared>,
    pub(crate) published: Arc<AtomicUsize>,
    publishers: Mutex<JoinSet<()>>,
    workers: Mutex<JoinSet<()>>,
}

impl Clients {
    pub(crate) fn start(servers: Arc<Servers>, directory: &Path) -> Self {
        let shared = Arc::new(Shared {
            servers,
            no_more: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            done: Mutex::default(),
            awaited: Mutex::default(),
            known: Mutex::default(),
            take_overs: Mutex::default(),
        });
        let published = Arc::new(AtomicUsize::new(0));
        let (mut publishers, mut workers) = (JoinSet::new(), JoinSet::new());
        for number in 0..shared.servers.count() {
            let (shared, published) = (shared.clone(), published.clone());
            let file = directory.join(format!("orders-{number}.ndjson"));
            let one = shared.clone();
            publishers.spawn_blocking(move || publish(&one, number, &file, &published));
            workers.spawn(async move { work(shared, number).await });
        }
        Self { shared, published, publishers: Mutex::new(publishers), workers: Mutex::new(workers) }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.published.load(Ordering::SeqCst)
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
    fn saw(&self, shards: &BTreeSet<ShardId>, begun: Instant) {
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
}

fn publish(shared: &Shared, number: usize, file: &PathBuf, published: &AtomicUsize) {
    let mut next = 0;
    while !shared.no_more.load(Ordering::SeqCst) {
        let lines: Vec<String> = (next..next + CHUNK)
            .map(|order| format!(r#"{{"id":"o-{number}-{order}","number":{order}}}"#))
            .collect();
        next += CHUNK;
        std::fs::write(file, lines.join("\n") + "\n").unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let arguments = ["publish", "killing/order", name, "--source", "test", "--id", "id"];
        // Again at the next server until it is accepted: sending it twice does no harm.
        let mut at = number;
        while !shared.servers.command(at, &arguments).status.success() {
            at = (at + 1) % shared.servers.count();
        }
        published.fetch_add(CHUNK, Ordering::SeqCst);
    }
}

/// Works at one server, wherever that is now.
async fn work(shared: Arc<Shared>, number: usize) {
    while !shared.stop.load(Ordering::SeqCst) {
        let Ok(endpoint) = Endpoint::from_shared(shared.servers.grpc(number)) else { continue };
        let endpoint = endpoint.timeout(Duration::from_secs(30));
        match endpoint.connect().await {
            Ok(channel) => serve(&shared, GatewayClient::new(channel)).await,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn serve(shared: &Shared, client: GatewayClient<Channel>) {
    while !shared.stop.load(Ordering::SeqCst) {
        let request = ActivateJobsRequest {
            r#type: "work".to_owned(),
            worker: "w".to_owned(),
            timeout: 4_000,
            max_jobs_to_activate: 20,
            request_timeout: 300,
            ..ActivateJobsRequest::default()
        };
        let begun = now();
        let Ok(answer) = client.clone().activate_jobs(request).await else { return };
        let mut answer = answer.into_inner();
        while let Ok(Some(batch)) = answer.message().await {
            let shards = batch.jobs.iter().map(|job| Block::of(job.key.cast_unsigned()).shard());
            shared.saw(&shards.collect(), begun);
            for job in batch.jobs {
                let again = shared.done.lock().unwrap().contains(&job.key);
                assert!(!again, "job {} was done and came again", job.key);
                let request = CompleteJobRequest { job_key: job.key, ..Default::default() };
                match client.clone().complete_job(request).await {
                    Ok(_) => {
                        shared.done.lock().unwrap().insert(job.key);
                    }
                    // Done before by another, or its lease ran out.
                    Err(status) if status.code() == tonic::Code::NotFound => {}
                    Err(_) => return,
                }
            }
        }
    }
}
