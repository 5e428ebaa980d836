//! Named locks over HTTP: clients among themselves and with an operator.

use serde_json::Value;

use crate::server::Server;

#[tokio::test]
async fn a_lock_is_acquired_renewed_listed_and_released() {
    let server = Server::start().await;
    let post = async |path: &str, body: &str| server.call("POST", path, body).await;
    let first = post("/api/locks/disk%2Fa/acquire", r#"{"session":"s1"}"#).await.is(200).json();
    assert_eq!(first["name"], "disk/a");
    let fence = first["fence"].as_i64().unwrap();
    assert!(first["leaseUntil"].is_string(), "{first}");
    let listed = server.get("/api/locks").await.is(200).json();
    let row = &listed["items"][0];
    assert_eq!((&row["name"], &row["holder"]), (&"disk/a".into(), &"client s1".into()));
    assert_eq!((row["fence"].as_i64(), &row["instance"]), (Some(fence), &Value::Null));
    let acquire = "/api/locks/disk%2Fa/acquire";
    let problem = post(acquire, r#"{"session":"s2"}"#).await.is_problem(409, "NODE-002");
    assert!(problem["detail"].as_str().unwrap().contains("s1"), "{problem}");
    post(acquire, r#"{"session":"s2","wait":"PT0.02S"}"#).await.is_problem(504, "NODE-013");
    post("/api/locks/disk%2Fa/renew", r#"{"session":"s1","lease":"PT1M"}"#).await.is(204);
    post("/api/locks/disk%2Fa/renew", r#"{"session":"s2"}"#).await.is_problem(409, "NODE-002");
    let waits = post(acquire, r#"{"session":"s2","wait":20000}"#);
    let releases = async {
        while server.get("/api/locks").await.json()["items"][0]["waiting"] == 0 {}
        post("/api/locks/disk%2Fa/release", r#"{"session":"s1"}"#).await.is(204)
    };
    let (second, _) = tokio::join!(waits, releases);
    let second = second.is(200).json()["fence"].as_i64().unwrap();
    assert!(second > fence);
    let holder = "/api/locks/disk%2Fa/holder";
    let delete =
        async |fence: i64| server.call("DELETE", &format!("{holder}?fence={fence}"), "").await;
    delete(fence).await.is_problem(409, "NODE-002");
    delete(second).await.is(204);
    server.call("DELETE", holder, "").await.is_problem(409, "NODE-002");
    assert_eq!(server.get("/api/locks").await.json()["items"], Value::Array(Vec::new()));
    server.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let server = Server::start().await;
    let long = "x".repeat(300);
    for (path, body, code) in [
        ("x/acquire", "{}".to_owned(), "API-006"),
        ("x/acquire", r#"{"session":"s","lease":0}"#.to_owned(), "NODE-003"),
        ("x/acquire", r#"{"session":"s","wait":-1}"#.to_owned(), "API-006"),
        ("x/acquire", r#"{"session":"s","wait":"P9D"}"#.to_owned(), "NODE-003"),
        ("x/acquire", r#"{"session":"s","lease":"soon"}"#.to_owned(), "API-006"),
        ("x/acquire", r#"{"session":"s","owner":"me"}"#.to_owned(), "API-006"),
        ("x/acquire", format!(r#"{{"session":"{long}"}}"#), "NODE-003"),
        ("x/release", r#"{"session":7}"#.to_owned(), "API-006"),
        ("x/renew", "[]".to_owned(), "API-006"),
    ] {
        let path = format!("/api/locks/{path}");
        server.call("POST", &path, &body).await.is_problem(400, code);
    }
    let path = format!("/api/locks/{long}/acquire");
    server.call("POST", &path, r#"{"session":"s"}"#).await.is_problem(400, "NODE-003");
    server.call("DELETE", "/api/locks/x/holder?fence=a", "").await.is_problem(400, "API-006");
    let nobody = server.call("POST", "/api/locks/x/release", r#"{"session":"s"}"#).await;
    nobody.is_problem(409, "NODE-002");
    server.stop().await;
}
