//! A backup into an empty store.
//!
//! Boundary: the backup is read and stays as it is. Servers and leases of its time are not
//! brought back; their shards count as left by a failure.
//! Read first: [`restore`].   Tests: `tests/backup.rs`

use std::fs;
use std::path::{Path, PathBuf};

use super::backup::{Saved, blobs_in, copy_objects, digest_of};
use super::manifest::Manifest;
use super::rows::{self, AsTheyAre, Carrier};
use super::side::{Side, Wish};
use super::{Location, Progress};
use crate::blobs::{self, Blobs};
use crate::cluster::Bond;
use crate::port::Error;
use crate::sqlite::failure::of_file;
use crate::sqlite::open;
use crate::stored::{fetch, mark};

/// Brings a backup into an empty store, all or nothing: with a storage its objects go there,
/// without one they become values of rows again.
///
/// # Errors
/// [`Error::Spoilt`] and [`Error::Damaged`] for a backup that is not what was written,
/// [`Error::Newer`] for one of a later version, [`Error::Foreign`] for something else, a store that
/// is not empty or a storage that belongs to another one, and what reading and writing fail with.
pub async fn restore(
    from: &Path,
    to: &Location,
    storage: Option<&Blobs>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Saved, Error> {
    let manifest = Manifest::read(from)?;
    let place = from.display().to_string();
    if manifest.format > open::FORMAT {
        return Err(Error::Newer { place, found: manifest.format, known: open::FORMAT });
    }
    let database = from.join("pointsman.db");
    if !database.is_file() || digest_of(&database)? != manifest.database {
        return Err(Error::Spoilt { place, detail: "`pointsman.db` is".into() });
    }
    let objects = blobs_in(from)?;
    let target = Side::open(to, Wish::Fill).await?;
    rows::expect_empty(&target).await?;
    let source = Source::open(from, manifest.format).await?;
    let tables = match storage {
        Some(blobs) => {
            let number = own(&source.side, blobs).await?;
            copy_objects(&manifest.objects, Some(&objects), blobs, progress).await?;
            target.tie(Bond::Made(number)).await?;
            rows::copy(&source.side, &target, &mut AsTheyAre, progress).await?
        }
        None => rows::copy(&source.side, &target, &mut Inline { objects }, progress).await?,
    };
    source.close()?;
    target.commit().await?;
    Ok(Saved::of(tables, &manifest))
}

/// Makes the storage that of the restored store: it has to be a new one, or the one of the backup.
async fn own(source: &Side, blobs: &Blobs) -> Result<u64, Error> {
    let number = match source.bond().await? {
        Some(Bond::Made(number) | Bond::Wanted(number)) => number,
        None => blobs::random_number()?,
    };
    blobs.check().await?;
    if blobs.claim(number).await? != number {
        let detail = "it belongs to another store: take an empty one".into();
        return Err(Error::Foreign { place: blobs.place().into(), detail });
    }
    Ok(number)
}

/// Puts objects back into their rows.
struct Inline {
    objects: Blobs,
}

impl Carrier for Inline {
    async fn carry(&mut self, value: &mut Vec<u8>) -> Result<(), Error> {
        if value.starts_with(&mark::BEGIN) {
            let bytes = std::mem::take(value).into();
            *value = mark::keep(fetch(Some(&self.objects), bytes).await?).into();
        }
        Ok(())
    }
}

/// The rows of a backup.
struct Source {
    side: Side,
    /// A copy that was brought to our format.
    draft: Option<PathBuf>,
}

impl Source {
    async fn open(directory: &Path, format: u32) -> Result<Self, Error> {
        if format == open::FORMAT {
            let side = Side::open(&Location::Directory(directory.into()), Wish::Beside).await?;
            return Ok(Self { side, draft: None });
        }
        let draft = directory.join("migrating");
        let copy = || {
            fs::create_dir_all(&draft)?;
            fs::copy(directory.join("pointsman.db"), draft.join("pointsman.db"))
        };
        copy().map_err(|error| of_file("write", &draft, error))?;
        let side = Side::open(&Location::Directory(draft.clone()), Wish::Read).await?;
        Ok(Self { side, draft: Some(draft) })
    }

    fn close(self) -> Result<(), Error> {
        let Self { side, draft } = self;
        drop(side);
        let Some(draft) = draft else { return Ok(()) };
        fs::remove_dir_all(&draft).map_err(|error| of_file("remove", &draft, error))
    }
}
