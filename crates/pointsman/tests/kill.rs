//! A real server is killed with SIGKILL in the middle of 2,000 instances, twenty times, at random
//! moments: every accepted document is processed once, every instance ends, and every step is
//! recorded once.
//!
//! Boundary: the built program, a publisher that repeats itself until it is told that all is
//! accepted, and a worker that knows what it was told is done.
//! Read first: the test at the end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "a failure must say which moments it was killed at")]

#[path = "cli/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::Event;
use nix::sys::signal::Signal;
use proto::gateway::gateway_client::GatewayClient;
use proto::gateway::{ActivateJobsRequest, CompleteJobRequest};
use server::Server;
use store::sqlite::{Options, Sqlite};
use store::{InstanceFilter, InstanceState, Store};
use tonic::transport::{Channel, Endpoint};

const ORDERS: usize = 2_000;
const KILLS: usize = 20;

const MANIFEST: &str = r#"name = "killing"
version = "1.0.0"
description = "Orders that survive their server"

[[triggers]]
name = "order"
document = "order"
process = "order"
"#;

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
<bpmn:sequenceFlow id="f3" sourceRef="rest" targetRef="calc"/>
<bpmn:scriptTask id="calc"><bpmn:extensionElements>
<zeebe:script expression="=number * 2" resultVariable="twice"/></bpmn:extensionElements>
</bpmn:scriptTask>
<bpmn:sequenceFlow id="f4" sourceRef="calc" targetRef="pack"/>
<bpmn:serviceTask id="pack"><bpmn:extensionElements>
<zeebe:taskDefinition type="work"/></bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f5" sourceRef="pack" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;

fn write_package(directory: &Path) {
    let package = directory.join("killing");
    std::fs::create_dir_all(package.join("processes")).unwrap();
    std::fs::create_dir_all(package.join("documents")).unwrap();
    std::fs::write(package.join("package.toml"), MANIFEST).unwrap();
    std::fs::write(package.join("documents/order.json"), r#"{"type":"object"}"#).unwrap();
    std::fs::write(package.join("processes/order.bpmn"), BPMN).unwrap();
    let lines: Vec<String> =
        (0..ORDERS).map(|number| format!(r#"{{"id":"o-{number}","number":{number}}}"#)).collect();
    std::fs::write(directory.join("orders.ndjson"), lines.join("\n") + "\n").unwrap();
}

/// What the threads of the test know of each other.
struct Shared {
    grpc: Mutex<String>,
    stop: AtomicBool,
}

fn grpc_of(server: &Server) -> String {
    let text = std::fs::read_to_string(server.directory.join("data/addresses.json")).unwrap();
    let addresses: serde_json::Value = serde_json::from_str(&text).unwrap();
    addresses["grpc"].as_str().unwrap().to_owned()
}

/// Completes jobs wherever the server is now. Answers the jobs that it was told are done.
async fn work(shared: Arc<Shared>) -> BTreeSet<i64> {
    let mut done = BTreeSet::new();
    while !shared.stop.load(Ordering::Acquire) {
        let address = shared.grpc.lock().unwrap().clone();
        let Ok(endpoint) = Endpoint::from_shared(address) else { continue };
        let Ok(channel) = endpoint.connect().await else {
            tokio::task::yield_now().await;
            continue;
        };
        serve(&shared, GatewayClient::new(channel), &mut done).await;
    }
    done
}

/// Works on one connection until it breaks.
async fn serve(shared: &Shared, client: GatewayClient<Channel>, done: &mut BTreeSet<i64>) {
    while !shared.stop.load(Ordering::Acquire) {
        let request = ActivateJobsRequest {
            r#type: "work".to_owned(),
            worker: "w".to_owned(),
            timeout: 1_500,
            max_jobs_to_activate: 50,
            request_timeout: 200,
            ..ActivateJobsRequest::default()
        };
        let Ok(answer) = client.clone().activate_jobs(request).await else { return };
        let mut answer = answer.into_inner();
        while let Ok(Some(batch)) = answer.message().await {
            for job in batch.jobs {
                assert!(!done.contains(&job.key), "job {} was done and came again", job.key);
                let request = CompleteJobRequest { job_key: job.key, ..Default::default() };
                match client.clone().complete_job(request).await {
                    Ok(_) => {
                        done.insert(job.key);
                    }
                    // Done before, but the answer was lost with the server.
                    Err(status) if status.code() == tonic::Code::NotFound => {}
                    Err(_) => return,
                }
            }
        }
    }
}

/// Publishes until everything is accepted. Sending it again is harmless.
fn publish(directory: &Path, http: &dyn Fn() -> String) -> usize {
    let mut tries = 0;
    loop {
        tries += 1;
        let output = server::pointsman()
            .current_dir(directory)
            .env("POINTSMAN_SERVER", http())
            .args(["publish", "killing/order", "orders.ndjson", "--source", "test", "--id", "id"])
            .output()
            .unwrap();
        if output.status.success() {
            return tries;
        }
    }
}

fn http_of(directory: &Path) -> String {
    let text = std::fs::read_to_string(directory.join("data/addresses.json")).unwrap_or_default();
    let addresses: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    addresses["http"].as_str().unwrap_or("http://127.0.0.1:1").to_owned()
}

/// Pauses that differ from run to run, printed so that a failure can be told.
fn pauses() -> Vec<Duration> {
    let seed = u64::from(std::process::id());
    println!("pauses from seed {seed}");
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..KILLS).map(|_| Duration::from_millis(20 + next() % 380)).collect()
}

async fn check(directory: &Path) {
    let store = Sqlite::open(&directory.join("data"), &Options::default()).unwrap();
    let mut filter = InstanceFilter { limit: 500, ..InstanceFilter::default() };
    let mut orders = BTreeMap::new();
    loop {
        let page = store.instances(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.key);
        for row in page {
            assert_eq!(row.state, InstanceState::Completed, "{row:?}");
            let mut records = Vec::new();
            for batch in store.audit(row.key).await.unwrap() {
                node::audit::read(&batch.records, &mut records).unwrap();
            }
            let mut completed = Vec::new();
            for record in records {
                if let Event::StepCompleted { element, .. } = record.event {
                    completed.push(element);
                }
            }
            let once: BTreeSet<u32> = completed.iter().copied().collect();
            assert_eq!(completed.len(), once.len(), "a step ran twice: {completed:?}");
            assert_eq!(once.len(), 6, "steps of {}: {completed:?}", row.key);
            orders.insert(row.key, ());
        }
    }
    assert_eq!(orders.len(), ORDERS, "one instance for each document");
    assert_eq!(store.health().await.unwrap().kind, "sqlite");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_nothing_and_repeat_no_recorded_step() {
    let directory = tempfile::tempdir().unwrap();
    write_package(directory.path());
    let mut server = Server::start(directory.path());
    println!("{}", server.greeting.trim());
    let deployed = server.command(&["deploy", "killing"]);
    assert!(deployed.status.success(), "{}", server::exact(&deployed));
    let shared =
        Arc::new(Shared { grpc: Mutex::new(grpc_of(&server)), stop: AtomicBool::new(false) });
    let mut worker = tokio::task::JoinSet::new();
    worker.spawn(work(shared.clone()));
    let place = directory.path().to_owned();
    let publisher = std::thread::spawn(move || publish(&place, &|| http_of(&place)));
    for pause in pauses() {
        tokio::time::sleep(pause).await;
        server.signal(Signal::SIGKILL);
        server.wait();
        server = Server::start(directory.path());
        *shared.grpc.lock().unwrap() = grpc_of(&server);
    }
    let tries = publisher.join().unwrap();
    println!("published in {tries} tries");
    server
        .wait_for(&["instance", "list", "--state", "active", "--output", "json"], "\"items\": []");
    shared.stop.store(true, Ordering::Release);
    let done = worker.join_next().await.unwrap().unwrap();
    assert!(!done.is_empty());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
    check(directory.path()).await;
}
