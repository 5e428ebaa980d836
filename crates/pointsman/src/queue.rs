//! `pointsman queue`: entries of trigger queues, dead letters above all.
//!
//! Boundary: asks the server and prints.
//! Read first: [`run`].

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Body, Remote, query, segment};
use crate::output::{self, Format, moment, text};
use crate::problem::Failure;

/// What to do with queues.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List entries; dead letters if nothing else is asked for.
    List {
        #[command(flatten)]
        which: Which,
        /// Only behind this entry.
        #[arg(long, value_name = "KEY")]
        after: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show an entry with its document.
    Show {
        /// The entry.
        key: String,
    },
    /// Deliver dead or parked entries again.
    Replay(Chosen),
    /// Throw entries away that are not in process.
    Discard(Chosen),
}

#[derive(Debug, Clone, Args)]
struct Which {
    /// In which state.
    #[arg(long, value_enum, default_value = "dead")]
    state: State,
    /// Only of this trigger, `package/name`.
    #[arg(long)]
    trigger: Option<String>,
}

/// Which entries: by key, or all of a trigger in a state.
#[derive(Debug, Args)]
struct Chosen {
    /// The entries.
    #[arg(value_name = "KEY", required_unless_present = "trigger", conflicts_with = "trigger")]
    keys: Vec<String>,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Dead,
    Parked,
    Queued,
    InProcess,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Parked => "parked",
            Self::Queued => "queued",
            Self::InProcess => "in-process",
        }
    }
}

/// Runs a `queue` command.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    match &options.act {
        Act::List { which, after, limit } => {
            let path = format!(
                "/api/queues{}",
                query(&[
                    ("state", Some(which.state.name().to_owned())),
                    ("trigger", which.trigger.clone()),
                    ("after", after.clone()),
                    ("limit", Some(limit.to_string())),
                ])
            );
            let data = options.remote.talk(async |client| client.get(&path).await)?;
            output::show(format, &data, || table(&data))
        }
        Act::Show { key } => {
            let path = format!("/api/queues/{}", segment(key));
            let data = options.remote.talk(async |client| client.get(&path).await)?;
            output::show(format, &data, || entry(&data))
        }
        Act::Replay(chosen) => change(options, format, chosen, "replay"),
        Act::Discard(chosen) => change(options, format, chosen, "discard"),
    }
}

fn change(options: &Options, format: Format, chosen: &Chosen, act: &str) -> Result<(), Failure> {
    let body = if chosen.keys.is_empty() {
        json!({"trigger": chosen.which.trigger, "state": chosen.which.state.name()})
    } else {
        json!({"entries": chosen.keys})
    };
    let path = format!("/api/queues/{act}");
    let data = options
        .remote
        .talk(async |client| client.send(Method::POST, &path, Body::Json(body)).await?.json())?;
    output::show(format, &data, || {
        let done = if act == "replay" { "queued again" } else { "discarded" };
        let number = data["entries"].as_u64().and_then(|number| usize::try_from(number).ok());
        format!("{} {done}", output::count(number.unwrap_or(0), "entry"))
    })
}

fn table(data: &Value) -> String {
    let rows = output::items(data).iter().map(|entry| {
        [
            text(entry, "key"),
            text(entry, "trigger"),
            text(entry, "state"),
            text(entry, "attempts"),
            moment(entry, "dueAt"),
            text(entry, "instance"),
            text(entry, "reason").replace('\n', " "),
        ]
    });
    let headings = ["entry", "trigger", "state", "attempts", "due", "instance", "reason"];
    output::table(headings, rows.collect())
}

fn entry(data: &Value) -> String {
    let mut lines = Vec::new();
    for name in ["key", "trigger", "state", "attempts", "instance", "reason"] {
        let value = text(&data["entry"], name);
        if !value.is_empty() {
            lines.push(format!("{name}: {value}"));
        }
    }
    let document = &data["document"];
    for name in ["type", "id", "source"] {
        let value = text(document, name);
        if !value.is_empty() {
            lines.push(format!("document {name}: {value}"));
        }
    }
    lines.push(format!("{:#}", document["content"]));
    lines.join("\n")
}
