//! `pointsman config`: checks, explains and documents the configuration.
//!
//! Boundary: prints; the keys stand in `key.rs`.
//! Read first: [`run`].

use std::path::PathBuf;

use clap::{Args, Subcommand};
use node::Seed;
use node::cluster::settings;
use serde_json::{Value, json};

use super::key::{KEYS, Key};
use super::{Config, Given};
use crate::client::{Remote, segment};
use crate::nearest::nearest;
use crate::output::{self, Format, remark};
use crate::problem::{Failure, UNREACHABLE};

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
        #[command(flatten)]
        remote: Remote,
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
            let config = load(file)?;
            config.security.check_files()?;
            if let Some(database) = &config.database {
                database.check_files()?;
            }
            if let Some(storage) = &config.storage {
                storage.open()?;
            }
            for Seed { name, origin, .. } in config.seeds() {
                remark(&format!(
                    "note: {origin}, is only the first value of the setting `{name}`, which all \
                     servers share: `pointsman settings get {name}` shows the one in force"
                ));
            }
            output::show(format, &json!({"valid": true}), || "the configuration is valid".into())
        }
        Command::Explain { key, file, remote } => {
            match KEYS.iter().find(|known| known.name == key) {
                Some(known) => explain(known, &load(file)?, remote, format),
                None => explain_shared(key, remote, format),
            }
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

fn explain(known: &Key, config: &Config, remote: &Remote, format: Format) -> Result<(), Failure> {
    let (value, origin) = config.explain(known);
    let origin = origin.to_string();
    let shared = known.shared().map(|name| in_force(name, remote)).transpose()?;
    let data = json!({
        "key": known.name, "value": value, "origin": origin, "default": known.default,
        "environment": known.environment, "meaning": known.meaning, "shared": shared,
    });
    output::show(format, &data, || {
        let shared = match &shared {
            None => String::new(),
            Some(Value::Null) => "\n  shared: the server was not reached".to_owned(),
            Some(setting) => format!("\n  shared: {} is in force", output::text(setting, "value")),
        };
        format!(
            "{} = {value}\n  from: {origin}\n  default: {}\n  environment: {}{shared}\n  {}",
            known.name, known.default, known.environment, known.meaning
        )
    })
}

/// A setting that stands in no file.
fn explain_shared(name: &str, remote: &Remote, format: Format) -> Result<(), Failure> {
    let setting = settings::known(name).map_err(|_| unknown(name))?;
    let known = in_force(name, remote)?;
    let data = json!({
        "key": name, "shared": known, "default": setting.default,
        "mustBe": setting.kind.to_string(), "meaning": setting.meaning,
    });
    output::show(format, &data, || {
        let value = match &known {
            Value::Null => "? (the server was not reached)".to_owned(),
            setting => output::text(setting, "value"),
        };
        format!(
            "{name} = {value}\n  from: shared by all servers; `pointsman settings set` changes it\n  \
             default: {}\n  must be: {}\n  {}",
            setting.default, setting.kind, setting.meaning
        )
    })
}

/// A shared setting as the server has it; null if it cannot be reached.
fn in_force(name: &str, remote: &Remote) -> Result<Value, Failure> {
    let path = format!("/api/settings/{}", segment(name));
    match remote.talk(async |client| client.get(&path).await) {
        Err(failure) if failure.has_code(UNREACHABLE) => Ok(Value::Null),
        answered => answered,
    }
}

fn unknown(key: &str) -> Failure {
    let shared = settings::SETTINGS.iter().map(|setting| setting.name);
    let hint = match nearest(key, KEYS.iter().map(|key| key.name).chain(shared)) {
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
