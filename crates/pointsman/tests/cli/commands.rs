//! Transcripts of commands.

use std::path::Path;

use expect_test::expect;

use super::server::{Server, exact, pointsman};

fn without_server(directory: &Path, arguments: &[&str]) -> String {
    let output = pointsman().current_dir(directory).args(arguments).output().unwrap();
    format!("$ pointsman {}\n{}", arguments.join(" "), exact(&output))
}

/// A small package; documents for a disabled process become dead letters.
fn make_package(directory: &Path) {
    without_server(directory, &["package", "new", "hello"]);
    let manifest = directory.join("hello/package.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(manifest, text + "when-disabled = \"dead-letter\"\n").unwrap();
}

#[test]
fn a_package_from_its_first_file_to_its_archive() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| without_server(directory.path(), arguments);
    let transcript = [
        run(&["package", "new", "hello"]),
        run(&["package", "new", "hello"]),
        run(&["package", "new", "Hello"]),
        run(&["package", "check", "hello"]),
        run(&["package", "test", "hello"]),
        run(&["package", "show", "hello"]),
    ];
    expect![[r#"
        $ pointsman package new hello
        package `hello` is made: package.toml, processes/greeting.bpmn, documents/guest.json, tests/greeted.toml
        next: pointsman package test hello
        exit 0

        $ pointsman package new hello
        ! error[CLI-006]: cannot make `hello`
        !   caused by: File exists (os error 17)
        ! hint: check the path and its rights
        exit 1

        $ pointsman package new Hello
        ! error[CLI-008]: `Hello` is no name for a package
        ! hint: use lower-case letters, digits and `-`, beginning with a letter
        exit 2

        $ pointsman package check hello
        0 errors, 0 warnings
        exit 0

        $ pointsman package test hello
        ok      hello/greeted: a guest is greeted by name

        1 scenario, 0 failed
        exit 0

        $ pointsman package show hello
        hello 0.1.0
        Greets every guest that is announced

        KIND       NAME                     ABOUT
        processes  processes/greeting.bpmn  2231 bytes
        documents  documents/guest.json     197 bytes
        triggers   guests                   guest -> process hello-greeting
        tests      tests/greeted.toml       238 bytes
        exit 0
    "#]].assert_eq(&transcript.join("\n"));
    run(&["package", "build", "hello", "-o", "one.tar.zst"]);
    run(&["package", "build", "hello", "-o", "two.tar.zst"]);
    let read = |name: &str| std::fs::read(directory.path().join(name)).unwrap();
    assert_eq!(read("one.tar.zst"), read("two.tar.zst"));
}

#[test]
fn a_package_with_mistakes_is_shown_as_by_a_compiler() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| without_server(directory.path(), arguments);
    run(&["package", "new", "hello"]);
    let damage = |file: &str, from: &str, to: &str| {
        let path = directory.path().join("hello").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    };
    damage("processes/greeting.bpmn", "sourceRef=\"greet\"", "sourceRef=\"gret\"");
    damage("processes/greeting.bpmn", "&#34; + name", "&#34; + + name");
    damage("tests/greeted.toml", "Welcome, Ada", "Welcome, Bob");
    let wrong_model = run(&["package", "check", "hello"]);
    damage("processes/greeting.bpmn", "sourceRef=\"gret\"", "sourceRef=\"greet\"");
    damage("processes/greeting.bpmn", "&#34; + + name", "&#34; + name");
    let wrong_scenario = run(&["package", "test", "hello"]);
    damage("package.toml", "filter", "filtr");
    let wrong_manifest = run(&["package", "check", "hello"]);
    expect![[r#"
        $ pointsman package check hello
        error[PKG-012]: trigger `guests` starts process `hello-greeting`, which no package has
         --> hello/package.toml:6:1
          |
        6 | [[triggers]]
          | ^
        hint: correct the id, or add the BPMN file to processes/

        error[BPMN-090]: the FEEL of `expression` does not compile: expected an expression, found `+`
          "Welcome, " + + name
                        ^
         --> hello/processes/greeting.bpmn:15:35 (greet)
           |
        15 |         <zeebe:script expression="=&#34;Welcome, &#34; + + name" resultVariable="greeting" />
           |                                   ^
        hint: correct the expression at the caret

        error[BPMN-040]: a sequence flow leads from `gret`, which is not there
         --> hello/processes/greeting.bpmn:20:47 (to-end)
           |
        20 |     <bpmn:sequenceFlow id="to-end" sourceRef="gret" targetRef="greeted" />
           |                                               ^
        hint: connect both ends of the sequence flow to elements of this process, or remove it

        3 errors, 0 warnings
        exit 1

        $ pointsman package test hello
        FAILED  hello/greeted: a guest is greeted by name
                at hello/tests/greeted.toml:7
                variable `greeting`: expected "Welcome, Bob", found "Welcome, Ada"

        1 scenario, 1 failed
        exit 1

        $ pointsman package check hello
        ! error[PKG-003]: unknown key `filtr`
        !  --> hello/package.toml:10:1 (triggers[0].filtr)
        !    |
        ! 10 | filtr = "=name != \"\""
        !    | ^
        ! hint: did you mean `filter`?
        ! 
        ! 1 error, 0 warnings
        exit 1
    "#]].assert_eq(&[wrong_model, wrong_scenario, wrong_manifest].join("\n"));
}

#[test]
fn documents_are_accepted_recognised_or_refused_line_by_line() {
    let directory = tempfile::tempdir().unwrap();
    make_package(directory.path());
    let server = Server::start(directory.path());
    let lines = "{\"name\": \"Ada\"}\n{\"name\": 7}\nnonsense\n{\"name\": \"\"}\n";
    std::fs::write(directory.path().join("guests.ndjson"), lines).unwrap();
    std::fs::write(directory.path().join("one.json"), "{\n  \"name\": \"Bob\"\n}\n").unwrap();
    let transcript = [
        server.run(&["deploy", "hello"]),
        server.run(&["publish", "hello/guest", "guests.ndjson"]),
        server.run(&["publish", "hello/guest", "one.json", "--source", "test"]),
        server.run(&["publish", "hello/guest", "one.json", "--source", "test"]),
        server.run(&["publish", "hello/gest", "one.json"]),
    ];
    expect![[r#"
        $ pointsman deploy hello
        KIND NAME VERSION OF
        package hello 0.1.0
        process hello-greeting 1 hello
        exit 0

        $ pointsman publish hello/guest guests.ndjson
        2 accepted, 0 duplicates, 2 refused
        ! error[NODE-011]: the document does not fit type `hello/guest`: at `/name`: value is not of type "string"
        ! at: guests.ndjson:2
        ! hint: correct the document; the pointers say where
        ! error[API-001]: the line is not JSON: expected a value at byte 0
        ! at: guests.ndjson:3
        ! hint: send JSON in UTF-8 as RFC 8259 says
        exit 1

        $ pointsman publish hello/guest one.json --source test
        1 accepted, 0 duplicates, 0 refused
        exit 0

        $ pointsman publish hello/guest one.json --source test
        0 accepted, 1 duplicates, 0 refused
        exit 0

        $ pointsman publish hello/gest one.json
        ! error[NODE-010]: no package declares the document type `hello/gest`
        ! hint: did you mean `hello/guest`?
        exit 1
    "#]].assert_eq(&transcript.join("\n"));
}

#[test]
fn instances_are_listed_and_shown_with_their_path() {
    let directory = tempfile::tempdir().unwrap();
    make_package(directory.path());
    let server = Server::start(directory.path());
    server.run(&["deploy", "hello"]);
    server.run(&["instance", "start", "hello-greeting", "--variables", "{\"name\": \"Ada\"}"]);
    server.wait_for(&["instance", "list", "--state", "completed"], "hello-greeting");
    let output = server.command(&["instance", "list", "--output", "json"]);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let key = list["items"][0]["key"].as_str().unwrap();
    let transcript = [
        server.run(&["process", "list"]),
        server.run(&["instance", "show", key]),
        server.run(&["instance", "log", key]),
        server.run(&["instance", "cancel", key]),
        server.run(&["instance", "show", "7"]),
        server.run(&["incident", "list"]),
    ];
    expect![[r#"
        $ pointsman process list
        PROCESS ENABLED PACKAGE ACTIVE INCIDENTS
        hello-greeting 1 hello 0 0
        exit 0

        $ pointsman instance show KEY
        instance KEY: hello-greeting version 1, completed
        started TIME, ended TIME, took 0 ms
        ├─ announced “Guest announced” (start event) TIME 0 ms
        ├─ greet “Greet” (script task) TIME 0 ms
        └─ greeted “Guest greeted” (end event) TIME 0 ms
        exit 0

        $ pointsman instance log KEY
        TIME ins_KEY created hello-greeting@1
        TIME ins_KEY/announced entered, left
        TIME ins_KEY/greet entered, left
        TIME ins_KEY/greeted entered, left
        TIME ins_KEY completed
        exit 0

        $ pointsman instance cancel KEY
        ! error[NODE-001]: no instance `KEY`
        ! hint: list what there is with `pointsman instance list`
        exit 1

        $ pointsman instance show 7
        ! error[NODE-001]: no instance `7`
        ! hint: list what there is with `pointsman instance list`
        exit 1

        $ pointsman incident list
        nothing to show
        exit 0
    "#]]
    .assert_eq(&transcript.join("\n").replace(key, "KEY"));
}

#[test]
fn dead_letters_are_listed_shown_and_replayed() {
    let directory = tempfile::tempdir().unwrap();
    make_package(directory.path());
    let server = Server::start(directory.path());
    std::fs::write(directory.path().join("one.json"), "{\"name\": \"Ada\"}").unwrap();
    server.run(&["deploy", "hello"]);
    let mut transcript = vec![
        server.run(&["process", "disable", "hello-greeting"]),
        server.run(&["publish", "hello/guest", "one.json"]),
    ];
    server.wait_for(&["queue", "list"], "dead");
    let output = server.command(&["queue", "list", "--output", "json"]);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let key = list["items"][0]["key"].as_str().unwrap().to_owned();
    transcript.push(server.run(&["queue", "list"]));
    transcript.push(server.run(&["queue", "show", &key]).replace(&key, "KEY"));
    transcript.push(server.run(&["process", "enable", "hello-greeting"]));
    transcript.push(server.run(&["process", "show", "hello-greeting"]));
    transcript.push(server.run(&["queue", "replay", "--trigger", "hello/guests"]));
    server.wait_for(&["instance", "list", "--state", "completed"], "hello-greeting");
    transcript.push(server.run(&["queue", "list"]));
    expect![[r#"
        $ pointsman process disable hello-greeting
        `hello-greeting` is disabled
        exit 0

        $ pointsman publish hello/guest one.json
        1 accepted, 0 duplicates, 0 refused
        exit 0

        $ pointsman queue list
        ENTRY TRIGGER STATE ATTEMPTS DUE INSTANCE REASON
        KEY hello/guests dead 0 TIME no version of process `hello-greeting` is enabled
        exit 0

        $ pointsman queue show KEY
        key: KEY
        trigger: hello/guests
        state: dead
        attempts: 0
        reason: no version of process `hello-greeting` is enabled
        document type: hello/guest
        document id: doc_KEY
        document source: /pointsman
        {
          "name": "Ada"
        }
        exit 0

        $ pointsman process enable hello-greeting
        version 1 of `hello-greeting` is enabled
        exit 0

        $ pointsman process show hello-greeting
        VERSION ENABLED PACKAGE RESOURCE DEPLOYED ACTIVE INCIDENTS
        1 yes hello 0.1.0 processes/greeting.bpmn TIME 0 0
        exit 0

        $ pointsman queue replay --trigger hello/guests
        1 entry queued again
        exit 0

        $ pointsman queue list
        nothing to show
        exit 0
    "#]]
    .assert_eq(&transcript.join("\n"));
}

#[test]
fn a_server_that_is_not_there_is_an_exit_code_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let text = without_server(directory.path(), &["process", "list", "--server", &url]);
    expect![[r#"
        $ pointsman process list --server URL
        ! error[CLI-001]: cannot reach the server at `URL`
        !   caused by: Connection refused (os error 111)
        ! hint: is it running? start one with `pointsman serve`, or name another with `--server URL`
        exit 3
    "#]]
    .assert_eq(&text.replace(&url, "URL"));
}

#[test]
fn wrong_use_is_an_exit_code_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| without_server(directory.path(), arguments);
    let transcript = [
        run(&["process", "list", "--server", "ftp://localhost"]),
        run(&["config", "explain", "log.levle"]),
        run(&["config", "explain", "log.level"]),
        run(&["explain", "CLI-03"]),
        run(&["message", "publish", "paid", "--variables", "[]"]),
    ];
    expect![[r#"
        $ pointsman process list --server ftp://localhost
        ! error[CLI-008]: the server address `ftp://localhost` does not begin with `https://` or `http://`
        ! hint: write it as `https://HOST:PORT` or `http://HOST:PORT`
        exit 2

        $ pointsman config explain log.levle
        ! error[CLI-002]: the key `log.levle` is not known
        ! hint: did you mean `log.level`?
        exit 2

        $ pointsman config explain log.level
        log.level = info
          from: default
          default: info
          environment: POINTSMAN_LOG
          error, warn, info, debug or trace; for one crate as in `info,node=debug`
        exit 0

        $ pointsman explain CLI-03
        ! error[CLI-008]: there is no code `CLI-03`
        ! hint: did you mean `CLI-003`?
        exit 2

        $ pointsman message publish paid --variables []
        ! error[CLI-008]: the variables are no JSON object
        ! hint: write an object such as '{"orderId": "O-1"}'
        exit 2
    "#]].assert_eq(&transcript.join("\n"));
    let unknown = pointsman().args(["proces", "list"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}
