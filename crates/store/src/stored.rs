//! A store whose large values are objects in a storage; its rows refer to them.
//!
//! Boundary: stands before another store and keeps its whole promise. Values of a unit that are
//! longer than a threshold are written first, then the unit with references instead of them; reads
//! put the values back. Without a storage everything stays in the rows. What nothing refers to any
//! more is removed by `transfer::clean`.
//! Invariants: STD-1 a row refers to durable objects only. STD-2 units of a shard are handed on in
//! the order in which they came.
//! Read first: [`Stored`], then `stored/mark.rs`.   Tests: `tests/stored.rs`

mod bond;
pub(crate) mod mark;
mod reads;
mod unit;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use engine::ids::ShardId;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use self::bond::{Unbound, bind};
use self::mark::{Reference, Value};
use self::unit::values;
use crate::blobs::{self, Blobs, Name};
use crate::port::{Committed, Error, Store, Task};
use crate::unit::Unit;

/// Objects that are written or read at a time for one call.
const AT_ONCE: usize = 8;
/// After this long between an object and its row, the object is written again: it may have been
/// taken for one that nothing refers to. A small part of what `transfer::SAFE_AGE_MIN` is.
const FRESH: Duration = Duration::from_secs(600);
/// How often an object is written again for that reason.
const REFRESHES: u32 = 3;

/// Where large values go.
#[derive(Debug, Clone)]
pub struct Storage {
    /// The objects.
    pub blobs: Blobs,
    /// Values with more bytes than this are objects.
    pub threshold: usize,
}

/// A store before which a storage stands.
pub struct Stored {
    inner: Arc<dyn Store>,
    storage: Option<Storage>,
    /// The last unit of each shard that is on its way to be handed on.
    lanes: Mutex<BTreeMap<ShardId, oneshot::Receiver<()>>>,
    /// Units that wait for their objects: their callers may have gone.
    tasks: Mutex<JoinSet<()>>,
}

impl Stored {
    /// Puts a storage, or none, before a store.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, storage: Option<Storage>) -> Self {
        Self { inner, storage, lanes: Mutex::default(), tasks: Mutex::default() }
    }

    /// Waits for units that were accepted and not yet handed on. Cancel safe.
    pub async fn settle(&self) {
        let mut tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
    }

    /// Hands a unit on, its large values first.
    fn accept(&self, mut unit: Unit) -> Task<'_, Committed> {
        let Some(shard) = unit.shard else { return self.inner.commit(unit) };
        let mut objects = BTreeMap::new();
        let storage = self.storage.as_ref();
        let (epoch, sequence) = (unit.epoch, unit.sequence);
        for value in values(&mut unit) {
            let content = std::mem::take(value);
            *value = match storage {
                Some(storage) if content.len() > storage.threshold => {
                    let digest = blobs::digest(&content);
                    let name = Name { digest, shard: shard.0, epoch, sequence };
                    let reference = Reference { name, bytes: content.len() as u64 };
                    objects.insert(name, content);
                    reference.encode()
                }
                _ => mark::keep(content),
            };
        }
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let before = lanes.remove(&shard).and_then(|mut before| match before.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => Some(before),
            _ => None,
        });
        if objects.is_empty() && before.is_none() {
            return self.inner.commit(unit);
        }
        let (passed, pass) = oneshot::channel();
        lanes.insert(shard, pass);
        drop(lanes);
        let passage = Passage {
            inner: Arc::clone(&self.inner),
            blobs: storage.map(|storage| storage.blobs.clone()),
            objects,
            before,
            passed,
        };
        let (reply, answer) = oneshot::channel();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            // Whoever asked may have gone.
            let _ = reply.send(passage.go(unit).await);
        });
        Box::pin(async { answer.await.unwrap_or(Err(Error::Closed)) })
    }

    /// The value that a row's bytes stand for.
    async fn resolve(&self, bytes: Bytes) -> Result<Bytes, Error> {
        fetch(self.storage.as_ref().map(|storage| &storage.blobs), bytes).await
    }

    /// The same for many rows, a few at a time.
    async fn resolve_all<R>(
        &self,
        rows: Vec<R>,
        value: fn(&mut R) -> Option<&mut Bytes>,
    ) -> Result<Vec<R>, Error> {
        let is_elsewhere =
            |row: &mut R| value(row).is_some_and(|bytes| bytes.first() == Some(&mark::FIRST));
        let mut rows = rows;
        if !rows.iter_mut().any(is_elsewhere) {
            return Ok(rows);
        }
        let resolved = stream::iter(rows).map(async |mut row| {
            if let Some(bytes) = value(&mut row) {
                *bytes = self.resolve(std::mem::take(bytes)).await?;
            }
            Ok(row)
        });
        resolved.buffered(AT_ONCE).try_collect().await
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Stored").field("storage", &self.storage).finish_non_exhaustive()
    }
}

/// The value that a row's bytes stand for.
pub(crate) async fn fetch(blobs: Option<&Blobs>, bytes: Bytes) -> Result<Bytes, Error> {
    match (mark::read(bytes), blobs) {
        (Value::Here(value), _) => Ok(value),
        (Value::Elsewhere(Reference { name, bytes }), Some(blobs)) => blobs.get(&name, bytes).await,
        (Value::Elsewhere(Reference { name, .. }), None) => {
            Err(Error::Detached { object: name.to_string() })
        }
        (Value::Unknown, _) => Err(Error::Foreign {
            place: "value".into(),
            detail: "it has a mark that this version does not know".into(),
        }),
    }
}

/// A unit on its way.
struct Passage {
    inner: Arc<dyn Store>,
    blobs: Option<Blobs>,
    objects: BTreeMap<Name, Bytes>,
    /// Ends when the unit before it was handed on, or never will be.
    before: Option<oneshot::Receiver<()>>,
    passed: oneshot::Sender<()>,
}

impl Passage {
    async fn go(self, unit: Unit) -> Result<Committed, Error> {
        let Self { inner, blobs, objects, before, passed } = self;
        let mut since = Instant::now();
        if let Some(blobs) = &blobs {
            write(blobs, &objects).await?;
        }
        if let Some(before) = before {
            // One that failed sends nothing; then this one is refused for its sequence.
            let _ = before.await;
        }
        if let Some(blobs) = &blobs {
            for _ in 0..REFRESHES {
                if since.elapsed() < FRESH {
                    break;
                }
                since = Instant::now();
                write(blobs, &objects).await?;
            }
        }
        let commit = inner.commit(unit);
        // Nobody may wait for it.
        let _ = passed.send(());
        commit.await
    }
}

/// Writes objects, a few at a time (STD-1).
async fn write(blobs: &Blobs, objects: &BTreeMap<Name, Bytes>) -> Result<(), Error> {
    let mut puts = Vec::with_capacity(objects.len());
    for (name, content) in objects {
        puts.push(blobs.put(name, content.clone()));
    }
    stream::iter(puts).buffer_unordered(AT_ONCE).try_collect::<()>().await
}
