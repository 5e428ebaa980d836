//! A real server that other machines could reach: TLS, tokens, its commands, and clients of the
//! gateway.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../api/tests/support/authority.rs"]
mod authority;
#[path = "../../api/tests/support/kept.rs"]
mod kept;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use api::auth::{Access, Tokens};
use authority::{Authority, ENDED, LONG};
use expect_test::expect;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::net::TcpListener;

const FIRST: &str = "the-first-token-has-thirty-two-bytes";
const TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// The program, without what the environment of the test says.
fn pointsman(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    let ours =
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("POINTSMAN_"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    command.current_dir(directory);
    command
}

/// Standard output, standard error behind `!`, and the exit code.
fn shown(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        text.push_str(&format!("! {line}\n"));
    }
    text + &format!("exit {}\n", output.status.code().unwrap())
}

/// A server with TLS and tokens on every address of this machine. Killed when dropped.
struct Server {
    child: Child,
    directory: PathBuf,
    greeting: String,
    http: u16,
    grpc: u16,
}

impl Server {
    fn start(directory: &Path, authority: &Authority) -> Self {
        authority.file(directory, "ca");
        authority.write(directory, "server", LONG);
        std::fs::write(directory.join("first"), format!("{FIRST}\n")).unwrap();
        let configuration = "http = '0.0.0.0:0'\ngrpc = '0.0.0.0:0'\ndata = 'data'\n\
            log.format = 'json'\ntls.certificate = 'server.crt'\ntls.key = 'server.key'\n\
            auth.method = 'tokens'\nauth.bootstrap-token = 'file:first'\n";
        std::fs::write(directory.join("pointsman.toml"), configuration).unwrap();
        let log = std::fs::File::create(directory.join("log")).unwrap();
        let mut child = pointsman(directory)
            .args(["serve", "--config", "pointsman.toml"])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut greeting).unwrap();
        let log = || std::fs::read_to_string(directory.join("log")).unwrap_or_default();
        assert!(greeting.contains(" is ready "), "{greeting}{}", log());
        let addresses = std::fs::read_to_string(directory.join("data/addresses.json")).unwrap();
        let addresses: Value = serde_json::from_str(&addresses).unwrap();
        let port = |face: &str| {
            let url = addresses[face].as_str().unwrap();
            assert!(url.starts_with("https://0.0.0.0:"), "{url}");
            url.rsplit(':').next().unwrap().parse().unwrap()
        };
        let (http, grpc) = (port("http"), port("grpc"));
        Self { child, directory: directory.to_owned(), greeting, http, grpc }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.http)
    }

    /// A command that trusts the authority and has the first token.
    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = pointsman(&self.directory);
        command.args(arguments).args(["--url", &self.url(), "--ca", "ca.pem"]);
        command.args(["--token", "file:first"]).output().unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap()
    }

    fn wait_for_log(&self, wanted: &str) {
        for _ in 0..TRIES {
            if self.log().contains(wanted) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("never in the log: {wanted}\n{}", self.log());
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn commands_reach_a_secured_server_with_the_right_things_only() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let server = Server::start(at, &Authority::new("ours"));
    assert!(server.greeting.contains("https://0.0.0.0:"), "{}", server.greeting);
    let listed = server.command(&["process", "list"]);
    assert!(listed.status.success(), "{}", shown(&listed));
    Authority::new("others").file(at, "others");
    let port = server.http.to_string();
    let run = |arguments: &[&str], change: &dyn Fn(&mut Command)| {
        let mut command = pointsman(at);
        command.args(["process", "list"]).args(arguments);
        change(&mut command);
        shown(&command.output().unwrap()).replace(&port, "PORT")
    };
    let nothing = |_: &mut Command| {};
    let url = server.url();
    let by_environment = run(&["--server", &url], &|command| {
        command.env("POINTSMAN_CA", "ca.pem").env("POINTSMAN_TOKEN", "env:MINE").env("MINE", FIRST);
    });
    assert!(by_environment.ends_with("exit 0\n"), "{by_environment}");
    let elsewhere = url.replace("localhost", "127.0.0.2");
    let plain = url.replace("https", "http");
    let transcript = [
        run(&["--url", &url, "--ca", "ca.pem"], &nothing),
        run(&["--url", &url, "--ca", "ca.pem", "--token", "pm_wrong"], &nothing),
        run(&["--url", &url, "--ca", "ca.pem", "--token", "file:absent"], &nothing),
        run(&["--url", &url, "--ca", "others.pem", "--token", "file:first"], &nothing),
        run(&["--url", &url, "--ca", "first", "--token", "file:first"], &nothing),
        run(&["--url", &url, "--ca", "ca.pem", "--cert", "server.crt"], &nothing),
        run(&["--url", &elsewhere, "--ca", "ca.pem", "--token", "file:first"], &nothing),
        run(&["--url", &plain], &nothing),
    ];
    expect![[r#"
        ! error[API-020]: the request carries no token
        ! hint: send `Authorization: Bearer TOKEN`, commands with `--token`; an admin makes tokens with `pointsman token create NAME --role ROLE`
        exit 1

        ! error[API-020]: the request carries no token that is in force
        ! hint: send `Authorization: Bearer TOKEN`, commands with `--token`; an admin makes tokens with `pointsman token create NAME --role ROLE`
        exit 1

        ! error[CLI-020]: the secret `file:absent` cannot be read
        !   caused by: No such file or directory (os error 2)
        ! hint: put it there, or correct the reference
        exit 1

        ! error[CLI-021]: no secure connection to the server at `https://localhost:PORT`
        !   caused by: invalid peer certificate: UnknownIssuer
        ! hint: name the authority that signed the server's certificate with `--ca FILE`
        exit 3

        ! error[API-022]: `first` holds no certificate
        ! hint: write the file as PEM; certificates begin with `-----BEGIN CERTIFICATE-----`
        exit 1

        ! error[CLI-008]: `--cert` and `--key` belong together
        ! hint: give both
        exit 2

        ! error[CLI-021]: no secure connection to the server at `https://127.0.0.2:PORT`
        !   caused by: invalid peer certificate: certificate not valid for name "127.0.0.2"; certificate is only valid for DnsName("localhost") or IpAddress(127.0.0.1)
        ! hint: call the server by a name that stands in its certificate
        exit 3

        ! error[CLI-021]: the server speaks TLS at this address
        ! hint: begin the address with `https://`
        exit 3
    "#]].assert_eq(&transcript.join("\n"));
}

#[test]
fn a_new_certificate_is_used_at_a_hangup_and_a_broken_one_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let authority = Authority::new("ours");
    let server = Server::start(at, &authority);
    authority.write(at, "server", ENDED);
    server.signal(Signal::SIGHUP);
    server.wait_for_log("API-022");
    assert!(server.log().contains("ended at 2001-12-31"), "{}", server.log());
    assert!(server.command(&["process", "list"]).status.success());
    let other = Authority::new("other");
    other.file(at, "ca");
    let next = other.write(at, "next", LONG);
    std::fs::rename(next.certificate, at.join("server.crt")).unwrap();
    std::fs::rename(next.key, at.join("server.key")).unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for_log("new certificate in use");
    let listed = server.command(&["process", "list"]);
    assert!(listed.status.success(), "{}", shown(&listed));
    let mut stranger = TcpStream::connect(("127.0.0.1", server.http)).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    server.wait_for_log("plain text on a listener with TLS");
}

#[test]
fn the_load_generator_brings_its_token_through_tls() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &Authority::new("ours"));
    for profile in ["W1", "D1"] {
        let output = pointsman(directory.path())
            .args(["bench", "--profile", profile, "--instances", "50", "--in-flight", "8"])
            .args(["--grpc", &format!("https://127.0.0.1:{}", server.grpc)])
            .args(["--http", &server.url(), "--ca", "ca.pem", "--token", "file:first"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{profile}: {}", shown(&output));
    }
}

#[test]
fn a_server_does_not_start_with_what_cannot_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let (one, two) = (Authority::new("one"), Authority::new("two"));
    one.write(at, "one", LONG);
    two.write(at, "two", LONG);
    std::fs::write(at.join("short"), "s3cret").unwrap();
    let run = |command: &[&str], settings: &[(&str, &str)]| {
        let mut program = pointsman(at);
        program.args(command).envs(settings.iter().copied());
        let flags = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];
        if command == ["serve"] {
            program.args(flags);
        }
        shown(&program.output().unwrap())
    };
    let files =
        |certificate, key| [("POINTSMAN_TLS_CERTIFICATE", certificate), ("POINTSMAN_TLS_KEY", key)];
    let short =
        [("POINTSMAN_AUTH_METHOD", "tokens"), ("POINTSMAN_AUTH_BOOTSTRAP_TOKEN", "file:short")];
    let transcript = [
        run(&["serve"], &files("absent.crt", "one.key")),
        run(&["serve"], &files("one.crt", "two.key")),
        run(&["serve"], &files("one.crt", "one.crt")),
        run(&["serve"], &short),
        run(&["config", "check"], &files("one.crt", "two.key")),
        run(&["config", "check"], &short),
        run(&["config", "check"], &files("one.crt", "one.key")),
    ];
    assert!(!at.join("pointsman-data").exists());
    expect![[r#"
        ! error[API-022]: cannot read `absent.crt`
        !   caused by: No such file or directory (os error 2)
        ! hint: check the path and its rights
        exit 1

        ! error[API-022]: `one.crt` and `two.key` cannot be used together
        !   caused by: keys may not be consistent: KeyMismatch
        ! hint: put the key beside that belongs to the first certificate
        exit 1

        ! error[API-022]: `one.crt` holds no private key that is PEM and not encrypted
        ! hint: write the file as PEM; certificates begin with `-----BEGIN CERTIFICATE-----`
        exit 1

        ! error[CLI-002]: what `file:short` holds is no token for `auth.bootstrap-token`
        ! hint: write at least 32 visible ASCII characters; `openssl rand -hex 32` makes some
        exit 2

        ! error[API-022]: `one.crt` and `two.key` cannot be used together
        !   caused by: keys may not be consistent: KeyMismatch
        ! hint: put the key beside that belongs to the first certificate
        exit 1

        ! error[CLI-002]: what `file:short` holds is no token for `auth.bootstrap-token`
        ! hint: write at least 32 visible ASCII characters; `openssl rand -hex 32` makes some
        exit 2

        the configuration is valid
        exit 0
    "#]]
    .assert_eq(&transcript.join("\n"));
}

/// A server in this process, with tokens in a map; its address.
async fn keeper(told: tokio::sync::oneshot::Sender<String>, stop: impl Future<Output = ()>) {
    let scratch = tempfile::tempdir().unwrap();
    let options = node::Options::new("test", scratch.path().to_owned());
    let node = node::Node::open(std::sync::Arc::new(store::memory::Memory::new()), options);
    node.ready(Duration::from_secs(20)).await.unwrap();
    let tokens = Tokens::new(node::Clock::System).with_bootstrap(FIRST);
    let kept = kept::Kept::new(tokens.clone());
    let options = api::Options {
        access: Access::Tokens(tokens),
        registry: Some(kept),
        ..api::Options::default()
    };
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let grpc = TcpListener::bind("127.0.0.1:0").await.unwrap();
    told.send(format!("http://{}", http.local_addr().unwrap())).unwrap();
    api::serve(node.clone(), http, grpc, options, stop).await.unwrap();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_commands_make_list_and_revoke() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().to_owned();
    std::fs::write(at.join("first"), FIRST).unwrap();
    let (tell, told) = tokio::sync::oneshot::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(keeper(tell, async {
        let _ = stopped.await;
    }));
    let url = told.await.unwrap();
    let talking = tokio::task::spawn_blocking(move || {
        let run = |token: &str, arguments: &[&str]| {
            let mut command = pointsman(&at);
            command.args(arguments).args(["--url", &url]).env("POINTSMAN_TOKEN", token);
            command.output().unwrap()
        };
        let first = |arguments: &[&str]| run("file:first", arguments);
        let made = first(&["token", "create", "ci", "--role", "operator", "--expires", "30d"]);
        let token = String::from_utf8(made.stdout.clone()).unwrap().trim().to_owned();
        assert!(token.starts_with("pm_") && token.len() == 46, "{}", shown(&made));
        let remark = String::from_utf8(made.stderr).unwrap();
        let wanted = "token `ci` of the role operator is good until 20";
        assert!(remark.starts_with(wanted) && !remark.contains("pm_"), "{remark}");
        let json = first(&["token", "create", "eve", "--role", "viewer", "--output", "json"]);
        let json: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert!(json["expiresAt"].is_null() && json["token"].is_string(), "{json}");
        let list = shown(&first(&["token", "list"]));
        let rows: Vec<Vec<&str>> =
            list.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["NAME", "ROLE", "CREATED", "EXPIRES"], "{list}");
        assert_eq!((&rows[1][..2], rows[1].len()), (&["ci", "operator"][..], 4), "{list}");
        assert_eq!((&rows[2][..2], rows[2].len()), (&["eve", "viewer"][..], 3), "{list}");
        assert!(run(&token, &["process", "list"]).status.success());
        let transcript = [
            run(&token, &["token", "list"]),
            first(&["token", "create", "ci", "--role", "admin"]),
            first(&["token", "create", "x", "--role", "admin", "--expires", "soon"]),
            first(&["token", "revoke", "ci"]),
            first(&["token", "revoke", "ci"]),
            run(&token, &["process", "list"]),
        ];
        expect![[r#"
            ! error[API-021]: this needs the role `admin`
            ! hint: use a token of that role; the guide lists what each role may do
            exit 1

            ! error[NODE-004]: there is a token `ci` already
            ! hint: look at the present state, then decide
            exit 1

            ! error[CLI-008]: `soon` is no duration above zero
            ! hint: write `30d`, `12h` or ISO 8601 such as `P30D`
            exit 2

            token `ci` is revoked
            exit 0

            ! error[NODE-001]: no token `ci`
            ! hint: list what there is with `pointsman token list`
            exit 1

            ! error[API-020]: the request carries no token that is in force
            ! hint: send `Authorization: Bearer TOKEN`, commands with `--token`; an admin makes tokens with `pointsman token create NAME --role ROLE`
            exit 1
        "#]].assert_eq(&transcript.map(|output| shown(&output)).join("\n"));
        let wrong = first(&["token", "create", "x", "--role", "root"]);
        assert_eq!(wrong.status.code(), Some(2), "{}", shown(&wrong));
    });
    talking.await.unwrap();
    stop.send(()).unwrap();
    serving.join_next().await.unwrap().unwrap();
}

/// A Python that has pyzeebe, or none on this machine.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("POINTSMAN_TEST_PYTHON").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let made = root.join("target/venv/bin/python");
    named.or_else(|| made.exists().then_some(made))
}

#[test]
fn a_worker_of_camunda_gets_in_with_its_token() {
    let Some(python) = python() else {
        println!("skipped: a_worker_of_camunda_gets_in_with_its_token");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &Authority::new("ours"));
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pyzeebe");
    let output = Command::new(python)
        .current_dir(directory.path())
        .arg("-B")
        .arg(scripts.join("secure.py"))
        .args([&format!("localhost:{}", server.grpc), "ca.pem", FIRST])
        .args([scripts.join("sums.bpmn"), scripts.join("secured.bpmn")])
        .output()
        .unwrap();
    assert!(shown(&output).ends_with("fine\nexit 0\n"), "{}", shown(&output));
}
