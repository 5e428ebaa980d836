//! The server's configuration: defaults, then a file, then the environment, then flags; the later
//! one wins.
//!
//! Boundary: only what is local to one server. Read once, before anything starts.
//! Invariants: CFG-1 a key that is not known is an error. CFG-2 every value knows its origin.
//! Read first: [`Config::load`], then [`KEYS`].   Tests: `config/tests.rs`

mod command;
mod key;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

pub(crate) use command::{Command, run};
pub(crate) use key::KEYS;
use key::Key;

use crate::nearest::nearest;
use crate::output::remark;
use crate::problem::{self, Failure};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Environment(&'static str),
    Flag(&'static str),
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Text,
    Json,
}

/// A server's configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) data: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) log_level: String,
    pub(crate) log_format: LogFormat,
    pub(crate) variable_bytes_max: u32,
    pub(crate) service_calls_max: u32,
    /// Bytes of the database file; as many as the disk has if not set.
    pub(crate) storage_bytes_max: Option<u64>,
    pub(crate) retention_ms: i64,
    values: BTreeMap<&'static str, (String, Origin)>,
}

/// What is given besides the file.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Names and values of the environment that begin with `POINTSMAN_`.
    pub(crate) environment: Vec<(String, String)>,
    /// Key and value of each flag.
    pub(crate) flags: Vec<(&'static str, String)>,
}

impl Given {
    /// The environment of this process.
    pub(crate) fn from_environment() -> Self {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with("POINTSMAN_"))?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        Self { environment: environment.collect(), flags: Vec::new() }
    }

    /// The file that the environment names, if a flag does not.
    pub(crate) fn file(&self, flag: Option<&Path>) -> Option<PathBuf> {
        let named = self.environment.iter().find(|(name, _)| name == "POINTSMAN_CONFIG");
        flag.map(Path::to_owned).or_else(|| named.map(|(_, value)| PathBuf::from(value)))
    }
}

impl Config {
    /// Puts the configuration together and checks it.
    ///
    /// # Errors
    /// The file cannot be read or has an unknown key; a value has the wrong form.
    pub(crate) fn load(file: Option<&Path>, given: &Given) -> Result<Self, Failure> {
        let mut values: BTreeMap<&'static str, (String, Origin)> =
            KEYS.iter().map(|key| (key.name, (key.default.to_owned(), Origin::Default))).collect();
        if let Some(path) = file {
            for (name, value) in read_file(path)? {
                values.insert(name, (value, Origin::File(path.to_owned())));
            }
        }
        for (name, value) in &given.environment {
            match KEYS.iter().find(|key| key.environment == name) {
                Some(key) => {
                    let origin = Origin::Environment(key.environment);
                    values.insert(key.name, (value.clone(), origin));
                }
                None => note_unknown_environment(name),
            }
        }
        for (name, value) in &given.flags {
            values.insert(name, (value.clone(), Origin::Flag(name)));
        }
        Self::parse(values)
    }

    fn parse(values: BTreeMap<&'static str, (String, Origin)>) -> Result<Self, Failure> {
        let value = |name: &str| values.get(name).map_or("", |(value, _)| value.as_str());
        let wrong = |name: &str, why: &str, hint: &str| {
            let (value, origin) = &values[name];
            let message = format!("`{name}` is `{value}`, which {why}");
            Failure::configuration(message, hint).at(origin.to_string())
        };
        let number = |name: &str, least: u64, most: u64| {
            let parsed = value(name).replace('_', "").parse::<u64>().ok();
            parsed.filter(|number| (least..=most).contains(number)).ok_or_else(|| {
                wrong(name, &format!("is no number from {least} to {most}"), "correct it")
            })
        };
        let log_format = match value("log.format") {
            "auto" => LogFormat::Auto,
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => return Err(wrong("log.format", "is no format", "use auto, text or json")),
        };
        if value("name").is_empty() || value("name").len() > 100 {
            return Err(wrong("name", "is empty or longer than 100 bytes", "choose another name"));
        }
        if value("data").is_empty() {
            return Err(wrong("data", "is no directory", "name a directory"));
        }
        let storage_bytes = match value("limits.storage-bytes") {
            "0" => None,
            _ => Some(number("limits.storage-bytes", 1 << 20, 1 << 43)?),
        };
        let retention_days = number("retention.finished-days", 0, 36_500)?;
        Ok(Self {
            name: value("name").to_owned(),
            data: PathBuf::from(value("data")),
            http: address(value("http")).map_err(|why| refused(&why, &values["http"]))?,
            grpc: address(value("grpc")).map_err(|why| refused(&why, &values["grpc"]))?,
            log_level: value("log.level").to_owned(),
            log_format,
            variable_bytes_max: narrow(number("limits.variable-bytes", 1_024, 1 << 30)?),
            service_calls_max: narrow(number("limits.service-calls", 1, 10_000)?),
            storage_bytes_max: storage_bytes,
            retention_ms: i64::try_from(retention_days * 86_400_000).unwrap_or(i64::MAX),
            values,
        })
    }

    /// A key's value and where it comes from.
    pub(crate) fn explain(&self, key: &Key) -> (&str, &Origin) {
        let (value, origin) = &self.values[key.name];
        (value, origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(out, "default"),
            Self::File(path) => write!(out, "file `{}`", path.display()),
            Self::Environment(name) => write!(out, "environment `{name}`"),
            Self::Flag(name) => write!(out, "flag `--{}`", name.replace('.', "-")),
        }
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The address to listen on, which nobody outside of this machine can reach.
fn address(text: &str) -> Result<SocketAddr, String> {
    let found: Vec<SocketAddr> = match text.to_socket_addrs() {
        Ok(found) => found.collect(),
        Err(error) => return Err(format!("is no address: {error}")),
    };
    if found.iter().any(|address| !address.ip().is_loopback()) {
        return Err("can be reached from other machines, and there is no authentication yet".into());
    }
    found.first().copied().ok_or_else(|| "is no address".to_owned())
}

fn refused(why: &str, (value, origin): &(String, Origin)) -> Failure {
    let message = format!("cannot listen on `{value}`: it {why}");
    let hint = "use `127.0.0.1:PORT` or `[::1]:PORT`; port 0 takes a free one";
    let mut failure = Failure::configuration(message, hint).at(origin.to_string());
    if let Some(problem) = &mut failure.problem {
        problem::ADDRESS.clone_into(&mut problem.code);
    }
    failure
}

/// Other programs set such variables too (Kubernetes for a service of that name), so that they
/// cannot be refused.
fn note_unknown_environment(name: &str) {
    let others = ["POINTSMAN_CONFIG", "POINTSMAN_SERVER"];
    let near = nearest(name, KEYS.iter().map(|key| key.environment));
    if let (Some(near), false) = (near, others.contains(&name)) {
        remark(&format!("warning: `{name}` has no meaning; did you mean `{near}`?"));
    }
}

/// Keys and values of a file, checked for their names (CFG-1).
fn read_file(path: &Path) -> Result<Vec<(&'static str, String)>, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let message = format!("`{}` is not TOML", path.display());
        let hint = "`pointsman config reference` shows the keys and their form";
        Failure::configuration(message, hint).because(&error)
    })?;
    let mut found = Vec::new();
    flatten("", &table, &mut found);
    let mut known = Vec::new();
    for (name, value) in found {
        match KEYS.iter().find(|key| key.name == name) {
            Some(key) => known.push((key.name, value)),
            None => {
                let message = format!("the key `{name}` is not known");
                let hint = match nearest(&name, KEYS.iter().map(|key| key.name)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`pointsman config reference` lists the keys".to_owned(),
                };
                let place = Origin::File(path.to_owned()).to_string();
                return Err(Failure::configuration(message, &hint).at(place));
            }
        }
    }
    Ok(known)
}

fn flatten(prefix: &str, table: &toml::Table, found: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&name, inner, found),
            toml::Value::String(text) => found.push((name, text.clone())),
            other => found.push((name, other.to_string())),
        }
    }
}
