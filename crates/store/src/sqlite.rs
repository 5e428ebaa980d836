//! The store in one SQLite file.
//!
//! Boundary: one server, one directory, the whole promise of [`Store`]. One thread writes, and
//! groups what waits into one transaction; readers stand beside it; the write-ahead log is copied
//! into the file by a third party. `synchronous=FULL`: every commit is flushed to the disk.
//! Read first: [`Sqlite::open`], then `sqlite/writer.rs`, `sqlite/commit.rs`.
//! Tests: `conformance`, `tests/sqlite_*.rs`

mod checkpoint;
mod cluster;
mod commit;
mod deployments;
pub(crate) mod failure;
pub(crate) mod open;
mod order;
mod read;
mod readers;
mod room;
mod statement;
mod writer;

use std::future::ready;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use engine::ids::{
    Address, Block, DefinitionKey, DocumentKey, EntryKey, IncidentKey, InstanceKey, JobKey,
    RequestKey, ShardId,
};
use feel::Str;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use self::checkpoint::Trigger;
use self::commit::Commit;
use self::failure::of_file;
use self::open::Place;
use self::order::{Ask, Use};
use self::readers::{For, Readers};
use self::writer::Request;
use crate::port::{
    AuditRow, Committed, EntryFilter, Error, Health, InstanceFilter, InstanceRow, LeasedJob,
    ReadyJob, RequestFilter, Store, Task, TimerRow,
};
use crate::unit::{
    DefinitionRow, DocumentRow, EntryRow, IncidentRow, LetterKey, LockRow, PackageRow, RequestRow,
    TokenRow, Unit,
};

/// Units that may wait for the writer; a caller beyond that waits to be let in.
const QUEUE: usize = 1024;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Memory for pages that were read or written, in bytes. Default 32 MiB.
    pub cache_bytes: u64,
    /// Length of the write-ahead log at which it is copied into the database, in pages of 4 KiB.
    /// Default 2,000.
    pub log_pages: u32,
    /// Quiet time after which the log's file is emptied. Default two seconds.
    pub idle: Duration,
    /// Pages that the database may have; beyond that [`Error::Full`]. Default: as the disk has.
    pub pages_max: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 32 << 20,
            log_pages: 2_000,
            idle: Duration::from_secs(2),
            pages_max: None,
        }
    }
}

/// A store in a directory.
///
/// Dropping it waits until what was accepted is written.
pub struct Sqlite {
    // Dropped in this order: the lock goes last.
    readers: Readers,
    writer: Writer,
    _place: Place,
}

/// The threads that write.
struct Writer {
    queue: Option<mpsc::Sender<Request>>,
    threads: Vec<JoinHandle<()>>,
}

impl Sqlite {
    /// Opens the store in `directory`, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Foreign`], [`Error::Newer`], [`Error::Full`], or
    /// [`Error::Failed`] if the file system refuses.
    pub fn open(directory: &Path, options: &Options) -> Result<Self, Error> {
        let place = Place::claim(directory)?;
        let connection = place.open(options)?;
        let checkpointer = place.open_checkpointer()?;
        let readers = Readers::open(&place)?;
        let (queue, requests) = mpsc::channel(QUEUE);
        let (work, works) = std::sync::mpsc::sync_channel(2);
        let commits = Arc::new(AtomicU64::new(0));
        let trigger = Trigger::new(work, Arc::clone(&commits), options.log_pages);
        let (started, is_started) = std::sync::mpsc::channel();
        let database = place.database().to_path_buf();
        let write = move || writer::run(connection, database, requests, trigger, &started);
        let (weak, idle) = (queue.downgrade(), options.idle);
        let copy = move || checkpoint::run(&checkpointer, &works, &weak, &commits, idle);
        let mut writer = Writer { queue: Some(queue), threads: Vec::with_capacity(2) };
        let failed = |error| of_file("start a thread for", place.database(), error);
        writer.start("store-writer", write).map_err(failed)?;
        writer.start("store-log", copy).map_err(failed)?;
        is_started.recv().map_err(|_| Error::Closed)??;
        Ok(Self { readers, writer, _place: place })
    }

    /// Writes what was accepted, copies the log into the database and stops writing. Reading
    /// goes on, and the directory stays taken, until the value is dropped.
    ///
    /// # Errors
    /// [`Error::Closed`] if that was done before.
    pub async fn shutdown(&self) -> Result<(), Error> {
        self.ask(|reply| Request::Close { reply }).await
    }

    /// Hands a request to the writer now, so that dropping the answer does not take it back; only
    /// if the queue is full it is handed over while the answer is awaited.
    fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(writer::Reply<T>) -> Request,
    ) -> Task<'_, T> {
        let Some(queue) = &self.writer.queue else {
            return Box::pin(ready(Err(Error::Closed)));
        };
        let (reply, answer) = oneshot::channel();
        match queue.try_send(request(reply)) {
            Ok(()) => Box::pin(async { answer.await.unwrap_or(Err(Error::Closed)) }),
            Err(TrySendError::Closed(_)) => Box::pin(ready(Err(Error::Closed))),
            Err(TrySendError::Full(request)) => Box::pin(async {
                queue.send(request).await.map_err(|_| Error::Closed)?;
                answer.await.unwrap_or(Err(Error::Closed))
            }),
        }
    }
}

impl Sqlite {
    /// Has something done by the writer that is no unit.
    fn order<T: Send + 'static>(
        &self,
        is_for: Use,
        run: impl for<'a, 'c> Fn(&'a mut Commit<'c>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Task<'_, T> {
        self.ask(|reply| Request::Order(Ask::boxed(is_for, run, reply)))
    }
}

impl Writer {
    fn start(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(std::thread::Builder::new().name(name.into()).spawn(run)?);
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // A panic of the thread was reported when it happened.
            drop(thread.join());
        }
    }
}

impl Store for Sqlite {
    fn commit(&self, unit: Unit) -> Task<'_, Committed> {
        match unit.shard {
            Some(shard) => self.ask(|reply| Request::Commit { shard, unit: Box::new(unit), reply }),
            None => Box::pin(ready(Err(Error::no_shard()))),
        }
    }

    fn load<'a>(&'a self, shard: ShardId, of: &'a [Address]) -> Task<'a, Vec<Option<Bytes>>> {
        Box::pin(async move { self.readers.now(|on| read::load(on, shard, of)) })
    }

    fn aggregates<'a>(
        &'a self,
        shard: ShardId,
        after: Option<&'a Address>,
        limit: u32,
    ) -> Task<'a, Vec<(Address, Bytes)>> {
        let after = after.map_or(Vec::new(), Address::to_bytes);
        self.readers.later(For::Server, move |on| read::aggregates(on, shard, &after, limit))
    }

    fn block_owner(&self, _shard: ShardId, block: Block) -> Task<'_, Option<InstanceKey>> {
        Box::pin(async move { self.readers.now(|on| read::block_owner(on, block)) })
    }

    fn timers<'a>(
        &'a self,
        shard: ShardId,
        after: Option<&'a TimerRow>,
        before_ms: i64,
        limit: u32,
    ) -> Task<'a, Vec<TimerRow>> {
        let after = after.cloned();
        self.readers
            .later(For::Server, move |on| read::timers(on, shard, after.as_ref(), before_ms, limit))
    }

    fn jobs_ready<'a>(
        &'a self,
        shard: ShardId,
        job_type: &'a str,
        after: Option<JobKey>,
        limit: u32,
    ) -> Task<'a, Vec<ReadyJob>> {
        let job_type = job_type.to_owned();
        self.readers
            .later(For::Server, move |on| read::jobs_ready(on, shard, &job_type, after, limit))
    }

    fn job_types(&self, shard: ShardId) -> Task<'_, Vec<(Str, u64)>> {
        self.readers.later(For::Server, move |on| read::job_types(on, shard))
    }

    fn jobs_leased(
        &self,
        shard: ShardId,
        after: Option<JobKey>,
        limit: u32,
    ) -> Task<'_, Vec<LeasedJob>> {
        self.readers.later(For::Server, move |on| read::jobs_leased(on, shard, after, limit))
    }

    fn seen<'a>(&'a self, of: &'a [(Str, Str)]) -> Task<'a, Vec<Option<DocumentKey>>> {
        Box::pin(async move { self.readers.now(|on| read::seen(on, of)) })
    }

    fn document(&self, key: DocumentKey) -> Task<'_, Option<DocumentRow>> {
        Box::pin(async move { self.readers.now(|on| read::document(on, key)) })
    }

    fn entries<'a>(&'a self, filter: &'a EntryFilter) -> Task<'a, Vec<(EntryKey, EntryRow)>> {
        let filter = filter.clone();
        self.readers.later(For::Server, move |on| read::entries(on, &filter))
    }

    fn entry(&self, key: EntryKey) -> Task<'_, Option<EntryRow>> {
        Box::pin(async move { self.readers.now(|on| read::entry(on, key)) })
    }

    fn instances<'a>(&'a self, filter: &'a InstanceFilter) -> Task<'a, Vec<InstanceRow>> {
        let filter = filter.clone();
        self.readers.later(For::Person, move |on| read::instances(on, &filter))
    }

    fn instance(&self, key: InstanceKey) -> Task<'_, Option<InstanceRow>> {
        Box::pin(async move { self.readers.now(|on| read::instance(on, key)) })
    }

    fn forgettable(
        &self,
        shard: ShardId,
        before_ms: i64,
        limit: u32,
    ) -> Task<'_, Vec<InstanceKey>> {
        self.readers.later(For::Server, move |on| read::forgettable(on, shard, before_ms, limit))
    }

    fn audit(&self, instance: InstanceKey) -> Task<'_, Vec<AuditRow>> {
        self.readers.later(For::Person, move |on| read::audit(on, instance))
    }

    fn incidents(
        &self,
        instance: Option<InstanceKey>,
        after: Option<IncidentKey>,
        limit: u32,
    ) -> Task<'_, Vec<(IncidentKey, IncidentRow)>> {
        self.readers.later(For::Person, move |on| read::incidents(on, instance, after, limit))
    }

    fn incident(&self, key: IncidentKey) -> Task<'_, Option<IncidentRow>> {
        Box::pin(async move { self.readers.now(|on| read::incident(on, key)) })
    }

    fn definitions(&self) -> Task<'_, Vec<DefinitionRow>> {
        self.readers.later(For::Server, read::definitions)
    }

    fn packages(&self) -> Task<'_, Vec<PackageRow>> {
        self.readers.later(For::Server, read::packages)
    }

    fn inbox(&self, shard: ShardId, limit: u32) -> Task<'_, Vec<(LetterKey, Bytes)>> {
        self.readers.later(For::Server, move |on| read::inbox(on, shard, limit))
    }

    fn claim(
        &self,
        shard: ShardId,
        epoch: u64,
        limit: u32,
    ) -> Task<'_, Vec<(RequestKey, RequestRow)>> {
        self.order(Use::Always, move |commit| commit.claim(shard, epoch, limit))
    }

    fn requests<'a>(
        &'a self,
        filter: &'a RequestFilter,
    ) -> Task<'a, Vec<(RequestKey, RequestRow)>> {
        let filter = filter.clone();
        self.readers.later(For::Person, move |on| read::requests(on, &filter))
    }

    fn locks(&self) -> Task<'_, Vec<(Str, LockRow)>> {
        self.readers.later(For::Person, read::locks)
    }

    fn tokens(&self) -> Task<'_, Vec<(Str, TokenRow)>> {
        self.readers.later(For::Server, read::tokens)
    }

    fn blob<'a>(&'a self, digest: &'a str) -> Task<'a, Option<Bytes>> {
        let digest = digest.to_owned();
        self.readers.later(For::Server, move |on| read::blob(on, &digest))
    }

    fn settings(&self) -> Task<'_, Vec<(Str, Str)>> {
        self.readers.later(For::Server, read::settings)
    }

    fn counts(&self) -> Task<'_, Vec<(DefinitionKey, u64, u64)>> {
        Box::pin(async move { self.readers.now(read::counts) })
    }

    fn health(&self) -> Task<'_, Health> {
        Box::pin(async move {
            let bytes = self.readers.now(read::bytes_used)?;
            Ok(Health { kind: "sqlite", format: open::FORMAT, bytes })
        })
    }
}
