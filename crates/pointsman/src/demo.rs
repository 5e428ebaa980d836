//! `pointsman demo`: waits for the example's orders and sums up what became of them.
//!
//! Boundary: reads the public API like any client and counts; it starts and changes nothing. The
//! script `scripts/demo.sh` runs the server and publishes.
//! Read first: [`run`].

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::time::Instant;

use crate::client::{Client, Remote, query, segment};
use crate::instance::path;
use crate::output::{self, at_ms, duration, items, text};
use crate::problem::Failure;

/// Rows of one page of the instance list.
const PAGE: u32 = 1_000;
/// Instances whose steps are looked at one by one.
const SAMPLE: usize = 100;
/// How long nothing may change before what is still active counts as waiting by design.
const QUIET: Duration = Duration::from_secs(4);
/// How long nothing may change before orders that are still active are given up.
const STUCK: Duration = Duration::from_secs(20);
/// Pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Kinds of steps that wait on purpose, and those that last as long as what is inside them.
const WAITING: &[&str] =
    &["intermediateCatchEvent", "receiveTask", "boundaryEvent", "callActivity", "subProcess"];

/// What to wait for and sum up.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The process that the documents start.
    #[arg(long)]
    process: String,
    /// How many documents were published.
    #[arg(long)]
    documents: usize,
    /// Seconds to wait at most.
    #[arg(long, default_value_t = 300)]
    patience: u64,
    #[command(flatten)]
    remote: Remote,
}

/// Active instances of each process, and those of them with incidents.
type Counts = BTreeMap<String, (u64, u64)>;

/// Waits, then prints the summary and one instance's path.
///
/// # Errors
/// Not every order came to its end, or the server cannot be reached.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    options.remote.talk(async |client| {
        let counts = settle(client, options).await?;
        let mut rows = Vec::new();
        for (process, (active, failed)) in &counts {
            let completed = list(client, process, Some("completed")).await?.len();
            rows.push([
                process.clone(),
                completed.to_string(),
                active.saturating_sub(*failed).to_string(),
                failed.to_string(),
            ]);
        }
        output::print(&output::table(["process", "completed", "waiting", "failed"], rows))?;
        let orders = list(client, &options.process, None).await?;
        output::print(&format!("\n{}", speed(options, &orders)))?;
        if let Some(slowest) = slowest_step(client, &orders).await? {
            output::print(&slowest)?;
        }
        let mut ended = orders.iter().filter(|order| order["state"] == "completed");
        if let Some(order) = ended.next() {
            let path = format!("/api/instances/{}", segment(&text(order, "key")));
            let shown = client.get(&path).await?;
            output::print(&format!("\nthe path of one of them:\n{}", path::draw(&shown)))?;
        }
        let open = orders.iter().filter(|order| order["state"] == "active").count();
        if open > 0 || orders.is_empty() {
            let message = format!("{open} of {} orders did not come to their end", orders.len());
            return Err(Failure::refused("", message, "see `pointsman incident list`"));
        }
        Ok(())
    })
}

/// Waits until every document is delivered, every order ended, and nothing else moves any more.
async fn settle(client: &mut Client, options: &Options) -> Result<Counts, Failure> {
    let deadline = Instant::now() + Duration::from_secs(options.patience);
    let mut seen = counts(client).await?;
    let mut changed = Instant::now();
    loop {
        let (active, _) = seen.get(&options.process).copied().unwrap_or_default();
        let quiet = if active == 0 { QUIET } else { STUCK };
        let still = changed.elapsed() >= quiet;
        if Instant::now() >= deadline || (still && queued(client).await? == 0) {
            return Ok(seen);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        let next = counts(client).await?;
        if next != seen {
            seen = next;
            changed = Instant::now();
        }
    }
}

async fn counts(client: &mut Client) -> Result<Counts, Failure> {
    let processes = client.get("/api/processes").await?;
    let counts = items(&processes).iter().map(|process| {
        let number = |name: &str| process[name].as_u64().unwrap_or(0);
        (text(process, "id"), (number("active"), number("incidents")))
    });
    Ok(counts.collect())
}

/// Whether entries wait for their delivery: how many there are on the first page.
async fn queued(client: &mut Client) -> Result<usize, Failure> {
    Ok(items(&client.get("/api/queues?state=queued").await?).len())
}

/// All instances of a process in a state, newest first.
async fn list(
    client: &mut Client,
    process: &str,
    state: Option<&str>,
) -> Result<Vec<Value>, Failure> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let path = format!(
            "/api/instances{}",
            query(&[
                ("process", Some(process.to_owned())),
                ("state", state.map(str::to_owned)),
                ("before", all.last().map(|last| text(last, "key"))),
                ("limit", Some(PAGE.to_string())),
            ])
        );
        let page = client.get(&path).await?;
        let rows = items(&page);
        all.extend_from_slice(rows);
        if rows.len() < PAGE as usize {
            return Ok(all);
        }
    }
}

fn speed(options: &Options, orders: &[Value]) -> String {
    let kept_out = options.documents.saturating_sub(orders.len());
    let mut out = format!(
        "{} documents, {kept_out} of them kept out by the trigger's filter",
        options.documents
    );
    let begin = orders.iter().filter_map(|order| at_ms(order, "startedAt")).min();
    let end = orders.iter().filter_map(|order| at_ms(order, "endedAt")).max();
    if let Some((begin, end)) = begin.zip(end) {
        let ms = (end - begin).max(1);
        let ended = orders.iter().filter(|order| at_ms(order, "endedAt").is_some()).count();
        let rate = i64::try_from(ended).unwrap_or(i64::MAX).saturating_mul(1000) / ms;
        let (process, took) = (&options.process, duration(ms));
        out.push_str(&format!(
            "\n{ended} instances of {process} ended in {took}: {rate} per second from the first \
             start to the last end"
        ));
    }
    out
}

/// The kind of step with the longest mean time in a sample, without those that wait on purpose.
async fn slowest_step(client: &mut Client, orders: &[Value]) -> Result<Option<String>, Failure> {
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for order in orders.iter().take(SAMPLE) {
        let path = format!("/api/instances/{}", segment(&text(order, "key")));
        let shown = client.get(&path).await?;
        add(items(&shown["path"]), &mut sums);
    }
    let means = sums.into_iter().map(|(element, (sum, count))| (element, sum / count.max(1)));
    Ok(means.max_by_key(|(_, mean)| *mean).map(|(element, mean)| {
        format!(
            "slowest step: {element}, {} on average over the newest {} instances (waiting and \
             calling steps left out)",
            duration(mean),
            orders.len().min(SAMPLE)
        )
    }))
}

fn add(steps: &[Value], sums: &mut BTreeMap<String, (i64, i64)>) {
    for step in steps {
        add(items(&step["inside"]), sums);
        let times = at_ms(step, "enteredAt").zip(at_ms(step, "leftAt"));
        if let (Some((entered, left)), false) = (times, WAITING.contains(&&*text(step, "kind"))) {
            let sum = sums.entry(text(step, "element")).or_default();
            *sum = (sum.0 + left - entered, sum.1 + 1);
        }
    }
}
