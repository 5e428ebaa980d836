//! Stores as a whole, while no server uses them: migrate, check, copy.
//!
//! Boundary: for the command line. Reports what it finds as values; prints nothing.
//! Read first: [`copy`], [`check`].   Tests: `tests/transfer.rs`

mod backup;
mod check;
mod clean;
mod manifest;
mod restore;
mod rows;
mod side;
mod tables;

use std::path::PathBuf;

use engine::ids::Address;

pub use self::backup::{Saved, backup};
pub use self::clean::{Cleaned, Mode, SAFE_AGE_MIN_MS, clean};
pub use self::restore::restore;
use self::side::{Side, Wish};
use crate::blobs::Blobs;
use crate::port::Error;
use crate::postgres::session::Driver;
use crate::postgres::target::Target;
use crate::{postgres, sqlite};

/// Where a store is.
#[derive(Debug, Clone)]
pub enum Location {
    /// SQLite, in a directory.
    Directory(PathBuf),
    /// PostgreSQL.
    Postgres(postgres::Options),
}

/// What [`migrate`] found and made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The format that was there; none: there was no store.
    pub from: Option<u32>,
    /// The format that is there now.
    pub to: u32,
}

/// Something that does not fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The table that it is about.
    pub table: &'static str,
    /// In how many rows.
    pub rows: u64,
    /// The key of one of them.
    pub example: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl Finding {
    fn of(table: &'static str, what: String) -> Self {
        Self { table, rows: 1, example: None, what }
    }
}

/// How far [`copy`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The table.
    pub table: &'static str,
    /// Rows of it that were copied.
    pub rows: u64,
    /// Rows that it has.
    pub total: u64,
}

/// Says what is wrong with the snapshot of an aggregate: the store itself cannot read it.
pub type Judge<'a> = &'a dyn Fn(&Address, &[u8]) -> Result<(), String>;

/// A judge who lets everything pass.
///
/// # Errors
/// None.
pub fn opaque(_: &Address, _: &[u8]) -> Result<(), String> {
    Ok(())
}

/// Brings a store to the format of this version, or makes an empty one.
///
/// # Errors
/// [`Error::InUse`] for a directory that a server uses, [`Error::Newer`], [`Error::Foreign`], and
/// what opening a store fails with.
pub async fn migrate(location: &Location) -> Result<Migrated, Error> {
    match location {
        Location::Directory(directory) => {
            let place = sqlite::open::Place::claim(directory)?;
            let from = place.format()?;
            drop(place.open(&sqlite::Options::default())?);
            Ok(Migrated { from, to: sqlite::open::FORMAT })
        }
        Location::Postgres(options) => {
            let roots = options.root_certificates.as_deref();
            let target = Target::new(&options.url, roots, options.pooling)?;
            let place = &target.place;
            let cannot = |error| postgres::failure::translate("connect to", place, &error);
            let session = target.connect(Driver::default()).await.map_err(cannot)?;
            let from = postgres::migrate::format_of(&session).await.map_err(cannot)?;
            postgres::migrate::migrate(&session, place, postgres::Migrate::AtOpen).await?;
            let from = Some(from).filter(|format| *format > 0);
            // Those of a later version that this one can use stay as they are.
            let to = postgres::migrate::FORMAT.max(from.unwrap_or(0));
            Ok(Migrated { from, to })
        }
    }
}

/// Looks whether what is stored fits together; changes nothing.
/// A database may be in use meanwhile: everything is looked at as of one moment. With the storage
/// its objects are read, too.
///
/// # Errors
/// [`Error::InUse`] for a directory that a server uses, and what opening a store fails with.
pub async fn check(
    location: &Location,
    storage: Option<&Blobs>,
    judge: Judge<'_>,
) -> Result<Vec<Finding>, Error> {
    let side = Side::open(location, Wish::Read).await?;
    check::look(&side, storage, judge).await
}

/// Copies everything into an empty store, all or nothing, and counts it afterwards. Answers the
/// number of rows of each table.
///
/// # Errors
/// [`Error::InUse`] if a server uses one of them, [`Error::Foreign`] if the target is not empty,
/// and what opening, reading and writing fail with. Then nothing was copied.
pub async fn copy(
    from: &Location,
    to: &Location,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<(&'static str, u64)>, Error> {
    let source = Side::open(from, Wish::Read).await?;
    let target = Side::open(to, Wish::Fill).await?;
    if source.is_in_use().await? {
        return Err(Error::InUse { place: source.place() });
    }
    rows::expect_empty(&target).await?;
    let copied = rows::copy(&source, &target, &mut rows::AsTheyAre, progress).await?;
    // The values stay in the storage; only one of the two may use it from now on.
    if let Some(bond) = source.bond().await? {
        target.tie(bond).await?;
    }
    target.commit().await?;
    Ok(copied)
}
