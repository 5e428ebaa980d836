//! `pointsman process`: which processes and versions a server has, and which are enabled.
//!
//! Boundary: asks the server and prints.
//! Read first: [`run`].

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Body, Remote, segment};
use crate::output::{self, Format, moment, text};
use crate::problem::Failure;

/// What to do with processes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List processes with their enabled version and their instances.
    List,
    /// Show the versions of a process.
    Show {
        /// The process id.
        process: String,
    },
    /// Enable a version for new instances; the one before is disabled.
    Enable {
        /// The process id.
        process: String,
        /// The version; without one, the latest.
        version: Option<u32>,
    },
    /// Disable a process: no new instances; running ones go on.
    Disable {
        /// The process id.
        process: String,
    },
}

/// Runs a `process` command.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    match &options.act {
        Act::List => {
            let data = options.remote.talk(async |client| client.get("/api/processes").await)?;
            output::show(format, &data, || list(&data))
        }
        Act::Show { process } => {
            let path = path_of(process);
            let data = options.remote.talk(async |client| client.get(&path).await)?;
            output::show(format, &data, || versions(&data))
        }
        Act::Enable { process, version } => {
            let data = options.remote.talk(async |client| {
                let wanted = match version {
                    Some(version) => json!(version),
                    None => client.get(&path_of(process)).await?["latest"].clone(),
                };
                enable(client, process, &wanted).await?;
                Ok(json!({"process": process, "enabled": wanted}))
            })?;
            output::show(format, &data, || {
                format!("version {} of `{process}` is enabled", data["enabled"])
            })
        }
        Act::Disable { process } => {
            options.remote.talk(async |client| enable(client, process, &Value::Null).await)?;
            let data = json!({"process": process, "enabled": null});
            output::show(format, &data, || format!("`{process}` is disabled"))
        }
    }
}

async fn enable(
    client: &mut crate::client::Client,
    process: &str,
    version: &Value,
) -> Result<(), Failure> {
    let path = format!("{}/enabled", path_of(process));
    client.send(Method::PUT, &path, Body::Json(json!({"version": version}))).await?;
    Ok(())
}

fn path_of(process: &str) -> String {
    format!("/api/processes/{}", segment(process))
}

/// Processes with their instances.
pub(crate) fn list(data: &Value) -> String {
    let rows = output::items(data).iter().map(|process| {
        let enabled = match &process["enabled"] {
            Value::Null => "none".to_owned(),
            other => other.to_string(),
        };
        [
            text(process, "id"),
            enabled,
            text(process, "package"),
            text(process, "active"),
            text(process, "incidents"),
        ]
    });
    let headings = ["process", "enabled", "package", "active", "incidents"];
    output::table(headings, rows.collect())
}

fn versions(data: &Value) -> String {
    let rows = output::items(&data["versions"]).iter().map(|version| {
        let package = format!("{} {}", text(version, "package"), text(version, "packageVersion"));
        [
            text(version, "version"),
            if version["enabled"] == true { "yes".into() } else { "no".to_owned() },
            package.trim().to_owned(),
            text(version, "resource"),
            moment(version, "deployedAt"),
            text(version, "active"),
            text(version, "incidents"),
        ]
    });
    let headings = ["version", "enabled", "package", "resource", "deployed", "active", "incidents"];
    output::table(headings, rows.collect())
}
