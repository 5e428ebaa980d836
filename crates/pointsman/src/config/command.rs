//! `pointsman config`: checks, explains and documents the configuration.
//!
//! Boundary: prints; the keys stand in `key.rs`.
//! Read first: [`run`].

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::key::{KEYS, Key};
use super::{Config, Given};
use crate::nearest::nearest;
use crate::output::{self, Format};
use crate::problem::Failure;

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a configuration without starting a server.
    Check(File),
    /// Show a key's value and where it comes from.
    Explain {
        /// The key, for example `log.level`.
        key: String,
        #[command(flatten)]
        file: File,
    },
    /// Show every key with its meaning, as an annotated file.
    Reference,
}

/// Which file.
#[derive(Debug, Args)]
pub(crate) struct File {
    /// The configuration file.
    #[arg(long = "config", value_name = "FILE")]
    path: Option<PathBuf>,
}

/// Runs a `config` command.
///
/// # Errors
/// The configuration is wrong, or the key unknown.
pub(crate) fn run(command: &Command, format: Format) -> Result<(), Failure> {
    let given = Given::from_environment();
    let load = |file: &File| Config::load(given.file(file.path.as_deref()).as_deref(), &given);
    match command {
        Command::Check(file) => {
            load(file)?;
            output::show(format, &json!({"valid": true}), || "the configuration is valid".into())
        }
        Command::Explain { key, file } => {
            let known = KEYS.iter().find(|known| known.name == key).ok_or_else(|| unknown(key))?;
            let config = load(file)?;
            let (value, origin) = config.explain(known);
            let origin = origin.to_string();
            let data = json!({
                "key": known.name, "value": value, "origin": origin, "default": known.default,
                "environment": known.environment, "meaning": known.meaning,
            });
            output::show(format, &data, || {
                format!(
                    "{} = {value}\n  from: {origin}\n  default: {}\n  environment: {}\n  {}",
                    known.name, known.default, known.environment, known.meaning
                )
            })
        }
        Command::Reference => {
            let keys = KEYS.iter().map(|key| {
                json!({
                    "key": key.name, "default": key.default, "environment": key.environment,
                    "since": key.since, "meaning": key.meaning,
                })
            });
            output::show(format, &keys.collect(), reference)
        }
    }
}

fn unknown(key: &str) -> Failure {
    let hint = match nearest(key, KEYS.iter().map(|key| key.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`pointsman config reference` lists the keys".to_owned(),
    };
    Failure::configuration(format!("the key `{key}` is not known"), &hint)
}

/// A file with every key at its default, which is a valid configuration.
pub(super) fn reference() -> String {
    let mut out = "# Every key of a server's configuration, at its default. All are read at the \
                   start.\n"
        .to_owned();
    let mut table = "";
    for key in KEYS {
        let (inside, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if inside != table {
            table = inside;
            out.push_str(&format!("\n[{table}]"));
        }
        out.push_str(&format!("\n# {}\n", key.meaning));
        out.push_str(&format!("# environment: {}; since {}\n", key.environment, key.since));
        out.push_str(&format!("{name} = {}\n", value(key)));
    }
    out
}

fn value(key: &Key) -> String {
    if key.is_number { key.default.to_owned() } else { format!("{:?}", key.default) }
}
