//! A real server process on free ports, its commands, and its REST face.
//!
//! Boundary: starts and ends processes of its own; nothing outlives its test.
//! Read first: [`Start`], then [`Server`].

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// How often something is asked for before it counts as never coming, and the pause between.
const TRIES: u32 = 1_200;
const PAUSE: Duration = Duration::from_millis(50);

/// The program, without what the environment of the test says.
pub(crate) fn pointsman() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("POINTSMAN_") {
            command.env_remove(name);
        }
    }
    command
}

/// Repeats a question until it is answered.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..TRIES {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("never: {what}");
}

/// What a server is started with.
pub(crate) struct Start {
    pub(crate) command: Command,
    data: PathBuf,
}

impl Start {
    /// A server on `data`.
    pub(crate) fn on(data: &Path) -> Self {
        let mut command = pointsman();
        command.args(["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--data"]);
        command.arg(data);
        Self { command, data: data.to_owned() }
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn ready(mut self) -> Server {
        let log = self.data.with_extension("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut child = self.command.stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let log = || std::fs::read_to_string(&log).unwrap_or_default();
        assert!(line.contains(" is ready "), "{line}{}", log());
        let addresses = std::fs::read_to_string(self.data.join("addresses.json")).unwrap();
        let addresses: Value = serde_json::from_str(&addresses).unwrap();
        let address = |face: &str| addresses[face].as_str().unwrap()["http://".len()..].to_owned();
        let server = Server { child, http: address("http"), grpc: address("grpc") };
        server.get("/health/ready").expect(200);
        server
    }
}

/// A server. Killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    /// Host and port of REST.
    pub(crate) http: String,
    /// Host and port of the gateway.
    pub(crate) grpc: String,
}

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON, if the status is the one expected.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

impl Server {
    /// A command against this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let mut command = pointsman();
        command.env("POINTSMAN_SERVER", format!("http://{}", self.http));
        command.args(arguments).output().unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", &[b""])
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, "application/json", &[body.to_string().as_bytes()])
    }

    /// Publishes a document.
    pub(crate) fn publish(&self, document_type: &str, data: &Value) -> Answer {
        self.post(&format!("/api/documents/{document_type}"), data)
    }

    /// Sends a request whose body is made of `parts`, and reads the answer even if the server
    /// does not take all of them.
    pub(crate) fn send(&self, method: &str, path: &str, media: &str, parts: &[&[u8]]) -> Answer {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.http);
        if !media.is_empty() {
            write!(head, "content-type: {media}\r\ncontent-length: {length}\r\n").unwrap();
        }
        head.push_str("connection: close\r\n\r\n");
        let mut sent = stream.write_all(head.as_bytes());
        for part in parts {
            sent = sent.and_then(|()| stream.write_all(part));
        }
        let mut bytes = Vec::new();
        // A server that has refused may reset the connection behind its answer.
        let read = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: sent {sent:?}, read {read:?}, {text}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, text: body.to_owned() }
    }

    /// Every item of a list that is answered in pages.
    pub(crate) fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = String::new();
        loop {
            let page = self.get(&format!("{path}limit=100{next}")).expect(200);
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(before) => next = format!("&before={before}"),
                None => return items,
            }
        }
    }

    pub(crate) fn instance(&self, key: &str) -> Value {
        self.get(&format!("/api/instances/{key}")).expect(200)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Standard output, then standard error.
pub(crate) fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}
