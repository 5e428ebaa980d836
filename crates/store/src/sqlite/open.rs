//! From a directory to a checked, migrated database file that nobody else has open.
//!
//! Boundary: everything that happens before the first unit. A file that is not ours is never
//! written to: its header is read before SQLite sees it.
//! Invariants: SQF-1 the file appears whole or not at all: it is made under another name.
//! SQF-2 one process at a time, by a lock on `pointsman.lock`.
//! Read first: [`Place::claim`], then [`Place::open`].   Tests: `tests/sqlite_faults.rs`

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::Options;
use super::failure::{of_file, translate};
use super::room;
use crate::port::Error;

/// `application_id` of our files: "PtMn".
const APPLICATION_ID: u32 = 0x5074_4d6e;
/// Migrations in order; `user_version` counts those that were done.
const MIGRATIONS: [&str; 2] = [
    include_str!("../migrations/sqlite/0001_start.sql"),
    include_str!("../migrations/sqlite/0002_cluster.sql"),
];
/// Bytes of a page.
const PAGE_BYTES: u32 = 4096;
/// The format that this version writes.
#[expect(clippy::cast_possible_truncation, reason = "a handful")]
pub(crate) const FORMAT: u32 = MIGRATIONS.len() as u32;

/// A directory that this process holds.
pub(crate) struct Place {
    database: PathBuf,
    directory: PathBuf,
    /// Held, never used: the lock goes with it. None: only reads are made.
    _lock: Option<File>,
}

impl Place {
    /// Makes the directory if need be and takes its lock.
    pub(crate) fn claim(directory: &Path) -> Result<Self, Error> {
        fs::create_dir_all(directory).map_err(|error| of_file("create", directory, error))?;
        let path = directory.join("pointsman.lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| of_file("open", &path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse { place: directory.display().to_string() });
            }
            Err(TryLockError::Error(error)) => return Err(of_file("lock", &path, error)),
        }
        let database = directory.join("pointsman.db");
        Ok(Self { database, directory: directory.to_path_buf(), _lock: Some(lock) })
    }

    /// A directory that another process may hold, to read a database of our format in it.
    pub(crate) fn beside(directory: &Path) -> Result<Self, Error> {
        let database = directory.join("pointsman.db");
        let place = Self { database, directory: directory.to_path_buf(), _lock: None };
        let foreign =
            |detail| Err(Error::Foreign { place: place.database.display().to_string(), detail });
        match place.format()? {
            None => foreign("there is no store in the directory".into()),
            Some(found) if found < FORMAT => {
                foreign(format!("it has format {found}, this version needs {FORMAT}: migrate it"))
            }
            Some(_) => Ok(place),
        }
    }

    /// The database file.
    pub(crate) fn database(&self) -> &Path {
        &self.database
    }

    /// The connection that may write, to a file of our format.
    pub(crate) fn open(&self, options: &Options) -> Result<Connection, Error> {
        let place = &self.database;
        if !self.is_there()? {
            self.create()?;
        }
        room::clear(place);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(place, flags)
            .map_err(|error| translate("open", place, error))?;
        self.prepare(&mut connection, options)?;
        self.check_length(&connection)?;
        Ok(connection)
    }

    /// A connection that only reads.
    pub(crate) fn open_reader(&self) -> Result<Connection, Error> {
        // Whoever closes last removes the log, and must be allowed to.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = || {
            let connection = Connection::open_with_flags(&self.database, flags)?;
            connection.pragma_update(None, "query_only", true)?;
            connection.pragma_query_value(None, "user_version", |_| Ok(()))?;
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(connection)
        };
        reader().map_err(|error| translate("open", &self.database, error))
    }

    /// A connection that copies the log into the database.
    pub(super) fn open_checkpointer(&self) -> Result<Connection, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let checkpointer = || {
            let connection = Connection::open_with_flags(&self.database, flags)?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
            Ok(connection)
        };
        checkpointer().map_err(|error| translate("open", &self.database, error))
    }

    /// The format of the database that is there; none if there is none.
    pub(crate) fn format(&self) -> Result<Option<u32>, Error> {
        if !self.is_there()? {
            return Ok(None);
        }
        // What is still in the log counts, so it is not the header that is asked.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let ask = || {
            let connection = Connection::open_with_flags(&self.database, flags)?;
            connection.pragma_query_value(None, "user_version", |row| row.get(0))
        };
        ask().map(Some).map_err(|error| translate("read", &self.database, error))
    }

    /// Whether there is a database; an error if there is something else.
    fn is_there(&self) -> Result<bool, Error> {
        let foreign = |detail: &str| {
            Err(Error::Foreign {
                place: self.database.display().to_string(),
                detail: detail.into(),
            })
        };
        let mut header = Vec::with_capacity(100);
        match File::open(&self.database) {
            Ok(file) => {
                let read = file.take(100).read_to_end(&mut header);
                read.map_err(|error| of_file("read", &self.database, error))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let log = self.directory.join("pointsman.db-wal");
                if fs::metadata(log).is_ok_and(|log| log.len() > 0) {
                    return foreign("the file is missing, but its log `pointsman.db-wal` is there");
                }
                return Ok(false);
            }
            Err(error) => return Err(of_file("open", &self.database, error)),
        }
        if header.len() < 100 {
            return foreign("it is shorter than the header of a database");
        }
        if !header.starts_with(b"SQLite format 3\0") {
            return foreign("it is not an SQLite database");
        }
        let number =
            |at: usize| header[at..at + 4].iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        if number(68) != APPLICATION_ID {
            return foreign("it is the database of another program");
        }
        self.check_format(number(60))?;
        let log = fs::metadata(self.directory.join("pointsman.db-wal"));
        if !log.is_ok_and(|log| log.len() > 0) {
            // The header is that of the last commit: nothing is still in the log.
            self.check_header_length(&header)?;
        }
        Ok(true)
    }

    /// Compares the file's length with what its header says.
    ///
    /// SQLite would only say that it is malformed.
    fn check_header_length(&self, header: &[u8]) -> Result<(), Error> {
        let number =
            |at: usize| header[at..at + 4].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let is_number_valid = number(24) == number(92);
        let expected = number(28) * u64::from(PAGE_BYTES);
        if is_number_valid {
            self.check_bytes(expected)?;
        }
        Ok(())
    }

    fn check_bytes(&self, expected: u64) -> Result<(), Error> {
        let place = &self.database;
        let found = fs::metadata(place).map_err(|error| of_file("read", place, error))?.len();
        if found < expected {
            let detail = format!("it is cut off: {found} bytes of {expected}");
            return Err(Error::Foreign { place: place.display().to_string(), detail });
        }
        Ok(())
    }

    fn check_format(&self, found: u32) -> Result<(), Error> {
        if found > FORMAT {
            let place = self.database.display().to_string();
            return Err(Error::Newer { place, found, known: FORMAT });
        }
        Ok(())
    }

    /// Makes an empty database under another name, then gives it its own.
    fn create(&self) -> Result<(), Error> {
        let path = self.directory.join("pointsman.db.new");
        for leftover in ["", "-journal", "-wal", "-shm"] {
            let path = self.directory.join(format!("pointsman.db.new{leftover}"));
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(of_file("remove", &path, error));
                }
                _ => {}
            }
        }
        let make = || {
            let mut connection = Connection::open(&path)?;
            connection.pragma_update(None, "page_size", PAGE_BYTES)?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            migrate(&mut connection, 0)?;
            // The mode is kept in the file.
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.close().map_err(|(_, error)| error)
        };
        make().map_err(|error| translate("create", &path, error))?;
        fs::rename(&path, &self.database)
            .and_then(|()| File::open(&self.directory)?.sync_all())
            .map_err(|error| of_file("create", &self.database, error))
    }

    fn prepare(&self, connection: &mut Connection, options: &Options) -> Result<(), Error> {
        let place = &self.database;
        let kib = i64::try_from(options.cache_bytes / 1024).unwrap_or(i64::MAX);
        let settings = |connection: &Connection| {
            connection.busy_timeout(std::time::Duration::from_millis(100))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
            connection.pragma_update(None, "cache_size", -kib)?;
            connection.pragma_update(None, "temp_store", "MEMORY")?;
            connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))
        };
        let format = settings(connection).map_err(|error| translate("open", place, error))?;
        self.check_format(format)?;
        migrate(connection, format).map_err(|error| translate("migrate", place, error))?;
        if let Some(pages_max) = options.pages_max {
            connection
                .pragma_update_and_check(None, "max_page_count", pages_max, |_| Ok(()))
                .map_err(|error| translate("limit", place, error))?;
        }
        Ok(())
    }

    /// Copies the log into the database and compares the file's length with what it should be.
    ///
    /// SQLite itself notices missing pages only when it reads them.
    fn check_length(&self, connection: &Connection) -> Result<(), Error> {
        let place = &self.database;
        let measure = || {
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            let is_read = connection.query_row(sql, [], |row| row.get::<_, bool>(0))?;
            if is_read {
                // By a backup: part of the pages is still in the log.
                return Ok(0);
            }
            let number =
                |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            Ok(number("page_count")?.saturating_mul(number("page_size")?))
        };
        let expected = measure().map_err(|error| translate("check", place, error))?;
        self.check_bytes(expected.cast_unsigned())
    }
}

/// Runs the migrations behind `format`, each in a transaction of its own.
fn migrate(connection: &mut Connection, format: u32) -> rusqlite::Result<()> {
    for (number, migration) in (1_u32..).zip(MIGRATIONS) {
        if number > format {
            let transaction = connection.transaction()?;
            transaction.execute_batch(migration)?;
            transaction.pragma_update(None, "user_version", number)?;
            transaction.commit()?;
        }
    }
    Ok(())
}
