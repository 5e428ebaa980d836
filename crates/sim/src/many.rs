//! Many worlds at once, and what is said about them.
//!
//! Boundary: threads, one runtime in each; the order of reports is that in which worlds end.
//! Read first: [`run_many`], then [`explain`].

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::run::{Report, run};

/// Lines of a trace that are shown for a failure.
const PROOF_LINES: usize = 12;

/// What became of many worlds.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many there were.
    pub worlds: u64,
    /// The seeds that failed.
    pub failed: Vec<u64>,
    /// Units committed in all of them.
    pub units: u64,
    /// Instances started in all of them.
    pub instances: u64,
    /// Seconds of simulated time.
    pub simulated_s: u64,
    /// How long it took.
    pub took: Duration,
}

impl Summary {
    fn add(&mut self, report: &Report) {
        self.worlds += 1;
        self.units += u64::try_from(report.units).unwrap_or(0);
        self.instances += u64::try_from(report.instances).unwrap_or(0);
        self.simulated_s += report.simulated_ms / 1_000;
        if !report.violations.is_empty() {
            self.failed.push(report.seed);
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worlds, failed, units, instances, simulated_s, took } = self;
        let pace = *worlds as f64 * 60.0 / took.as_secs_f64().max(0.001);
        write!(
            out,
            "{worlds} worlds, {} failed {failed:?}: {units} units, {instances} instances, \
             {simulated_s} s simulated in {:.1} s ({pace:.0} worlds a minute)",
            failed.len(),
            took.as_secs_f64(),
        )
    }
}

/// Whether there is to be another world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Another,
    /// Finish those that have begun.
    Enough,
}

/// Runs the worlds of all these seeds on all processors; `told` hears of each, one at a time.
pub fn run_many(seeds: Range<u64>, told: impl Fn(&Report, &Summary) -> Next + Sync) -> Summary {
    let begun = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let summary = Mutex::new(Summary::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = run(seed);
                    let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
                    summary.add(&report);
                    summary.took = begun.elapsed();
                    if told(&report, &summary) == Next::Enough {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.failed.sort_unstable();
    summary
}

/// A failed world: one sentence for each violation, the lines of the trace that prove it, and how
/// to see it again.
#[must_use]
pub fn explain(report: &Report) -> String {
    let mut text = format!("seed {} failed\n", report.seed);
    for violation in &report.violations {
        text.push_str(&format!("  {}: {}\n", violation.rule, violation.what));
        let is_about =
            |line: &&String| violation.about.iter().any(|about| line.contains(about.as_str()));
        let proof: Vec<&String> = report.trace.iter().filter(is_about).collect();
        for line in proof.iter().skip(proof.len().saturating_sub(PROOF_LINES)) {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text.push_str(&format!("  again: cargo run -p sim --profile sim -- --seed {}", report.seed));
    text
}

/// Runs a world twice.
///
/// # Errors
/// The first line that differs.
pub fn is_repeated(seed: u64) -> Result<(), String> {
    let (first, second) = (run(seed), run(seed));
    let mut lines = first.trace.iter().zip(&second.trace).enumerate();
    if let Some((number, (one, other))) = lines.find(|(_, (one, other))| one != other) {
        return Err(format!("seed {seed} differs from line {}:\n  {one}\n  {other}", number + 1));
    }
    if first.trace.len() != second.trace.len() {
        let (one, other) = (first.trace.len(), second.trace.len());
        return Err(format!("seed {seed} has {one} lines once and {other} lines another time"));
    }
    Ok(())
}
