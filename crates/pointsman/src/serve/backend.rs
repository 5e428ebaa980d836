//! The store that a server works on: a directory of its own, or a database that servers share.
//!
//! Boundary: opening and closing; what is stored is `node`'s business.
//! Read first: [`Backend::open`].

use std::sync::Arc;

use store::Store;
use store::postgres::{self, Postgres};
use store::sqlite::{self, Sqlite};

use crate::config::{Config, Database};
use crate::problem::{self, Failure};

/// Bytes of a page of the database, in which its length is limited.
const PAGE_BYTES: u64 = 4096;

/// The store that a server works on.
pub(super) enum Backend {
    Sqlite(Arc<Sqlite>),
    Postgres(Arc<Postgres>),
}

impl Backend {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// It is in use by another server, cannot be reached, or is no store.
    pub(super) async fn open(config: &Config) -> Result<Self, Failure> {
        match &config.database {
            None => open_directory(config).map(|store| Self::Sqlite(Arc::new(store))),
            Some(database) => {
                make_directory(config)?;
                open_database(database).await.map(|store| Self::Postgres(Arc::new(store)))
            }
        }
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => store.clone(),
            Self::Postgres(store) => store.clone(),
        }
    }

    /// Closes it after the last commit. What a database was handed is written or not by then: the
    /// node waits for each of its units.
    ///
    /// # Errors
    /// The last bytes could not be written.
    pub(super) async fn close(&self) -> Result<(), store::Error> {
        match self {
            Self::Sqlite(store) => store.shutdown().await,
            Self::Postgres(_) => Ok(()),
        }
    }
}

fn open_directory(config: &Config) -> Result<Sqlite, Failure> {
    let pages_max =
        config.storage_bytes_max.map(|bytes| u32::try_from(bytes / PAGE_BYTES).unwrap_or(u32::MAX));
    let options = sqlite::Options { pages_max, ..sqlite::Options::default() };
    Sqlite::open(&config.data, &options).map_err(|error| {
        let directory = config.data.display();
        match error {
            store::Error::InUse { .. } => Failure::refused(
                problem::IN_USE,
                format!("another server uses the data directory `{directory}`"),
                "use that server, or choose another directory with `--data DIR`",
            ),
            other => Failure::refused(
                problem::UNUSABLE,
                format!("the data directory `{directory}` cannot be used"),
                "`pointsman explain CLI-004` tells what can be done",
            )
            .because(&other),
        }
    })
}

/// Working files and addresses are local with a database too.
fn make_directory(config: &Config) -> Result<(), Failure> {
    std::fs::create_dir_all(&config.data)
        .map_err(|error| Failure::file("make", &config.data, &error))
}

async fn open_database(database: &Database) -> Result<Postgres, Failure> {
    let mut options = postgres::Options::new(&database.url()?);
    options.root_certificates.clone_from(&database.ca);
    options.pooling = database.pooling;
    Postgres::open(&options).await.map_err(|error| {
        Failure::refused(
            problem::UNUSABLE,
            "the database cannot be used".to_owned(),
            "see `database.url`; `pointsman explain CLI-004` tells what can be done",
        )
        .because(&error)
    })
}
