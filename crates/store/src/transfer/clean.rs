//! Removes objects that no row refers to.
//!
//! Boundary: while servers go on. Objects are listed before the rows are read, and none is ever
//! referred to by a later unit than the one that wrote it: so what is not referred to, and older
//! than any unit can be on its way, never will be.
//! Read first: [`clean`].   Tests: `tests/backup.rs`

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::backup::expect_tied;
use super::side::{Side, Wish};
use super::tables::TABLES;
use super::{Location, Progress};
use crate::blobs::{Blobs, Name};
use crate::port::Error;
use crate::stored::mark::{self, Value};

/// No object that is younger may be removed: an hour, in milliseconds.
pub const SAFE_AGE_MIN_MS: i64 = 3_600_000;
/// Objects that are removed at a time.
const AT_ONCE: usize = 8;

/// Whether anything is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Remove,
    /// It is only counted.
    Count,
}

/// What was found, and removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Objects that rows refer to.
    pub used: u64,
    /// Objects that are too young to say.
    pub young: u64,
    /// Objects that are of no use; removed unless they were only counted.
    pub unused: u64,
    /// Their length together.
    pub bytes: u64,
}

/// Removes objects that no row refers to and that are older than `age_ms`, which is at least
/// [`SAFE_AGE_MIN_MS`]. What is cut short is done by the next call.
///
/// # Errors
/// [`Error::Foreign`] if the storage is not that of the store, and what reading and removing fail
/// with.
pub async fn clean(
    location: &Location,
    storage: &Blobs,
    (age_ms, mode): (i64, Mode),
    progress: &mut dyn FnMut(Progress),
) -> Result<Cleaned, Error> {
    let now_ms = storage.check().await?;
    let before_ms = now_ms.saturating_sub(age_ms.max(SAFE_AGE_MIN_MS));
    let objects = storage.list().await?;
    let side = Side::open(location, Wish::Beside).await?;
    expect_tied(side.bond().await?, storage).await?;
    let used = used(&side).await?;
    drop(side);
    let mut cleaned = Cleaned::default();
    let mut removals = Vec::new();
    for object in objects {
        if used.contains(&object.name) {
            cleaned.used += 1;
        } else if object.at_ms >= before_ms {
            cleaned.young += 1;
        } else {
            cleaned.unused += 1;
            cleaned.bytes += object.bytes;
            removals.push(async move { storage.remove(&object.name).await });
        }
    }
    if mode == Mode::Count {
        return Ok(cleaned);
    }
    let mut removed = stream::iter(removals).buffer_unordered(AT_ONCE);
    let mut rows = 0;
    while removed.try_next().await?.is_some() {
        rows += 1;
        progress(Progress { table: "objects", rows, total: cleaned.unused });
    }
    Ok(cleaned)
}

/// The objects that rows refer to.
async fn used(side: &Side) -> Result<BTreeSet<Name>, Error> {
    let mut used = BTreeSet::new();
    for table in TABLES {
        let Some(column) = table.value() else { continue };
        for row in side.references(table, column).await? {
            let value = row.first().and_then(|cell| cell.bytes()).unwrap_or_default();
            match mark::read(value.to_vec().into()) {
                Value::Elsewhere(reference) => drop(used.insert(reference.name)),
                Value::Here(_) | Value::Unknown => {
                    // Whatever that refers to must not be removed.
                    let detail = format!("a value of `{}` cannot be read", table.name);
                    return Err(Error::Foreign { place: side.place(), detail });
                }
            }
        }
    }
    Ok(used)
}
