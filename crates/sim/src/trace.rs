//! What happened in a world: one line per event.
//!
//! Boundary: written by everybody, read by people and by the comparison of two runs.
//! Read first: [`LEGEND`], then [`Trace`].

use std::fmt::Arguments;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// How to read a trace.
pub const LEGEND: &str = "\
each line: milliseconds of simulated time, kind, what happened
  world   what was drawn for this world, and its phases
  fault   a fault begins or ends
  server  a server begins (#n: its n-th life), is ready, or ends
  db      a server's call of the database: `>` took effect, `!` was kept from it, `?` took effect but
          the server is told otherwise
  own     a shard was acquired: shard, epoch, key of the server
  unit    a unit was committed: shard, epoch, sequence
  peer    a call between servers: `>` delivered, `x` never sent, `?` request or answer lost,
          `2` delivered twice
  ask     a client asks a server: `>` asked, `=` answered, `!` refused, `?` no answer
  job     a worker got, finished, failed or left a job
  log     what a server logged
  audit   what the audit log has of an instance that a violation is about
  check   a checker has found something";

/// What happened so far.
#[derive(Debug)]
pub(crate) struct Trace {
    begun: Instant,
    lines: Mutex<Vec<String>>,
}

impl Trace {
    /// An empty one that counts from now.
    #[must_use]
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), lines: Mutex::default() }
    }

    /// Milliseconds since it began.
    #[must_use]
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Writes a line.
    pub(crate) fn line(&self, kind: &str, what: Arguments<'_>) {
        let line = format!("{:>6} {kind:<6} {what}", self.now_ms());
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// All lines so far.
    #[must_use]
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
