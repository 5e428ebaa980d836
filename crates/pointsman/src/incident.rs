//! `pointsman incident`: what failed and waits for a person.
//!
//! Boundary: asks the server and prints.
//! Read first: [`run`].

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Body, Remote, query, segment};
use crate::output::{self, Format, moment, text};
use crate::problem::Failure;

/// What to do with incidents.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List open incidents.
    List {
        /// Only of this instance.
        #[arg(long, value_name = "KEY")]
        instance: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Try again what failed.
    Resolve {
        /// The incident.
        key: String,
        /// Tries that its job gets first.
        #[arg(long, default_value_t = 1)]
        retries: u32,
    },
}

/// Runs an `incident` command.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    match &options.act {
        Act::List { instance, limit } => {
            let parts = [("instance", instance.clone()), ("limit", Some(limit.to_string()))];
            let path = format!("/api/incidents{}", query(&parts));
            let data = options.remote.talk(async |client| client.get(&path).await)?;
            output::show(format, &data, || table(&data))
        }
        Act::Resolve { key, retries } => {
            let path = format!("/api/incidents/{}/resolve", segment(key));
            let body = Body::Json(json!({"retries": retries}));
            options.remote.talk(async |client| client.send(Method::POST, &path, body).await)?;
            let data = json!({"key": key, "resolved": true});
            output::show(format, &data, || format!("incident `{key}` is tried again"))
        }
    }
}

/// Incidents in the order in which they were raised.
pub(crate) fn table(data: &Value) -> String {
    let rows = output::items(data).iter().map(|incident| {
        [
            text(incident, "key"),
            moment(incident, "raisedAt"),
            text(incident, "process"),
            text(incident, "instance"),
            text(incident, "element"),
            text(incident, "kind"),
            text(incident, "message").replace('\n', " "),
        ]
    });
    let headings = ["key", "since", "process", "instance", "element", "kind", "message"];
    output::table(headings, rows.collect())
}
