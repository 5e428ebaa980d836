//! A deployment on its way: a live view on a terminal, lines elsewhere, JSON for programs.
//!
//! Boundary: shows views of the server; what is in flight is shown with its age, the oldest first.
//! Read first: [`Watch::show`].

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::output::{self, Format, count, duration, items, remark, text};
use crate::problem::Failure;

/// Calls in flight that are shown at once.
const SHOWN: usize = 8;
/// How wide the bar is.
const BAR: &str = "{bar:40} {msg}";

/// Shows each change of a deployment.
pub(super) struct Watch {
    format: Format,
    live: Option<ProgressBar>,
    /// What was said last.
    last: String,
    /// Whether gates have been closed.
    is_blocked: bool,
}

impl Watch {
    pub(super) fn new(format: Format) -> Self {
        let is_live = format == Format::Table && std::io::stderr().is_terminal();
        let live = is_live.then(|| {
            let style = ProgressStyle::with_template(BAR);
            let bar = ProgressBar::new(1);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { format, live, last: String::new(), is_blocked: false }
    }

    /// Shows how it is, if that is news.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(super) fn show(&mut self, view: &Value) -> Result<(), Failure> {
        if self.format == Format::Json {
            let line = view.to_string();
            if line != self.last {
                output::print(&line)?;
                self.last = line;
            }
            return Ok(());
        }
        if let Some(bar) = &self.live {
            // By this machine's clock: the server's may differ.
            let is_blocked = view["blockedAt"].is_string();
            if is_blocked && !self.is_blocked {
                bar.reset_elapsed();
            }
            self.is_blocked = is_blocked;
            let elapsed = u64::try_from(bar.elapsed().as_millis()).unwrap_or(u64::MAX);
            let waited = is_blocked.then_some(elapsed);
            bar.set_length(view["timeoutMs"].as_u64().unwrap_or(1));
            bar.set_position(waited.unwrap_or(0));
            bar.set_message(message(view, waited));
            return Ok(());
        }
        // Only what somebody waits for is worth a line.
        let (in_flight, held) = (sum(view, "inFlight"), sum(view, "held"));
        if view["stage"] == "draining" && in_flight > 0 {
            let waits = format!("waiting for {}", count(in_flight, "call"));
            if waits != self.last {
                remark(&format!("{waits}, {held} held{}", oldest(view, 1).join("")));
                self.last = waits;
            }
        }
        Ok(())
    }

    /// Says something beside it.
    pub(super) fn say(&self, what: &str) {
        match &self.live {
            Some(bar) => bar.suspend(|| remark(what)),
            None => remark(what),
        }
    }

    /// Takes the live view away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.live {
            bar.finish_and_clear();
        }
    }
}

fn sum(view: &Value, name: &str) -> usize {
    let servers = items(&view["servers"]).iter();
    let sum: u64 = servers.filter_map(|server| server[name].as_u64()).sum();
    usize::try_from(sum).unwrap_or(usize::MAX)
}

fn message(view: &Value, waited: Option<u64>) -> String {
    let mut message = text(view, "stage");
    if let Some(waited) = waited {
        let show = |ms: u64| duration(i64::try_from(ms).unwrap_or(i64::MAX));
        let timeout = view["timeoutMs"].as_u64().unwrap_or(0);
        message += &format!(", {} of {}", show(waited), show(timeout));
    }
    message += &format!(", {} in flight, {} held", sum(view, "inFlight"), sum(view, "held"));
    message + &oldest(view, SHOWN).join("")
}

/// The calls that have been in flight for the longest time, a line each.
fn oldest(view: &Value, most: usize) -> Vec<String> {
    let mut calls: Vec<(u64, String)> = Vec::new();
    for server in items(&view["servers"]) {
        for call in items(&server["oldest"]) {
            let age_ms = call["ageMs"].as_u64().unwrap_or(0);
            let age = duration(i64::try_from(age_ms).unwrap_or(i64::MAX));
            let owner = match text(call, "owner") {
                owner if owner.is_empty() => String::new(),
                owner => format!(" of {owner}"),
            };
            let (kind, name, at) = (text(call, "kind"), text(call, "name"), text(server, "name"));
            calls.push((age_ms, format!("\n  {kind} {name}{owner} on {at} for {age}")));
        }
    }
    calls.sort_by_key(|(age_ms, _)| std::cmp::Reverse(*age_ms));
    calls.into_iter().take(most).map(|(_, line)| line).collect()
}

/// A plan as a table: what changes in order, what is held, and which instances stay.
pub(crate) fn plan(plan: &Value) -> String {
    let changes = items(&plan["packages"]).iter();
    let changes = changes.map(|one| [text(one, "name"), text(one, "from"), text(one, "to")]);
    let mut out = output::table(["package", "from", "to"], changes.collect());
    let affected: Vec<&str> = items(&plan["affected"]).iter().filter_map(Value::as_str).collect();
    out += &format!("\n\ngates that close: {}", affected.join(", "));
    let running = items(&plan["running"]);
    if !running.is_empty() {
        let rows = running
            .iter()
            .map(|one| [text(one, "process"), text(one, "version"), text(one, "active")]);
        out += "\n\ninstances stay on their version:\n";
        out += &output::table(["process", "version", "active"], rows.collect());
    }
    out
}
