//! The list of servers over HTTP.

use serde_json::Value;

use crate::server::Server;

#[tokio::test]
async fn the_servers_that_are_there_are_listed() {
    let server = Server::start().await;
    let listed = server.get("/api/servers").await.is(200).json();
    let one = &listed["items"][0];
    assert_eq!(one["name"], server.node.name());
    assert_eq!(one["standing"], "serving");
    assert_eq!(one["shards"], serde_json::json!([1]));
    assert_eq!(one["hosts"], Value::Array(Vec::new()));
    assert_eq!(listed["logicalServers"], Value::Array(Vec::new()));
    server.stop().await;
}
