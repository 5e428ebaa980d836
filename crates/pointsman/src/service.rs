//! `pointsman service call`: a service of a package, called from the command line.
//!
//! Boundary: asks the server and prints its answer as it came, with every digit.
//! Read first: [`run`].

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use http::Method;

use crate::client::{Body, Remote, query, segment};
use crate::output;
use crate::problem::Failure;

/// How long a service may take, with what it may wait before.
const PATIENCE: Duration = Duration::from_secs(660);
/// Bytes of an input.
const INPUT_MAX: u64 = 1 << 30;

/// What to do with services.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Call a service and print what it answers.
    Call {
        /// Which one.
        #[arg(value_name = "PACKAGE/SERVICE")]
        name: String,
        /// A file with a JSON object, or `-`; nothing: an empty one.
        #[arg(long, value_name = "FILE")]
        input: Option<PathBuf>,
        /// How long to wait while the package is being switched: `500ms`, `60s`.
        #[arg(long, value_name = "DURATION")]
        hold_timeout: Option<String>,
    },
}

/// Runs a `service` command.
///
/// # Errors
/// The service fails, the server refuses or cannot be reached.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let Act::Call { name, input, hold_timeout } = &options.act;
    let Some((package, service)) = name.split_once('/') else {
        let message = format!("`{name}` names no package");
        return Err(Failure::wrong_use(message, "write `PACKAGE/SERVICE`"));
    };
    let body = input.as_deref().map_or_else(|| Ok(String::new()), read)?;
    let path = format!(
        "/api/services/{}/{}{}",
        segment(package),
        segment(service),
        query(&[("hold-timeout", hold_timeout.clone())])
    );
    let answer = options.remote.talk(async |client| {
        client.wait_at_most(PATIENCE);
        client.send(Method::POST, &path, Body::Written(body)).await
    })?;
    output::print(&String::from_utf8_lossy(&answer.body))
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(INPUT_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(INPUT_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::file("read", path, &error))?;
    Ok(text)
}
