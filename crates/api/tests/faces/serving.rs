//! Health, metrics, the description, and what is at no address.

use std::sync::atomic::Ordering;

use api::{Exposure, Protection};
use http_body_util::Full;
use proto::gateway::{ActivateJobsRequest, StreamActivatedJobsRequest};
use tonic::Code;

use crate::server::{ONE_JOB, SCRIPT, Server};

#[tokio::test]
async fn health_metrics_and_description_are_served() {
    let server = Server::start().await;
    server.deploy("q", SCRIPT).await;
    server.begin("q", r#"{"a":1}"#).await;
    server.get("/health/live").await.is(204);
    assert_eq!(server.get("/health/ready").await.is(200).json()["condition"], "ready");
    let metrics = server.get("/metrics").await.is(200).text;
    assert!(metrics.contains("\npointsman_instances_started_total 1\n"), "{metrics}");
    assert!(metrics.contains("# TYPE pointsman_ready gauge\npointsman_ready 1\n"), "{metrics}");
    assert_eq!(server.get("/openapi.json").await.is(200).json()["openapi"], "3.1.0");
    let topology = server.get("/v2/topology").await.is(200).json();
    assert_eq!(topology["brokers"][0]["partitions"][0]["health"], "healthy");
    server.get("/v2/status").await.is(204);
    server.node.stop().await;
    server.get("/health/live").await.is(204);
    server.get("/health/ready").await.is_problem(503, "NODE-006");
    server.get("/v2/status").await.is(503);
    let refused = server.call("POST", "/api/instances", r#"{"process":"q"}"#).await;
    refused.is_problem(503, "NODE-006");
    assert_eq!(refused.headers["retry-after"], "1");
    server.stop().await;
}

#[tokio::test]
async fn unknown_addresses_methods_and_sites_are_problems() {
    let server = Server::start().await;
    server.get("/api/nothing").await.is_problem(404, "API-003");
    server.call("DELETE", "/api/instances", "").await.is_problem(405, "API-004");
    let foreign = server.request("GET", "/health/live").header("host", "evil.example");
    let answer = server.send(foreign.body(Full::default()).unwrap()).await;
    answer.is_problem(403, "API-008");
    let foreign = server.request("POST", "/api/messages").header("origin", "https://evil.example");
    server.send(foreign.body(Full::default()).unwrap()).await.is_problem(403, "API-008");
    server.stop().await;
}

#[test]
fn other_machines_are_listened_to_with_tls_and_tokens_only() {
    let protected = |tls, tokens| Protection { tls, tokens, exposure: Exposure::Guarded };
    for good in ["127.0.0.1:8080", "127.9.9.9:1", "[::1]:0"] {
        let address = good.parse().unwrap();
        assert!(api::check_listen(address, &Protection::default()).is_ok(), "{good}");
    }
    for bad in ["0.0.0.0:8080", "[::]:8080", "192.168.1.1:1"] {
        let address = bad.parse().unwrap();
        for (tls, tokens, missing, there) in [
            (false, false, "`tls.certificate`, `tls.key` and `auth.method = \"tokens\"`", "-"),
            (true, false, "`auth.method = \"tokens\"`", "tls."),
            (false, true, "`tls.certificate` and `tls.key`", "auth."),
        ] {
            let problem = api::check_listen(address, &protected(tls, tokens)).unwrap_err();
            assert_eq!(problem.code, "API-007");
            assert!(problem.detail.contains(bad), "{problem}");
            assert!(problem.hint.contains(missing), "{}", problem.hint);
            assert!(!problem.hint.contains(there), "{}", problem.hint);
        }
        assert!(api::check_listen(address, &protected(true, true)).is_ok(), "{bad}");
        let told = Protection { exposure: Exposure::Open, ..Protection::default() };
        assert!(api::check_listen(address, &told).is_ok(), "{bad}");
    }
}

#[tokio::test]
async fn a_stop_lets_a_waiting_request_end_and_ends_streams() {
    let server = Server::start().await;
    server.deploy("p", ONE_JOB).await;
    let mut gateway = server.gateway().await;
    let request = StreamActivatedJobsRequest {
        r#type: "other".to_owned(),
        timeout: 1_000,
        ..StreamActivatedJobsRequest::default()
    };
    let mut stream = gateway.stream_activated_jobs(request).await.unwrap().into_inner();
    let waiting = server.call("POST", "/api/instances", r#"{"process":"p","wait":300}"#);
    let stopping = async {
        while server.node.counters().started.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        server.begin_to_stop();
    };
    let (answer, ()) = tokio::join!(waiting, stopping);
    answer.is_problem(504, "NODE-013");
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
    server.stop().await;
}

#[tokio::test]
async fn a_stop_ends_parked_polls() {
    let server = Server::start().await;
    let mut gateway = server.gateway().await;
    let before = server.node.counters().inputs.load(Ordering::Relaxed);
    let request = ActivateJobsRequest {
        r#type: "work".to_owned(),
        worker: "w".to_owned(),
        timeout: 1_000,
        max_jobs_to_activate: 1,
        request_timeout: 600_000,
        ..ActivateJobsRequest::default()
    };
    let polling = async { gateway.activate_jobs(request).await?.into_inner().message().await };
    let stopping = async {
        while server.node.counters().inputs.load(Ordering::Relaxed) == before {
            tokio::task::yield_now().await;
        }
        server.begin_to_stop();
    };
    let (polled, ()) = tokio::join!(polling, stopping);
    assert_eq!(polled.unwrap(), None);
    server.stop().await;
}
