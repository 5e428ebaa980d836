//! The store that a server works on: a directory of its own, or a database that servers share.
//!
//! Boundary: opening and closing; what is stored is `node`'s business.
//! Read first: [`Backend::open`].

use std::sync::Arc;

use store::postgres::{self, Postgres};
use store::sqlite::{self, Sqlite};
use store::stored::{self, Stored, bind};
use store::transfer::Location;
use store::{Cluster, Store};

use crate::config::{Config, database_refused, storage_refused};
use crate::problem::{self, Failure};

/// Bytes of a page of the database, in which its length is limited.
const PAGE_BYTES: u64 = 4096;

/// The store that a server works on.
pub(super) struct Backend {
    rows: Rows,
    stored: Arc<Stored>,
    /// Where the rows are and where large values are, if these are elsewhere.
    cleaning: Option<(Location, store::blobs::Blobs)>,
}

enum Rows {
    Sqlite(Arc<Sqlite>),
    Postgres(Arc<Postgres>),
}

impl Backend {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// It is in use by another server, cannot be reached, or is no store; large values are
    /// somewhere else.
    pub(super) async fn open(config: &Config) -> Result<Self, Failure> {
        let storage = match &config.storage {
            None => None,
            Some(storage) => {
                Some(stored::Storage { blobs: storage.open()?, threshold: storage.threshold })
            }
        };
        let (rows, location) = match &config.database {
            None => {
                let store = Arc::new(open_directory(config)?);
                (Rows::Sqlite(store), Location::Directory(config.data.clone()))
            }
            Some(database) => {
                make_directory(config)?;
                let options = database.options()?;
                let store = Arc::new(open_database(&options).await?);
                (Rows::Postgres(store), Location::Postgres(options))
            }
        };
        let (cluster, inner): (&dyn Cluster, Arc<dyn Store>) = match &rows {
            Rows::Sqlite(store) => (&**store, store.clone()),
            Rows::Postgres(store) => (&**store, store.clone()),
        };
        let blobs = storage.as_ref().map(|storage| storage.blobs.clone());
        if let Err(error) = bind(cluster, blobs.as_ref()).await {
            return Err(storage_refused(&error));
        }
        let cleaning = blobs.map(|blobs| (location, blobs));
        Ok(Self { stored: Arc::new(Stored::new(inner, storage)), rows, cleaning })
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        self.stored.clone()
    }

    /// What is needed to remove large values that nothing refers to any more.
    pub(super) fn cleaning(&self) -> Option<(Location, store::blobs::Blobs)> {
        self.cleaning.clone()
    }

    /// Closes it after the last commit. What a database was handed is written or not by then: the
    /// node waits for each of its units.
    ///
    /// # Errors
    /// The last bytes could not be written.
    pub(super) async fn close(&self) -> Result<(), store::Error> {
        self.stored.settle().await;
        match &self.rows {
            Rows::Sqlite(store) => store.shutdown().await,
            Rows::Postgres(_) => Ok(()),
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

async fn open_database(options: &postgres::Options) -> Result<Postgres, Failure> {
    Postgres::open(options).await.map_err(|error| database_refused(&error))
}
