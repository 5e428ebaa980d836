//! A package as it was read: its manifest and the bytes of its files.
//!
//! Boundary: reads a directory or an archive within limits; nothing is compiled but the manifest.
//! Invariants: every path is relative, in normal form, and below the package; no links.
//! Read first: [`PackageSource`], then [`Limits`].

use std::collections::BTreeMap;
use std::path::Path;

use crate::diagnostic::{self, Diagnostic};
use crate::package::{MANIFEST, Manifest, archive};

/// Bounds on what is read; all are inclusive.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Files of the package. Default 2,000.
    pub files_max: usize,
    /// Bytes of one file. Default 32 MiB, for components of JavaScript and Python.
    pub file_bytes_max: usize,
    /// Bytes of all files. Default 64 MiB.
    pub bytes_max: usize,
    /// Bytes of a path. Default 200.
    pub path_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files_max: 2000,
            file_bytes_max: 32 * 1024 * 1024,
            bytes_max: 64 * 1024 * 1024,
            path_bytes_max: 200,
        }
    }
}

/// A package as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageSource {
    /// What the manifest says.
    pub manifest: Manifest,
    /// The manifest as it is written.
    pub manifest_text: String,
    /// Path and bytes of every other file; paths use `/`.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl PackageSource {
    /// Reads a package directory. Names that start with a dot are left out. Blocks on the file
    /// system.
    ///
    /// # Errors
    /// All problems of the manifest, or what prevented reading.
    pub fn read_directory(path: &Path, limits: &Limits) -> Result<Self, Vec<Diagnostic>> {
        let mut collected = Collected::new(limits);
        let mut found = Vec::new();
        walk(path, "", &mut collected, &mut found);
        if !found.is_empty() {
            return Err(found);
        }
        Self::from_files(collected.files)
    }

    /// Reads the bytes of a `.tar.zst` archive.
    ///
    /// # Errors
    /// All problems of the manifest, or what is wrong with the archive.
    pub fn read_archive(bytes: &[u8], limits: &Limits) -> Result<Self, Vec<Diagnostic>> {
        let files = archive::read(bytes, limits).map_err(|problem| vec![problem])?;
        Self::from_files(files)
    }

    /// Reads a directory, or an archive if `path` is a file. Blocks on the file system.
    ///
    /// # Errors
    /// All problems of the manifest, or what prevented reading.
    pub fn read(path: &Path, limits: &Limits) -> Result<Self, Vec<Diagnostic>> {
        if !path.is_file() {
            return Self::read_directory(path, limits);
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match std::fs::read(path) {
            Ok(bytes) => Self::read_archive(&bytes, limits),
            Err(error) => Err(vec![unreadable(&name, &error)]),
        }
    }

    /// Makes a package of files in memory, `package.toml` among them.
    ///
    /// # Errors
    /// A path that is not allowed, or all problems of the manifest.
    pub fn from_files(mut files: BTreeMap<String, Vec<u8>>) -> Result<Self, Vec<Diagnostic>> {
        let limits = Limits { files_max: usize::MAX, ..Limits::default() };
        let checked = files.keys().filter_map(|path| check_path(path, &limits).err());
        let found: Vec<_> = checked.collect();
        if !found.is_empty() {
            return Err(found);
        }
        let Some(manifest) = files.remove(MANIFEST) else {
            let message = format!("there is no `{MANIFEST}`");
            let hint = "`pointsman package new` makes a package to start from";
            return Err(vec![Diagnostic::error(diagnostic::UNREADABLE, MANIFEST, message, hint)]);
        };
        let manifest_text = String::from_utf8(manifest).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let message = "the file is not UTF-8".to_owned();
            vec![
                Diagnostic::error(diagnostic::NOT_TOML, MANIFEST, message, "save it as UTF-8")
                    .at(diagnostic::place_of(&text, offset)),
            ]
        })?;
        let manifest = Manifest::read(&manifest_text)?;
        Ok(Self { manifest, manifest_text, files })
    }

    /// Path and bytes of the files below `folder`, by path.
    pub fn files_in(&self, folder: &str) -> impl Iterator<Item = (&str, &[u8])> {
        let prefix = format!("{folder}/");
        let below = move |path: &str| path.starts_with(&prefix);
        self.files
            .iter()
            .filter(move |(path, _)| below(path))
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }
}

/// Files read so far, within the limits.
pub(super) struct Collected<'l> {
    limits: &'l Limits,
    bytes: usize,
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

impl<'l> Collected<'l> {
    pub(super) fn new(limits: &'l Limits) -> Self {
        Self { limits, bytes: 0, files: BTreeMap::new() }
    }

    /// Whether a file of this path and size may be added.
    pub(super) fn admit(&mut self, path: &str, size: u64) -> Result<(), Diagnostic> {
        check_path(path, self.limits)?;
        let limits = self.limits;
        let too_large = |message: String| {
            let hint = "a package holds models and small scripts; keep large files elsewhere";
            Err(Diagnostic::error(diagnostic::TOO_LARGE, path, message, hint))
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size > limits.file_bytes_max {
            let most = limits.file_bytes_max;
            return too_large(format!("the file has {size} bytes, at most {most} are allowed"));
        }
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > limits.bytes_max {
            let most = limits.bytes_max;
            return too_large(format!("the package has more than {most} bytes"));
        }
        if self.files.len() >= limits.files_max {
            let most = limits.files_max;
            return too_large(format!("the package has more than {most} files"));
        }
        Ok(())
    }
}

/// Whether `path` is relative, in normal form and harmless.
pub(super) fn check_path(path: &str, limits: &Limits) -> Result<(), Diagnostic> {
    let harmless = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !part.contains(|c: char| c.is_control() || matches!(c, '\\' | ':'))
    };
    let reason = if path.len() > limits.path_bytes_max {
        format!("has more than {} bytes", limits.path_bytes_max)
    } else if !path.split('/').all(harmless) {
        "is not a plain relative path".to_owned()
    } else {
        return Ok(());
    };
    let shown: String = path.escape_debug().take(100).collect();
    let message = format!("the path `{shown}` {reason}");
    let hint = "use names without `..`, `\\`, `:` and control characters, below the package";
    Err(Diagnostic::error(diagnostic::BAD_PATH, &shown, message, hint))
}

pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Diagnostic {
    let message = format!("`{file}` cannot be read: {error}");
    Diagnostic::error(diagnostic::UNREADABLE, file, message, "check the path and its rights")
}

/// Reads the directory `inside` (relative, empty for the package itself), depth first.
fn walk(root: &Path, inside: &str, into: &mut Collected<'_>, found: &mut Vec<Diagnostic>) {
    let here = root.join(inside);
    let entries = std::fs::read_dir(&here).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            let shown = if inside.is_empty() { here.display().to_string() } else { inside.into() };
            found.push(unreadable(&shown, &error));
            return;
        }
    };
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let path = if inside.is_empty() { name.into_owned() } else { format!("{inside}/{name}") };
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => match check_path(&path, into.limits) {
                Ok(()) => walk(root, &path, into, found),
                Err(problem) => found.push(problem),
            },
            Ok(metadata) if metadata.is_file() => {
                if let Err(problem) = read_file(root, &path, metadata.len(), into) {
                    found.push(problem);
                }
            }
            Ok(_) => found.push(Diagnostic::error(
                diagnostic::BAD_PATH,
                &path,
                format!("`{path}` is a link or a special file"),
                "a package holds plain files and directories only; copy the file",
            )),
            Err(error) => found.push(unreadable(&path, &error)),
        }
        if found.len() >= 100 {
            return;
        }
    }
}

fn read_file(
    root: &Path,
    path: &str,
    size: u64,
    into: &mut Collected<'_>,
) -> Result<(), Diagnostic> {
    into.admit(path, size)?;
    let bytes = std::fs::read(root.join(path)).map_err(|error| unreadable(path, &error))?;
    into.files.insert(path.to_owned(), bytes);
    Ok(())
}
