//! What was seen from outside: commits as they took effect, and what clients were told.
//!
//! Boundary: facts in the order in which they happened; judged by the checkers.
//! Read first: [`History`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use engine::ids::{DocumentKey, InstanceKey, JobKey, ShardId};
use store::ServerKey;

use crate::gate::Sealed;

/// A commit or an acquisition, as it took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// A server got a shard.
    Acquired {
        /// The life of the server: its number over all servers.
        life: u64,
        /// The server as the store knows it.
        server: ServerKey,
        /// The shard.
        shard: ShardId,
        /// Under which epoch.
        epoch: u64,
    },
    /// A unit was written.
    Committed {
        /// The life of the server.
        life: u64,
        /// What was written.
        unit: Sealed,
    },
}

/// What a client wanted and was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    /// It sent a request that may start instances of a process for a reference; one for each try.
    Tried {
        /// Whose.
        reference: String,
    },
    /// It was told that an instance was created.
    Created {
        /// The reference in its variables.
        reference: String,
        /// The instance.
        instance: InstanceKey,
    },
    /// It was told that a document was accepted.
    Accepted {
        /// The reference in its content.
        reference: String,
        /// The document.
        document: DocumentKey,
    },
    /// It was told that a message was published.
    Published {
        /// The reference in its content.
        reference: String,
    },
    /// A worker got a job.
    Got {
        /// The job.
        job: JobKey,
        /// Milliseconds of simulated time.
        at_ms: u64,
    },
    /// A worker was told that its job is done.
    Finished {
        /// The job.
        job: JobKey,
        /// Milliseconds of simulated time.
        at_ms: u64,
    },
    /// It was told that it has a lock.
    Held {
        /// The lock.
        lock: String,
        /// Who.
        session: String,
        /// The number of the holder.
        fence: u64,
    },
    /// Something was told to somebody that the store does not know of.
    Unfounded {
        /// What, in one sentence.
        what: String,
        /// What it is about, as it stands in the trace.
        about: String,
    },
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(crate) struct History {
    writes: Mutex<Vec<Write>>,
    facts: Mutex<Vec<Fact>>,
    doubled: Mutex<u64>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl History {
    /// Notes a write.
    pub(crate) fn wrote(&self, write: Write) {
        lock(&self.writes).push(write);
    }

    /// Notes what a client did or was told.
    pub(crate) fn note(&self, fact: Fact) {
        lock(&self.facts).push(fact);
    }

    /// A request of one server arrived twice at another.
    pub(crate) fn doubled(&self) {
        *lock(&self.doubled) += 1;
    }

    /// All writes in order.
    pub(crate) fn writes(&self) -> Vec<Write> {
        lock(&self.writes).clone()
    }

    /// All facts in order.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        lock(&self.facts).clone()
    }

    /// How many requests arrived twice.
    pub(crate) fn number_doubled(&self) -> u64 {
        *lock(&self.doubled)
    }
}
