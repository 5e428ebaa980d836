//! Publishing documents, and the queues on which they wait.

use http_body_util::Full;
use serde_json::Value;

use crate::server::{Server, package};

const ORDERS: &str = "/api/documents/shop/order";

async fn shop() -> Server {
    let server = Server::start().await;
    server.node.deploy(vec![package("1.0.0")]).await.unwrap();
    server
}

#[tokio::test]
async fn a_document_is_accepted_by_full_and_short_type() {
    let server = shop().await;
    for path in [ORDERS, "/api/documents/order"] {
        let accepted = server.call("POST", path, r#"{"n":1}"#).await.is(202).json();
        assert!(accepted["id"].is_string() && accepted["key"].is_string(), "{accepted}");
        assert_eq!(accepted["duplicate"], false);
    }
    server.stop().await;
}

#[tokio::test]
async fn lines_are_answered_in_order_with_what_is_wrong_in_its_place() {
    let server = shop().await;
    let lines = "{\"n\":1}\n\n{\"n\":\n{\"n\":\"x\"}\r\n[1]\n{\"n\":2}";
    let answer = server.send_as("POST", ORDERS, "application/x-ndjson", lines).await.is(202);
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let answers: Vec<Value> =
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 5, "{answers:?}");
    assert_eq!(answers[0]["duplicate"], false);
    assert_eq!((&answers[1]["code"], &answers[1]["place"]), (&"API-001".into(), &"line 3".into()));
    assert_eq!(answers[2]["code"], "NODE-011");
    assert_eq!(answers[3]["code"], "NODE-003");
    assert!(answers[4]["key"].is_string());
    server.stop().await;
}

#[tokio::test]
async fn many_lines_are_all_accepted() {
    let server = shop().await;
    let lines: String = (0..5_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let answer = server.send_as("POST", ORDERS, "application/x-ndjson", lines).await.is(202);
    assert_eq!(answer.text.lines().filter(|line| line.starts_with("{\"id\":")).count(), 5_000);
    server.stop().await;
}

#[tokio::test]
async fn answers_are_sent_while_a_very_long_request_arrives() {
    let server = shop().await;
    // LIN-1: each refused line is answered with some 350 bytes, together more than is held back.
    let lines = "{}\n".repeat(40_000);
    let answer = server.send_as("POST", ORDERS, "application/x-ndjson", lines).await.is(202);
    assert_eq!(answer.text.lines().count(), 40_000);
    assert!(answer.text.len() > 8 << 20);
    server.stop().await;
}

#[tokio::test]
async fn cloud_events_come_in_three_forms_and_once() {
    let server = shop().await;
    let event = |id: &str| {
        format!(r#"{{"specversion":"1.0","type":"t","source":"/me","id":"{id}","data":{{"n":1}}}}"#)
    };
    let structured = "application/cloudevents+json; charset=utf-8";
    let first = server.send_as("POST", ORDERS, structured, event("1")).await.is(202).json();
    assert_eq!((&first["id"], &first["duplicate"]), (&"1".into(), &false.into()));
    let binary = server
        .request("POST", ORDERS)
        .header("content-type", "application/json")
        .header("ce-specversion", "1.0")
        .header("ce-type", "t")
        .header("ce-source", "/me")
        .header("ce-id", "%31");
    let again = server.send(binary.body(Full::from(r#"{"n":1}"#)).unwrap()).await.is(202).json();
    assert_eq!((&again["key"], &again["duplicate"]), (&first["key"], &true.into()));
    let batch = format!("[{},{{}},{}]", event("1"), event("2"));
    let batched = "application/cloudevents-batch+json";
    let answers = server.send_as("POST", ORDERS, batched, batch).await.is(202).json();
    assert_eq!(answers[0]["duplicate"], true);
    assert_eq!(answers[1]["code"], "API-006");
    assert_eq!(answers[2]["duplicate"], false);
    let bad = event("3").replace("1.0", "0.3");
    let problem = server.send_as("POST", ORDERS, structured, bad).await;
    assert_eq!(problem.is_problem(400, "API-006")["place"], "/specversion");
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_document_is_refused_with_its_place() {
    let server = shop().await;
    let problem = server.call("POST", "/api/documents/shop/ordr", "{}").await;
    let problem = problem.is_problem(404, "NODE-010");
    assert!(problem["hint"].as_str().unwrap().contains("shop/order"), "{problem}");
    let lines = server.send_as("POST", "/api/documents/x", "application/x-ndjson", "{}").await;
    lines.is_problem(404, "NODE-010");
    let problem = server.call("POST", ORDERS, r#"{"n":"x"}"#).await.is_problem(422, "NODE-011");
    assert_eq!(problem["violations"][0]["pointer"], "/n");
    server.call("POST", ORDERS, "{\"n\":1,}").await.is_problem(400, "API-001");
    server.call("POST", ORDERS, "[]").await.is_problem(400, "NODE-003");
    let bytes = &b"{\"n\":1,\"x\":\"\xff\"}"[..];
    let answer = server.send_as("POST", ORDERS, "application/json", bytes).await;
    assert!(answer.is_problem(400, "API-001")["detail"].as_str().unwrap().contains("UTF-8"));
    server.send_as("POST", ORDERS, "text/plain", "{}").await.is_problem(415, "API-005");
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    server.call("POST", ORDERS, &deep).await.is_problem(400, "API-001");
    server.stop().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let mut options = api::Options::default();
    options.http.body_bytes = 1_000;
    let server = Server::with(options).await;
    server.node.deploy(vec![package("1.0.0")]).await.unwrap();
    // The larger of both counts.
    server.node.set_setting("limits.variable-bytes", Some("1024"), "a").await.unwrap();
    let large = format!(r#"{{"n":1,"x":"{}"}}"#, "x".repeat(1_024));
    server.call("POST", ORDERS, &large).await.is_problem(413, "API-002");
    let lines = format!("{{\"n\":1}}\n{large}\n");
    let answer = server.send_as("POST", ORDERS, "application/x-ndjson", lines).await.is(202);
    let last: Value = serde_json::from_str(answer.text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["code"], &last["place"]), (&"API-002".into(), &"line 2".into()));
    server.stop().await;
}

/// The shared setting holds for each form of a document, whatever this server was started with.
#[tokio::test]
async fn what_all_servers_let_a_variable_be_may_be_sent() {
    let mut options = api::Options::default();
    options.http.body_bytes = 1_000;
    let server = Server::with(options).await;
    server.node.deploy(vec![package("1.0.0")]).await.unwrap();
    let set =
        |bytes: &'static str| server.node.set_setting("limits.variable-bytes", Some(bytes), "a");
    set("1024").await.unwrap();
    let large = format!(r#"{{"n":1,"x":"{}"}}"#, "x".repeat(2_000));
    server.call("POST", ORDERS, &large).await.is_problem(413, "API-002");
    set("10000").await.unwrap();
    server.call("POST", ORDERS, &large).await.is(202);
    let event =
        format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t","data":{large}}}"#);
    server.send_as("POST", ORDERS, "application/cloudevents+json", event).await.is(202);
    let lines = format!("{large}\n{large}");
    let answer = server.send_as("POST", ORDERS, "application/x-ndjson", lines).await.is(202);
    assert!(!answer.text.contains("API-002"), "{}", answer.text);
    server.stop().await;
}

#[tokio::test]
async fn parked_entries_are_listed_shown_replayed_and_discarded() {
    let server = shop().await;
    let disabled = r#"{"version":null}"#;
    server.call("PUT", "/api/processes/handle/enabled", disabled).await.is(204);
    server.call("POST", ORDERS, r#"{"n":1.2345678901234567890123}"#).await.is(202);
    server.call("POST", ORDERS, r#"{"n":2}"#).await.is(202);
    let parked = loop {
        let page = server.get("/api/queues?state=parked&trigger=shop/orders").await.is(200).json();
        if page["items"].as_array().unwrap().len() == 2 {
            break page;
        }
        tokio::task::yield_now().await;
    };
    let keys: Vec<&str> = parked["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["key"].as_str().unwrap())
        .collect();
    let shown = server.get(&format!("/api/queues/{}", keys[0])).await.is(200);
    assert!(shown.text.contains(r#""content":{"n":1.2345678901234567890123}"#), "{}", shown.text);
    assert_eq!(shown.json()["document"]["type"], "shop/order");
    let body = format!(r#"{{"entries":["{}"]}}"#, keys[1]);
    let discarded = server.call("POST", "/api/queues/discard", &body).await.is(200).json();
    assert_eq!(discarded["entries"], 1);
    server.call("PUT", "/api/processes/handle/enabled", r#"{"version":1}"#).await.is(204);
    let body = r#"{"trigger":"shop/orders","state":"parked"}"#;
    server.call("POST", "/api/queues/replay", body).await.is(200);
    server.call("POST", "/api/queues/replay", "{}").await.is_problem(400, "API-006");
    server.get("/api/queues").await.is_problem(400, "API-006");
    server.get("/api/queues/77").await.is_problem(404, "NODE-001");
    loop {
        let page = server.get("/api/instances?process=handle&state=active").await.is(200).json();
        if page["items"].as_array().unwrap().len() == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
    server.stop().await;
}
