//! The server's configuration: defaults, then a file, then the environment, then flags; the later
//! one wins.
//!
//! Boundary: only what is local to one server. Read once, before anything starts.
//! Invariants: CFG-1 a key that is not known is an error. CFG-2 every value knows its origin.
//! Read first: [`Config::load`], then [`KEYS`].   Tests: `config/tests.rs`

mod command;
mod database;
mod key;
mod security;
mod storage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub(crate) use command::{Command, run};
pub(crate) use database::{Database, refused as database_refused};
pub(crate) use key::KEYS;
use key::Key;
use node::Seed;
pub(crate) use security::{Method, Security};
pub(crate) use storage::{Storage, refused as storage_refused};
use store::Standing;

use crate::client::ENVIRONMENT;
use crate::nearest::nearest;
use crate::output::remark;
use crate::problem::Failure;

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
    /// The database that servers share; none: a directory of its own.
    pub(crate) database: Option<Database>,
    /// Where large values go; none: they stay in the database.
    pub(crate) storage: Option<Storage>,
    /// Shards that a new database begins with.
    pub(crate) shards: u16,
    /// Where other servers reach this one, if that is not where it listens.
    pub(crate) peer_advertise: String,
    /// The logical servers that this server hosts.
    pub(crate) hosts: Vec<String>,
    /// What the server is there for.
    pub(crate) standing: Standing,
    /// A folder whose `inbox` deploys what is put into it.
    pub(crate) drop_folder: Option<PathBuf>,
    /// Who reaches the server, and how.
    pub(crate) security: Security,
    values: Values,
}

/// Each key's value, and where it comes from (CFG-2).
type Values = BTreeMap<&'static str, (String, Origin)>;

/// What is given besides the file.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Names and values of the environment; the others may be referred to.
    pub(crate) environment: Vec<(String, String)>,
    /// Key and value of each flag.
    pub(crate) flags: Vec<(&'static str, String)>,
}

impl Given {
    /// The environment of this process.
    pub(crate) fn from_environment() -> Self {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
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
        let mut values: Values =
            KEYS.iter().map(|key| (key.name, (key.default.to_owned(), Origin::Default))).collect();
        if let Some(path) = file {
            for (name, value) in read_file(path)? {
                values.insert(name, (value, Origin::File(path.to_owned())));
            }
        }
        let ours = given.environment.iter().filter(|(name, _)| name.starts_with("POINTSMAN_"));
        for (name, value) in ours {
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
        Self::parse(values, &given.environment)
    }

    fn parse(mut values: Values, environment: &[(String, String)]) -> Result<Self, Failure> {
        let database = Database::read(&values, environment)?;
        if let Some((address, _)) = values.get_mut("peer.address")
            && database.is_some()
            && address.is_empty()
        {
            // Servers that share a database on one machine need no address by hand.
            *address = "127.0.0.1:0".to_owned();
        }
        let values = values;
        let value = |name: &str| values.get(name).map_or("", |(value, _)| value.as_str());
        let wrong = |name: &str, why: &str, hint: &str| wrong(&values, name, why, hint);
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
        let hosts = value("hosts").split(',').map(|name| name.trim().to_owned());
        let hosts: Vec<String> = hosts.filter(|name| !name.is_empty()).collect();
        if hosts.iter().any(|name| name.len() > 100 || name.contains('/')) {
            let why = "names a logical server by more than 100 bytes, or with a `/`";
            return Err(wrong("hosts", why, "use the names that lanes and steps have"));
        }
        let security = Security::read(&values, environment)?;
        let storage = Storage::read(&values, environment)?;
        let shards = number("database.shards", 1, 256)?;
        number("retention.finished-days", 0, 36_500)?;
        let standing = match value("standing") {
            "serving" => Standing::Serving,
            "standby" => Standing::Standby,
            _ => return Err(wrong("standing", "is no standing", "use serving or standby")),
        };
        Ok(Self {
            database,
            storage,
            shards: u16::try_from(shards).unwrap_or(u16::MAX),
            peer_advertise: value("peer.advertise").to_owned(),
            hosts,
            name: value("name").to_owned(),
            data: PathBuf::from(value("data")),
            http: security.address(&values, "http")?,
            grpc: security.address(&values, "grpc")?,
            log_level: value("log.level").to_owned(),
            log_format,
            variable_bytes_max: narrow(number("limits.variable-bytes", 1_024, 1 << 30)?),
            service_calls_max: narrow(number("limits.service-calls", 1, 10_000)?),
            storage_bytes_max: storage_bytes,
            standing,
            drop_folder: Some(value("drop-folder")).filter(|path| !path.is_empty()).map(Into::into),
            security,
            values,
        })
    }

    /// What was said of settings that all servers share: their first values, where nobody has set
    /// one.
    pub(crate) fn seeds(&self) -> Vec<Seed> {
        let said = KEYS.iter().filter_map(|key| {
            let (value, origin) = self.explain(key);
            let shared = key.shared()?;
            let value = match key.name {
                "retention.finished-days" => format!("P{}D", value.replace('_', "")),
                _ => value.replace('_', ""),
            };
            (*origin != Origin::Default).then(|| {
                let origin = format!("`{}`, {origin}", key.name);
                Seed { name: shared, value, origin }
            })
        });
        said.collect()
    }

    /// A key's value and where it comes from.
    pub(crate) fn explain(&self, key: &Key) -> (String, &Origin) {
        let (value, origin) = &self.values[key.name];
        let shown =
            if key.name == "database.url" { database::masked(value) } else { value.clone() };
        (shown, origin)
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

/// A value that cannot be used.
fn wrong(values: &Values, name: &str, why: &str, hint: &str) -> Failure {
    let (value, origin) = &values[name];
    let message = format!("`{name}` is `{value}`, which {why}");
    Failure::configuration(message, hint).at(origin.to_string())
}

/// Other programs set such variables too (Kubernetes for a service of that name), so that they
/// cannot be refused.
fn note_unknown_environment(name: &str) {
    let others = [&["POINTSMAN_CONFIG", "POINTSMAN_SERVER"][..], ENVIRONMENT].concat();
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
            toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => {
                let items: Vec<&str> = items.iter().filter_map(toml::Value::as_str).collect();
                found.push((name, items.join(",")));
            }
            other => found.push((name, other.to_string())),
        }
    }
}
