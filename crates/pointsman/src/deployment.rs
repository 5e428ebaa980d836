//! `pointsman deployment`: what was deployed when, how it went, and cancelling.
//!
//! Boundary: asks the server and prints.
//! Read first: [`run`].

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use crate::client::{Body, Remote, query, segment};
use crate::output::{self, Format, at_ms, duration, items, moment, text};
use crate::problem::Failure;

/// What to do with deployments.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List deployments, newest first.
    List {
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Show a deployment: its plan, its servers, what is in flight.
    Show {
        /// Its key.
        key: String,
    },
    /// Ask a deployment to end before its commit; the original goes on.
    Cancel {
        /// Its key.
        key: String,
    },
}

/// Runs a `deployment` command.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    match &options.act {
        Act::List { limit } => {
            let path = format!("/api/deployments{}", query(&[("limit", Some(limit.to_string()))]));
            let data = options.remote.talk(async |client| client.get(&path).await)?;
            output::show(format, &data, || table(&data))
        }
        Act::Show { key } => {
            let path = format!("/api/deployments/{}", segment(key));
            let data = options.remote.talk(async |client| client.get(&path).await)?;
            output::show(format, &data, || show(&data))
        }
        Act::Cancel { key } => {
            let path = format!("/api/deployments/{}/cancel", segment(key));
            let data = options
                .remote
                .talk(async |client| client.send(Method::POST, &path, Body::None).await?.json())?;
            output::show(format, &data, || format!("deployment {key} is being cancelled"))
        }
    }
}

fn table(data: &Value) -> String {
    let rows = items(data).iter().map(|one| {
        let state = if one["outcome"].is_null() { "stage" } else { "outcome" };
        [
            text(one, "id"),
            text(one, "action"),
            packages(one),
            text(one, state),
            moment(one, "begunAt"),
            took(one),
        ]
    });
    output::table(["key", "action", "packages", "state", "begun", "took"], rows.collect())
}

fn packages(one: &Value) -> String {
    let all = items(&one["plan"]["packages"]).iter().map(|package| {
        let version = text(package, "to");
        format!("{} {version}", text(package, "name")).trim_end().to_owned()
    });
    all.collect::<Vec<_>>().join(", ")
}

fn took(one: &Value) -> String {
    let ends = at_ms(one, "begunAt").zip(at_ms(one, "endedAt"));
    ends.map(|(begun_ms, ended_ms)| duration(ended_ms - begun_ms)).unwrap_or_default()
}

fn show(one: &Value) -> String {
    let state = if one["outcome"].is_null() { "stage" } else { "outcome" };
    let mut out = format!("deployment {}: {}", text(one, "id"), text(one, state));
    for name in ["code", "reason"] {
        if !one[name].is_null() {
            out += &format!("\n{name}: {}", text(one, name));
        }
    }
    if let Some(closed) = one["closedMicros"].as_u64() {
        out += &format!("\ngates were closed for {}.{:03} ms", closed / 1000, closed % 1000);
    }
    out += &format!("\n\n{}", crate::follow::plan(&one["plan"]));
    let servers = items(&one["servers"]);
    if !servers.is_empty() {
        let rows = servers
            .iter()
            .map(|server| [text(server, "name"), text(server, "inFlight"), text(server, "held")]);
        out += &format!("\n\n{}", output::table(["server", "in flight", "held"], rows.collect()));
        let calls = servers.iter().flat_map(|server| items(&server["oldest"]));
        let calls: Vec<_> = calls.map(call).collect();
        if !calls.is_empty() {
            out += &format!("\n\n{}", output::table(["kind", "call", "of", "age"], calls));
        }
    }
    out
}

/// A row for a call in flight.
pub(crate) fn call(call: &Value) -> [String; 4] {
    let age = duration(call["ageMs"].as_i64().unwrap_or(0));
    [text(call, "kind"), text(call, "name"), text(call, "owner"), age]
}
