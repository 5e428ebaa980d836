//! Compiled components on disk, so that a restart compiles nothing again.
//!
//! Boundary: wasmtime names, writes and reads the files of `code/` (by the component's bytes, its
//! own version and all settings of the engine) and takes what it finds there for its own work. So
//! a file that this server did not write must not be there: each has a seal in `seals/`, keyed
//! with a secret of this directory; at the start everything without a good seal is removed. This
//! guards against damage, and against files from elsewhere; whoever may write as the server's user
//! while it runs can do anything anyway.
//! Invariants: WSM-6 when the engine starts, every file of `code/` is as this server wrote it.
//! Read first: [`Cache::open`], then [`Cache::seal`].   Tests: `tests/service_wasm/cache.rs`

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use wasmtime::CacheConfig;

/// Bytes of compiled code that are kept, the longest unused removed first.
const BYTES_MAX: u64 = 1 << 30;
const KEY_BYTES: usize = 32;
const BLOCK_BYTES: usize = 64;

/// The directory with compiled components.
#[derive(Debug)]
pub(super) struct Cache {
    inner: wasmtime::Cache,
    code: PathBuf,
    seals: PathBuf,
    key: [u8; KEY_BYTES],
    /// Names of files that have a seal; two compilers do not write seals at once.
    sealed: Mutex<BTreeSet<String>>,
}

impl Cache {
    /// Opens `directory`, made if absent, and removes what has no good seal (WSM-6). Blocks on the
    /// file system.
    pub(super) fn open(directory: &Path) -> Result<Self, String> {
        let because = |error: std::io::Error| error.to_string();
        let (code, seals) = (directory.join("code"), directory.join("seals"));
        for path in [directory, &code, &seals] {
            private(path)?;
        }
        let code = code.canonicalize().map_err(because)?;
        let key = key(&directory.join("key")).map_err(because)?;
        let mut config = CacheConfig::new();
        config
            .with_directory(&code)
            .with_files_total_size_soft_limit(BYTES_MAX)
            // Files that are used often are not compressed again: their seals would not fit.
            .with_optimized_compression_usage_counter_threshold(u64::MAX);
        let sealed = Mutex::default();
        let inner = wasmtime::Cache::new(config).map_err(|error| format!("{error:#}"))?;
        let cache = Self { inner, code, seals, key, sealed };
        cache.inspect().map_err(because)?;
        Ok(cache)
    }

    pub(super) fn inner(&self) -> wasmtime::Cache {
        self.inner.clone()
    }

    /// Hits and misses.
    pub(super) fn counted(&self) -> (usize, usize) {
        (self.inner.cache_hits(), self.inner.cache_misses())
    }

    /// Writes seals for new files. A seal that cannot be written costs a compilation later on.
    pub(super) fn seal(&self) {
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(files) = files(&self.code) else { return };
        for path in files {
            let Some(name) = self.name(&path) else { continue };
            if is_code(&path) && !sealed.contains(&name) {
                match self.write_seal(&name, &path) {
                    Ok(()) => drop(sealed.insert(name)),
                    Err(error) => {
                        let path = path.display();
                        tracing::warn!(%path, %error, "a compiled component has no seal");
                    }
                }
            }
        }
    }

    fn write_seal(&self, name: &str, path: &Path) -> std::io::Result<()> {
        let seal = self.seal_of(name, &std::fs::read(path)?);
        let mut file = tempfile::NamedTempFile::new_in(&self.seals)?;
        file.write_all(seal.as_bytes())?;
        file.persist(self.seals.join(seal_name(name))).map_err(|error| error.error)?;
        Ok(())
    }

    /// Removes files without a good seal, and seals without a file.
    fn inspect(&self) -> std::io::Result<()> {
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        for path in files(&self.code)? {
            let Some(name) = self.name(&path) else { continue };
            // Statistics beside the code decide about nothing but what is removed first.
            let is_good = match is_code(&path) {
                true => self.has_good_seal(&name, &path),
                false => path.extension().is_some_and(|extension| extension == "stats"),
            };
            if is_good {
                sealed.insert(name);
                continue;
            }
            tracing::warn!(path = %path.display(), "compiled code without a good seal is removed");
            std::fs::remove_file(&path)?;
        }
        let wanted: BTreeSet<String> = sealed.iter().map(|name| seal_name(name)).collect();
        for path in files(&self.seals)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !wanted.contains(&name) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn has_good_seal(&self, name: &str, path: &Path) -> bool {
        let written = std::fs::read_to_string(self.seals.join(seal_name(name)));
        match (written, std::fs::read(path)) {
            (Ok(written), Ok(bytes)) => written == self.seal_of(name, &bytes),
            _ => false,
        }
    }

    /// HMAC-SHA-256 of name and bytes.
    fn seal_of(&self, name: &str, bytes: &[u8]) -> String {
        let padded = |with: u8| {
            let mut block = [with; BLOCK_BYTES];
            block.iter_mut().zip(self.key).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let inner = Sha256::new().chain_update(padded(0x36)).chain_update(name).chain_update([0]);
        let inner = inner.chain_update(bytes).finalize();
        hexadecimal(&Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize())
    }

    /// The path below `code/`.
    fn name(&self, path: &Path) -> Option<String> {
        path.strip_prefix(&self.code).ok()?.to_str().map(str::to_owned)
    }
}

fn seal_name(name: &str) -> String {
    hexadecimal(&Sha256::digest(name))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compiled code has no ending; statistics and files that are being written do.
fn is_code(path: &Path) -> bool {
    path.extension().is_none()
}

/// A directory that only this user can enter.
fn private(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let because = |error: std::io::Error| format!("`{shown}`: {error}");
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(because)?;
    let metadata = std::fs::symlink_metadata(path).map_err(because)?;
    let own = tempfile::NamedTempFile::new_in(path).and_then(|file| file.as_file().metadata());
    if !metadata.is_dir() || metadata.uid() != own.map_err(because)?.uid() {
        return Err(format!("`{shown}` is no directory of the server's user"));
    }
    if metadata.mode() & 0o077 != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(because)?;
    }
    Ok(())
}

/// The secret of this directory; made when the first server opens it.
fn key(path: &Path) -> std::io::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match opened {
        Ok(mut file) => {
            File::open("/dev/urandom")?.read_exact(&mut key)?;
            file.write_all(&key)?;
            file.sync_all()?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if let Err(error) = File::open(path)?.read_exact(&mut key) {
                // It was cut off when it was made: nothing is sealed with it.
                std::fs::remove_file(path)?;
                return Err(error);
            }
        }
        Err(error) => return Err(error),
    }
    Ok(key)
}

/// All plain files below `directory`.
fn files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in std::fs::read_dir(next)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => directories.push(entry.path()),
                _ => found.push(entry.path()),
            }
        }
    }
    Ok(found)
}
