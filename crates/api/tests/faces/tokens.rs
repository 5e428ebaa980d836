//! Tokens on both faces: who gets in, who does not, and what they are told.

use api::auth::Role;
use http::HeaderValue;
use http_body_util::Full;
use proto::gateway::gateway_client::GatewayClient;
use proto::gateway::{DeployResourceRequest, StreamActivatedJobsRequest, TopologyRequest};
use proto::health::HealthCheckRequest;
use proto::health::health_client::HealthClient;
use tonic::{Code, Request, Status};

use crate::gateway::start;
use crate::secure::{FIRST, bearer, put, with_tokens};
use crate::server::{Answer, ONE_JOB, Server};

async fn ask(server: &Server, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let request = server.request(method, path).header("content-type", "application/json");
    let request = match token {
        "" => request,
        token => request.header("authorization", bearer(token)),
    };
    server.send(request.body(Full::from(body.to_owned())).unwrap()).await
}

fn shown<M>(token: &str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", bearer(token).parse().unwrap());
    request
}

#[tokio::test]
async fn each_role_may_do_its_own_and_no_more() {
    let (options, kept) = with_tokens();
    let server = Server::with(options).await;
    server.deploy("p", ONE_JOB).await;
    for (token, role) in [("v", Role::Viewer), ("o", Role::Operator), ("d", Role::Developer)] {
        put(&kept, token, role);
    }
    let calls = [
        ("v", "GET", "/api/instances", "", 200),
        ("v", "GET", "/metrics", "", 200),
        ("o", "POST", "/api/instances", r#"{"process":"p"}"#, 201),
        ("d", "PUT", "/api/processes/p/enabled", r#"{"version":1}"#, 200),
        (FIRST, "GET", "/api/tokens", "", 200),
    ];
    let order = ["", "v", "o", "d", FIRST];
    let place = |token: &str| order.iter().position(|known| *known == token).unwrap();
    for (least, method, path, body, done) in calls {
        for token in order {
            let answer = ask(&server, token, method, path, body).await;
            if token.is_empty() {
                let problem = answer.is_problem(401, "API-020");
                assert_eq!(answer.headers["www-authenticate"], "Bearer");
                assert!(problem["hint"].as_str().unwrap().contains("token create"), "{problem}");
            } else if place(token) < place(least) {
                let problem = answer.is_problem(403, "API-021");
                assert!(problem["detail"].as_str().unwrap().contains("role `"), "{problem}");
            } else {
                assert!(answer.status.is_success(), "{method} {path} by `{token}`: {answer:?}");
                assert!([done, 204].contains(&answer.status.as_u16()), "{answer:?}");
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_never_told() {
    let (options, kept) = with_tokens();
    let server = Server::with(options).await;
    put(&kept, "good", Role::Admin);
    put(&kept, "gone", Role::Admin);
    assert!(kept.remove("gone"));
    ask(&server, "good", "GET", "/api/processes", "").await.is(200);
    let mut told = Vec::new();
    for wrong in ["gone", "goo", "goodd", "GOOD", "pm_unheard-of"] {
        let answer = ask(&server, wrong, "GET", "/api/processes", "").await;
        answer.is_problem(401, "API-020");
        told.push(answer.text);
    }
    let request = server.request("GET", "/api/processes").header("authorization", "Basic Z29vZA==");
    told.push(server.send(request.body(Full::default()).unwrap()).await.is(401).text);
    let raw = HeaderValue::from_bytes(b"Bearer \xFF\xFE").unwrap();
    let request = server.request("GET", "/api/processes").header("authorization", raw);
    told.push(server.send(request.body(Full::default()).unwrap()).await.is(401).text);
    assert!(told.iter().all(|one| *one == told[0]), "{told:#?}");
    let metrics = ask(&server, "good", "GET", "/metrics", "").await.is(200).text;
    assert!(metrics.contains("\npointsman_requests_unauthorised_total 7\n"), "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn balancers_need_no_token_and_other_names_are_fine() {
    let (options, _kept) = with_tokens();
    let server = Server::with(options).await;
    for path in ["/health/live", "/health/ready", "/v2/status"] {
        let answer = ask(&server, "", "GET", path, "").await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
    }
    let named = server.request("GET", "/health/ready").header("host", "balancer.example");
    server.send(named.body(Full::default()).unwrap()).await.is(200);
    let checked = HealthClient::new(server.channel().await)
        .check(HealthCheckRequest::default())
        .await
        .unwrap();
    assert_eq!(checked.into_inner().status, 1);
    server.stop().await;
}

#[tokio::test]
async fn the_gateway_asks_for_the_same_roles() {
    let (options, kept) = with_tokens();
    let server = Server::with(options).await;
    server.deploy("p", ONE_JOB).await;
    put(&kept, "v", Role::Viewer);
    put(&kept, "o", Role::Operator);
    let mut gateway: GatewayClient<_> = server.gateway().await;
    let refused = |status: Status, code: Code, says: &str| {
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(says), "{status}");
    };
    let without = gateway.topology(TopologyRequest {}).await.unwrap_err();
    refused(without, Code::Unauthenticated, "API-020");
    let wrong = gateway.topology(shown("x", TopologyRequest {})).await.unwrap_err();
    refused(wrong, Code::Unauthenticated, "token create");
    gateway.topology(shown("v", TopologyRequest {})).await.unwrap();
    let small = gateway.create_process_instance(shown("v", start("p", ""))).await.unwrap_err();
    refused(small, Code::PermissionDenied, "`operator`");
    gateway.create_process_instance(shown("o", start("p", ""))).await.unwrap();
    let deploy = shown("o", DeployResourceRequest::default());
    let small = gateway.deploy_resource(deploy).await.unwrap_err();
    refused(small, Code::PermissionDenied, "`developer`");
    // Whoever may do it learns what is wrong with the request.
    let deploy = shown(FIRST, DeployResourceRequest::default());
    let empty = gateway.deploy_resource(deploy).await.unwrap_err();
    assert_eq!(empty.code(), Code::InvalidArgument);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_revoked() {
    let (options, kept) = with_tokens();
    let server = Server::with(options).await;
    put(&kept, "o", Role::Operator);
    put(&kept, "other", Role::Operator);
    let mut gateway = server.gateway().await;
    let request = StreamActivatedJobsRequest {
        r#type: "work".to_owned(),
        timeout: 1_000,
        ..StreamActivatedJobsRequest::default()
    };
    let stream = gateway.stream_activated_jobs(shown("o", request)).await.unwrap();
    kept.remove("other");
    kept.remove("o");
    let ended = stream.into_inner().message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated, "{ended}");
    server.stop().await;
}

/// AUTH-1: the token is in the answer that makes it and in no other one.
#[tokio::test]
async fn tokens_are_made_shown_once_listed_and_revoked() {
    let (options, _kept) = with_tokens();
    let server = Server::with(options).await;
    let body = r#"{"name":"ci","role":"operator","expiresIn":"P30D"}"#;
    let made = ask(&server, FIRST, "POST", "/api/tokens", body).await.is(201);
    assert_eq!(made.headers["cache-control"], "no-store");
    let made = made.json();
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("pm_") && token.len() == 46, "{made}");
    assert!(made["expiresAt"].as_str().is_some(), "{made}");
    ask(&server, FIRST, "POST", "/api/tokens", body).await.is_problem(409, "NODE-004");
    let second = r#"{"name":"second","role":"admin"}"#;
    ask(&server, FIRST, "POST", "/api/tokens", second).await.is(201);
    ask(&server, token, "GET", "/api/instances", "").await.is(200);
    ask(&server, token, "GET", "/api/tokens", "").await.is_problem(403, "API-021");
    let list = ask(&server, FIRST, "GET", "/api/tokens", "").await.is(200);
    assert!(!list.text.contains("pm_") && !list.text.contains("hash"), "{list:?}");
    let items = list.json()["items"].clone();
    assert_eq!((&items[0]["name"], &items[0]["role"]), (&made["name"], &made["role"]));
    assert!(items[1]["expiresAt"].is_null(), "{items}");
    ask(&server, FIRST, "DELETE", "/api/tokens/ci", "").await.is(204);
    ask(&server, token, "GET", "/api/instances", "").await.is_problem(401, "API-020");
    ask(&server, FIRST, "DELETE", "/api/tokens/ci", "").await.is_problem(404, "NODE-001");
    server.stop().await;
}

#[tokio::test]
async fn a_token_with_wrong_fields_is_refused() {
    let (options, _kept) = with_tokens();
    let server = Server::with(options).await;
    let long = format!(r#"{{"name":"{}","role":"admin"}}"#, "x".repeat(101));
    for (body, code, place) in [
        ("", "API-006", "/name"),
        ("{", "API-001", ""),
        (r#"{"name":"a"}"#, "API-006", "/role"),
        (r#"{"name":"a","role":"root"}"#, "API-006", "/role"),
        (r#"{"name":"a b","role":"admin"}"#, "API-006", "/name"),
        (r#"{"name":"","role":"admin"}"#, "API-006", "/name"),
        (long.as_str(), "API-006", "/name"),
        (r#"{"name":"a","role":"admin","expiresIn":0}"#, "API-006", "/expiresIn"),
        (r#"{"name":"a","role":"admin","expiresIn":"soon"}"#, "API-006", "/expiresIn"),
        (r#"{"name":"a","role":"admin","token":"x"}"#, "API-006", "/token"),
    ] {
        let answer = ask(&server, FIRST, "POST", "/api/tokens", body).await;
        let problem = answer.is_problem(400, code);
        assert_eq!(problem["place"].as_str().unwrap_or_default(), place, "{problem}");
    }
    let none = ask(&server, FIRST, "GET", "/api/tokens", "").await.json();
    assert_eq!(none["items"].as_array().map(Vec::len), Some(0));
    server.stop().await;
}
