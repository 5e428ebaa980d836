//! `pointsman instance`: runs of processes.
//!
//! Boundary: asks the server and prints; how the path is drawn stands in `instance/path.rs`.
//! Read first: [`run`].

pub(crate) mod path;

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Body, Remote, query, segment};
use crate::message::object;
use crate::output::{self, Format, at_ms, duration, moment, text};
use crate::problem::Failure;

/// What to do with instances.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List instances, newest first.
    List(Filter),
    /// Show the path that an instance took, as a tree with times.
    Show {
        /// The instance.
        key: String,
    },
    /// Show what happened to an instance, line by line.
    Log {
        /// The instance.
        key: String,
    },
    /// Start an instance of the enabled version.
    Start {
        /// The process id.
        process: String,
        /// A version other than the enabled one.
        #[arg(long)]
        version: Option<u32>,
        /// Variables as a JSON object.
        #[arg(long, value_name = "JSON", default_value = "{}")]
        variables: String,
    },
    /// Try again everything that failed in an instance.
    Retry {
        /// The instance.
        key: String,
    },
    /// Cancel an instance.
    Cancel {
        /// The instance.
        key: String,
    },
}

#[derive(Debug, Args)]
struct Filter {
    /// Only of this process.
    #[arg(long)]
    process: Option<String>,
    /// Only in this state.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only with open incidents.
    #[arg(long)]
    incidents: bool,
    /// Only older than this instance: the next page.
    #[arg(long, value_name = "KEY")]
    before: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Active,
    Completed,
    Cancelled,
}

/// Runs an `instance` command.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    let remote = &options.remote;
    match &options.act {
        Act::List(filter) => {
            let path = format!("/api/instances{}", filter.query());
            let data = remote.talk(async |client| client.get(&path).await)?;
            output::show(format, &data, || table(&data))
        }
        Act::Show { key } => {
            let path = path_of(key);
            let data = remote.talk(async |client| client.get(&path).await)?;
            output::show(format, &data, || path::draw(&data))
        }
        Act::Log { key } => {
            let path = format!("{}/log", path_of(key));
            let answer =
                remote.talk(async |client| client.send(Method::GET, &path, Body::None).await)?;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            output::show(format, &json!({"lines": lines}), || text.clone())
        }
        Act::Start { process, version, variables } => {
            let body = json!({
                "process": process, "version": version, "variables": object(variables)?,
            });
            let data = remote.talk(async |client| {
                client.send(Method::POST, "/api/instances", Body::Json(body)).await?.json()
            })?;
            output::show(format, &data, || {
                format!("instance `{}` of `{process}` is started", text(&data, "key"))
            })
        }
        Act::Retry { key } => change(remote, format, key, ("retry", "is tried again")),
        Act::Cancel { key } => change(remote, format, key, ("cancel", "is cancelled")),
    }
}

fn change(
    remote: &Remote,
    format: Format,
    key: &str,
    (act, done): (&str, &str),
) -> Result<(), Failure> {
    let path = format!("{}/{act}", path_of(key));
    remote.talk(async |client| client.send(Method::POST, &path, Body::Json(json!({}))).await)?;
    let data = json!({"key": key, "done": act});
    output::show(format, &data, || format!("instance `{key}` {done}"))
}

fn path_of(key: &str) -> String {
    format!("/api/instances/{}", segment(key))
}

impl Filter {
    fn query(&self) -> String {
        let state = self.state.map(|state| match state {
            State::Active => "active",
            State::Completed => "completed",
            State::Cancelled => "cancelled",
        });
        query(&[
            ("process", self.process.clone()),
            ("state", state.map(str::to_owned)),
            ("incidents", self.incidents.then(|| "true".to_owned())),
            ("before", self.before.clone()),
            ("limit", Some(self.limit.to_string())),
        ])
    }
}

fn table(data: &Value) -> String {
    let rows = output::items(data).iter().map(|instance| {
        [
            text(instance, "key"),
            text(instance, "process"),
            text(instance, "version"),
            text(instance, "state"),
            text(instance, "incidents"),
            text(instance, "businessKey"),
            moment(instance, "startedAt"),
            took(instance),
        ]
    });
    let headings =
        ["key", "process", "version", "state", "incidents", "business key", "started", "took"];
    output::table(headings, rows.collect())
}

/// How long an instance ran, if it has ended.
pub(crate) fn took(instance: &Value) -> String {
    let (started, ended) = (at_ms(instance, "startedAt"), at_ms(instance, "endedAt"));
    started.zip(ended).map(|(started, ended)| duration(ended - started)).unwrap_or_default()
}
