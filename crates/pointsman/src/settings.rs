//! `pointsman settings` and `pointsman maintenance`: what all servers share.
//!
//! Boundary: asks the server and prints.
//! Read first: [`run`], then [`maintain`].

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Body, Client, Remote, segment};
use crate::output::{self, Format, moment, text};
use crate::problem::Failure;

/// What to do with settings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List all settings with their values.
    List,
    /// Show a setting: value, default, meaning, and who changed it when.
    Get {
        /// Its name.
        name: String,
    },
    /// Change a setting for all servers, at once and without a restart.
    Set {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// Put a setting back to its default.
    Unset {
        /// Its name.
        name: String,
    },
}

/// What to do with maintenance mode.
#[derive(Debug, Args)]
pub(crate) struct Maintenance {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    act: Mode,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Let nothing new start; what runs goes on.
    On,
    /// Let everything start again; shows timer start events that were missed.
    Off,
    /// Show whether maintenance mode is on, since when, and who turned it on.
    Status,
}

/// Runs a `settings` command.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    let remote = &options.remote;
    match &options.act {
        Act::List => {
            let data = remote.talk(async |client| client.get("/api/settings").await)?;
            output::show(format, &data, || list(&data))
        }
        Act::Get { name } => {
            let data = remote.talk(async |client| client.get(&path_of(name)).await)?;
            output::show(format, &data, || one(&data))
        }
        Act::Set { name, value } => {
            let data = remote.talk(async |client| set(client, name, value).await)?;
            output::show(format, &data, || [format!("{name} = {value}"), missed(&data)].concat())
        }
        Act::Unset { name } => {
            let data = remote.talk(async |client| {
                client.send(Method::DELETE, &path_of(name), Body::None).await?.json()
            })?;
            output::show(format, &data, || {
                [format!("{name} = {} (default)", text(&data, "value")), missed(&data)].concat()
            })
        }
    }
}

/// Runs a `maintenance` command.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(crate) fn maintain(options: &Maintenance, format: Format) -> Result<(), Failure> {
    const NAME: &str = "maintenance";
    let data = options.remote.talk(async |client| match options.act {
        Mode::On => set(client, NAME, "on").await,
        Mode::Off => set(client, NAME, "off").await,
        Mode::Status => client.get(&path_of(NAME)).await,
    })?;
    output::show(format, &data, || {
        let state = match text(&data, "value").as_str() {
            "on" => format!(
                "maintenance mode is on since {}: {} turned it on",
                moment(&data, "changedAt"),
                text(&data, "changedBy")
            ),
            _ => "maintenance mode is off".to_owned(),
        };
        [state, missed(&data)].concat()
    })
}

async fn set(client: &mut Client, name: &str, value: &str) -> Result<Value, Failure> {
    client.send(Method::PUT, &path_of(name), Body::Json(json!({"value": value}))).await?.json()
}

fn path_of(name: &str) -> String {
    format!("/api/settings/{}", segment(name))
}

fn list(data: &Value) -> String {
    let rows = output::items(data).iter().map(|setting| {
        [
            text(setting, "name"),
            text(setting, "value"),
            text(setting, "default"),
            moment(setting, "changedAt"),
            text(setting, "changedBy"),
        ]
    });
    output::table(["setting", "value", "default", "changed", "by"], rows.collect())
}

fn one(setting: &Value) -> String {
    let changed = match moment(setting, "changedAt") {
        at if at.is_empty() => String::new(),
        at => format!("\n  changed: {at} by {}", text(setting, "changedBy")),
    };
    format!(
        "{} = {}\n  default: {}\n  must be: {}{changed}\n  {}",
        text(setting, "name"),
        text(setting, "value"),
        text(setting, "default"),
        text(setting, "mustBe"),
        text(setting, "meaning")
    )
}

/// Timer start events that were missed in the maintenance mode that ended.
fn missed(data: &Value) -> String {
    let starts = data["missed"].as_array().map_or(&[][..], Vec::as_slice);
    let lines = starts.iter().map(|start| {
        format!(
            "\nmissed: `{}` of process `{}`, {} from {}",
            text(start, "element"),
            text(start, "process"),
            output::count(
                start["number"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
                "time"
            ),
            moment(start, "dueAt")
        )
    });
    lines.collect()
}
