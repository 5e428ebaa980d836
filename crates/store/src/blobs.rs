//! What is too large for a row: objects in a directory that servers share, or in an S3-compatible
//! store.
//!
//! Boundary: objects by name, written whole and never changed; which row refers to which is in
//! `stored`. Every wait ends.
//! Invariants: BLO-1 `put` answers only after the object is durable. BLO-2 what `get` answers has
//! the digest of its name.
//! Read first: [`Blobs`], then [`Name`].   Tests: `tests/blobs.rs`

mod address;
mod name;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};
use sha2::{Digest, Sha256};

pub use self::address::Options;
pub use self::name::Name;
use crate::port::Error;

/// What says which database the objects belong to.
const MARK: &str = "pointsman-storage";
/// What the mark begins with; its format.
const MARK_TEXT: &str = "pointsman storage 1 ";

/// A directory or bucket with objects.
#[derive(Debug, Clone)]
pub struct Blobs {
    objects: Arc<dyn ObjectStore>,
    place: Arc<str>,
    wait: Duration,
}

/// An object as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub name: Name,
    /// How long it is.
    pub bytes: u64,
    /// When it was written, by the storage's clock: milliseconds since 1970 UTC.
    pub at_ms: i64,
}

impl Blobs {
    /// Prepares what is needed to reach the objects. A directory has to be there.
    ///
    /// # Errors
    /// [`Error::Foreign`] for an address that cannot be read, [`Error::Failed`] for a directory
    /// that is not there.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let objects = options.connect()?;
        Ok(Self { objects, place: options.url.as_str().into(), wait: options.wait })
    }

    /// Where they are.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Makes sure that objects can be written, read and removed; answers the storage's clock,
    /// in milliseconds since 1970 UTC. Cancelling may leave a small object behind.
    ///
    /// # Errors
    /// [`Error::Failed`] if the storage cannot be reached or does not allow it, [`Error::Full`].
    pub async fn check(&self) -> Result<i64, Error> {
        let mut random = [0; 8];
        fill(&mut random)?;
        let path = Path::from(format!("trial/{:016x}", u64::from_be_bytes(random)));
        self.write(&path, Bytes::from_static(b"trial")).await?;
        let meta = self.bounded("read", &path, self.objects.head(&path)).await?;
        self.bounded("remove", &path, self.objects.delete(&path)).await?;
        Ok(meta.last_modified.timestamp_millis())
    }

    /// The number of the database that the objects belong to. Cancel safe.
    ///
    /// # Errors
    /// [`Error::Foreign`] if the mark is not ours, [`Error::Failed`].
    pub async fn owner(&self) -> Result<Option<u64>, Error> {
        let path = Path::from(MARK);
        let read = async { self.objects.get(&path).await?.bytes().await };
        let text = match self.timed(read).await {
            Ok(text) => text,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(self.failed("read", &path, error)),
        };
        let text = String::from_utf8_lossy(&text);
        let number = text.strip_prefix(MARK_TEXT).and_then(|number| number.trim().parse().ok());
        number.map(Some).ok_or_else(|| Error::Foreign {
            place: self.place.to_string(),
            detail: format!("its object `{MARK}` is not of this program"),
        })
    }

    /// Says that the objects belong to the database with this number, unless they belong to one
    /// already. Answers whose they are. Cancel safe.
    ///
    /// # Errors
    /// As [`Blobs::owner`].
    pub async fn claim(&self, number: u64) -> Result<u64, Error> {
        let path = Path::from(MARK);
        let text = Bytes::from(format!("{MARK_TEXT}{number}\n"));
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.objects.put_opts(&path, PutPayload::from_bytes(text.clone()), options);
        match self.timed(put).await {
            Ok(_) => {}
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => {}
            // A store that cannot write on conditions.
            Err(
                object_store::Error::NotImplemented { .. }
                | object_store::Error::NotSupported { .. },
            ) => {
                if self.owner().await?.is_none() {
                    self.write(&path, text).await?;
                }
            }
            Err(error) => return Err(self.failed("write", &path, error)),
        }
        self.owner().await?.ok_or_else(|| Error::Foreign {
            place: self.place.to_string(),
            detail: format!("its object `{MARK}` was written and is not there"),
        })
    }

    /// Writes an object; the same again changes nothing but its age. Cancelling leaves it written
    /// whole or not at all.
    ///
    /// # Errors
    /// [`Error::Full`], or [`Error::Failed`].
    pub async fn put(&self, name: &Name, content: Bytes) -> Result<(), Error> {
        self.write(&name.path(), content).await
    }

    /// Reads an object. Cancel safe.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is not there or is not what was written, [`Error::Failed`] if the
    /// storage does not answer.
    pub async fn get(&self, name: &Name, bytes: u64) -> Result<Bytes, Error> {
        let damaged = |detail: String| Error::Damaged {
            object: name.to_string(),
            place: self.place.to_string(),
            detail,
        };
        let path = name.path();
        let read = async { self.objects.get(&path).await?.bytes().await };
        let content = match self.timed(read).await {
            Ok(content) => content,
            Err(error) if is_absent(&error) => return Err(damaged("it is not there".into())),
            Err(error) => return Err(self.failed("read", &path, error)),
        };
        if content.len() as u64 != bytes {
            return Err(damaged(format!("it has {} bytes instead of {bytes}", content.len())));
        }
        if digest(&content) != name.digest {
            return Err(damaged("its content has another digest than its name".into()));
        }
        Ok(content)
    }

    /// All objects, in no order. Cancel safe.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub async fn list(&self) -> Result<Vec<Found>, Error> {
        let root = Path::from(name::ROOT);
        let mut found = Vec::new();
        let mut list = self.objects.list(Some(&root));
        while let Some(meta) = self.bounded("list", &root, list.try_next()).await? {
            // Whatever else lies there is not ours to touch.
            if let Some(name) = Name::parse(meta.location.as_ref()) {
                let at_ms = meta.last_modified.timestamp_millis();
                found.push(Found { name, bytes: meta.size, at_ms });
            }
        }
        Ok(found)
    }

    /// Removes an object; it may be gone already. Cancel safe.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub async fn remove(&self, name: &Name) -> Result<(), Error> {
        let path = name.path();
        match self.timed(self.objects.delete(&path)).await {
            Err(error) if !is_absent(&error) => Err(self.failed("remove", &path, error)),
            _ => Ok(()),
        }
    }

    async fn write(&self, path: &Path, content: Bytes) -> Result<(), Error> {
        let put = self.objects.put(path, PutPayload::from_bytes(content));
        self.bounded("write", path, put).await.map(drop)
    }

    async fn bounded<T>(
        &self,
        act: &'static str,
        path: &Path,
        work: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Error> {
        self.timed(work).await.map_err(|error| self.failed(act, path, error))
    }

    /// A file system that hangs does not answer by itself.
    async fn timed<T>(
        &self,
        work: impl Future<Output = object_store::Result<T>>,
    ) -> object_store::Result<T> {
        tokio::time::timeout(self.wait, work).await.unwrap_or_else(|_| {
            let source = format!("no answer within {} s", self.wait.as_secs()).into();
            Err(object_store::Error::Generic { store: "storage", source })
        })
    }

    fn failed(&self, act: &'static str, path: &Path, error: object_store::Error) -> Error {
        let place = format!("{path} in {}", self.place);
        let source = Box::new(error);
        if is_full(&*source) {
            return Error::Full { place, source };
        }
        Error::Failed { act, place, source }
    }
}

/// The sha256 of a content.
#[must_use]
pub fn digest(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

/// A number that no other database has.
///
/// # Errors
/// [`Error::Failed`] if the system has no randomness to give.
pub(crate) fn random_number() -> Result<u64, Error> {
    let mut random = [0; 8];
    fill(&mut random)?;
    // Positive as an `i64`, and never 0.
    Ok(u64::from_be_bytes(random) >> 1 | 1)
}

fn fill(random: &mut [u8]) -> Result<(), Error> {
    let source = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    source.fill(random).map_err(|_| Error::Failed {
        act: "get random bytes from",
        place: "system".into(),
        source: "it has none".into(),
    })
}

fn is_absent(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
}

/// Whether one of the causes is a full disk.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
            return true;
        }
        cause = error.source();
    }
    false
}
