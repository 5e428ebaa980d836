//! The server's log: to standard error, as text for people or JSON for programs.
//!
//! Boundary: set up once, before anything logs.
//! Read first: [`start`].

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;
use crate::problem::Failure;

/// Starts logging.
///
/// # Errors
/// The level has the wrong form, or logging was started before.
pub(crate) fn start(level: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(level).map_err(|error| {
        let hint = "write a level such as `info`, or `info,node=debug`";
        Failure::configuration(format!("the log level `{level}` is wrong"), hint).because(&error)
    })?;
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(terminal).try_init()
    };
    started.map_err(|error| Failure::internal(format!("logging cannot be started: {error}")))
}
