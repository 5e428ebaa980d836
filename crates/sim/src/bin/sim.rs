//! Runs simulated worlds from the command line.
//!
//! Boundary: arguments and printing; what a world is stands in the library.
//! Read first: [`main`].

use std::io::Write;
use std::ops::Range;
use std::process::ExitCode;

use sim::{Next, Report, Summary, explain, is_repeated, run_many};

const USAGE: &str = "\
usage: sim --seed N             run one world and print what happens in it
       sim --seeds FROM..TO     run many worlds and print what fails
       sim meta FROM..TO        run each world twice and compare
       sim legend               how to read a trace";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        ["--seed", seed] => seed.parse().map_or_else(|_| usage(), one),
        ["--seeds", seeds] => range(seeds).map_or_else(usage, many),
        ["meta", seeds] => range(seeds).map_or_else(usage, meta),
        ["legend"] => say(sim::LEGEND),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    // There is nowhere else to say it.
    let _ = writeln!(std::io::stderr(), "{USAGE}");
    ExitCode::from(2)
}

/// `3..7`, or `3` alone.
fn range(text: &str) -> Option<Range<u64>> {
    let (from, to) = match text.split_once("..") {
        Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
        None => {
            let from: u64 = text.parse().ok()?;
            (from, from + 1)
        }
    };
    Some(from..to)
}

/// A reader that has gone away needs nothing more.
fn say(text: &str) -> ExitCode {
    let written = writeln!(std::io::stdout().lock(), "{text}");
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(seed: u64) -> ExitCode {
    let report = sim::run(seed);
    let code = say(&report.trace.join("\n"));
    say(&report.to_string());
    if report.violations.is_empty() { code } else { ExitCode::FAILURE }
}

fn many(seeds: Range<u64>) -> ExitCode {
    let told = |report: &Report, summary: &Summary| {
        if !report.violations.is_empty() {
            say(&explain(report));
        } else if summary.worlds.is_multiple_of(500) {
            say(&summary.to_string());
        }
        Next::Another
    };
    let summary = run_many(seeds, told);
    say(&summary.to_string());
    if summary.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn meta(seeds: Range<u64>) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for seed in seeds {
        if let Err(difference) = is_repeated(seed) {
            say(&difference);
            code = ExitCode::FAILURE;
        }
    }
    code
}
