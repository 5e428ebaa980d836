//! A copy of a store as of one moment, while servers go on: rows in an SQLite file, the objects
//! that they refer to, and a manifest.
//!
//! Boundary: reads the store and writes a directory. Objects never change, and are not removed
//! while they are young: so they may be copied after the rows.
//! Read first: [`backup`].   Tests: `tests/backup.rs`

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::manifest::Manifest;
use super::rows::{self, Carrier};
use super::side::{Side, Wish};
use super::{Location, Progress};
use crate::blobs::{self, Blobs, Name};
use crate::cluster::Bond;
use crate::port::Error;
use crate::sqlite::failure::of_file;
use crate::sqlite::open;
use crate::stored::mark::{self, Value};

/// Objects that are copied at a time.
const AT_ONCE: usize = 8;

/// What was saved, or brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Each table with its rows.
    pub tables: Vec<(&'static str, u64)>,
    /// Objects.
    pub objects: u64,
    /// Their length together.
    pub bytes: u64,
}

/// Copies a store into an empty directory; servers may use it meanwhile. A backup that did not
/// end well has no manifest, and is not taken for one.
///
/// # Errors
/// [`Error::Foreign`] if the directory is not empty or the store has another format or storage,
/// [`Error::Detached`] if a storage is needed and none is given, [`Error::Damaged`] for an object
/// that is not what was written, and what reading and writing fail with.
pub async fn backup(
    from: &Location,
    storage: Option<&Blobs>,
    to: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Saved, Error> {
    expect_empty(to)?;
    let source = Side::open(from, Wish::Beside).await?;
    let bond = source.bond().await?;
    if let Some(blobs) = storage {
        expect_tied(bond, blobs).await?;
    }
    let target = Side::open(&Location::Directory(to.into()), Wish::Fill).await?;
    let mut carrier = Collect::default();
    let tables = rows::copy(&source, &target, &mut carrier, progress).await?;
    drop(source);
    if let Some(bond) = bond {
        target.tie(bond).await?;
    }
    target.commit().await?;
    let objects = carrier.objects;
    copy_objects(&objects, storage, &blobs_in(to)?, progress).await?;
    let manifest = Manifest {
        format: open::FORMAT,
        database: digest_of(&to.join("pointsman.db"))?,
        rows: tables.iter().map(|(_, rows)| rows).sum(),
        objects,
    };
    manifest.write(to)?;
    Ok(Saved::of(tables, &manifest))
}

impl Saved {
    pub(super) fn of(tables: Vec<(&'static str, u64)>, manifest: &Manifest) -> Self {
        let objects = manifest.objects.len() as u64;
        Self { tables, objects, bytes: manifest.objects.values().sum() }
    }
}

/// Notes which objects are referred to.
#[derive(Default)]
struct Collect {
    objects: BTreeMap<Name, u64>,
}

impl Carrier for Collect {
    async fn carry(&mut self, value: &mut Vec<u8>) -> Result<(), Error> {
        if value.first() != Some(&mark::FIRST) {
            return Ok(());
        }
        if let Value::Elsewhere(reference) = mark::read(value.clone().into()) {
            self.objects.insert(reference.name, reference.bytes);
        }
        Ok(())
    }
}

/// The objects in a backup.
pub(super) fn blobs_in(directory: &Path) -> Result<Blobs, Error> {
    let path = std::path::absolute(directory).map_err(|error| of_file("find", directory, error))?;
    Blobs::new(&blobs::Options::new(&format!("file://{}", path.display())))
}

/// Copies objects, each verified.
pub(super) async fn copy_objects(
    objects: &BTreeMap<Name, u64>,
    from: Option<&Blobs>,
    to: &Blobs,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let Some((first, _)) = objects.first_key_value() else { return Ok(()) };
    let Some(from) = from else { return Err(Error::Detached { object: first.to_string() }) };
    let mut copies = Vec::with_capacity(objects.len());
    for (name, bytes) in objects {
        copies.push(async move { to.put(name, from.get(name, *bytes).await?).await });
    }
    let total = objects.len() as u64;
    let mut copied = stream::iter(copies).buffer_unordered(AT_ONCE);
    let mut rows = 0;
    while copied.try_next().await?.is_some() {
        rows += 1;
        progress(Progress { table: "objects", rows, total });
    }
    Ok(())
}

/// Makes sure that a storage is that of the store, before its objects are read or removed.
pub(super) async fn expect_tied(bond: Option<Bond>, blobs: &Blobs) -> Result<(), Error> {
    let owner = blobs.owner().await?;
    match bond {
        Some(Bond::Made(number) | Bond::Wanted(number)) if owner == Some(number) => Ok(()),
        _ => Err(Error::Foreign {
            place: blobs.place().into(),
            detail: "it is not the storage of this store".into(),
        }),
    }
}

fn expect_empty(directory: &Path) -> Result<(), Error> {
    fs::create_dir_all(directory).map_err(|error| of_file("create", directory, error))?;
    let mut entries = fs::read_dir(directory).map_err(|error| of_file("read", directory, error))?;
    if entries.next().is_none() {
        return Ok(());
    }
    let place = directory.display().to_string();
    Err(Error::Foreign { place, detail: "it is not empty".into() })
}

/// The sha256 of a file.
pub(super) fn digest_of(path: &Path) -> Result<[u8; 32], Error> {
    let read = || {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        let mut chunk = vec![0; 1 << 16];
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(hash.finalize().into()),
                read => hash.update(&chunk[..read]),
            }
        }
    };
    read().map_err(|error| of_file("read", path, error))
}
