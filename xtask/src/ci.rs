//! `cargo xtask ci`: everything that a change must pass, stage by stage.
//!
//! Boundary: starts cargo and reports; no rule stands here. A stage whose tool is not installed
//! says so by name and does not fail.
//! Read first: [`STAGES`].

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A target without an operating system: what compiles for it does no I/O. Of 64 bits, as the
/// machines are that the server runs on.
const BARE_TARGET: &str = "x86_64-unknown-none";

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    /// Not run, with the reason.
    Skipped(String),
    /// The tests ran; the closing line says how it went.
    Tested {
        passed: bool,
        closing: String,
    },
}

/// What a stage does.
type Stage = fn(&Path) -> Result<Outcome>;

/// The stages in order; cheap ones first, the tests last so that their result stands at the end.
const STAGES: &[(&str, Stage)] = &[
    ("tidy", tidy),
    ("fmt", fmt),
    ("deny", deny),
    ("pure", pure),
    ("clippy", clippy),
    ("test", test),
];

/// Runs all stages, or one; later stages run even if an earlier one failed.
///
/// # Errors
/// The stage does not exist, or cargo cannot be started.
pub(crate) fn run(root: &Path, only: Option<&str>) -> Result<ExitCode> {
    let chosen: Vec<_> =
        STAGES.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = STAGES.iter().map(|(name, _)| *name).collect();
        bail!("no stage `{}`; there are: {}", only.unwrap_or_default(), names.join(", "));
    }
    let mut ended = Vec::new();
    for (index, (name, stage)) in chosen.iter().enumerate() {
        println!("ci: [{}/{}] {name} ...", index + 1, chosen.len());
        let since = now();
        let outcome = stage(root).with_context(|| format!("stage `{name}`"))?;
        let line = format!("{name}: {} ({})", said(&outcome), seconds(since.elapsed()));
        println!("ci: {line}");
        ended.push((line, outcome));
    }
    println!("\nci: summary");
    for (line, _) in &ended {
        println!("ci:   {line}");
    }
    // The last line of all is the one that people and programs look for.
    for (_, outcome) in &ended {
        if let Outcome::Tested { closing, .. } = outcome {
            println!("{closing}");
        }
    }
    let failed = ended.iter().any(|(_, outcome)| is_failure(outcome));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn is_failure(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed | Outcome::Tested { passed: false, .. } => true,
        Outcome::Passed | Outcome::Skipped(_) | Outcome::Tested { passed: true, .. } => false,
    }
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed | Outcome::Tested { passed: true, .. } => "passed".to_owned(),
        Outcome::Failed | Outcome::Tested { passed: false, .. } => "FAILED".to_owned(),
        Outcome::Skipped(why) => format!("skipped, {why}"),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "how long a stage took is for the reader only")]
fn now() -> Instant {
    Instant::now()
}

fn tidy(root: &Path) -> Result<Outcome> {
    let code = crate::tidy::run(root)?;
    Ok(if code == ExitCode::SUCCESS { Outcome::Passed } else { Outcome::Failed })
}

fn fmt(root: &Path) -> Result<Outcome> {
    cargo(root, &["fmt", "--all", "--check"])
}

fn clippy(root: &Path) -> Result<Outcome> {
    let words = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    cargo(root, &words)
}

fn deny(root: &Path) -> Result<Outcome> {
    if !answers(Command::new("cargo").args(["deny", "--version"])) {
        return Ok(Outcome::Skipped("cargo-deny is not installed".to_owned()));
    }
    cargo(root, &["deny", "--locked", "check"])
}

fn pure(root: &Path) -> Result<Outcome> {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = sysroot.context("cannot start `rustc`")?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    if !Path::new(&sysroot).join("lib/rustlib").join(BARE_TARGET).exists() {
        let why = format!("the target {BARE_TARGET} is not installed");
        return Ok(Outcome::Skipped(why));
    }
    let crates = ["-p", "feel", "-p", "engine", "--lib"];
    let words: Vec<&str> =
        ["check", "--locked", "--target", BARE_TARGET].into_iter().chain(crates).collect();
    cargo(root, &words)
}

/// Runs all tests; the closing line sums up those of the test programs.
fn test(root: &Path) -> Result<Outcome> {
    let mut child = Command::new("cargo")
        .args(["test", "--workspace", "--locked", "--no-fail-fast"])
        .current_dir(root)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `cargo test`")?;
    let mut total = Total::default();
    let output = child.stdout.take().context("`cargo test` has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("cannot read what `cargo test` prints")?;
        println!("{line}");
        total.add(&line);
    }
    let passed = child.wait().context("cannot wait for `cargo test`")?.success();
    Ok(Outcome::Tested { passed, closing: total.line(passed) })
}

/// The sums of the closing lines of test programs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Total {
    programs: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Total {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
    fn add(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else { return };
        self.programs += 1;
        let counts = rest.split_once(". ").map_or("", |(_, counts)| counts);
        for part in counts.split(';') {
            let Some((number, what)) = part.trim().split_once(' ') else { continue };
            let number: u64 = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    fn line(&self, ok: bool) -> String {
        let Self { programs, passed, failed, ignored } = self;
        let verdict = if ok { "ok" } else { "FAILED" };
        format!(
            "test result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored; \
             {programs} test programs"
        )
    }
}

fn cargo(root: &Path, words: &[&str]) -> Result<Outcome> {
    println!("ci: cargo {}", words.join(" "));
    let status = Command::new("cargo").args(words).current_dir(root).status();
    let status = status.with_context(|| format!("cannot start `cargo {}`", words.join(" ")))?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed })
}

fn answers(command: &mut Command) -> bool {
    let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::Total;

    #[test]
    fn the_results_of_all_test_programs_are_summed() {
        let mut total = Total::default();
        total.add("running 3 tests");
        total.add("test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; finished in 1s");
        total.add("test result: FAILED. 5 passed; 1 failed; 0 ignored; 0 measured");
        assert_eq!(total, Total { programs: 2, passed: 7, failed: 1, ignored: 1 });
        let line = "test result: FAILED. 7 passed; 1 failed; 1 ignored; 2 test programs";
        assert_eq!(total.line(false), line);
    }
}
