//! Copies the write-ahead log into the database without holding up commits.
//!
//! Boundary: a thread with a connection of its own makes passive checkpoints while the writer
//! goes on; the writer itself copies the small rest, after which SQLite starts the log again.
//! When nothing happens for a while the log's file is emptied.
//! Invariants: SQK-1 no further copy is asked for until the writer did its part of the last one.
//! Read first: [`run`].   Tests: `tests/sqlite_log.rs`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::mpsc::WeakSender;

use super::writer::Request;

/// Pages that the writer may copy itself between two commits: a millisecond or two.
const REST_PAGES: u32 = 200;
/// Passes before the rest is left to the writer however long it is.
const PASSES: u32 = 4;

/// What the thread is told.
pub(super) enum Work {
    /// The log is long.
    Copy,
    /// Something was written after a rest.
    Written,
}

/// The writer's side: decides when to wake the thread.
pub(super) struct Trigger {
    work: SyncSender<Work>,
    commits: Arc<AtomicU64>,
    pages_max: u32,
    next_at: u32,
    is_copying: bool,
    is_clean: bool,
}

impl Trigger {
    pub(super) fn new(work: SyncSender<Work>, commits: Arc<AtomicU64>, pages_max: u32) -> Self {
        Self { work, commits, pages_max, next_at: pages_max, is_copying: false, is_clean: true }
    }

    /// The log has `pages` pages now.
    pub(super) fn after_commit(&mut self, pages: u32) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        if self.is_clean {
            self.is_clean = self.work.try_send(Work::Written).is_err();
        }
        if pages < self.pages_max {
            // It started again.
            self.next_at = self.pages_max;
        } else if pages >= self.next_at && !self.is_copying {
            self.is_copying = self.work.try_send(Work::Copy).is_ok();
        }
    }

    /// The writer did its part; `left` pages could not be copied because someone reads old ones.
    pub(super) fn after_restart(&mut self, pages: u32, left: u32) {
        self.is_copying = false;
        self.next_at =
            if left == 0 { self.pages_max } else { pages.saturating_add(self.pages_max) };
    }

    /// The thread rests now and has to hear of the next commit.
    pub(super) fn after_truncate(&mut self) {
        self.is_clean = true;
    }
}

/// Makes checkpoints until the writer is gone.
pub(super) fn run(
    connection: &Connection,
    work: &Receiver<Work>,
    writer: &WeakSender<Request>,
    commits: &AtomicU64,
    idle: Duration,
) {
    let mut seen = None;
    loop {
        let next = match seen {
            Some(_) => work.recv_timeout(idle),
            None => work.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let request = match next {
            Ok(Work::Written) => {
                seen = Some(commits.load(Ordering::Relaxed));
                continue;
            }
            Ok(Work::Copy) => {
                for _ in 0..PASSES {
                    if checkpoint(connection, "PASSIVE").is_ok_and(|left| left <= REST_PAGES) {
                        break;
                    }
                }
                Request::Restart
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = Some(commits.load(Ordering::Relaxed));
                if seen != now {
                    seen = now;
                    continue;
                }
                seen = None;
                Request::Truncate
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        match writer.upgrade().map(|writer| writer.blocking_send(request)) {
            Some(Ok(())) => {}
            _ => return,
        }
    }
}

/// Copies what can be copied in `mode`; the number of pages that remain in the log.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<u32> {
    let statement = match mode {
        "TRUNCATE" => "PRAGMA wal_checkpoint(TRUNCATE)",
        _ => "PRAGMA wal_checkpoint(PASSIVE)",
    };
    connection.prepare_cached(statement)?.query_row([], |row| {
        let (is_busy, log, copied): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let left = if is_busy { log.max(1) } else { log - copied };
        Ok(u32::try_from(left).unwrap_or(0))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;

    use super::{Trigger, Work};

    #[test]
    fn a_copy_is_asked_for_once_until_the_writer_did_its_part() {
        let (work, asked) = sync_channel(9);
        let mut trigger = Trigger::new(work, Arc::default(), 10);
        let copies = |trigger: &mut Trigger, pages: &[u32]| {
            for pages in pages {
                trigger.after_commit(*pages);
            }
            asked.try_iter().filter(|work| matches!(work, Work::Copy)).count()
        };
        assert_eq!(copies(&mut trigger, &[1, 9]), 0, "the log is short");
        assert_eq!(copies(&mut trigger, &[10, 11, 50]), 1, "SQK-1");
        trigger.after_restart(50, 0);
        assert_eq!(copies(&mut trigger, &[51, 52]), 1, "SQK-1");
        trigger.after_restart(52, 7);
        assert_eq!(copies(&mut trigger, &[61]), 0, "a reader holds the log");
        assert_eq!(copies(&mut trigger, &[62, 63]), 1, "SQK-1");
    }
}
