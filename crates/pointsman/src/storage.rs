//! `pointsman store`: a store as a whole: migrate, check, copy, backup, restore, clean.
//!
//! Boundary: what is done stands in `store::transfer`; here are arguments, progress and results.
//! Read first: [`run`].   Tests: tests/store.rs

mod saving;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use engine::ids::Address;
use serde_json::{Value, json};
use store::blobs::Blobs;
use store::transfer::{self, Finding, Location, Mode, Progress};

use crate::config::{Database, Storage};
use crate::output::{self, Format, remark};
use crate::problem::{self, Exit, Failure};

/// What can be done with a store.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring a store to the format of this version, or make an empty one
    Migrate(Place),
    /// Look whether what is stored fits together; a database may be in use meanwhile
    Check {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        objects: Objects,
    },
    /// Copy everything into an empty store, all or nothing, while no server uses either
    Copy {
        #[command(flatten)]
        from: Place,
        /// The directory to copy into.
        #[arg(long, value_name = "DIR", conflicts_with = "to_database")]
        to_data: Option<PathBuf>,
        /// The database to copy into, or a reference to its address.
        #[arg(long, value_name = "URL", required_unless_present = "to_data")]
        to_database: Option<String>,
    },
    /// Save everything in an empty directory, as of one moment; servers may go on meanwhile
    Backup {
        #[command(flatten)]
        from: Place,
        #[command(flatten)]
        objects: Objects,
        /// The directory; made if it is not there.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Bring a backup back into an empty store, all or nothing, and check it
    Restore {
        /// The directory with the backup.
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        objects: Objects,
    },
    /// Remove objects of the storage that nothing refers to; servers may go on meanwhile
    Clean {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        objects: Objects,
        /// Only count them.
        #[arg(long)]
        dry_run: bool,
        /// Leave alone what is younger than so many hours: at least as long as a backup takes.
        #[arg(long, value_name = "HOURS", default_value_t = 24)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=87_600))]
        older_than: u32,
    },
}

/// Where large values are.
#[derive(Debug, Args)]
pub(crate) struct Objects {
    /// The storage of large values: `file:///DIRECTORY` or `s3://BUCKET/PREFIX`.
    #[arg(long, value_name = "URL")]
    storage: Option<String>,
}

impl Objects {
    fn open(&self) -> Result<Option<Blobs>, Failure> {
        let storage = Storage::of_command(self.storage.as_deref())?;
        storage.map(|storage| storage.open()).transpose()
    }
}

/// Where a store is.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The directory of a store on SQLite [default: pointsman-data].
    #[arg(long, value_name = "DIR", conflicts_with = "database")]
    data: Option<PathBuf>,
    /// The PostgreSQL database, or a reference to its address: `env:NAME` or `file:PATH`.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    #[command(flatten)]
    way: Way,
}

/// How databases are reached.
#[derive(Debug, Args)]
pub(crate) struct Way {
    /// File with the authorities that sign the database's certificate, as PEM [default: those of
    /// POINTSMAN_DATABASE_CA, or of the system].
    #[arg(long, value_name = "FILE")]
    database_ca: Option<PathBuf>,
    /// What stands before the database: session or transaction [default:
    /// POINTSMAN_DATABASE_POOLING, or session].
    #[arg(long, value_name = "KIND")]
    database_pooling: Option<String>,
}

impl Place {
    fn location(&self) -> Result<Location, Failure> {
        location(self.data.clone(), self.database.as_deref(), &self.way)
    }
}

fn location(data: Option<PathBuf>, database: Option<&str>, way: &Way) -> Result<Location, Failure> {
    let Some(database) = database else {
        return Ok(Location::Directory(data.unwrap_or_else(|| PathBuf::from("pointsman-data"))));
    };
    let (ca, pooling) = (way.database_ca.as_deref(), way.database_pooling.as_deref());
    Ok(Location::Postgres(Database::of_command(database, ca, pooling)?.options()?))
}

/// Runs a `store` command.
///
/// # Errors
/// The store is in use, cannot be read or written, or something in it does not fit together.
pub(crate) fn run(command: &Command, format: Format) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::internal("cannot start the runtime".to_owned()).because(&error)
    })?;
    runtime.block_on(async {
        match command {
            Command::Migrate(place) => migrate(&place.location()?, format).await,
            Command::Check { place, objects } => {
                check(&place.location()?, objects.open()?.as_ref(), format).await
            }
            Command::Copy { from, to_data, to_database } => {
                let to = location(to_data.clone(), to_database.as_deref(), &from.way)?;
                copy(&from.location()?, &to, format).await
            }
            Command::Backup { from, objects, to } => {
                let storage = objects.open()?;
                saving::backup(&from.location()?, storage.as_ref(), to, format).await
            }
            Command::Restore { from, place, objects } => {
                let storage = objects.open()?;
                saving::restore(from, &place.location()?, storage.as_ref(), format).await
            }
            Command::Clean { place, objects, dry_run, older_than } => {
                let (storage, location) = (objects.open()?, place.location()?);
                let mode = if *dry_run { Mode::Count } else { Mode::Remove };
                saving::clean(&location, storage.as_ref(), (*older_than, mode), format).await
            }
        }
    })
}

async fn migrate(place: &Location, format: Format) -> Result<(), Failure> {
    let migrated = transfer::migrate(place).await.map_err(|error| failure("migrate", &error))?;
    let (from, to) = (migrated.from, migrated.to);
    output::show(format, &json!({"from": from, "to": to}), || match from {
        None => format!("a new store of format {to}"),
        Some(from) if from == to => format!("the store has format {to} already"),
        Some(from) => format!("the store had format {from}, now {to}"),
    })
}

async fn check(place: &Location, storage: Option<&Blobs>, format: Format) -> Result<(), Failure> {
    let found = transfer::check(place, storage, &judge).await;
    let found = found.map_err(|error| failure("check", &error))?;
    output::show(format, &json!({"findings": findings(&found)}), || match found.len() {
        0 => "nothing is wrong".to_owned(),
        _ => table(&found),
    })?;
    if found.is_empty() { Ok(()) } else { Err(Failure::told(Exit::Refused)) }
}

async fn copy(from: &Location, to: &Location, format: Format) -> Result<(), Failure> {
    let mut progress = |Progress { table, rows, total }: Progress| {
        if rows == total {
            remark(&format!("{table}: {total} rows"));
        }
    };
    let copied = transfer::copy(from, to, &mut progress).await;
    let copied = copied.map_err(|error| failure("copy", &error))?;
    let rows: u64 = copied.iter().map(|(_, rows)| rows).sum();
    let tables: serde_json::Map<String, Value> =
        copied.iter().map(|(table, rows)| ((*table).to_owned(), json!(rows))).collect();
    output::show(format, &json!({"rows": rows, "tables": tables}), || {
        format!("{rows} rows of {} tables were copied and counted", copied.len())
    })
}

/// Reads a snapshot as the server would.
fn judge(address: &Address, snapshot: &[u8]) -> Result<(), String> {
    let read = match address {
        Address::Instance(_) => engine::instance::Instance::decode(snapshot).map(drop),
        Address::Bucket { .. } => engine::message::Bucket::decode(snapshot).map(drop),
        Address::Lock { .. } => engine::lock::Lock::decode(snapshot).map(drop),
        // What was armed last is in there, for the shard alone.
        Address::Schedule { .. } => Ok(()),
    };
    read.map_err(|error| format!("the snapshot of {address:?} cannot be read: {error}"))
}

fn findings(found: &[Finding]) -> Value {
    found.iter().map(shown).collect()
}

fn shown(found: &Finding) -> Value {
    json!({
        "table": found.table, "rows": found.rows, "example": found.example, "what": found.what,
    })
}

fn table(findings: &[Finding]) -> String {
    let rows = findings.iter().map(|found| {
        let example = found.example.clone().unwrap_or_default();
        [found.table.to_owned(), found.rows.to_string(), example, found.what.clone()]
    });
    output::table(["table", "rows", "example", "what is wrong"], rows.collect())
}

fn failure(act: &str, error: &store::Error) -> Failure {
    let (code, hint) = match error {
        store::Error::InUse { .. } => (problem::IN_USE, "stop the servers that use it first"),
        store::Error::Detached { .. } => {
            (problem::STORAGE, "name the storage with `--storage URL`")
        }
        store::Error::Damaged { .. } => {
            (problem::STORAGE, "`pointsman explain CLI-010` tells what can be done")
        }
        store::Error::Foreign { .. } if act == "back up" => (
            problem::BACKUP,
            "`--to` is an empty directory, and `--storage` the storage of the store",
        ),
        _ if error.is_about_postgres() => {
            (problem::DATABASE, "`pointsman explain CLI-012` tells what can be done")
        }
        _ => (problem::UNUSABLE, "`pointsman explain CLI-004` tells what can be done"),
    };
    Failure::refused(code, format!("cannot {act} the store"), hint).because(error)
}
