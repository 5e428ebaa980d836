//! The servers of a cluster, by name; each has its own directory and free ports.
//!
//! Boundary: starts, signals and ends processes.
//! Read first: [`Servers`].

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;

use tokio::net::TcpListener;

use super::links::{End, How, Link};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// The program that is tested: a measurement wants the optimised one.
pub(crate) fn program() -> PathBuf {
    let given = std::env::var_os("POINTSMAN_TEST_PROGRAM");
    given.unwrap_or(env!("CARGO_BIN_EXE_pointsman").into()).into()
}

/// One of an earlier version, if there is one.
pub(crate) fn previous() -> PathBuf {
    std::env::var_os("POINTSMAN_TEST_PREVIOUS").map_or_else(program, Into::into)
}

/// A program, without what the environment of the test says.
fn pointsman(program: &Path) -> Command {
    let mut command = Command::new(program);
    let ours =
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("POINTSMAN_"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    command
}

/// One server.
struct One {
    name: &'static str,
    program: PathBuf,
    /// From it to the database, and from others to it.
    to_database: Link,
    to_peer: Link,
    /// Where it listens for others, behind the link.
    peer: u16,
    child: Option<Child>,
    http: String,
    grpc: String,
    paused: bool,
}

/// The servers of a cluster.
pub(crate) struct Servers {
    pub(crate) database: String,
    directory: PathBuf,
    all: Mutex<Vec<One>>,
}

impl Servers {
    /// Starts all and waits until each is ready. `socket` is that of the database.
    pub(crate) async fn start(directory: &Path, database: &str, socket: &Path) -> Self {
        let servers = Self::new(directory, database, socket).await;
        servers.all_run();
        servers
    }

    /// Starts none yet.
    pub(crate) async fn new(directory: &Path, database: &str, socket: &Path) -> Self {
        let mut all = Vec::new();
        for name in NAMES {
            let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let peer = free.local_addr().unwrap().port();
            all.push(One {
                name,
                program: program(),
                to_database: Link::to(End::Socket(socket.join(".s.PGSQL.5432"))).await,
                to_peer: Link::to(End::Port(peer)).await,
                peer,
                child: None,
                http: String::new(),
                grpc: String::new(),
                paused: false,
            });
        }
        Self {
            database: database.to_owned(),
            directory: directory.to_owned(),
            all: Mutex::new(all),
        }
    }

    /// What a server is when it is started the next time.
    pub(crate) fn set_program(&self, number: usize, program: &Path) {
        self.all.lock().unwrap()[number].program = program.to_owned();
    }

    pub(crate) fn count(&self) -> usize {
        NAMES.len()
    }

    /// Where the gateway of a server is, running or not.
    pub(crate) fn grpc(&self, number: usize) -> String {
        self.all.lock().unwrap()[number].grpc.clone()
    }

    /// Where the REST face of a server is, running or not.
    pub(crate) fn http(&self, number: usize) -> String {
        self.all.lock().unwrap()[number].http.clone()
    }

    /// How a server reaches the database from now on.
    pub(crate) fn to_database(&self, number: usize, how: How) {
        self.all.lock().unwrap()[number].to_database.set(how);
    }

    /// How others reach a server from now on.
    pub(crate) fn to_peer(&self, number: usize, how: How) {
        self.all.lock().unwrap()[number].to_peer.set(how);
    }

    pub(crate) fn name(&self, number: usize) -> &'static str {
        self.all.lock().unwrap()[number].name
    }

    /// Starts what does not run, and lets what was paused go on.
    pub(crate) fn all_run(&self) {
        for number in 0..self.count() {
            self.resume(number);
            self.start_one(number);
        }
    }

    pub(crate) fn start_one(&self, number: usize) {
        if self.all.lock().unwrap()[number].child.is_some() {
            return;
        }
        let name = self.name(number);
        let place = self.directory.join(name);
        std::fs::create_dir_all(&place).unwrap();
        let log = std::fs::File::options().create(true).append(true).open(place.join("log"));
        let (program, database, peer, advertised) = {
            let one = &self.all.lock().unwrap()[number];
            let (_, rest) = self.database.split_once(' ').unwrap();
            let database = format!("host=127.0.0.1 port={} {rest}", one.to_database.port);
            (one.program.clone(), database, one.peer, one.to_peer.port)
        };
        let mut child = pointsman(&program)
            .current_dir(&place)
            .env("POINTSMAN_PEER_ADDRESS", format!("127.0.0.1:{peer}"))
            .env("POINTSMAN_PEER_ADVERTISE", format!("127.0.0.1:{advertised}"))
            .args(["serve", "--name", name, "--data", "data", "--database", &database])
            .args(["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut greeting).unwrap();
        let text = std::fs::read_to_string(place.join("data/addresses.json")).unwrap();
        let addresses: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut all = self.all.lock().unwrap();
        all[number].http = addresses["http"].as_str().unwrap().to_owned();
        all[number].grpc = addresses["grpc"].as_str().unwrap().to_owned();
        all[number].child = Some(child);
    }

    fn signal(&self, number: usize, signal: Signal) {
        let all = self.all.lock().unwrap();
        if let Some(child) = &all[number].child {
            kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&self, number: usize) {
        self.signal(number, Signal::SIGKILL);
        let child = self.all.lock().unwrap()[number].child.take();
        if let Some(mut child) = child {
            child.wait().unwrap();
        }
        self.all.lock().unwrap()[number].paused = false;
    }

    /// SIGTERM; it has to end in order.
    pub(crate) fn end(&self, number: usize) {
        self.resume(number);
        self.signal(number, Signal::SIGTERM);
        let child = self.all.lock().unwrap()[number].child.take();
        if let Some(mut child) = child {
            let status = child.wait().unwrap();
            assert_eq!(status.code(), Some(0), "server `{}` ends in order", self.name(number));
        }
    }

    pub(crate) fn pause(&self, number: usize) {
        self.signal(number, Signal::SIGSTOP);
        self.all.lock().unwrap()[number].paused = true;
    }

    pub(crate) fn resume(&self, number: usize) {
        let paused = std::mem::take(&mut self.all.lock().unwrap()[number].paused);
        if paused {
            self.signal(number, Signal::SIGCONT);
        }
    }

    /// Stops all in order.
    pub(crate) fn stop(&self) {
        for number in 0..self.count() {
            self.end(number);
        }
    }

    /// A command against a server.
    pub(crate) fn command(&self, number: usize, arguments: &[&str]) -> Output {
        let http = self.all.lock().unwrap()[number].http.clone();
        pointsman(&program())
            .current_dir(&self.directory)
            .env("POINTSMAN_SERVER", http)
            .args(arguments)
            .output()
            .unwrap()
    }

    pub(crate) fn deploy(&self, package: &str) {
        let output = self.command(0, &["deploy", package]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for number in 0..self.count() {
            self.kill(number);
            if std::thread::panicking() {
                let log = self.directory.join(self.name(number)).join("log");
                let log = std::fs::read_to_string(log).unwrap_or_default();
                let from = log.len().saturating_sub(4_000);
                println!("--- the end of the log of `{}`\n{}", self.name(number), &log[from..]);
            }
        }
    }
}
