//! Deployments as people and scripts see them: live, as JSON, cancelled, late, and back again.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use expect_test::expect;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::server::{Server, pointsman, shown};

/// Writes a package with a service that ends when there is a file, and one that answers.
fn write_package(directory: &Path, version: &str, more: &str) {
    let root = directory.join("tools");
    std::fs::create_dir_all(root.join("services")).unwrap();
    let wait = directory.display();
    let manifest = format!(
        "name = \"tools\"\nversion = \"{version}\"\ndescription = \"Tools\"\n{more}\n\
         [services.echo]\nkind = \"command\"\nprogram = \"/bin/sh\"\n\
         args = [\"-c\", \"printf '{{\\\"is\\\":\\\"{version}\\\",\\\"got\\\":'; cat; printf '}}'\"]\n\
         [services.fails]\nkind = \"command\"\nprogram = \"/bin/sh\"\n\
         args = [\"-c\", \"exit 3\"]\nerrors = {{ \"3\" = \"NO_STOCK\" }}\n\
         [services.until]\nkind = \"command\"\nprogram = \"/bin/sh\"\n\
         args = [\"-c\", \"touch {wait}/in; while [ ! -e {wait}/go ]; do sleep 0.02; done\"]\n"
    );
    std::fs::write(root.join("package.toml"), manifest).unwrap();
}

fn start(server: &Server, arguments: &[&str]) -> Child {
    pointsman()
        .current_dir(&server.directory)
        .env("POINTSMAN_SERVER", &server.http)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Calls the service that waits, and comes back when it has begun.
fn slow_call(server: &Server) -> Child {
    let child = start(server, &["service", "call", "tools/until"]);
    server.wait_for(&["package", "show", "tools", "--installed"], "tools/until");
    child
}

fn let_go(directory: &Path, mut slow: Child) {
    std::fs::write(directory.join("go"), "").unwrap();
    assert!(slow.wait().unwrap().success());
    std::fs::remove_file(directory.join("go")).unwrap();
}

#[test]
fn services_are_called_and_a_dry_run_shows_the_plan() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    write_package(directory.path(), "1.0.0", "");
    let mut transcript = vec![server.run(&["deploy", "tools", "--dry-run"])];
    server.run(&["deploy", "tools"]);
    write_package(directory.path(), "1.1.0", "");
    std::fs::write(directory.path().join("in.json"), "{\"a\": 1.50}").unwrap();
    transcript.extend([
        server.run(&["deploy", "tools", "--dry-run"]),
        server.run(&["service", "call", "tools/echo", "--input", "in.json"]),
        server.run(&["service", "call", "tools/fails"]),
        server.run(&["service", "call", "tools"]),
    ]);
    expect![[r#"
        $ pointsman deploy tools --dry-run
        PACKAGE FROM TO
        tools 1.0.0

        gates that close: tools
        exit 0

        $ pointsman deploy tools --dry-run
        PACKAGE FROM TO
        tools 1.0.0 1.1.0

        gates that close: tools
        exit 0

        $ pointsman service call tools/echo --input in.json
        {"is":"1.0.0","got":{"a":1.5}}
        exit 0

        $ pointsman service call tools/fails
        ! error[NODE-026]: `/bin/sh` ended with exit code 3
        ! caused by: the service's error `NO_STOCK`
        ! hint: the message is the service's own
        exit 1

        $ pointsman service call tools
        ! error[CLI-008]: `tools` names no package
        ! hint: write `PACKAGE/SERVICE`
        exit 2
    "#]]
    .assert_eq(&transcript.join("\n"));
}

#[test]
fn packages_are_listed_switched_and_rolled_back() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    write_package(directory.path(), "1.0.0", "");
    server.run(&["deploy", "tools"]);
    write_package(directory.path(), "1.1.0", "");
    let transcript = [
        server.run(&["deploy", "tools"]),
        server.run(&["package", "disable", "tools"]),
        server.run(&["package", "list"]),
        server.run(&["package", "enable", "tools"]),
        server.run(&["package", "rollback", "tools"]),
        server.run(&["package", "rollback", "tools", "9.9.9"]),
        server.run(&["package", "reload", "none"]),
    ];
    expect![[r#"
        $ pointsman deploy tools
        KIND NAME VERSION OF
        package tools 1.1.0
        exit 0

        $ pointsman package disable tools
        PACKAGE FROM TO
        tools 1.1.0
        exit 0

        $ pointsman package list
        PACKAGE VERSION LOADED GATE IN FLIGHT DEPLOYED REASON
        tools 1.1.0 no open 0 TIME somebody disabled it
        exit 0

        $ pointsman package enable tools
        PACKAGE FROM TO
        tools 1.1.0
        exit 0

        $ pointsman package rollback tools
        PACKAGE FROM TO
        tools 1.1.0 1.0.0
        exit 0

        $ pointsman package rollback tools 9.9.9
        ! error[NODE-001]: no earlier version of package `tools 9.9.9`
        ! hint: nothing was changed: correct it and try again
        exit 1

        $ pointsman package reload none
        ! error[NODE-001]: no package `none`
        ! hint: nothing was changed: correct it and try again
        exit 1
    "#]]
    .assert_eq(&transcript.join("\n"));
    let list = server.run(&["deployment", "list"]);
    assert!(list.contains("rollback tools 1.0.0 done TIME"), "{list}");
}

#[test]
fn packages_are_shown_removed_and_recovered() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    write_package(directory.path(), "1.0.0", "");
    server.run(&["deploy", "tools"]);
    // Here is a directory of that name.
    let shown = server.run(&["package", "show", "tools"]);
    assert!(shown.contains("KIND NAME ABOUT"), "{shown}");
    let transcript = [
        server.run(&["package", "show", "tools", "--installed"]),
        server.run(&["package", "remove", "tools"]),
        server.run(&["package", "list", "--removed"]),
        server.run(&["package", "recover", "tools"]),
        server.run(&["deployment", "cancel", "7"]),
    ];
    expect![[r#"
        $ pointsman package show tools --installed
        tools 1.0.0
        Tools

        loaded: yes
        gate: open, 0 in flight

        KIND NAME
        services echo
        services fails
        services until

        VERSION DEPLOYED
        1.0.0 active TIME
        exit 0

        $ pointsman package remove tools
        PACKAGE FROM TO
        tools 1.0.0
        exit 0

        $ pointsman package list --removed
        PACKAGE VERSION LOADED GATE IN FLIGHT DEPLOYED REASON
        tools 1.0.0 no open 0 TIME removed; `pointsman package recover tools` brings it back
        exit 0

        $ pointsman package recover tools
        PACKAGE FROM TO
        tools 1.0.0
        exit 0

        $ pointsman deployment cancel 7
        ! error[NODE-001]: no deployment `dep_7`
        ! hint: list what there is with `pointsman deployment list`
        exit 1
    "#]]
    .assert_eq(&transcript.join("\n"));
}

#[test]
fn a_deployment_is_a_stream_of_json_lines_and_the_last_one_is_the_result() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    write_package(directory.path(), "1.0.0", "");
    server.run(&["deploy", "tools"]);
    let slow = slow_call(&server);
    write_package(directory.path(), "2.0.0", "");
    let mut deploying = start(&server, &["deploy", "tools", "--output", "json"]);
    let mut lines = BufReader::new(deploying.stdout.take().unwrap()).lines();
    let mut views: Vec<Value> = Vec::new();
    let mut slow = Some(slow);
    while let Some(Ok(line)) = lines.next() {
        let view: Value = serde_json::from_str(&line).unwrap();
        if view["servers"][0]["inFlight"] == 1
            && let Some(slow) = slow.take()
        {
            assert_eq!(view["servers"][0]["oldest"][0]["name"], "tools/until");
            let_go(directory.path(), slow);
        }
        views.push(view);
    }
    assert_eq!(deploying.wait().unwrap().code(), Some(0));
    assert!(slow.is_none(), "the call in flight was never shown: {views:?}");
    let last = views.last().unwrap();
    assert_eq!((&last["stage"], &last["outcome"]), (&"ended".into(), &"done".into()));
}

#[test]
fn a_late_and_a_cancelled_deployment_leave_the_original_and_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    write_package(directory.path(), "1.0.0", "");
    server.run(&["deploy", "tools"]);
    let slow = slow_call(&server);
    write_package(directory.path(), "2.0.0", "");

    let late = server.command(&["deploy", "tools", "--timeout", "300ms"]);
    let said = shown(&late);
    assert_eq!(late.status.code(), Some(5), "{said}");
    assert!(said.contains("waiting for 1 call, 0 held"), "{said}");
    assert!(said.contains("call tools/until on"), "{said}");
    assert!(said.contains("error[NODE-024]: 1 call(s) were still in flight"), "{said}");

    // Ctrl-C asks to cancel, and the end is told.
    let mut deploying = start(&server, &["deploy", "tools"]);
    let mut errors = BufReader::new(deploying.stderr.take().unwrap()).lines();
    let waits = errors.next().unwrap().unwrap();
    assert!(waits.starts_with("waiting for 1 call"), "{waits}");
    kill(Pid::from_raw(deploying.id().cast_signed()), Signal::SIGINT).unwrap();
    let rest: Vec<String> = errors.map(Result::unwrap).collect();
    assert_eq!(deploying.wait().unwrap().code(), Some(6), "{rest:?}");
    assert!(rest.iter().any(|line| line.starts_with("cancelling deployment")), "{rest:?}");

    let said = server.run(&["service", "call", "tools/echo"]);
    assert!(said.contains("\"is\":\"1.0.0\""), "{said}");
    let list = server.run(&["deployment", "list", "--limit", "2"]);
    assert!(list.contains("cancelled") && list.contains("timed-out"), "{list}");
    let_go(directory.path(), slow);
}

#[test]
fn refused_and_failed_deployments_differ() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    write_package(directory.path(), "2.0.0", "");
    server.run(&["deploy", "tools"]);
    write_package(directory.path(), "1.0.0", "");
    let mut transcript = vec![server.run(&["deploy", "tools"])];
    write_package(directory.path(), "3.0.0", "startup = [\"fails\"]\n");
    transcript.push(server.run(&["deploy", "tools"]));
    transcript.push(server.run(&["deploy", "tools", "--no-auto-recover"]));
    transcript.push(server.run(&["package", "list"]));
    transcript.push(server.run(&["deploy", "tools", "--strategy", "fast"]));
    expect![[r#"
        $ pointsman deploy tools
        ! error[PKG-022]: version 1.0.0 is lower than 2.0.0, which is active
        ! --> tools/package.toml
        ! hint: raise `version`; or go back with `--allow-downgrade` or `package rollback`
        !
        ! error[NODE-012]: the package set is refused: 1 problem(s)
        ! hint: nothing was changed: correct it and try again
        exit 1

        $ pointsman deploy tools
        ! error[NODE-023]: package `tools` cannot be started: startup service `fails`: error `NO_STOCK`: `/bin/sh` ended with exit code 3
        ! hint: the original serves; `pointsman deployment show KEY`
        exit 7

        $ pointsman deploy tools --no-auto-recover
        KIND NAME VERSION OF
        package tools 3.0.0
        exit 0

        $ pointsman package list
        PACKAGE VERSION LOADED GATE IN FLIGHT DEPLOYED REASON
        tools 3.0.0 no open 0 TIME startup service `fails`: error `NO_STOCK`: `/bin/sh` ended with exit code 3
        exit 0

        $ pointsman deploy tools --strategy fast
        ! error: invalid value 'fast' for '--strategy <STRATEGY>'
        ! [possible values: block-and-wait, side-by-side]
        !
        ! For more information, try '--help'.
        exit 2
    "#]].assert_eq(&transcript.join("\n"));
}
