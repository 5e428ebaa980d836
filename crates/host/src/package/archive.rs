//! Packages as reproducible `.tar.zst` archives, and safely back.
//!
//! Boundary: bytes in, bytes out; unpacking to disk is the one thing that touches files.
//! Invariants: the same files give the same bytes: sorted, no times, no owners, modes derived
//! from content. Only plain files with harmless paths come out of an archive.
//! Read first: [`PackageSource::archive`], then [`PackageSource::unpack`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::diagnostic::{self, Diagnostic};
use crate::package::source::Collected;
use crate::package::{Limits, MANIFEST, PackageSource};

/// zstd level; a higher one does not make BPMN smaller.
const LEVEL: i32 = 3;
/// The largest window that is accepted, as a power of two (128 MiB).
const WINDOW_LOG_MAX: u32 = 27;

/// What failed while a package was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive could not be written.
    #[error("cannot write the archive of `{package}`")]
    Archive {
        /// The package's name.
        package: String,
        /// Why.
        source: std::io::Error,
    },
    /// The files could not be written.
    #[error("cannot unpack `{package}` to `{path}`")]
    Unpack {
        /// The package's name.
        package: String,
        /// Where to.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The content address of an archive: `sha256:` and 64 hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl PackageSource {
    /// The `.tar.zst` archive of the package; the same package gives the same bytes.
    ///
    /// # Errors
    /// Out of memory, in practice.
    pub fn archive(&self) -> Result<Vec<u8>, Error> {
        let packed = self.pack();
        packed.map_err(|source| Error::Archive { package: self.manifest.name.clone(), source })
    }

    fn pack(&self) -> std::io::Result<Vec<u8>> {
        let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
        encoder.include_checksum(true)?;
        let mut tar = tar::Builder::new(encoder);
        for (path, bytes) in self.all_files() {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(bytes.len() as u64);
            header.set_mode(mode(path, bytes));
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            tar.append_data(&mut header, path, bytes)?;
        }
        tar.into_inner()?.finish()
    }

    /// Writes all files below `target`, which must not exist: into a directory beside it first,
    /// flushed, then renamed, so that `target` is whole or absent. Blocks on the file system.
    ///
    /// # Errors
    /// A file cannot be written, or `target` exists.
    pub fn unpack(&self, target: &Path) -> Result<(), Error> {
        self.unpack_to(target).map_err(|source| Error::Unpack {
            package: self.manifest.name.clone(),
            path: target.to_owned(),
            source,
        })
    }

    fn unpack_to(&self, target: &Path) -> std::io::Result<()> {
        let beside = target.parent().filter(|path| !path.as_os_str().is_empty());
        let beside = beside.unwrap_or(Path::new("."));
        std::fs::create_dir_all(beside)?;
        let staging = tempfile::Builder::new().prefix(".unpack-").tempdir_in(beside)?;
        for (path, bytes) in self.all_files() {
            let file = staging.path().join(path);
            if let Some(directory) = file.parent() {
                std::fs::create_dir_all(directory)?;
            }
            write_file(&file, bytes, mode(path, bytes))?;
        }
        if target.exists() {
            return Err(std::io::ErrorKind::AlreadyExists.into());
        }
        std::fs::rename(staging.path(), target)?;
        // What is left of the staging directory is gone with the rename.
        let _ = staging.keep();
        File::open(beside)?.sync_all()
    }

    fn all_files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let manifest = [(MANIFEST, self.manifest_text.as_bytes())];
        let others = self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
        manifest.into_iter().chain(others)
    }
}

fn write_file(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Scripts of services are executable; what the file's rights were does not matter.
fn mode(path: &str, bytes: &[u8]) -> u32 {
    let program = bytes.starts_with(b"#!") || bytes.starts_with(b"\x7fELF");
    if path.starts_with("services/") && program { 0o755 } else { 0o644 }
}

/// The files of an archive.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<BTreeMap<String, Vec<u8>>, Diagnostic> {
    let tar = decompress(bytes, limits)?;
    let mut collected = Collected::new(limits);
    let mut archive = tar::Archive::new(tar.as_slice());
    let entries = archive.entries().map_err(|error| damaged(&error.to_string()))?;
    for entry in entries {
        let mut entry = entry.map_err(|error| damaged(&error.to_string()))?;
        let path = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| damaged("a path is not UTF-8"))?;
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            super::source::check_path(path.trim_end_matches('/'), limits)?;
            continue;
        }
        if !kind.is_file() {
            let shown: String = path.escape_debug().take(100).collect();
            return Err(Diagnostic::error(
                diagnostic::BAD_PATH,
                &shown,
                format!("`{shown}` is a link or a special file"),
                "an archive holds plain files only; make it with `pointsman package build`",
            ));
        }
        collected.admit(&path, entry.size())?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(|error| damaged(&error.to_string()))?;
        if collected.files.insert(path.clone(), content).is_some() {
            return Err(damaged(&format!("the file `{path}` comes twice")));
        }
    }
    Ok(collected.files)
}

fn decompress(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, Diagnostic> {
    let decoder = zstd::Decoder::with_buffer(bytes);
    let mut decoder = decoder.map_err(|error| damaged(&error.to_string()))?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(|error| damaged(&error.to_string()))?;
    // Each file costs a header, at most one block of padding and one long name.
    let overhead = limits.files_max.saturating_mul(2048).saturating_add(64 * 1024);
    let most = limits.bytes_max.saturating_add(overhead);
    let mut tar = Vec::new();
    let mut bounded = decoder.take(most as u64 + 1);
    bounded.read_to_end(&mut tar).map_err(|error| damaged(&error.to_string()))?;
    if tar.len() > most {
        return Err(Diagnostic::error(
            diagnostic::TOO_LARGE,
            "archive",
            format!("the archive unpacks to more than {most} bytes"),
            "a package holds models and small scripts; keep large files elsewhere",
        ));
    }
    Ok(tar)
}

fn damaged(reason: &str) -> Diagnostic {
    Diagnostic::error(
        diagnostic::BAD_ARCHIVE,
        "archive",
        format!("this is no whole package archive: {reason}"),
        "make it with `pointsman package build`, and copy it again if it was copied",
    )
}
