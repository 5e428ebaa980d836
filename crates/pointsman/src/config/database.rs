//! The database that servers share, if there is one.
//!
//! Boundary: where it is and how it is reached; the password may be referred to.
//! Read first: [`Database`].

use std::path::PathBuf;

use store::postgres::Pooling;

use super::{Values, wrong};
use crate::problem::Failure;
use crate::reference::Reference;

/// The database that servers share.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    url: Url,
    /// Authorities that sign the database's certificate; the system's if not set.
    pub(crate) ca: Option<PathBuf>,
    pub(crate) pooling: Pooling,
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

    /// Where it is, with the password if it has one.
    ///
    /// # Errors
    /// What is referred to is not there.
    pub(crate) fn url(&self) -> Result<String, Failure> {
        match &self.url {
            Url::Written(url) => Ok(url.clone()),
            Url::Referred(reference) => reference.read(),
        }
    }
}

/// An address of a database as it may be shown: without the password that may be in it.
pub(super) fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((user, place)) = rest.split_once('@') else { return url.to_owned() };
    match user.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:...@{place}"),
        None => url.to_owned(),
    }
}
