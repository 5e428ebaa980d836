//! `pointsman store backup | restore | clean`.
//!
//! Boundary: what is done stands in `store::transfer`; here are progress and results.
//! Read first: [`backup`].   Tests: tests/store.rs

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use store::blobs::Blobs;
use store::transfer::{self, Location, Mode, Progress, Saved};

use super::{failure, findings};
use crate::output::{self, Format};
use crate::problem::{self, Exit, Failure};

/// Saves a store; servers go on.
pub(super) async fn backup(
    from: &Location,
    storage: Option<&Blobs>,
    to: &Path,
    format: Format,
) -> Result<(), Failure> {
    let bar = Bar::new();
    let saved = transfer::backup(from, storage, to, &mut |step| bar.show(step)).await;
    drop(bar);
    let saved = saved.map_err(|error| failure("back up", &error))?;
    output::show(format, &data(&saved), || format!("{} are in `{}`", counted(&saved), to.display()))
}

/// Brings a backup back, and looks whether it fits together.
pub(super) async fn restore(
    from: &Path,
    to: &Location,
    storage: Option<&Blobs>,
    format: Format,
) -> Result<(), Failure> {
    let bar = Bar::new();
    let saved = transfer::restore(from, to, storage, &mut |step| bar.show(step)).await;
    drop(bar);
    let saved = saved.map_err(|error| spoilt(&error))?;
    let found = transfer::check(to, storage, &super::judge).await;
    let found = found.map_err(|error| failure("check", &error))?;
    let mut data = data(&saved);
    data["findings"] = findings(&found);
    output::show(format, &data, || match found.len() {
        0 => format!("{} were brought back and checked", counted(&saved)),
        _ => super::table(&found),
    })?;
    if found.is_empty() { Ok(()) } else { Err(Failure::told(Exit::Refused)) }
}

/// Removes objects that nothing refers to.
pub(super) async fn clean(
    location: &Location,
    storage: Option<&Blobs>,
    (hours, mode): (u32, Mode),
    format: Format,
) -> Result<(), Failure> {
    let Some(storage) = storage else {
        let message = "there is no storage to clean".to_owned();
        return Err(Failure::wrong_use(message, "name it with `--storage URL`"));
    };
    let age_ms = i64::from(hours) * 3_600_000;
    let bar = Bar::new();
    let cleaned =
        transfer::clean(location, storage, (age_ms, mode), &mut |step| bar.show(step)).await;
    drop(bar);
    let cleaned = cleaned.map_err(|error| failure("clean", &error))?;
    let transfer::Cleaned { used, young, unused, bytes } = cleaned;
    let is_removed = mode == Mode::Remove;
    let data = json!({
        "used": used, "young": young, "unused": unused, "bytes": bytes, "removed": is_removed,
    });
    output::show(format, &data, || {
        let done = if is_removed { "were removed" } else { "could be removed" };
        format!(
            "{unused} objects with {bytes} bytes {done}; {used} are in use, {young} are younger \
             than {hours} h"
        )
    })
}

fn counted(saved: &Saved) -> String {
    let rows: u64 = saved.tables.iter().map(|(_, rows)| rows).sum();
    let tables = saved.tables.len();
    format!("{rows} rows of {tables} tables and {} objects ({} bytes)", saved.objects, saved.bytes)
}

fn data(saved: &Saved) -> Value {
    let rows: u64 = saved.tables.iter().map(|(_, rows)| rows).sum();
    let tables = saved.tables.iter().map(|(table, rows)| ((*table).to_owned(), json!(rows)));
    let tables: serde_json::Map<String, Value> = tables.collect();
    json!({"rows": rows, "tables": tables, "objects": saved.objects, "bytes": saved.bytes})
}

/// Why a backup was not brought back.
fn spoilt(error: &store::Error) -> Failure {
    let hint = match error {
        store::Error::Spoilt { .. } | store::Error::Damaged { .. } => {
            "take another backup; nothing was brought back"
        }
        store::Error::Newer { .. } => "use the version that made it, or a later one",
        store::Error::Foreign { .. } => {
            "a backup goes into an empty store, with an empty storage if there is one"
        }
        _ => return failure("restore", error),
    };
    let message = "cannot restore the store".to_owned();
    Failure::refused(problem::BACKUP, message, hint).because(error)
}

/// How far it is, for people at a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {pos}/{len}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    fn show(&self, Progress { table, rows, total }: Progress) {
        self.0.set_message(table);
        self.0.set_length(total);
        self.0.set_position(rows);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
