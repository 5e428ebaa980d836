//! `pointsman request`: durable requests to run a process, now or at a time.
//!
//! Boundary: asks the server and prints.
//! Read first: [`run`].

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Body, Remote, query, segment};
use crate::output::{self, Format, moment, text};
use crate::problem::Failure;

/// What to do with process requests.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Request to run a process; the first server that claims the request runs it.
    Create {
        /// The process id; its enabled version is run.
        process: String,
        /// Variables as a JSON object.
        #[arg(long, value_name = "JSON", default_value = "{}")]
        variables: String,
        /// Not before this moment, for example `2026-01-31T18:00:00Z`.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// List requests, newest first.
    List {
        /// Only in this state.
        #[arg(long, value_parser = [
            "waiting", "claimed", "running", "completed", "failed", "refused", "withdrawn",
        ])]
        state: Option<String>,
        /// Only of this process.
        #[arg(long)]
        process: Option<String>,
        /// Only older than this one.
        #[arg(long, value_name = "ID")]
        before: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show a request and what became of it.
    Show {
        /// Its id.
        id: String,
    },
}

/// Runs a `request` command.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    const PATH: &str = "/api/requests";
    match &options.act {
        Act::Create { process, variables, at } => {
            let variables: Value = serde_json::from_str(variables).map_err(|error| {
                let message = "`--variables` is not JSON".to_owned();
                Failure::wrong_use(message, "write an object: `{\"n\": 1}`").because(&error)
            })?;
            let mut body = json!({"process": process, "variables": variables});
            if let Some(at) = at {
                body["at"] = json!(at);
            }
            let data = options.remote.talk(async |client| {
                client.send(Method::POST, PATH, Body::Json(body)).await?.json()
            })?;
            output::show(format, &data, || text(&data, "id"))
        }
        Act::List { state, process, before, limit } => {
            let parts = query(&[
                ("state", state.clone()),
                ("process", process.clone()),
                ("before", before.clone()),
                ("limit", Some(limit.to_string())),
            ]);
            let path = format!("{PATH}{parts}");
            let data = options.remote.talk(async |client| client.get(&path).await)?;
            output::show(format, &data, || table(output::items(&data)))
        }
        Act::Show { id } => {
            let path = format!("{PATH}/{}", segment(id));
            let data = options.remote.talk(async |client| client.get(&path).await)?;
            output::show(format, &data, || {
                format!("{}\n{:#}", table(std::slice::from_ref(&data)), data["variables"])
            })
        }
    }
}

fn table(requests: &[Value]) -> String {
    let rows = requests.iter().map(|request| {
        [
            text(request, "id"),
            text(request, "process"),
            text(request, "state"),
            moment(request, "dueAt"),
            text(request, "instance"),
            moment(request, "endedAt"),
            text(request, "reason").replace('\n', " "),
        ]
    });
    let headings = ["request", "process", "state", "due", "instance", "ended", "reason"];
    output::table(headings, rows.collect())
}
