//! Stores as a whole: a server goes on with what waited after a copy from SQLite to PostgreSQL,
//! with large values in a storage, and with what a backup has.
//!
//! Boundary: the built program and a real PostgreSQL.
//! Read first: the tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "cli/server.rs"]
#[expect(dead_code, reason = "the command line's tests use more of it")]
mod server;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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

const RATE: &str = r#"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="rates"
  name="Rates" namespace="urn:rates"><decision id="rate" name="Rate"><variable name="rate"/>
  <literalExpression><text>x * FACTOR</text></literalExpression></decision></definitions>"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_one_server_deploys_another_evaluates_on_postgresql() {
    let name = "a_decision_that_one_server_deploys_another_evaluates_on_postgresql";
    let Some(postgres) = Postgres::own(name) else { return };
    let url = postgres.schema().await;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    std::fs::create_dir_all(root.join("rates/decisions")).unwrap();
    std::fs::write(root.join("x.json"), r#"{"x": 12345678901234567890.125}"#).unwrap();
    let package = |version: &str, factor: &str| {
        let manifest = format!("name = \"rates\"\nversion = \"{version}\"\ndescription = \"d\"\n");
        std::fs::write(root.join("rates/package.toml"), manifest).unwrap();
        let model = RATE.replace("FACTOR", factor);
        std::fs::write(root.join("rates/decisions/rates.dmn"), model).unwrap();
    };
    let deploy = |at: &Serving| {
        let output = at.command(&["deploy", root.join("rates").to_str().unwrap()]);
        assert!(output.status.success(), "{}", server::exact(&output));
    };
    let evaluate = |at: &Serving| {
        let input = root.join("x.json");
        let arguments = ["decision", "evaluate", "rate", "--input", input.to_str().unwrap()];
        let output = pointsman().args(arguments).args(["--server", &at.http]).output().unwrap();
        let text = server::exact(&output);
        text.lines().next().unwrap_or_default().to_owned()
    };
    let first = Serving::on(root, &["--data", "a", "--name", "a", "--database", &url]);
    let second = Serving::on(root, &["--data", "b", "--name", "b", "--database", &url]);
    package("1.0.0", "2");
    deploy(&first);
    let twice = "24691357802469135780.25";
    assert_eq!([evaluate(&second), evaluate(&first)], [twice, twice], "every digit");
    package("1.0.1", "4");
    deploy(&second);
    let four = "49382715604938271560.5";
    assert_eq!([evaluate(&first), evaluate(&second)], [four, four]);
    drop((first, second));
    let third = Serving::on(root, &["--data", "c", "--name", "c", "--database", &url]);
    assert_eq!(evaluate(&third), four);
}

/// A server on a directory of its own, or a database, with a storage or without one. Killed when
/// dropped.
struct Serving {
    child: Child,
    http: String,
}

impl Serving {
    fn on(root: &Path, arguments: &[&str]) -> Self {
        let mut child = pointsman()
            .current_dir(root)
            .env("POINTSMAN_STORAGE_THRESHOLD", "1000")
            .args(["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let http = line.split(' ').find(|word| word.starts_with("http://"));
        Self { child, http: http.unwrap_or_else(|| panic!("{line}")).to_owned() }
    }

    fn command(&self, arguments: &[&str]) -> Output {
        pointsman().env("POINTSMAN_SERVER", &self.http).args(arguments).output().unwrap()
    }

    fn start(&self, number: u64) -> bool {
        // Longer than the threshold, and no two alike.
        let text = format!("{number} ").repeat(2_000);
        let variables = format!("{{\"number\": {number}, \"text\": \"{text}\"}}");
        self.command(&["instance", "start", "later", "--variables", &variables]).status.success()
    }

    fn count(&self, state: &str) -> usize {
        let list = ["instance", "list", "--state", state, "--limit", "1000", "--output", "json"];
        let output = self.command(&list);
        let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        listed["items"].as_array().unwrap().len()
    }

    /// Waits until nothing is active; how many are completed then.
    fn complete(&self) -> usize {
        for _ in 0..1_200 {
            if self.count("active") == 0 {
                return self.count("completed");
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("instances stay active");
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn make_package(root: &Path) {
    let package = root.join("later");
    std::fs::create_dir_all(package.join("processes")).unwrap();
    let manifest = "name = \"later\"\nversion = \"1.0.0\"\ndescription = \"Waits\"\n";
    std::fs::write(package.join("package.toml"), manifest).unwrap();
    std::fs::write(package.join("processes/later.bpmn"), WAITS).unwrap();
}

/// What the storage of a directory below `root` is called.
fn storage(root: &Path, name: &str) -> String {
    std::fs::create_dir_all(root.join(name)).unwrap();
    format!("file://{}", root.join(name).display())
}

fn said(root: &Path, arguments: &[&str]) -> String {
    let output = pointsman().current_dir(root).args(arguments).output().unwrap();
    server::exact(&output).replace(&root.display().to_string(), "DIR")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_backup_under_load_has_goes_on_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    make_package(root);
    let url = storage(root, "storage");
    let with = ["--data", "data", "--storage", &url];
    let server = Serving::on(root, &with);
    let deployed = server.command(&["deploy", root.join("later").to_str().unwrap()]);
    assert!(deployed.status.success(), "{}", server::exact(&deployed));
    for number in 0..4 {
        assert!(server.start(number));
    }
    assert!(files(&root.join("storage/objects")).len() >= 4, "payloads are objects");
    let (started, is_over) = (AtomicU64::new(4), AtomicBool::new(false));
    let saved = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                assert!(server.start(started.fetch_add(1, Ordering::Relaxed)));
            }
        });
        let all = [&["store", "backup"][..], &with, &["--to", "saved", "--output", "json"]];
        let saved = ok(&all.concat(), root);
        is_over.store(true, Ordering::Relaxed);
        saved
    });
    let saved: serde_json::Value = serde_json::from_str(&saved).unwrap();
    let has = usize::try_from(saved["tables"]["instances"].as_u64().unwrap()).unwrap();
    assert!(has >= 4 && saved["objects"].as_u64().unwrap() >= 4, "{saved}");
    // Killed in the middle, it goes on with everything that was started.
    server.kill();
    let server = Serving::on(root, &with);
    assert_eq!(server.complete() as u64, started.load(Ordering::Relaxed));
    let count = [&["store", "clean"][..], &with, &["--dry-run"]].concat();
    let counted = ok(&count, root);
    assert!(counted.starts_with("0 objects with 0 bytes could be removed"), "{counted}");
    server.kill();

    // With another storage, and without one.
    let other = storage(root, "other");
    let second = ["--data", "second", "--storage", &other];
    for (place, objects) in [(&second[..], true), (&second[..1], false)] {
        let place = if objects { place.to_vec() } else { vec!["--data", "third"] };
        let restore = [&["store", "restore", "--from", "saved"][..], &place].concat();
        let restored = ok(&restore, root);
        assert!(restored.contains("were brought back and checked"), "{restored}");
        let server = Serving::on(root, &place);
        assert_eq!(server.complete(), has);
        server.kill();
        let again = said(root, &restore);
        assert!(again.contains("error[CLI-011]") && again.contains("is not empty"), "{again}");
    }
    if let Some(postgres) = Postgres::own("what_a_backup_under_load_has_goes_on_elsewhere") {
        let database = postgres.schema().await;
        let fourth = storage(root, "fourth");
        let place = ["--database", &database, "--storage", &fourth];
        ok(&[&["store", "restore", "--from", "saved"][..], &place].concat(), root);
        let server = Serving::on(root, &[&place[..], &["--data", "fifth"]].concat());
        assert_eq!(server.complete(), has);
        ok(&[&["store", "backup", "--to", "once-more"][..], &place].concat(), root);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_share_a_storage_and_take_over_what_is_in_it() {
    let name = "servers_share_a_storage_and_take_over_what_is_in_it";
    let Some(postgres) = Postgres::own(name) else { return };
    let database = postgres.schema().await;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    make_package(root);
    let url = storage(root, "storage");
    let shared = ["--database", &database, "--storage", &url];
    let one = Serving::on(root, &[&shared[..], &["--data", "one", "--name", "one"]].concat());
    let two = Serving::on(root, &[&shared[..], &["--data", "two", "--name", "two"]].concat());
    let deployed = one.command(&["deploy", root.join("later").to_str().unwrap()]);
    assert!(deployed.status.success(), "{}", server::exact(&deployed));
    for number in 0..6 {
        assert!(one.start(number) && two.start(100 + number));
    }
    assert!(files(&root.join("storage/objects")).len() >= 12);
    one.kill();
    assert_eq!(two.complete(), 12);
    let clean = [&["store", "clean"][..], &shared, &["--dry-run"]].concat();
    assert!(ok(&clean, root).contains("are in use"));
}

#[test]
fn a_storage_that_does_not_fit_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let url = storage(root, "storage");
    let serve = ["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--data", "data"];
    let refused = |storage: &str| {
        let arguments = [&serve[..], &["--storage", storage]].concat();
        said(root, if storage.is_empty() { &serve } else { &arguments })
    };
    let absent = format!("file://{}/absent", root.display());
    expect_test::expect![[r#"
        ! error[CLI-010]: the storage of large values cannot be used
        !   caused by: cannot open `file://DIR/absent`
        !   caused by: there is no such directory: make it, or mount it
        ! hint: see `storage.url`; `pointsman explain CLI-010` tells what can be done
        exit 1
    "#]]
    .assert_eq(&refused(&absent));
    Serving::on(root, &["--data", "data", "--storage", &url]).kill();
    expect_test::expect![[r#"
        ! error[CLI-010]: the storage of large values cannot be used
        !   caused by: the database has large values in a storage, and none is configured
        ! hint: see `storage.url`; `pointsman explain CLI-010` tells what can be done
        exit 1
    "#]]
    .assert_eq(&refused(""));
    expect_test::expect![[r#"
        ! error[CLI-010]: the storage of large values cannot be used
        !   caused by: `file://DIR/empty` is not the storage of this database: it has nothing of any database
        ! hint: see `storage.url`; `pointsman explain CLI-010` tells what can be done
        exit 1
    "#]]
    .assert_eq(&refused(&storage(root, "empty")));
    expect_test::expect![[r#"
        ! error[CLI-002]: `storage.url` is `/srv`, which is no address of a storage
        !   at: flag `--storage-url`
        ! hint: use `file:///DIRECTORY` or `s3://BUCKET/PREFIX`
        exit 2
    "#]]
    .assert_eq(&refused("/srv"));
    // Backups that are none, or cannot be made.
    std::fs::create_dir(root.join("nothing")).unwrap();
    expect_test::expect![[r#"
        ! error[CLI-011]: cannot restore the store
        !   caused by: `nothing` is not a usable store: it is no backup, or one that was not finished: no `backup.txt`
        ! hint: a backup goes into an empty store, with an empty storage if there is one
        exit 1
    "#]]
    .assert_eq(&said(root, &["store", "restore", "--from", "nothing", "--data", "new"]));
    let backup = ["store", "backup", "--data", "data", "--storage", &url, "--to", "saved"];
    assert!(said(root, &backup).ends_with("exit 0\n"));
    expect_test::expect![[r#"
        ! error[CLI-011]: cannot back up the store
        !   caused by: `saved` is not a usable store: it is not empty
        ! hint: `--to` is an empty directory, and `--storage` the storage of the store
        exit 1
    "#]]
    .assert_eq(&said(root, &backup));
    std::fs::write(root.join("saved/pointsman.db"), "damaged").unwrap();
    expect_test::expect![[r#"
        ! error[CLI-011]: cannot restore the store
        !   caused by: the backup in `saved` cannot be used: `pointsman.db` is damaged or not there
        ! hint: take another backup; nothing was brought back
        exit 1
    "#]]
    .assert_eq(&said(root, &["store", "restore", "--from", "saved", "--data", "new"]));
    assert!(said(root, &["store", "clean", "--data", "data"]).contains("there is no storage"));
}

const PRINTS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:process id="prints" isExecutable="true">
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="work"/>
<bpmn:serviceTask id="work"><bpmn:extensionElements>
<zeebe:taskDefinition type="service:speaks"/></bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="work" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;

#[test]
fn what_a_step_prints_is_in_its_log_and_in_the_storage() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let package = root.join("prints");
    std::fs::create_dir_all(package.join("processes")).unwrap();
    let manifest = "name = \"prints\"\nversion = \"1.0.0\"\ndescription = \"Prints\"\n\
        [services.speaks]\nkind = \"command\"\nprogram = \"/bin/sh\"\n\
        args = [\"-c\", \"seq 1 1000 >&2; echo 1\"]\n";
    std::fs::write(package.join("package.toml"), manifest).unwrap();
    std::fs::write(package.join("processes/prints.bpmn"), PRINTS).unwrap();
    let url = storage(root, "storage");
    let server = Serving::on(root, &["--data", "data", "--storage", &url]);
    let deployed = server.command(&["deploy", package.to_str().unwrap()]);
    assert!(deployed.status.success(), "{}", server::exact(&deployed));
    assert!(server.command(&["instance", "start", "prints"]).status.success());
    assert_eq!(server.complete(), 1);
    let list = server.command(&["instance", "list", "--output", "json"]);
    let listed: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let key = listed["items"][0]["key"].as_str().unwrap();
    let log = String::from_utf8(server.command(&["instance", "log", key]).stdout).unwrap();
    let printed: Vec<&str> = log.lines().filter(|line| line.contains(" printed | ")).collect();
    assert_eq!(printed.len(), 1_000, "{log}");
    assert!(printed[0].ends_with(" printed | 1") && printed[999].ends_with(" printed | 1000"));
    // Longer than the threshold: an object.
    let objects = files(&root.join("storage/objects"));
    let has = |path: &PathBuf| {
        let content = std::fs::read(path).unwrap();
        content.windows(9).any(|part| part == b"998\n999\n1")
    };
    assert!(objects.iter().any(has), "{objects:?}");
}

fn refused(arguments: &[&str], directory: &Path, environment: &[(&str, &str)]) -> String {
    let mut program = pointsman();
    program.current_dir(directory).args(arguments).envs(environment.iter().copied());
    let mut child = program.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    for _ in 0..1_200 {
        if child.try_wait().unwrap().is_some() {
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{}", server::exact(&output));
            return String::from_utf8(output.stderr).unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    child.kill().unwrap();
    let told = child.wait_with_output().unwrap().stderr;
    panic!("{arguments:?} does not end: {}", String::from_utf8_lossy(&told));
}

/// NODE-022: with tokens, too, which are waited for meanwhile.
#[tokio::test]
async fn a_server_that_is_too_old_for_its_store_ends_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    {
        let store = store::sqlite::Sqlite::open(&at.join("data"), &Default::default()).unwrap();
        let raise = |unit: &mut store::Unit| {
            unit.settings.push(("cluster.format".into(), Some("99".into())));
        };
        store::conformance::Owner::of(&store, 1).await.commit(raise).await;
        store.shutdown().await.unwrap();
    }
    let serve = ["serve", "--data", "data", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];
    for method in ["none", "tokens"] {
        let told = refused(&serve, at, &[("POINTSMAN_AUTH_METHOD", method)]);
        assert!(told.contains("error[NODE-022]: format 99 is in force"), "{method}: {told}");
        assert!(told.contains("hint: `pointsman explain NODE-022`"), "{method}: {told}");
    }
}

#[test]
fn a_check_changes_no_format() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    ok(&["store", "migrate", "--data", "data"], at);
    let file = at.join("data/pointsman.db");
    let mut bytes = std::fs::read(&file).unwrap();
    // `user_version`, where the format stands.
    assert_eq!(bytes[60..63], [0; 3]);
    let format = std::mem::replace(&mut bytes[63], 1);
    assert!(format > 1);
    std::fs::write(&file, &bytes).unwrap();
    let told = refused(&["store", "check", "--data", "data"], at, &[]);
    assert!(told.contains("it has format 1, this version needs"), "{told}");
    assert!(told.contains("pointsman store migrate"), "{told}");
    assert!(std::fs::read(&file).unwrap() == bytes, "it was changed");
}

#[test]
fn a_database_that_cannot_be_used_has_a_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let nowhere = "host=/no/such/directory user=me password=secret";
    let check = ["store", "check", "--database", nowhere];
    let serve = ["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--database", nowhere];
    let absent = [("POINTSMAN_DATABASE_URL", nowhere), ("POINTSMAN_DATABASE_CA", "absent.pem")];
    let tls = "postgresql://me@db.example.com/x";
    let cases = [
        refused(&check, at, &[]),
        refused(&serve, at, &[]),
        refused(&["store", "check", "--database", "none"], at, &[]),
        refused(&["store", "check", "--database", tls, "--database-ca", "absent.pem"], at, &[]),
        refused(&["store", "check", "--database", tls], at, &absent[1..]),
        refused(&["config", "check"], at, &[("POINTSMAN_DATABASE_URL", tls), absent[1]]),
        refused(&["config", "check"], at, &[("POINTSMAN_DATABASE_URL", "none")]),
    ];
    for told in &cases {
        assert!(told.contains("error[CLI-012]"), "{told}");
        assert!(!told.contains("secret"), "{told}");
    }
    assert!(cases[3..6].iter().all(|told| told.contains("absent.pem")), "{cases:?}");
    let told = refused(&["config", "check"], at, &[("POINTSMAN_DATABASE_URL", "file:absent")]);
    assert!(told.contains("error[CLI-020]"), "{told}");
}

/// As `serve` reaches it, and with everything that can be done with a store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_behind_a_pool_is_checked_saved_and_brought_back() {
    let name = "a_database_behind_a_pool_is_checked_saved_and_brought_back";
    let Some(pool) = store::conformance::pgbouncer::Pool::shared(name) else { return };
    let (one, two) = (pool.schema().await, pool.schema().await);
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let way = ["--database-pooling", "transaction"];
    let run = |arguments: &[&str]| ok(&[arguments, &way[..]].concat(), at);
    run(&["store", "migrate", "--database", &one]);
    assert_eq!(run(&["store", "check", "--database", &one]).trim(), "nothing is wrong");
    run(&["store", "backup", "--database", &one, "--to", "saved"]);
    run(&["store", "restore", "--from", "saved", "--database", &two]);
    assert_eq!(run(&["store", "check", "--database", &two]).trim(), "nothing is wrong");
}
