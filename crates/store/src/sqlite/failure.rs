//! What SQLite's errors mean to the callers of the port.
//!
//! Boundary: translation only.
//! Read first: [`translate`].   Tests: `tests/sqlite_faults.rs`

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

use crate::port::Error;

/// Whether `error` says that there is no room.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    match error {
        // The index of the log could not grow: on Linux that is a full disk, too.
        rusqlite::Error::SqliteFailure(failure, _) => {
            failure.code == ErrorCode::DiskFull || failure.extended_code == SQLITE_IOERR_SHMSIZE
        }
        _ => false,
    }
}

/// The port's error for `error`, which happened while trying to `act` on `place`.
pub(crate) fn translate(act: &'static str, place: &Path, error: rusqlite::Error) -> Error {
    let name = place.display().to_string();
    if is_full(&error) {
        return Error::Full { place: name, source: Box::new(error) };
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Error::Foreign { place: name, detail: error.to_string() }
        }
        _ => Error::Failed { act, place: name, source: Box::new(error) },
    }
}

/// The port's error for an error of the file system.
pub(crate) fn of_file(act: &'static str, place: &Path, error: io::Error) -> Error {
    let name = place.display().to_string();
    if error.kind() == io::ErrorKind::StorageFull {
        return Error::Full { place: name, source: Box::new(error) };
    }
    Error::Failed { act, place: name, source: Box::new(error) }
}
