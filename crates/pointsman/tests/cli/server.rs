//! A server process and commands against it.
//!
//! Boundary: starts and ends processes; nothing outlives its test.
//! Read first: [`Server`], then [`Server::run`].

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The program, without what the environment of the test says.
pub(crate) fn pointsman() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    let ours =
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("POINTSMAN_"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    command
}

/// A server on free ports. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// The line with which it said that it is ready.
    pub(crate) greeting: String,
    /// The address of its HTTP face.
    pub(crate) http: String,
    /// Where commands run.
    pub(crate) directory: PathBuf,
}

impl Server {
    /// Starts a server on `directory/data` and waits until it is ready.
    pub(crate) fn start(directory: &Path) -> Self {
        Self::start_with(directory, "data", &[])
    }

    /// Starts a server on `directory/data` with more arguments, and waits until it is ready.
    pub(crate) fn start_with(directory: &Path, data: &str, more: &[&str]) -> Self {
        let mut child = pointsman()
            .current_dir(directory)
            .args(["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--data", data])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut greeting).unwrap();
        let addresses =
            std::fs::read_to_string(directory.join(data).join("addresses.json")).unwrap();
        let addresses: serde_json::Value = serde_json::from_str(&addresses).unwrap();
        let http = addresses["http"].as_str().unwrap().to_owned();
        Self { child, greeting, http, directory: directory.to_owned() }
    }

    /// A command against this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        pointsman()
            .current_dir(&self.directory)
            .env("POINTSMAN_SERVER", &self.http)
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Runs a command and shows what came of it, without what differs from run to run.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        format!("$ pointsman {}\n{}", arguments.join(" "), shown(&output))
    }

    /// Repeats a query until its output contains `wanted`; every try asks the server anew.
    pub(crate) fn wait_for(&self, arguments: &[&str], wanted: &str) {
        for _ in 0..2_000 {
            let output = self.command(arguments);
            if String::from_utf8_lossy(&output.stdout).contains(wanted) {
                return;
            }
        }
        panic!("{arguments:?} never showed `{wanted}`: {}", self.run(arguments));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// The exit code of a server that was told to stop.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As [`exact`], without what differs from run to run.
pub(crate) fn shown(output: &Output) -> String {
    steady(&exact(output))
}

/// Standard output, standard error behind `!`, and the exit code.
pub(crate) fn exact(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        text.push_str(&format!("! {line}\n"));
    }
    text.push_str(&format!("exit {}\n", output.status.code().unwrap()));
    text
}

/// Keys, moments, durations and digests by their names; runs of blanks as one.
fn steady(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let words = line.split(' ').filter(|word| !word.is_empty());
        let words: Vec<String> = words.map(steady_word).collect();
        let indent: String = line.chars().take_while(|letter| *letter == ' ').collect();
        indent + &words.join(" ")
    });
    lines.fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

fn steady_word(word: &str) -> String {
    let mut out = String::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-:.".contains(letter);
        let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end.max(first.len_utf8()));
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let is_time = part.ends_with('Z') && part.contains(':') && digits >= 6;
        out.push_str(match part {
            _ if is_time => "TIME",
            _ if digits == part.len() && digits >= 12 => "KEY",
            _ => part,
        });
        rest = behind;
    }
    out
}
