//! Profile D1: publishes documents in batches; each starts an instance that runs straight through.
//!
//! Boundary: a client learns that a document is safe, not when its instance completes; the latency
//! of this profile is that of the acceptance. Completion is counted at the server afterwards.
//! Read first: [`run`].   Tests: `tests.rs`.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use futures_util::future::try_join_all;
use http::Method;
use tokio::time::{Instant, sleep_until};

use super::http::Connection;
use super::report::{Progress, Run};
use super::{Options, Until, model};
use crate::client::Route;

/// What the connections share; they run in turn on one thread, and none holds it while waiting.
struct Load {
    until: Until,
    begin: Instant,
    /// Pause between two batches of one connection, when a rate is asked for.
    pace: Option<Duration>,
    run: std::cell::RefCell<Run>,
    started: std::cell::Cell<u64>,
    progress: Progress,
}

/// Publishes until it is time, and waits for every answer.
///
/// # Errors
/// The server cannot be reached or refuses documents.
pub(super) async fn run(routes: &[Route], options: &Options, until: Until) -> anyhow::Result<Run> {
    let (connections, batch, pace) = layout(options);
    let load = Load {
        until,
        begin: Instant::now(),
        pace,
        run: std::cell::RefCell::new(Run::new(until)),
        started: std::cell::Cell::new(0),
        progress: Progress::new(until),
    };
    let publishers =
        (0..connections).map(|index| publish(&routes[index % routes.len()], index, batch, &load));
    try_join_all(publishers).await?;
    load.progress.finish();
    let mut run = load.run.into_inner();
    run.end();
    Ok(run)
}

/// Connections, documents in a batch, and the pause that makes the rate.
fn layout(options: &Options) -> (usize, usize, Option<Duration>) {
    let Some(rate) = options.rate else {
        let connections = options.connections.min(options.in_flight);
        return (connections, options.in_flight / connections, None);
    };
    // Batches of up to 20 ms: small ones would measure HTTP, large ones the wait for the batch.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked range")]
    let batch = (rate * 0.02) as usize / options.connections;
    let batch = batch.max(1);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let pace = Duration::from_secs_f64((batch * options.connections) as f64 / rate);
    (options.connections, batch, Some(pace))
}

async fn publish(route: &Route, index: usize, batch: usize, load: &Load) -> anyhow::Result<()> {
    let mut connection = Connection::open(route).await?;
    let path = format!("/api/documents/{}", model::DOCUMENT);
    let mut text = String::new();
    for turn in 0_u32.. {
        let due = load.pace.map(|pace| load.begin + pace * turn);
        if let Some(due) = due {
            sleep_until(due).await;
        }
        let count = load.claim(batch, due.unwrap_or_else(Instant::now));
        if count == 0 {
            return Ok(());
        }
        text.clear();
        for number in 0..count {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                r#"{{"n":{number},"customer":"customer-{index}-{turn}","total":{}.5}}"#,
                number % 500
            );
        }
        let sent = due.unwrap_or_else(Instant::now);
        let body = ("application/x-ndjson", Bytes::copy_from_slice(text.as_bytes()));
        let (status, answer) = connection.send(Method::POST, &path, body).await?;
        if !status.is_success() {
            bail!("publishing answered {status}: {}", String::from_utf8_lossy(&answer));
        }
        load.record(sent, count, &answer)?;
    }
    Ok(())
}

impl Load {
    /// How many documents the batch of that time may have; 0 ends the run.
    fn claim(&self, batch: usize, at: Instant) -> u64 {
        let batch = batch as u64;
        let started = self.started.get();
        let count = match self.until {
            Until::Count(all) => batch.min(all - started),
            Until::Time { warm_up, measured } => {
                if at < self.begin + warm_up + measured {
                    batch
                } else {
                    0
                }
            }
        };
        self.started.set(started + count);
        count
    }

    fn record(&self, sent: Instant, count: u64, answer: &[u8]) -> anyhow::Result<()> {
        let mut accepted = 0;
        let mut refusal = None;
        for line in answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // `{"id":` begins the line of an accepted document; anything else is read properly.
            if line.starts_with(br#"{"id":"#) || is_accepted(line)? {
                accepted += 1;
            } else {
                refusal = Some(String::from_utf8_lossy(line).into_owned());
            }
        }
        let mut run = self.run.borrow_mut();
        run.accepted += accepted;
        run.completed(sent, accepted);
        if accepted < count {
            let missing = || format!("{count} documents sent, {accepted} answered");
            run.failed(count - accepted, refusal.unwrap_or_else(missing));
        }
        self.progress.at(run.accepted);
        Ok(())
    }
}

fn is_accepted(line: &[u8]) -> anyhow::Result<bool> {
    let line: serde_json::Value =
        serde_json::from_slice(line).context("a line of the publish answer")?;
    Ok(line.get("id").is_some() && line.get("status").is_none())
}
