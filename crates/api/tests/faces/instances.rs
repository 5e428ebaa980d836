//! Instances, incidents and messages over HTTP.

use engine::ids::{IncidentKey, InstanceKey};
use feel::Context;
use node::{JobFailure, WorkerRequest};
use serde_json::Value;

use crate::server::{ONE_JOB, PATIENCE, SCRIPT, Server};

const CATCH: &str = r#"
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="m"/>
<bpmn:intermediateCatchEvent id="m"><bpmn:messageEventDefinition messageRef="msg"/>
</bpmn:intermediateCatchEvent><bpmn:sequenceFlow id="f2" sourceRef="m" targetRef="e"/>
<bpmn:endEvent id="e"/></bpmn:process><bpmn:message id="msg" name="paid">
<bpmn:extensionElements><zeebe:subscription correlationKey="=order"/></bpmn:extensionElements>
</bpmn:message><bpmn:process id="unused" isExecutable="false">"#;

async fn take_job(server: &Server) -> engine::ids::JobKey {
    let request = WorkerRequest {
        job_type: "work".into(),
        worker: "w".into(),
        timeout_ms: 60_000,
        fetch: Vec::new(),
    };
    let jobs = server.node.activate_jobs(request, 1, Some(PATIENCE)).await.unwrap();
    jobs.first().unwrap().job
}

#[tokio::test]
async fn an_instance_is_started_and_awaited() {
    let server = Server::start().await;
    server.deploy("q", SCRIPT).await;
    let variables = r#"{"a":0.1234567890123456789012}"#;
    let body = format!(r#"{{"process":"q","version":1,"variables":{variables},"wait":20000}}"#);
    let answer = server.call("POST", "/api/instances", &body).await.is(201);
    assert!(answer.text.contains(r#""b":1.1234567890123456789012"#), "{}", answer.text);
    assert_eq!(answer.json()["state"], "completed");
    server.stop().await;
}

#[tokio::test]
async fn a_start_that_cannot_be_is_refused() {
    let server = Server::start().await;
    server.deploy("p", ONE_JOB).await;
    let start = async |body: &str| server.call("POST", "/api/instances", body).await;
    start(r#"{"process":"x"}"#).await.is_problem(404, "NODE-001");
    start(r#"{"process":"p","version":7}"#).await.is_problem(404, "NODE-001");
    start(r#"{"process":"p","version":-7}"#).await.is_problem(404, "NODE-001");
    start("{}").await.is_problem(400, "API-006");
    let problem = start(r#"{"process":"p","vars":{}}"#).await.is_problem(400, "API-006");
    assert_eq!(problem["place"], "/vars");
    start(r#"{"process":"p","variables":[]}"#).await.is_problem(400, "API-006");
    start("{").await.is_problem(400, "API-001");
    start(r#"{"process":"p","wait":0}"#).await.is_problem(400, "API-006");
    start(r#"{"process":"p","wait":"PT0.01S"}"#).await.is_problem(504, "NODE-013");
    server.stop().await;
}

#[tokio::test]
async fn a_waiting_instance_is_shown_with_its_path_and_what_it_waits_for() {
    let server = Server::start().await;
    server.deploy("p", ONE_JOB).await;
    let key = server.begin("p", r#"{"total":12345678901234567890.12}"#).await;
    let answer = server.get(&format!("/api/instances/{key}")).await.is(200);
    assert!(answer.text.contains("12345678901234567890.12"), "{}", answer.text);
    let shown = answer.json();
    assert_eq!(shown["state"], "active");
    assert_eq!(shown["path"][0]["element"], "s");
    assert_eq!(shown["path"][0]["state"], "completed");
    assert_eq!(shown["path"][1]["state"], "active");
    assert_eq!(shown["steps"][0]["element"], "t");
    assert_eq!(shown["steps"][0]["waitsFor"]["type"], "work");
    assert_eq!(shown["steps"][0]["waitsFor"]["state"], "ready");
    let log = server.get(&format!("/api/instances/{key}/log")).await.is(200);
    assert!(log.text.lines().count() >= 2, "{}", log.text);
    server.get("/api/instances/1").await.is_problem(404, "NODE-001");
    server.get("/api/instances/x").await.is_problem(400, "API-006");
    server.get("/api/instances/1/log").await.is_problem(404, "NODE-001");
    server.stop().await;
}

#[tokio::test]
async fn instances_are_found_page_by_page() {
    let server = Server::start().await;
    server.deploy("p", ONE_JOB).await;
    let mut keys = Vec::new();
    for _ in 0..5 {
        keys.push(server.begin("p", "{}").await);
    }
    let path = "/api/instances?process=p&state=active&limit=3";
    let page = server.get(path).await.is(200).json();
    let next = page["next"].as_str().unwrap();
    let rest = server.get(&format!("{path}&before={next}")).await.is(200).json();
    let both = [&page, &rest].into_iter().flat_map(|page| page["items"].as_array().unwrap());
    let found: Vec<_> = both.map(|row| row["key"].as_str().unwrap().to_owned()).collect();
    keys.reverse();
    assert_eq!(found, keys);
    assert_eq!(rest["next"], Value::Null);
    let cancel = format!("/api/instances/{}/cancel", keys[0]);
    server.call("POST", &cancel, "").await.is(204);
    server.call("POST", &cancel, "").await.is_problem(404, "NODE-001");
    let page = server.get("/api/instances?state=cancelled").await.is(200).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    for bad in ["?state=gone", "?limit=0", "?limit=x", "?stat=active", "?parent=x"] {
        server.get(&format!("/api/instances{bad}")).await.is_problem(400, "API-006");
    }
    server.stop().await;
}

#[tokio::test]
async fn incidents_are_listed_and_retried() {
    let server = Server::start().await;
    server.deploy("p", ONE_JOB).await;
    let instance = server.begin("p", "{}").await;
    let retry = format!("/api/instances/{instance}/retry");
    server.call("POST", &retry, "").await.is_problem(409, "NODE-002");
    let job = take_job(&server).await;
    let (message, variables) = ("no paper".into(), Context::default());
    let failure = JobFailure { retries: 0, message, back_off_ms: 0, variables };
    server.node.fail_job(job, failure).await.unwrap();
    let incidents = server.get("/api/incidents").await.is(200).json();
    let incident = &incidents["items"][0];
    assert_eq!(incident["kind"], "JOB_NO_RETRIES");
    assert_eq!(incident["instance"], instance);
    let resolve = format!("/api/incidents/{}/resolve", incident["key"].as_str().unwrap());
    server.call("POST", &resolve, "").await.is_problem(409, "NODE-002");
    server.call("POST", &resolve, r#"{"retries":0}"#).await.is_problem(400, "API-006");
    let page = server.get("/api/instances?incidents=true").await.is(200).json();
    assert_eq!(page["items"][0]["key"], instance);
    assert_eq!(server.call("POST", &retry, "").await.is(200).json()["resolved"], 1);
    take_job(&server).await;
    server.call("POST", &resolve, "").await.is_problem(404, "NODE-001");
    let gone = server.node.resolve(IncidentKey(1), None).await;
    assert!(gone.is_err());
    server.stop().await;
}

#[tokio::test]
async fn variables_are_set_and_messages_correlate() {
    let server = Server::start().await;
    server.deploy("r", CATCH).await;
    let key = server.begin("r", r#"{"order":"o-1"}"#).await;
    let path = format!("/api/instances/{key}/variables");
    server.call("PUT", &path, r#"{"x":{"y":[1,2.5]}}"#).await.is(204);
    let shown = server.get(&format!("/api/instances/{key}")).await.is(200);
    assert!(shown.text.contains(r#""x":{"y":[1,2.5]}"#), "{}", shown.text);
    assert_eq!(shown.json()["steps"][0]["messages"][0]["key"], "o-1");
    server.call("PUT", &path, "[]").await.is_problem(400, "API-006");
    let body = r#"{"name":"paid","correlationKey":"o-1","timeToLive":"PT1M"}"#;
    let sent = server.call("POST", "/api/messages", body).await.is(202).json();
    assert!(sent["key"].is_string());
    let of = InstanceKey(key.parse().unwrap());
    while server.node.state(of).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    server.call("POST", "/api/messages", "{}").await.is_problem(400, "API-006");
    let twice = r#"{"name":"paid","correlationKey":"o-2","id":"1","timeToLive":60000}"#;
    server.call("POST", "/api/messages", twice).await.is(202);
    server.call("POST", "/api/messages", twice).await.is_problem(409, "NODE-004");
    server.stop().await;
}
