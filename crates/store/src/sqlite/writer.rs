//! The one thread that writes: takes what waits, writes it in one transaction, answers.
//!
//! Boundary: grouping, transactions, answers, and when to ask for a checkpoint. What a unit
//! changes is in `commit`. Nothing waits for a fuller group: the batch forms itself while the
//! earlier one is being written.
//! Invariants: SQW-2 an answer is sent after the transaction that it is about. SQW-3 a unit that
//! fails spoils no other: the group is rolled back and each of it tried alone.
//! Read first: [`run`], then [`Writer::write`].   Tests: `conformance`, `tests/sqlite_crash.rs`

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use engine::ids::ShardId;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::{Trigger, checkpoint};
use super::commit::{self, Commit};
use super::failure::{is_full, translate};
use super::order::Order;
use super::room;
use crate::port::{Committed, Error};
use crate::unit::Unit;

/// Rows in one transaction, beyond which nothing more is taken in.
const GROUP_ROWS: usize = 20_000;

/// Where an answer goes; nobody may be waiting any more.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the writer is asked.
pub(super) enum Request {
    /// Something about servers and shards, or what else is no unit.
    Order(Box<dyn Order>),
    /// Apply a unit.
    Commit { shard: ShardId, unit: Box<Unit>, reply: Reply<Committed> },
    /// Copy the rest of the log, so that it starts again: a checkpoint beside it came near.
    Restart,
    /// Copy all of the log and empty its file: nothing has happened for a while.
    Truncate,
    /// Write what waits, then stop.
    Close { reply: Reply<()> },
}

struct Writer<'c> {
    connection: &'c Connection,
    commit: Commit<'c>,
    log: Arc<Log>,
    trigger: Trigger,
    place: PathBuf,
    /// Whether there was no room, and none has been seen since.
    is_full: bool,
}

/// What SQLite says about the write-ahead log when it has written to it.
#[derive(Default)]
struct Log {
    pages: AtomicU32,
    /// Whether there was a write since somebody asked.
    is_written: AtomicBool,
}

/// What went wrong, and whether COMMIT had been tried.
struct Failure {
    error: rusqlite::Error,
    is_uncertain: bool,
}

/// Serves requests until the queue is closed or a request says so.
///
/// `started` hears whether the statements could be prepared.
pub(super) fn run(
    mut connection: Connection,
    place: PathBuf,
    mut queue: mpsc::Receiver<Request>,
    trigger: Trigger,
    started: &std::sync::mpsc::Sender<Result<(), Error>>,
) {
    let log = Arc::new(Log::default());
    let hears = Arc::clone(&log);
    let hooked = connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
        hears.pages.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        hears.is_written.store(true, Ordering::Relaxed);
        Ok(())
    }));
    let connection = &connection;
    let commit = match hooked.and_then(|()| Commit::prepare(connection)) {
        Ok(commit) => commit,
        Err(error) => {
            // Whoever opens the store is waiting for this.
            drop(started.send(Err(translate("prepare", &place, error))));
            return;
        }
    };
    drop(started.send(Ok(())));
    let mut writer = Writer { connection, commit, log, trigger, place, is_full: false };
    let mut next = None;
    while let Some(first) = next.take().or_else(|| queue.blocking_recv()) {
        match first {
            Request::Restart => writer.restart(),
            Request::Truncate => writer.truncate(),
            Request::Close { reply } => {
                queue.close();
                while let Some(request) = queue.blocking_recv() {
                    writer.write(vec![request]);
                }
                writer.truncate();
                drop(reply.send(Ok(())));
                return;
            }
            first @ (Request::Order(_) | Request::Commit { .. }) => {
                let group;
                (group, next) = gather(first, &mut queue);
                writer.write(group);
            }
        }
    }
    writer.truncate();
}

/// `first` and what waits behind it, up to a request of another kind, which comes next.
fn gather(
    mut first: Request,
    queue: &mut mpsc::Receiver<Request>,
) -> (Vec<Request>, Option<Request>) {
    let mut rows = arrange(&mut first);
    let mut group = vec![first];
    while rows < GROUP_ROWS {
        match queue.try_recv() {
            Ok(mut request @ (Request::Order(_) | Request::Commit { .. })) => {
                rows += arrange(&mut request);
                group.push(request);
            }
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}

/// Sorts a unit; its number of rows.
fn arrange(request: &mut Request) -> usize {
    let Request::Commit { unit, .. } = request else { return 1 };
    commit::sort(unit);
    1 + unit.aggregates.len()
        + unit.instances.len()
        + unit.audit.len()
        + unit.jobs.len()
        + unit.timers.len()
        + unit.documents.len()
        + unit.entries.len()
        + unit.seen.len()
        + unit.sent.len()
        + unit.received.len()
        + unit.requests.len()
        + unit.forget.len()
}

impl Writer<'_> {
    /// Writes a group, or one after the other if the group fails, and answers.
    fn write(&mut self, mut group: Vec<Request>) {
        match self.make_sure_of_room(&group) {
            Ok(()) => {}
            // Others in the group need not wait for room.
            Err(_) if group.len() > 1 => return self.write_each(group),
            Err(error) => return self.refuse(group, error),
        }
        match self.transact(&mut group) {
            Ok(committed) => {
                for (request, committed) in group.into_iter().zip(committed) {
                    answer(request, Ok(committed));
                }
            }
            Err(failure) if group.len() > 1 && !failure.is_uncertain => {
                return self.write_each(group);
            }
            Err(failure) => {
                self.is_full |= is_full(&failure.error);
                self.refuse(group, translate("commit to", &self.place, failure.error));
            }
        }
        // A server that only says that it is there writes nothing.
        if self.log.is_written.swap(false, Ordering::Relaxed) {
            self.trigger.after_commit(self.log_pages());
        }
    }

    fn write_each(&mut self, group: Vec<Request>) {
        for request in group {
            self.write(vec![request]);
        }
    }

    fn log_pages(&self) -> u32 {
        self.log.pages.load(Ordering::Relaxed)
    }

    /// Lets nobody take a shard over again on a full disk: it could do nothing with it.
    fn make_sure_of_room(&mut self, group: &[Request]) -> Result<(), Error> {
        let is_asked = group
            .iter()
            .any(|request| matches!(request, Request::Order(order) if order.needs_room()));
        if self.is_full && is_asked {
            room::check(&self.place)?;
            self.is_full = false;
        }
        Ok(())
    }

    fn refuse(&self, group: Vec<Request>, error: Error) {
        let mut cause = Some(error);
        for request in group {
            let error = cause.take().unwrap_or_else(|| self.uncertain());
            answer(request, Err(error));
        }
    }

    /// The error for the others of a group whose COMMIT failed.
    fn uncertain(&self) -> Error {
        Error::Failed {
            act: "commit to",
            place: self.place.display().to_string(),
            source: "the transaction that it was part of failed".into(),
        }
    }

    fn transact(&mut self, group: &mut [Request]) -> Result<Vec<Committed>, Failure> {
        let result = self.apply(group).map_err(|error| Failure { error, is_uncertain: false });
        let result = result.and_then(|committed| {
            self.connection.execute_batch("COMMIT").map_err(|error| {
                let is_uncertain = !is_full(&error);
                Failure { error, is_uncertain }
            })?;
            Ok(committed)
        });
        if result.is_err() {
            // SQC-2: what is remembered of this transaction is not in the file.
            self.commit.forget_cached();
            if !self.connection.is_autocommit() {
                // SQLite answers with an error only if there is nothing to roll back.
                drop(self.connection.execute_batch("ROLLBACK"));
            }
        }
        result
    }

    /// What each request of the group gets; orders keep their answers themselves.
    fn apply(&mut self, group: &mut [Request]) -> rusqlite::Result<Vec<Committed>> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut answers = Vec::with_capacity(group.len());
        for request in group {
            answers.push(match request {
                Request::Commit { shard, unit, .. } => self.commit.apply(*shard, unit)?,
                Request::Order(order) => {
                    order.carry_out(&mut self.commit)?;
                    Committed::Done
                }
                Request::Restart | Request::Truncate | Request::Close { .. } => Committed::Done,
            });
        }
        self.commit.finish()?;
        Ok(answers)
    }

    fn restart(&mut self) {
        // A failed checkpoint leaves the log longer, nothing else; the next one tries again.
        let left = checkpoint(self.connection, "PASSIVE").unwrap_or(u32::MAX);
        self.trigger.after_restart(self.log_pages(), left);
    }

    fn truncate(&mut self) {
        if checkpoint(self.connection, "PASSIVE").is_ok_and(|left| left == 0)
            && checkpoint(self.connection, "TRUNCATE").is_ok()
        {
            self.log.pages.store(0, Ordering::Relaxed);
            self.trigger.after_restart(0, 0);
        }
        self.trigger.after_truncate();
    }
}

fn answer(request: Request, result: Result<Committed, Error>) {
    match request {
        Request::Commit { reply, .. } => drop(reply.send(result)),
        Request::Order(order) => order.answer(result.map(drop)),
        Request::Close { reply } => drop(reply.send(result.map(drop))),
        Request::Restart | Request::Truncate => {}
    }
}
