//! What a run has seen, and how it is told.
//!
//! Boundary: collects and prints; decides nothing but whether the run was clean (BENCH-1).
//! Read first: [`Run`], then [`Summary`].   Tests: `tests.rs`.

use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::time::Instant;

use super::latency::Latency;
use super::server::Counts;
use super::{Options, Profile, Until};

/// What is counted while the load runs.
pub(super) struct Run {
    measure_from: Instant,
    measure_to: Option<Instant>,
    last: Instant,
    latency: Latency,
    measured: u64,
    /// Instances that the server has taken on.
    pub(super) accepted: u64,
    /// Calls refused because the server was busy; they were made again.
    pub(super) busy: u64,
    failures: u64,
    first_failure: Option<String>,
}

impl Run {
    pub(super) fn new(until: Until) -> Self {
        let begin = Instant::now();
        let (from, to) = match until {
            Until::Count(_) => (begin, None),
            Until::Time { warm_up, measured } => {
                (begin + warm_up, Some(begin + warm_up + measured))
            }
        };
        Self {
            measure_from: from,
            measure_to: to,
            last: begin,
            latency: Latency::new(),
            measured: 0,
            accepted: 0,
            busy: 0,
            failures: 0,
            first_failure: None,
        }
    }

    /// `count` instances that were sent at `sent` are complete now.
    pub(super) fn completed(&mut self, sent: Instant, count: u64) {
        let now = Instant::now();
        self.last = now;
        if now < self.measure_from || self.measure_to.is_some_and(|to| now > to) {
            return;
        }
        self.measured += count;
        self.latency.add(now - sent, count);
    }

    /// `count` instances failed; the first reason is kept.
    pub(super) fn failed(&mut self, count: u64, reason: String) {
        self.failures += count;
        self.first_failure.get_or_insert(reason);
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    /// Ends the measurement of a counted run at its last completion.
    pub(super) fn end(&mut self) {
        self.measure_to.get_or_insert(self.last);
    }

    fn seconds(&self) -> f64 {
        (self.measure_to.unwrap_or(self.last) - self.measure_from).as_secs_f64()
    }
}

/// The outcome of a run, as printed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    profile: &'static str,
    /// In flight at a time, or none for an open load.
    in_flight: Option<usize>,
    /// The wanted rate of an open load.
    rate: Option<f64>,
    connections: usize,
    waiting: u64,
    /// Instances that count for the figures.
    instances: u64,
    seconds: f64,
    instances_per_second: f64,
    steps_per_second: f64,
    /// What the latencies end with.
    latency_to: &'static str,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// Instances that the server took on, those of the warm-up among them.
    accepted: u64,
    /// How many instances the server says have completed since the start.
    completed: u64,
    /// How many it says are still active.
    active: u64,
    busy: u64,
    failures: u64,
    first_failure: Option<String>,
}

impl Summary {
    pub(super) fn new(options: &Options, run: Run, before: Counts, after: Counts) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let rate = match run.measured {
            0 => 0.0,
            count => count as f64 / run.seconds(),
        };
        let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
        Self {
            profile: options.profile.name(),
            in_flight: options.rate.is_none().then_some(options.in_flight),
            rate: options.rate,
            connections: options.connections,
            waiting: options.waiting,
            instances: run.measured,
            seconds: run.seconds(),
            instances_per_second: rate,
            steps_per_second: rate * f64::from(options.profile.steps()),
            latency_to: match options.profile {
                Profile::D1 => "accepted",
                _ => "completed",
            },
            p50_ms: millis(run.latency.quantile(0.5)),
            p99_ms: millis(run.latency.quantile(0.99)),
            max_ms: millis(run.latency.max()),
            accepted: run.accepted,
            completed: after.completed.saturating_sub(before.completed),
            active: after.active,
            busy: run.busy,
            failures: run.failures,
            first_failure: run.first_failure,
        }
    }

    /// Whether no call failed and the server holds exactly what was started, all of it complete.
    pub(crate) fn is_clean(&self) -> bool {
        self.failures == 0 && self.active == 0 && self.completed >= self.accepted
    }

    /// What is wrong with the run, if anything is (BENCH-1).
    pub(crate) fn complaint(&self) -> Option<String> {
        if self.is_clean() {
            return None;
        }
        let reason = self.first_failure.as_deref().unwrap_or("no call failed");
        Some(format!(
            "{} instances accepted, {} completed, {} still active, {} failures; first: {reason}",
            self.accepted, self.completed, self.active, self.failures
        ))
    }

    /// The figures for a person.
    pub(crate) fn table(&self) -> String {
        let load = match self.rate {
            Some(rate) => format!("{rate}/s"),
            None => format!("{} in flight", self.in_flight.unwrap_or(0)),
        };
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "profile",
            "load",
            "instances",
            "seconds",
            "inst/s",
            "steps/s",
            "p50 ms",
            "p99 ms",
            "max ms",
            "complete",
        ]);
        let complete = if self.is_clean() { "all" } else { "NO" };
        table.add_row([
            self.profile.to_owned(),
            load,
            self.instances.to_string(),
            format!("{:.1}", self.seconds),
            format!("{:.0}", self.instances_per_second),
            format!("{:.0}", self.steps_per_second),
            format!("{:.2}", self.p50_ms),
            format!("{:.2}", self.p99_ms),
            format!("{:.2}", self.max_ms),
            complete.to_owned(),
        ]);
        table.to_string()
    }
}

/// A bar on standard error; invisible when that is no terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    begin: Instant,
    until: Until,
}

impl Progress {
    pub(super) fn new(until: Until) -> Self {
        let length = match until {
            Until::Count(count) => count,
            Until::Time { warm_up, measured } => millis(warm_up + measured),
        };
        let bar = ProgressBar::new(length);
        let style = match until {
            Until::Count(_) => "{wide_bar} {pos}/{len} {per_sec}",
            Until::Time { .. } => "{wide_bar} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self { bar, begin: Instant::now(), until }
    }

    /// So many instances are done.
    pub(super) fn at(&self, done: u64) {
        match self.until {
            Until::Count(_) => self.bar.set_position(done),
            Until::Time { .. } => {
                self.bar.set_position(millis(self.begin.elapsed()));
                self.bar.set_message(format!("{done} instances"));
            }
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
