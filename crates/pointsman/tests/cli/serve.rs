//! Starting and stopping a server.

use expect_test::expect;
use nix::sys::signal::Signal;

use super::server::{Server, pointsman, shown};

/// SRV-1: the server that could not start has changed nothing of the other one.
#[test]
fn a_second_server_on_the_same_directory_refuses_and_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let first = Server::start(directory.path());
    let second = pointsman()
        .args(["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--data"])
        .arg(directory.path().join("data"))
        .output()
        .unwrap();
    let text = shown(&second).replace(&directory.path().display().to_string(), "DIR");
    expect![[r#"
        ! error[CLI-003]: another server uses the data directory `DIR/data`
        ! hint: use that server, or choose another directory with `--data DIR`
        exit 1
    "#]]
    .assert_eq(&text);
    assert!(first.command(&["process", "list"]).status.success());
}

/// SRV-2: the store is closed after the last commit, so that nothing is missing afterwards.
#[test]
fn a_signal_stops_it_in_order_and_nothing_is_lost() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server::start(directory.path());
        server.run(&["package", "new", "hello"]);
        assert!(server.command(&["deploy", "hello"]).status.success());
        server.signal(signal);
        assert_eq!(server.wait(), Some(0));
        assert!(!directory.path().join("data/addresses.json").exists());
        drop(server);
        let again = Server::start(directory.path());
        let processes = again.run(&["process", "list"]);
        assert!(processes.contains("hello-greeting"), "{processes}");
    }
}

#[test]
fn it_says_where_it_listens() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let greeting = &server.greeting;
    assert!(greeting.starts_with("pointsman "), "{greeting}");
    assert!(greeting.contains("http://127.0.0.1:"), "{greeting}");
    assert!(!greeting.contains("127.0.0.1:0"), "{greeting}");
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let output = pointsman().args(["serve", "--http", "0.0.0.0:0"]).output().unwrap();
    expect![[r#"
        ! error[API-007]: cannot listen for `http`: `0.0.0.0:0` can be reached from other machines, and there is neither TLS nor authentication
        ! at: flag `--http`
        ! hint: set `tls.certificate`, `tls.key` and `auth.method = "tokens"` in the configuration; or listen on 127.0.0.1 or [::1]
        exit 2
    "#]]
    .assert_eq(&shown(&output));
}

#[test]
fn an_address_that_is_taken_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = pointsman()
        .current_dir(directory.path())
        .args(["serve", "--http", &address])
        .output()
        .unwrap();
    expect![[r#"
        ! error[CLI-005]: cannot listen on `ADDRESS`
        ! caused by: Address already in use (os error 98)
        ! hint: choose another address with `--http`; port 0 takes a free one
        exit 1
    "#]]
    .assert_eq(&shown(&output).replace(&address, "ADDRESS"));
}

#[test]
fn a_directory_with_a_foreign_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let content = "not a database ".repeat(20);
    std::fs::write(data.join("pointsman.db"), &content).unwrap();
    let output = pointsman()
        .current_dir(directory.path())
        .args(["serve", "--data", "data", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
        .output()
        .unwrap();
    expect![[r#"
        ! error[CLI-004]: the data directory `DIR/data` cannot be used
        ! caused by: `DIR/data/pointsman.db` is not a usable store: it is not an SQLite database
        ! hint: `pointsman explain CLI-004` tells what can be done
        exit 1
    "#]]
    .assert_eq(&shown(&output).replace(&directory.path().display().to_string(), "DIR"));
    assert_eq!(std::fs::read_to_string(data.join("pointsman.db")).unwrap(), content);
}
