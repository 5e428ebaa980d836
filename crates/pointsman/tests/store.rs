//! A store is copied from SQLite to PostgreSQL, and a server goes on there with what waited.
//!
//! Boundary: the built program and a real PostgreSQL.
//! Read first: the test at the end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "cli/server.rs"]
#[expect(dead_code, reason = "the command line's tests use more of it")]
mod server;

use nix::sys::signal::Signal;
use server::{Server, pointsman};
use store::conformance::postgres::Server as Postgres;
use store::postgres::{Options, Postgres as Database};
use store::{InstanceFilter, InstanceState, Store};

const WAITS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d"
  targetNamespace="t"><bpmn:process id="later" isExecutable="true">
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="rest"/>
<bpmn:intermediateCatchEvent id="rest"><bpmn:timerEventDefinition>
<bpmn:timeDuration>PT2S</bpmn:timeDuration></bpmn:timerEventDefinition>
</bpmn:intermediateCatchEvent>
<bpmn:sequenceFlow id="f2" sourceRef="rest" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;

fn ok(arguments: &[&str], directory: &std::path::Path) -> String {
    let output = pointsman().current_dir(directory).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", server::exact(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_on_sqlite_goes_on_on_postgresql() {
    let name = "what_waited_on_sqlite_goes_on_on_postgresql";
    let Some(postgres) = Postgres::own(name) else { return };
    let url = postgres.schema().await;
    let directory = tempfile::tempdir().unwrap();
    let package = directory.path().join("later");
    std::fs::create_dir_all(package.join("processes")).unwrap();
    let manifest = "name = \"later\"\nversion = \"1.0.0\"\ndescription = \"Waits\"\n";
    std::fs::write(package.join("package.toml"), manifest).unwrap();
    std::fs::write(package.join("processes/later.bpmn"), WAITS).unwrap();
    let mut server = Server::start(directory.path());
    assert!(server.command(&["deploy", "later"]).status.success());
    for _ in 0..3 {
        assert!(server.command(&["instance", "start", "later"]).status.success());
    }
    let used = ["store", "copy", "--data", "data", "--to-database", &url];
    let refused = pointsman().current_dir(directory.path()).args(used).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "a server uses it: {}", server::exact(&refused));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));

    assert!(ok(&["store", "migrate", "--database", &url], directory.path()).contains("format"));
    assert!(ok(&used, directory.path()).contains("copied"));
    for place in [["--data", "data"], ["--database", &url]] {
        let checked = ok(&["store", "check", place[0], place[1]], directory.path());
        assert_eq!(checked.trim(), "nothing is wrong");
    }
    let mut child = pointsman()
        .current_dir(directory.path())
        .args(["serve", "--data", "other", "--database", &url])
        .args(["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
        .spawn()
        .unwrap();
    let store = Database::open(&Options::new(&url)).await.unwrap();
    let completed = InstanceFilter {
        state: Some(InstanceState::Completed),
        limit: 10,
        ..InstanceFilter::default()
    };
    let all = async {
        while store.instances(&completed).await.unwrap().len() < 3 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), all).await;
    child.kill().unwrap();
    child.wait().unwrap();
    ended.expect("the three instances go on");
}
