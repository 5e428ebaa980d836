//! Deployments, packages and processes.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::server::{ONE_JOB, Server, package};

#[tokio::test]
async fn an_archive_is_deployed_and_shown() {
    let server = Server::start().await;
    let archive = package("1.0.0").archive().unwrap();
    let path = "/api/deployments";
    let deployed = server.send_as("POST", path, "application/zstd", archive).await.is(200).json();
    assert_eq!(deployed["processes"][0]["id"], "handle");
    assert_eq!(deployed["processes"][0]["version"], 1);
    assert_eq!(deployed["processes"][0]["package"], "shop");
    assert_eq!(deployed["processes"][0]["enabled"], true);
    let packages = server.get("/api/packages").await.is(200).json();
    assert_eq!(packages["items"][0]["name"], "shop");
    let shop = server.get("/api/packages/shop").await.is(200).json();
    assert_eq!(shop["documents"][0], "shop/order");
    assert_eq!(shop["triggers"][0]["name"], "shop/orders");
    assert_eq!(shop["triggers"][0]["target"], "handle");
    assert_eq!(shop["processes"][0], "handle");
    server.get("/api/packages/none").await.is_problem(404, "NODE-001");
    server.stop().await;
}

#[tokio::test]
async fn a_form_deploys_several_archives_together() {
    let server = Server::start().await;
    let other = BTreeMap::from([(
        "package.toml".to_owned(),
        b"name = \"other\"\nversion = \"1.0.0\"\ndescription = \"x\"\n".to_vec(),
    )]);
    let other = host::package::PackageSource::from_files(other).unwrap().archive().unwrap();
    let shop = package("1.0.0").archive().unwrap();
    let mut body = Vec::new();
    for archive in [&shop, &other] {
        body.extend_from_slice(b"--B\r\nContent-Disposition: form-data; name=\"p\"\r\n\r\n");
        body.extend_from_slice(archive);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--B--\r\n");
    let media = "multipart/form-data; boundary=B";
    server.send_as("POST", "/api/deployments", media, Bytes::from(body)).await.is(200);
    let packages = server.get("/api/packages").await.is(200).json();
    assert_eq!(packages["items"].as_array().unwrap().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_refused_package_shows_every_problem_with_its_place() {
    let server = Server::start().await;
    let path = "/api/deployments";
    let garbage = server.send_as("POST", path, "application/zstd", "no archive").await;
    let problem = garbage.is_problem(422, "NODE-012");
    assert_eq!(problem["problems"][0]["severity"], "error");
    let mut bad = package("1.0.0");
    bad.files.insert("processes/b.bpmn".to_owned(), b"<a>".to_vec());
    bad.files.insert("documents/c.json".to_owned(), b"{".to_vec());
    let archive = bad.archive().unwrap();
    let problem = server.send_as("POST", path, "application/zstd", archive).await;
    let problem = problem.is_problem(422, "NODE-012");
    let first = &problem["problems"][0];
    for field in ["file", "line", "column", "code", "severity", "message", "hint"] {
        assert!(!first[field].is_null(), "{first}");
    }
    server.call("POST", path, "{}").await.is_problem(415, "API-005");
    let form = "multipart/form-data";
    server.send_as("POST", path, form, "x").await.is_problem(400, "API-006");
    server.stop().await;
}

#[tokio::test]
async fn processes_are_listed_enabled_and_disabled() {
    let server = Server::start().await;
    server.deploy("p", ONE_JOB).await;
    server.begin("p", "{}").await;
    let processes = server.get("/api/processes").await.is(200).json();
    assert_eq!(processes["items"][0]["id"], "p");
    assert_eq!(processes["items"][0]["enabled"], 1);
    assert_eq!(processes["items"][0]["active"], 1);
    let path = "/api/processes/p/enabled";
    server.call("PUT", path, r#"{"version":null}"#).await.is(204);
    let shown = server.get("/api/processes/p").await.is(200).json();
    assert!(shown["enabled"].is_null());
    assert_eq!(shown["versions"][0]["version"], 1);
    assert_eq!(shown["versions"][0]["enabled"], false);
    server.call("POST", "/api/instances", r#"{"process":"p"}"#).await.is_problem(409, "NODE-002");
    server.call("PUT", path, r#"{"version":1}"#).await.is(204);
    server.begin("p", "{}").await;
    server.call("PUT", path, r#"{"version":9}"#).await.is_problem(404, "NODE-001");
    server.call("PUT", path, "{}").await.is_problem(400, "API-006");
    server.get("/api/processes/q").await.is_problem(404, "NODE-001");
    let xml = server.get("/api/processes/p/versions/1/xml").await.is(200);
    assert!(xml.text.contains("isExecutable"), "{xml:?}");
    server.get("/api/processes/p/versions/2/xml").await.is_problem(404, "NODE-001");
    server.get("/api/processes/p/versions/x/xml").await.is_problem(400, "API-006");
    server.stop().await;
}
