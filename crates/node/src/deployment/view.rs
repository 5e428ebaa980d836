//! How a deployment is, as data: for people who watch it, and for its row.
//!
//! Boundary: words and numbers only.
//! Read first: [`DeploymentView`].

use engine::ids::{DefinitionKey, DeploymentKey};
use engine::value::text;
use feel::Str;
use minicbor::{Decode, Encode};

use super::Plan;
use crate::cluster::wire::Finding;
use crate::error::Error;

/// Where a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Stage {
    /// Another one goes first.
    #[n(0)]
    Queued,
    /// The set is checked and compiled.
    #[n(1)]
    Preparing,
    /// The gates are closing on all servers.
    #[n(2)]
    Blocking,
    /// Calls in flight are waited for.
    #[n(3)]
    Draining,
    /// Services are switched behind closed gates.
    #[n(4)]
    Activating,
    /// The row is being committed.
    #[n(5)]
    Committing,
    /// Servers adopt the new catalogue and open.
    #[n(6)]
    Opening,
    /// The old version is put back on all servers.
    #[n(7)]
    Recovering,
    /// It is over.
    #[n(8)]
    Ended,
}

impl Stage {
    /// Its name, as lists have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Preparing => "preparing",
            Self::Blocking => "blocking",
            Self::Draining => "draining",
            Self::Activating => "activating",
            Self::Committing => "committing",
            Self::Opening => "opening",
            Self::Recovering => "recovering",
            Self::Ended => "ended",
        }
    }
}

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    /// The new versions serve.
    #[n(0)]
    Done,
    /// It was refused before anything was blocked.
    #[n(1)]
    Refused,
    /// Somebody cancelled it.
    #[n(2)]
    Cancelled,
    /// What was in flight did not end in time.
    #[n(3)]
    TimedOut,
    /// Something failed, and the original serves.
    #[n(4)]
    Failed,
}

impl Outcome {
    /// Its name, as lists have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed-out",
            Self::Failed => "failed",
        }
    }
}

/// A call that is waited for.
#[derive(Debug, Clone, Encode, Decode)]
pub struct InFlight {
    /// What kind of work it is: `call`, `step`, `trigger`, `start` or `lifecycle`.
    #[n(0)]
    #[cbor(with = "text")]
    pub kind: Str,
    /// What was called: `package/service`, or a process.
    #[n(1)]
    #[cbor(with = "text")]
    pub name: Str,
    /// Whose work it is: the key of an instance or an entry; 0: a client's.
    #[n(2)]
    pub owner: u64,
    /// How long it has run, in milliseconds.
    #[n(3)]
    pub age_ms: u64,
}

/// How a server is in a deployment.
#[derive(Debug, Clone, Encode, Decode)]
pub struct ServerProgress {
    /// Its name.
    #[n(0)]
    #[cbor(with = "text")]
    pub name: Str,
    /// How many calls have to end.
    #[n(1)]
    pub in_flight: u64,
    /// How many new calls wait.
    #[n(2)]
    pub held: u64,
    /// How long the first of them has waited, in milliseconds.
    #[n(3)]
    pub held_ms: u64,
    /// The oldest calls in flight.
    #[n(4)]
    pub oldest: Vec<InFlight>,
}

/// How a deployment is.
#[derive(Debug, Clone, Encode, Decode)]
pub struct DeploymentView {
    /// Its key.
    #[n(0)]
    pub key: DeploymentKey,
    /// What it does, in a word: `deploy`, `reload`, `rollback` and so on.
    #[n(1)]
    #[cbor(with = "text")]
    pub action: Str,
    /// Where it is.
    #[n(2)]
    pub stage: Stage,
    /// How it ended.
    #[n(3)]
    pub outcome: Option<Outcome>,
    /// Why it did not succeed, or what is left to say.
    #[n(4)]
    #[cbor(with = "text")]
    pub reason: Str,
    /// What is to be done.
    #[n(5)]
    pub plan: Plan,
    /// The servers that take part.
    #[n(6)]
    pub servers: Vec<ServerProgress>,
    /// When it began, milliseconds since 1970 UTC.
    #[n(7)]
    pub begun_ms: i64,
    /// When it ended, milliseconds since 1970 UTC.
    #[n(8)]
    pub ended_ms: Option<i64>,
    /// How long it may wait for what is in flight, in milliseconds.
    #[n(9)]
    pub timeout_ms: u64,
    /// When the gates were closed, milliseconds since 1970 UTC.
    #[n(10)]
    pub blocked_ms: Option<i64>,
    /// How long the gates were closed, in microseconds, as the server that leads saw it.
    #[n(11)]
    pub closed_us: Option<u64>,
    /// The versions of its processes and decisions.
    #[n(12)]
    pub versions: Vec<DefinitionKey>,
    /// The code of the error that stopped it; empty: none did.
    #[n(13)]
    #[cbor(with = "text")]
    pub code: Str,
    /// Why the set was refused.
    #[n(14)]
    pub(crate) problems: Vec<Finding>,
}

impl DeploymentView {
    /// Notes what stopped it, so that whoever asks later learns the same.
    pub(crate) fn blame(&mut self, error: &Error, outcome: Outcome) {
        self.code = match outcome {
            Outcome::Cancelled | Outcome::TimedOut => "NODE-024",
            Outcome::Done | Outcome::Refused | Outcome::Failed => error.code(),
        }
        .into();
        if let Error::Refused { problems } = error {
            self.problems = problems.iter().cloned().map(Finding::from).collect();
        }
    }

    /// All problems of a set that was refused.
    #[must_use]
    pub fn problems(&self) -> Vec<host::Diagnostic> {
        self.problems.iter().cloned().map(host::Diagnostic::from).collect()
    }
}
