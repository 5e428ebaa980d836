//! Whether the disk has room again after it had none.
//!
//! What is small may still fit where what is large did not: a store that took the first for a sign
//! of room would say so and fall over the next unit. So it asks for more than a little.
//!
//! Boundary: the disk only, and only after a failure. A database at its own limit can still make
//! room for itself by forgetting, for which a shard must be held. When to ask again is the
//! caller's business.
//! Read first: [`check`].   Tests: the `storage` cases of `pointsman/tests/bad_input`

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::failure::of_file;
use crate::port::Error;

/// Room that is asked for, in bytes.
const BYTES: usize = 1 << 20;

/// A file beside `database` that is there only while it is being tried.
fn trial(database: &Path) -> PathBuf {
    database.with_extension("room")
}

/// Removes what a process left that ended within [`check`].
pub(super) fn clear(database: &Path) {
    // There is none, as a rule.
    drop(fs::remove_file(trial(database)));
}

/// Fails with [`Error::Full`] unless the disk takes a megabyte.
pub(super) fn check(database: &Path) -> Result<(), Error> {
    let path = trial(database);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0; BYTES])?;
        file.sync_data()
    });
    clear(database);
    match written {
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            Err(of_file("write", &path, error))
        }
        // Other troubles show where the store really writes.
        _ => Ok(()),
    }
}
