//! The store in SQLite keeps the promise of the port.

#![expect(clippy::unwrap_used, reason = "a test may stop at any error")]

use std::ops::Deref;

use store::sqlite::{Options, Sqlite};

/// A store whose directory goes with it.
struct Fresh {
    store: Sqlite,
    _directory: tempfile::TempDir,
}

impl Fresh {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(directory.path(), &Options::default()).unwrap();
        Self { store, _directory: directory }
    }
}

impl Deref for Fresh {
    type Target = Sqlite;

    fn deref(&self) -> &Sqlite {
        &self.store
    }
}

store::conformance_suite!(Fresh::new());
