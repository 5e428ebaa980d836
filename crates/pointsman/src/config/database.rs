//! The database that servers share, if there is one.
//!
//! Boundary: where it is and how it is reached; the password may be referred to.
//! Read first: [`Database`].

use std::path::{Path, PathBuf};

use store::postgres::{self, Pooling};

use super::{Given, KEYS, Origin, Values, wrong};
use crate::problem::{self, Failure};
use crate::reference::Reference;

/// The database that servers share.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    url: Url,
    /// Authorities that sign the database's certificate; the system's if not set.
    ca: Option<PathBuf>,
    pooling: Pooling,
}

#[derive(Clone)]
enum Url {
    Written(String),
    Referred(Reference),
}

impl std::fmt::Debug for Url {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It may have a password.
        out.write_str("Url")
    }
}

impl Database {
    pub(super) fn read(
        values: &Values,
        environment: &[(String, String)],
    ) -> Result<Option<Self>, Failure> {
        let value = |name: &str| values.get(name).map_or("", |(value, _)| value.as_str());
        let url = value("database.url");
        if url.is_empty() {
            return Ok(None);
        }
        let pooling = match value("database.pooling") {
            "session" => Pooling::Session,
            "transaction" => Pooling::Transaction,
            _ => {
                let hint = "use session or transaction";
                return Err(wrong(values, "database.pooling", "is no kind of pooling", hint));
            }
        };
        let ca = value("database.ca");
        let ca = ca.strip_prefix("file:").unwrap_or(ca);
        let url = match Reference::parse(url, environment) {
            Some(reference) => Url::Referred(reference),
            None => Url::Written(url.to_owned()),
        };
        Ok(Some(Self { url, ca: (!ca.is_empty()).then(|| PathBuf::from(ca)), pooling }))
    }

    /// The database that a command names; how it is reached may stand in the environment.
    ///
    /// # Errors
    /// The kind of pooling is not known.
    pub(crate) fn of_command(
        url: &str,
        ca: Option<&Path>,
        pooling: Option<&str>,
    ) -> Result<Self, Failure> {
        let given = Given::from_environment();
        let ca = ca.map(|ca| ca.to_string_lossy().into_owned());
        let flag = |name: &str| match name {
            "database.url" => Some(url.to_owned()),
            "database.ca" => ca.clone(),
            "database.pooling" => pooling.map(str::to_owned),
            _ => None,
        };
        let ours = KEYS.iter().filter(|key| key.name.starts_with("database."));
        let values = ours.map(|key| {
            let set = given.environment.iter().find(|(name, _)| name == key.environment);
            let value = match (flag(key.name), set) {
                (Some(value), _) => (value, Origin::Flag(key.name)),
                (None, Some((_, value))) => (value.clone(), Origin::Environment(key.environment)),
                (None, None) => (key.default.to_owned(), Origin::Default),
            };
            (key.name, value)
        });
        let hint = "write `postgresql://USER@HOST/DATABASE`, `env:NAME` or `file:PATH`";
        Self::read(&values.collect(), &given.environment)?
            .ok_or_else(|| Failure::wrong_use("the address of the database is empty".into(), hint))
    }

    /// How it is reached, with the password if there is one.
    ///
    /// # Errors
    /// What is referred to is not there.
    pub(crate) fn options(&self) -> Result<postgres::Options, Failure> {
        let mut options = postgres::Options::new(&self.url()?);
        options.root_certificates.clone_from(&self.ca);
        options.pooling = self.pooling;
        Ok(options)
    }

    /// Reads what its address and certificates refer to; connects to nothing.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub(super) fn check_files(&self) -> Result<(), Failure> {
        postgres::check(&self.options()?).map_err(|error| refused(&error))
    }

    /// Where it is, with the password if it has one.
    fn url(&self) -> Result<String, Failure> {
        match &self.url {
            Url::Written(url) => Ok(url.clone()),
            Url::Referred(reference) => reference.read(),
        }
    }
}

/// Why a database is of no use.
pub(crate) fn refused(error: &dyn std::error::Error) -> Failure {
    Failure::refused(
        problem::DATABASE,
        "the database cannot be used".to_owned(),
        "see `database.url`; `pointsman explain CLI-012` tells what can be done",
    )
    .because(error)
}

/// An address of a database as it may be shown: without the password that may be in it. Of one
/// that cannot be read, nothing is shown: the password may be anywhere.
pub(super) fn masked(url: &str) -> String {
    if url.is_empty() || Reference::parse(url, &[]).is_some() {
        return url.to_owned();
    }
    postgres::shown(url).unwrap_or_else(|| "(an address that cannot be read)".to_owned())
}
