//! Services are called and packages switched over HTTP.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use host::package::PackageSource;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::server::{Answer, PATIENCE, Server};

/// A package whose services answer, fail in each way, and wait for a file.
fn tools(version: &str, more: &str) -> PackageSource {
    let manifest = format!(
        r#"name = "tools"
version = "{version}"
description = "x"
{more}
[services.echo]
kind = "command"
program = "services/echo.sh"
args = ["{version}"]

[services.fails]
kind = "command"
program = "services/exit.sh"
args = ["3"]
errors = {{ "3" = "NO_STOCK" }}

[services.later]
kind = "command"
program = "services/exit.sh"
args = ["9"]

[services.missing]
kind = "command"
program = "services/none.sh"

[services.until]
kind = "command"
program = "services/until.sh"
args = ["=dir"]
"#
    );
    let echo = "#!/bin/sh\nprintf '{\"version\":\"%s\",\"key\":\"%s\",\"input\":' \"$1\" \
                \"$POINTSMAN_IDEMPOTENCY_KEY\"; cat; printf '}'\n";
    let until = "#!/bin/sh\ntouch \"$1/in\"\nwhile [ ! -e \"$1/go\" ]; do sleep 0.02; done\n";
    let files = [
        ("package.toml", manifest.as_str()),
        ("services/echo.sh", echo),
        ("services/exit.sh", "#!/bin/sh\nexit $1\n"),
        ("services/none.sh", "#!/no/such/shell\n"),
        ("services/until.sh", until),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    PackageSource::from_files(BTreeMap::from(files)).unwrap()
}

async fn deploy(server: &Server, source: &PackageSource, query: &str) -> Answer {
    let path = format!("/api/deployments{query}");
    server.send_as("POST", &path, "application/zstd", source.archive().unwrap()).await
}

/// Calls a service with these headers.
async fn call(server: &Server, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = server.request("POST", path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await
}

/// Waits until a service has begun.
async fn begun(scratch: &Path) {
    let seen = async {
        while !scratch.join("in").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap();
}

/// Follows a deployment until it is as it is wanted.
async fn follow(server: &Server, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let seen = async {
        loop {
            let path = format!("/api/deployments/{id}?wait=1s");
            let view = server.get(&path).await.is(200).json();
            if wanted(&view) {
                return view;
            }
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap()
}

#[tokio::test]
async fn a_service_is_called_with_an_object_and_answers_with_its_version() {
    let server = Server::start().await;
    deploy(&server, &tools("1.0.0", ""), "").await.is(200);
    let path = "/api/services/tools/echo";
    let answer = call(&server, path, &[("idempotency-key", "k1")], r#"{"a":[1,2.50]}"#).await;
    let answer = answer.is(200);
    assert_eq!(answer.headers["pointsman-package-version"], "1.0.0");
    let said = answer.json();
    assert_eq!((&said["version"], &said["key"]), (&json!("1.0.0"), &json!("k1")));
    assert_eq!(said["input"]["a"], json!([1, 2.5]));
    // Nothing at all is an object without fields.
    let empty = server.send(server.request("POST", path).body(Full::default()).unwrap()).await;
    assert!(empty.is(200).json()["input"]["a"].is_null());
    server.stop().await;
}

#[tokio::test]
async fn what_a_service_fails_with_decides_the_status() {
    let server = Server::start().await;
    deploy(&server, &tools("1.0.0", ""), "").await.is(200);
    let business = call(&server, "/api/services/tools/fails", &[], "{}").await;
    assert_eq!(business.is_problem(422, "NODE-026")["serviceError"], "NO_STOCK");
    let later = call(&server, "/api/services/tools/later", &[], "{}").await;
    assert!(later.headers.contains_key("retry-after"), "{later:?}");
    assert_eq!(later.is_problem(503, "NODE-026")["retry"], true);
    let broken = call(&server, "/api/services/tools/missing", &[], "{}").await;
    assert_eq!(broken.is_problem(502, "NODE-026")["retry"], false);
    call(&server, "/api/services/tools/none", &[], "{}").await.is_problem(404, "NODE-001");
    call(&server, "/api/services/none/echo", &[], "{}").await.is_problem(404, "NODE-001");
    server.stop().await;
}

#[tokio::test]
async fn bad_calls_are_refused_with_what_is_wrong() {
    let server = Server::start().await;
    deploy(&server, &tools("1.0.0", ""), "").await.is(200);
    let path = "/api/services/tools/echo";
    call(&server, path, &[], "[1]").await.is_problem(400, "API-006");
    call(&server, path, &[], "{").await.is_problem(400, "API-001");
    server.send_as("POST", path, "text/plain", "{}").await.is_problem(415, "API-005");
    let long = "a,".repeat(100);
    let long_key = "k".repeat(300);
    let bad = [
        ("pointsman-call-chain", "a,,b"),
        ("pointsman-call-chain", "a b"),
        ("pointsman-call-chain", long.as_str()),
        ("pointsman-hold-timeout", "soon"),
        ("pointsman-hold-timeout", "-1s"),
        ("idempotency-key", long_key.as_str()),
        ("idempotency-key", ""),
    ];
    for (name, value) in bad {
        let problem = call(&server, path, &[(name, value)], "{}").await.is_problem(400, "API-006");
        assert_eq!(problem["place"], name);
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    call(&server, path, &twice, "{}").await.is_problem(400, "API-006");
    call(&server, &format!("{path}?hold=1s"), &[], "{}").await.is_problem(400, "API-006");
    server.stop().await;
}

#[tokio::test]
async fn a_call_in_flight_is_shown_waited_for_and_ends_on_the_old_version() {
    let server = Server::start().await;
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().to_str().unwrap();
    deploy(&server, &tools("1.0.0", ""), "").await.is(200);
    let input = json!({ "dir": dir }).to_string();
    let slow = call(&server, "/api/services/tools/until", &[], &input);
    let switched = async {
        begun(scratch.path()).await;
        let started = deploy(&server, &tools("2.0.0", ""), "?wait=false").await.is(202);
        let id = started.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(started.headers["location"], format!("/api/deployments/{id}"));
        let waits = |view: &Value| view["servers"][0]["inFlight"] == 1;
        let view = follow(&server, &id, waits).await;
        assert_eq!(view["stage"], "draining");
        assert_eq!(view["servers"][0]["oldest"][0]["name"], "tools/until");
        assert!(view["servers"][0]["oldest"][0]["ageMs"].is_u64(), "{view}");
        let shown = server.get("/api/packages/tools").await.is(200).json();
        assert_eq!((&shown["gate"], &shown["inFlight"]), (&json!("closed"), &json!(1)));
        assert_eq!(shown["calls"][0]["kind"], "call");
        // A new call does not wait for ever; one of the tree inside passes.
        let echo = "/api/services/tools/echo";
        let late = call(&server, &format!("{echo}?hold-timeout=20ms"), &[], "{}").await;
        assert!(late.headers.contains_key("retry-after"), "{late:?}");
        late.is_problem(503, "NODE-025");
        let inner = call(&server, echo, &[("pointsman-call-chain", "tools")], "{}").await.is(200);
        assert_eq!(inner.headers["pointsman-package-version"], "1.0.0");
        let held = call(&server, echo, &[], "{}");
        let ends = async {
            follow(&server, &id, |view| view["servers"][0]["held"] == 1).await;
            std::fs::write(scratch.path().join("go"), "").unwrap();
            follow(&server, &id, |view| view["stage"] == "ended").await
        };
        let (held, ended) = tokio::join!(held, ends);
        // It waited, and runs on the new version.
        assert_eq!(held.is(200).headers["pointsman-package-version"], "2.0.0");
        ended
    };
    let (slow, ended) = tokio::join!(slow, switched);
    assert_eq!(slow.is(200).headers["pointsman-package-version"], "1.0.0");
    assert_eq!(ended["outcome"], "done");
    assert!(ended["closedMicros"].as_u64().unwrap() > 0, "{ended}");
    assert_eq!(ended["plan"]["packages"][0]["from"], "1.0.0");
    assert_eq!(ended["plan"]["packages"][0]["to"], "2.0.0");
    let now = call(&server, "/api/services/tools/echo", &[], "{}").await.is(200);
    assert_eq!(now.headers["pointsman-package-version"], "2.0.0");
    server.stop().await;
}

#[tokio::test]
async fn a_deployment_is_cancelled_or_runs_out_of_time_and_the_original_serves() {
    let server = Server::start().await;
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().to_str().unwrap();
    deploy(&server, &tools("1.0.0", ""), "").await.is(200);
    let input = json!({ "dir": dir }).to_string();
    let slow = call(&server, "/api/services/tools/until", &[], &input);
    let tried = async {
        begun(scratch.path()).await;
        let late = deploy(&server, &tools("2.0.0", ""), "?timeout=50ms").await;
        let problem = late.is_problem(409, "NODE-024");
        assert_eq!(problem["outcome"], "timed-out");
        assert!(problem["detail"].as_str().unwrap().contains("tools/until"), "{problem}");
        let id = problem["deployment"].as_str().unwrap();
        let kept = server.get(&format!("/api/deployments/{id}")).await.is(200).json();
        assert_eq!((&kept["outcome"], &kept["code"]), (&json!("timed-out"), &json!("NODE-024")));

        let started = deploy(&server, &tools("2.0.0", ""), "?wait=false").await.is(202).json();
        let id = started["id"].as_str().unwrap();
        follow(&server, id, |view| view["stage"] == "draining").await;
        let path = format!("/api/deployments/{id}/cancel");
        server.call("POST", &path, "").await.is(202);
        let ended = follow(&server, id, |view| view["stage"] == "ended").await;
        assert_eq!(ended["outcome"], "cancelled");
        // It is over.
        server.call("POST", &path, "").await.is_problem(409, "NODE-002");
        let list = server.get("/api/deployments?limit=2").await.is(200).json();
        assert_eq!(list["items"][0]["id"], id);
        assert_eq!(list["items"][1]["outcome"], "timed-out");
        let next = list["next"].as_str().unwrap();
        let rest = server.get(&format!("/api/deployments?before={next}")).await.is(200).json();
        assert_eq!(rest["items"].as_array().unwrap().len(), 1);
        std::fs::write(scratch.path().join("go"), "").unwrap();
    };
    let (slow, ()) = tokio::join!(slow, tried);
    slow.is(200);
    let now = call(&server, "/api/services/tools/echo", &[], "{}").await.is(200);
    assert_eq!(now.headers["pointsman-package-version"], "1.0.0");
    server.stop().await;
}

#[tokio::test]
async fn a_start_up_service_that_fails_brings_the_original_back() {
    let server = Server::start().await;
    deploy(&server, &tools("1.0.0", ""), "").await.is(200);
    let bad = tools("2.0.0", "startup = [\"fails\"]");
    let problem = deploy(&server, &bad, "").await.is_problem(422, "NODE-023");
    assert!(problem["detail"].as_str().unwrap().contains("NO_STOCK"), "{problem}");
    let shown = server.get("/api/packages/tools").await.is(200).json();
    assert_eq!((&shown["version"], &shown["loaded"]), (&json!("1.0.0"), &json!("yes")));
    // Left inactive with its reason, if that is asked for.
    deploy(&server, &bad, "?auto-recover=false").await.is(200);
    let shown = server.get("/api/packages/tools").await.is(200).json();
    assert_eq!((&shown["version"], &shown["loaded"]), (&json!("2.0.0"), &json!("no")));
    assert!(shown["reason"].as_str().unwrap().contains("NO_STOCK"), "{shown}");
    server.stop().await;
}

#[tokio::test]
async fn a_dry_run_tells_the_plan_and_changes_nothing() {
    let server = Server::start().await;
    let plan = deploy(&server, &tools("1.0.0", ""), "?dry-run=true").await.is(200).json();
    assert_eq!(plan["plan"]["packages"][0]["to"], "1.0.0");
    assert!(plan["plan"]["packages"][0]["from"].is_null());
    assert_eq!(plan["plan"]["affected"], json!(["tools"]));
    assert_eq!(server.get("/api/packages").await.json()["items"], json!([]));
    deploy(&server, &tools("2.0.0", ""), "").await.is(200);
    let problem = deploy(&server, &tools("1.0.0", ""), "?dry-run=true").await;
    assert_eq!(problem.is_problem(422, "NODE-012")["problems"][0]["code"], "PKG-022");
    deploy(&server, &tools("1.0.0", ""), "?allow-downgrade=true").await.is(200);
    server.stop().await;
}

#[tokio::test]
async fn what_a_refused_set_lacks_is_told_to_those_who_ask_later() {
    let server = Server::start().await;
    deploy(&server, &tools("2.0.0", ""), "").await.is(200);
    let started = deploy(&server, &tools("1.0.0", ""), "?wait=false").await.is(202).json();
    let id = started["id"].as_str().unwrap();
    let ended = follow(&server, id, |view| view["stage"] == "ended").await;
    assert_eq!((&ended["outcome"], &ended["code"]), (&json!("refused"), &json!("NODE-012")));
    assert_eq!(ended["problems"][0]["code"], "PKG-022");
    server.stop().await;
}

#[tokio::test]
async fn packages_are_disabled_enabled_rolled_back_removed_and_recovered() {
    let server = Server::start().await;
    let post = async |what: &str| server.call("POST", &format!("/api/packages/{what}"), "").await;
    deploy(&server, &tools("1.0.0", ""), "").await.is(200);
    deploy(&server, &tools("2.0.0", ""), "").await.is(200);
    let shown = server.get("/api/packages/tools").await.is(200).json();
    let versions: Vec<_> = shown["versions"].as_array().unwrap().iter().collect();
    assert_eq!(versions.len(), 2, "{shown}");
    post("tools/disable").await.is(200);
    let shown = server.get("/api/packages").await.is(200).json();
    assert_eq!(shown["items"][0]["loaded"], "no");
    call(&server, "/api/services/tools/echo", &[], "{}").await.is_problem(404, "NODE-001");
    post("tools/enable").await.is(200);
    post("tools/reload?timeout=5s").await.is(200);
    let back = post("tools/rollback").await.is(200).json();
    assert_eq!(back["plan"]["packages"][0]["to"], "1.0.0");
    post("tools/rollback?version=9.0.0").await.is_problem(404, "NODE-001");
    post("tools/rollback?version=2.0.0").await.is(200);
    post("tools/recover").await.is_problem(409, "NODE-002");
    server.call("DELETE", "/api/packages/tools", "").await.is(200);
    server.get("/api/packages/tools").await.is_problem(404, "NODE-001");
    assert_eq!(server.get("/api/packages").await.json()["items"], json!([]));
    let gone = server.get("/api/packages?removed=true").await.is(200).json();
    assert_eq!(gone["items"][0]["name"], "tools");
    assert_eq!(gone["items"].as_array().unwrap().len(), 1);
    post("tools/recover").await.is(200);
    let now = call(&server, "/api/services/tools/echo", &[], "{}").await.is(200);
    assert_eq!(now.headers["pointsman-package-version"], "2.0.0");
    post("none/disable").await.is_problem(404, "NODE-001");
    server.stop().await;
}

#[tokio::test]
async fn wishes_that_nobody_knows_are_refused() {
    let server = Server::start().await;
    for query in ["timeout=60", "strategy=fast", "policy=x", "wait=yes", "dryrun=true", "version=1"]
    {
        let path = format!("?{query}");
        deploy(&server, &tools("1.0.0", ""), &path).await.is_problem(400, "API-006");
    }
    server.get("/api/deployments/7").await.is_problem(404, "NODE-001");
    server.get("/api/deployments/x").await.is_problem(400, "API-006");
    server.get("/api/deployments/7?wait=2m").await.is_problem(400, "API-006");
    server.stop().await;
}

#[tokio::test]
async fn the_shared_settings_say_what_callers_leave_out() {
    let server = Server::start().await;
    let set = async |name: &str, value: &str| {
        let body = json!({ "value": value }).to_string();
        server.call("PUT", &format!("/api/settings/{name}"), &body).await.is(200);
    };
    set("deployment.timeout", "PT5S").await;
    set("deployment.versions-kept", "1").await;
    let done = deploy(&server, &tools("1.0.0", ""), "").await.is(200).json();
    assert_eq!(done["timeoutMs"], 5000);
    for version in ["2.0.0", "3.0.0"] {
        deploy(&server, &tools(version, ""), "").await.is(200);
    }
    let shown = server.get("/api/packages/tools").await.is(200).json();
    let kept: Vec<&Value> =
        shown["versions"].as_array().unwrap().iter().map(|one| &one["version"]).collect();
    assert_eq!(kept, ["3.0.0", "2.0.0"]);
    server.stop().await;
}

/// Deploys version 2.0.0 in such a way while a call runs on 1.0.0, and answers what a call says
/// that comes meanwhile.
async fn meanwhile(settings: &[(&str, &str)], query: &str, ends_alone: bool) -> Answer {
    let server = Server::start().await;
    for (name, value) in settings {
        let body = json!({ "value": value }).to_string();
        server.call("PUT", &format!("/api/settings/{name}"), &body).await.is(200);
    }
    let scratch = tempfile::tempdir().unwrap();
    let input = json!({ "dir": scratch.path().to_str().unwrap() }).to_string();
    deploy(&server, &tools("1.0.0", ""), "").await.is(200);
    let slow = call(&server, "/api/services/tools/until", &[], &input);
    let other = async {
        begun(scratch.path()).await;
        let query = format!("?wait=false{query}");
        let id = deploy(&server, &tools("2.0.0", ""), &query).await.is(202).json();
        let id = id["id"].as_str().unwrap();
        let stage = if ends_alone { "ended" } else { "draining" };
        follow(&server, id, |view| view["stage"] == stage).await;
        let said = call(&server, "/api/services/tools/echo", &[], "{}").await;
        std::fs::write(scratch.path().join("go"), "").unwrap();
        let ended = follow(&server, id, |view| view["stage"] == "ended").await;
        assert_eq!(ended["outcome"], "done");
        said
    };
    let (slow, said) = tokio::join!(slow, other);
    assert_eq!(slow.is(200).headers["pointsman-package-version"], "1.0.0");
    server.stop().await;
    said
}

#[tokio::test]
async fn side_by_side_new_calls_run_on_the_new_version_at_once() {
    for (settings, query) in
        [(&[][..], "&strategy=side-by-side"), (&[("deployment.enabled", "off")][..], "")]
    {
        let said = meanwhile(settings, query, true).await.is(200);
        assert_eq!(said.headers["pointsman-package-version"], "2.0.0");
    }
}

#[tokio::test]
async fn new_calls_do_what_the_policy_says() {
    for (settings, query) in
        [(&[][..], "&policy=fail-fast"), (&[("deployment.policy", "fail-fast")][..], "")]
    {
        meanwhile(settings, query, false).await.is_problem(503, "NODE-025");
    }
    let none = meanwhile(&[("deployment.held-max", "0")], "", false).await;
    assert!(none.is_problem(503, "NODE-025")["detail"].as_str().unwrap().contains("too many"));
}

#[tokio::test]
async fn run_on_old_calls_run_on_the_old_version_meanwhile() {
    let said = meanwhile(&[], "&policy=run-on-old", false).await.is(200);
    assert_eq!(said.headers["pointsman-package-version"], "1.0.0");
}
