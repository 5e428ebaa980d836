//! The folders of a drop folder, and how archives go through them.
//!
//! Boundary: renames and locks; what is in the files is read elsewhere. A batch is a folder in
//! `work` with a lock that ends with the process that holds it.
//! Read first: [`Folders::claim`], then [`Folders::left`], [`Folders::finish`].

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::problem::Failure;

/// The lock of a batch, and that of claiming.
const LOCK: &str = ".lock";

/// Where archives are, before, while and after they are deployed.
pub(super) struct Folders {
    root: PathBuf,
    server: String,
    next: AtomicU64,
}

/// Archives that this process has claimed.
pub(super) struct Batch {
    path: PathBuf,
    /// Nobody else takes the batch while this is open.
    _lock: File,
}

impl Folders {
    pub(super) fn make(root: &Path, server: &str) -> Result<Self, Failure> {
        for folder in ["inbox", "work", "done", "failed"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(|error| Failure::file("make", &path, &error))?;
        }
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let server = server.chars().map(|letter| if is_part(letter) { letter } else { '-' });
        let id = std::process::id();
        let server = format!("{}-{id}", server.collect::<String>());
        Ok(Self { root: root.to_owned(), server, next: AtomicU64::new(0) })
    }

    pub(super) fn inbox(&self) -> PathBuf {
        self.root.join("inbox")
    }

    /// Takes archives out of the inbox, all of them; none if another server is doing so (DROP-2).
    pub(super) fn claim(&self, names: &[String]) -> Option<Batch> {
        if names.is_empty() {
            return None;
        }
        match self.try_claim(names) {
            Ok(batch) => batch,
            Err(error) => {
                tracing::error!(%error, folder = %self.root.display(), "no archive can be claimed");
                None
            }
        }
    }

    fn try_claim(&self, names: &[String]) -> io::Result<Option<Batch>> {
        let _claiming = lock(&self.root.join("work").join(LOCK))?;
        let inbox = self.inbox();
        // Another server may have been faster.
        let mut here = names.iter().filter(|name| inbox.join(name).is_file()).peekable();
        if here.peek().is_none() {
            return Ok(None);
        }
        let path = loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let path = self.root.join("work").join(format!("{}-{number}", self.server));
            match fs::create_dir(&path) {
                Ok(()) => break path,
                // Of an earlier life with the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        let batch = Batch { _lock: lock(&path.join(LOCK))?, path };
        for name in here {
            // DROP-1: a rename is whole or not at all.
            match fs::rename(inbox.join(name), batch.path.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(Some(batch))
    }

    /// Batches whose holders are gone (DROP-3).
    pub(super) fn left(&self) -> Vec<Batch> {
        // One that is just being claimed has its lock when this one is got.
        let Ok(_claiming) = lock(&self.root.join("work").join(LOCK)) else { return Vec::new() };
        let Ok(entries) = fs::read_dir(self.root.join("work")) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.is_dir());
        paths.sort();
        let free = paths.into_iter().filter_map(|path| {
            let file = open(&path.join(LOCK)).ok()?;
            file.try_lock().ok()?;
            Some(Batch { path, _lock: file })
        });
        free.collect()
    }

    /// Puts an archive and what came of it into `done` or `failed`.
    pub(super) fn finish(&self, file: &Path, result: &Value, is_done: bool) {
        let folder = self.root.join(if is_done { "done" } else { "failed" });
        let other = self.root.join(if is_done { "failed" } else { "done" });
        let Some(name) = file.file_name().and_then(|name| name.to_str()) else { return };
        let written = || -> io::Result<()> {
            let (beside, half) =
                (format!("{name}.result.json"), folder.join(format!(".{name}.result.json")));
            fs::write(&half, format!("{result:#}\n"))?;
            fs::rename(&half, folder.join(&beside))?;
            // DROP-1: last, so that a file that is still in its batch is done again.
            fs::rename(file, folder.join(name))?;
            // What came of one of the same name before is over.
            for old in [other.join(&beside), other.join(name)] {
                match fs::remove_file(old) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        };
        if let Err(error) = written() {
            let file = file.display();
            tracing::error!(%error, %file, %result, "the result cannot be written");
        }
    }
}

impl Batch {
    /// The archives, by name.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.path) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| entry.file_name() != LOCK)
            .map(|entry| entry.path())
            .collect();
        files.sort();
        files
    }

    /// Takes the empty folder away; one with files in it is looked at again.
    pub(super) fn end(self) {
        if !self.files().is_empty() {
            return;
        }
        let removed =
            fs::remove_file(self.path.join(LOCK)).and_then(|()| fs::remove_dir(&self.path));
        if let Err(error) = removed {
            tracing::warn!(%error, folder = %self.path.display(), "a batch stays");
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path)
}

/// Waits for a lock that is held for moments only.
fn lock(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    file.lock()?;
    Ok(file)
}
