//! `pointsman message publish`: a message to waiting instances and message start events.
//!
//! Boundary: asks the server and prints.
//! Read first: [`run`].

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Body, Remote};
use crate::output::{self, Format, text};
use crate::problem::Failure;

/// What to do with messages.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Publish a message.
    Publish {
        /// Its name.
        name: String,
        /// The correlation key; without one it only starts instances.
        #[arg(long, value_name = "KEY", default_value = "")]
        correlation_key: String,
        /// Its id; while a message of the same id is buffered, another is refused.
        #[arg(long, default_value = "")]
        id: String,
        /// How long it waits for an instance: `PT1H`, for example.
        #[arg(long, value_name = "DURATION", default_value = "PT0S")]
        time_to_live: String,
        /// Variables as a JSON object.
        #[arg(long, value_name = "JSON", default_value = "{}")]
        variables: String,
    },
}

/// Runs a `message` command.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    let Act::Publish { name, correlation_key, id, time_to_live, variables } = &options.act;
    let body = json!({
        "name": name, "correlationKey": correlation_key, "id": id,
        "timeToLive": time_to_live, "variables": object(variables)?,
    });
    let data = options.remote.talk(async |client| {
        client.send(Method::POST, "/api/messages", Body::Json(body)).await?.json()
    })?;
    output::show(format, &data, || {
        format!("message `{name}` is published with key {}", text(&data, "key"))
    })
}

/// A JSON object given as an argument.
///
/// # Errors
/// It is something else.
pub(crate) fn object(argument: &str) -> Result<Value, Failure> {
    let hint = "write an object such as '{\"orderId\": \"O-1\"}'";
    match serde_json::from_str(argument) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Failure::wrong_use("the variables are no JSON object".to_owned(), hint)),
        Err(error) => {
            Err(Failure::wrong_use("the variables are not JSON".to_owned(), hint).because(&error))
        }
    }
}
