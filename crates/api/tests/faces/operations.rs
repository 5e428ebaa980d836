//! Settings, process requests, servers and maintenance mode over REST.

use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn settings_are_shown_changed_and_put_back() {
    let server = Server::start().await;
    let all = server.get("/api/settings").await.is(200).json();
    let items = all["items"].as_array().unwrap();
    assert!(items.iter().any(|setting| setting["name"] == "retention.finished"), "{all}");
    let path = "/api/settings/requests.poll";
    let before = server.get(path).await.is(200).json();
    assert_eq!((&before["value"], &before["changedAt"]), (&json!("PT5S"), &json!(null)));
    let body = r#"{"value": "PT2S"}"#;
    let changed = server.call("PUT", path, body).await.is(200).json();
    assert_eq!((&changed["value"], &changed["default"]), (&json!("PT2S"), &json!("PT5S")));
    assert_eq!(changed["changedBy"], "somebody at server `test`");
    assert!(changed["changedAt"].is_string(), "{changed}");
    assert_eq!(server.get(path).await.is(200).json()["value"], "PT2S");
    let wrong = server.call("PUT", path, r#"{"value": "soon"}"#).await.is_problem(400, "NODE-003");
    assert!(wrong["detail"].as_str().unwrap().contains("ISO 8601"), "{wrong}");
    let unknown = server.call("PUT", "/api/settings/request.poll", body).await;
    let unknown = unknown.is_problem(404, "NODE-020");
    assert_eq!(unknown["hint"], "did you mean `requests.poll`?");
    server.call("PUT", path, "{}").await.is_problem(400, "API-006");
    let back = server.call("DELETE", path, "").await.is(200).json();
    assert_eq!(back["value"], "PT5S");
    server.get("/api/settings/nothing").await.is_problem(404, "NODE-020");
    server.stop().await;
}

#[tokio::test]
async fn requests_are_accepted_and_followed() {
    let server = Server::start().await;
    let body = r#"{"process": "missing", "variables": {"n": 1}}"#;
    let accepted = server.call("POST", "/api/requests", body).await.is(202).json();
    let path = format!("/api/requests/{}", accepted["id"].as_str().unwrap());
    let refused = async {
        loop {
            let row = server.get(&path).await.is(200).json();
            if row["state"] == "refused" {
                break row;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let row = tokio::time::timeout(crate::server::PATIENCE, refused).await.unwrap();
    assert_eq!(row["reason"], "no process `missing`");
    assert_eq!(row["variables"], json!({"n": 1}));
    let late = r#"{"process": "missing", "at": "2999-01-01T00:00:00Z"}"#;
    server.call("POST", "/api/requests", late).await.is(202);
    let waiting = server.get("/api/requests?state=waiting").await.is(200).json();
    assert_eq!(waiting["items"].as_array().unwrap().len(), 1, "{waiting}");
    assert_eq!(waiting["items"][0]["dueAt"], "2999-01-01T00:00:00Z");
    let wrong = r#"{"process": "missing", "at": "tomorrow"}"#;
    server.call("POST", "/api/requests", wrong).await.is_problem(400, "API-006");
    server.call("POST", "/api/requests", "{}").await.is_problem(400, "API-006");
    server.get("/api/requests?state=lost").await.is_problem(400, "API-006");
    server.get("/api/requests/1").await.is_problem(404, "NODE-001");
    server.stop().await;
}

#[tokio::test]
async fn servers_are_listed_and_told() {
    let server = Server::start().await;
    let list = server.get("/api/servers").await.is(200).json();
    let one = &list["items"][0];
    assert_eq!((&one["name"], &one["standing"]), (&json!("test"), &json!("serving")));
    assert_eq!((&one["shards"], &one["answered"]), (&json!([1]), &json!(true)));
    let ready = server.get("/health/ready").await.is(200).json();
    assert_eq!((&ready["server"], &ready["shards"]), (&json!("test"), &json!([1])));
    assert_eq!((&ready["condition"], &ready["unreachable"]), (&json!("ready"), &json!([])));
    server.call("POST", "/api/servers/other/drain", "").await.is_problem(404, "NODE-001");
    server.call("DELETE", "/api/servers/test", "").await.is_problem(409, "NODE-002");
    server.call("POST", "/api/servers/test/drain", "").await.is(204);
    let not = server.get("/health/ready").await.is_problem(503, "NODE-006");
    assert!(not["detail"].as_str().unwrap().contains("gives its shards away"), "{not}");
    server.get("/health/live").await.is(204);
    server.call("POST", "/api/servers/test/serve", "").await.is(204);
    server.node.ready(crate::server::PATIENCE).await.unwrap();
    server.get("/health/ready").await.is(200);
    server.stop().await;
}

#[tokio::test]
async fn the_number_of_shards_is_changed() {
    let server = Server::start().await;
    let one = server.get("/api/shards").await.is(200).json();
    let shard = json!({
        "shard": 1, "owner": "test", "epoch": 1, "slots": 256, "wanted": true, "used": false
    });
    assert_eq!(one["items"], json!([shard]));
    for wrong in [r#"{"number": 0}"#, r#"{"number": 257}"#, r#"{"number": -1}"#, "{}"] {
        server.call("PUT", "/api/shards", wrong).await.is_problem(400, "NODE-003");
    }
    server.call("PUT", "/api/shards", r#"{"number": "two"}"#).await.is_problem(400, "API-006");
    server.call("PUT", "/api/shards", r#"{"number": 2}"#).await.is(200);
    let spread = async {
        loop {
            let shards = server.get("/api/shards").await.is(200).json();
            let slots = shards["items"].as_array().unwrap().iter().map(|shard| &shard["slots"]);
            if slots.eq([&json!(128), &json!(128)]) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::server::PATIENCE, spread).await.expect("slots move");
    let setting = server.get("/api/settings/cluster.shards").await.is(200).json();
    assert_eq!(setting["value"], "2");
    server.stop().await;
}

#[tokio::test]
async fn maintenance_mode_refuses_with_who_and_when() {
    let server = Server::start().await;
    let path = "/api/settings/maintenance";
    server.call("PUT", path, r#"{"value": "on"}"#).await.is(200);
    let start = r#"{"process": "missing"}"#;
    let refused = async {
        loop {
            let answer = server.call("POST", "/api/instances", start).await;
            if answer.status == 503 {
                break answer.is_problem(503, "NODE-021");
            }
            answer.is_problem(404, "NODE-001");
        }
    };
    let refused = tokio::time::timeout(crate::server::PATIENCE, refused).await.unwrap();
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("somebody at server `test` turned maintenance mode on"), "{detail}");
    let ended = server.call("PUT", path, r#"{"value": "off"}"#).await.is(200).json();
    assert_eq!(ended["missed"], json!([]));
    server.stop().await;
}
