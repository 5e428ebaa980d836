//! Everything that can reach a shard: one closed enum.
//!
//! Boundary: requests of the handle, answers of executors, and nothing else; wake-ups and commit
//! results are the loop's own.
//! Read first: [`Input`].

use engine::Command;
use engine::ids::{DefinitionKey, DocumentKey, EntryKey, InstanceKey, JobKey};
use engine::instance::Activation;
use feel::{Context, Str};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::packages::Prepared;
use crate::stream::{StreamEnd, WorkerRequest};

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// Which version of a process to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// This one.
    Key(DefinitionKey),
    /// The enabled version of this process.
    Enabled(Str),
    /// This version of this process.
    Version(Str, u32),
}

/// An instance that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The instance.
    pub instance: InstanceKey,
    /// Its process version.
    pub definition: DefinitionKey,
    /// The process id.
    pub process: Str,
    /// The version number.
    pub version: u32,
}

/// How an awaited instance ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// What was created.
    pub created: Created,
    /// Whether it ended normally.
    pub completed: bool,
    /// Its variables at the end.
    pub variables: Context,
}

/// A document to accept, already validated.
#[derive(Debug)]
pub(crate) struct NewDocument {
    /// `package/name`.
    pub(crate) document_type: Str,
    /// CloudEvents `source`; given by the publisher, or the server's own.
    pub(crate) source: Str,
    /// CloudEvents `id`, if the publisher gave one.
    pub(crate) id: Option<Str>,
    /// The data.
    pub(crate) content: Context,
}

/// What became of a published document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its key.
    pub document: DocumentKey,
    /// Its CloudEvents id.
    pub id: Str,
    /// Whether it had been accepted before.
    pub duplicate: bool,
}

/// A message to publish.
#[derive(Debug)]
pub struct NewMessage {
    /// Its name.
    pub name: Str,
    /// Its correlation key; empty reaches message start events only.
    pub key: Str,
    /// While one of the same id is buffered, another is refused; empty: never.
    pub id: Str,
    /// How long it waits for a receiver, in milliseconds; zero: it must find one at once.
    pub time_to_live_ms: i64,
    /// What the receiver gets.
    pub variables: Context,
}

/// A worker's failure.
#[derive(Debug)]
pub struct JobFailure {
    /// Tries that are left; none makes an incident.
    pub retries: i32,
    /// What happened.
    pub message: Str,
    /// Pause before the next try, in milliseconds.
    pub back_off_ms: i64,
    /// What the worker leaves behind for the step.
    pub variables: Context,
}

/// Everything that can reach a shard.
#[derive(Debug)]
pub(crate) enum Input {
    Create {
        which: Which,
        variables: Context,
        reply: Reply<Created>,
        ended: Option<Reply<Ended>>,
    },
    Command {
        instance: InstanceKey,
        command: Command,
        reply: Option<Reply<()>>,
    },
    Publish {
        documents: Vec<NewDocument>,
        reply: Reply<Vec<Accepted>>,
    },
    Message {
        message: NewMessage,
        reply: Reply<u64>,
    },
    Activate {
        request: WorkerRequest,
        most: usize,
        wait: bool,
        reply: oneshot::Sender<Vec<Activation>>,
    },
    OpenStream(StreamEnd),
    StreamReady {
        job_type: Str,
    },
    StreamClosed {
        id: u64,
        undelivered: Vec<JobKey>,
    },
    Deploy {
        prepared: Box<Prepared>,
        reply: Reply<Vec<DefinitionKey>>,
    },
    Enable {
        process: Str,
        version: Option<u32>,
        reply: Reply<()>,
    },
    Replay {
        entries: Vec<EntryKey>,
        reply: Reply<u64>,
    },
    Discard {
        entries: Vec<EntryKey>,
        reply: Reply<u64>,
    },
    ServiceDone,
    Purge {
        reply: Reply<u64>,
    },
    Stop {
        reply: oneshot::Sender<()>,
    },
}
