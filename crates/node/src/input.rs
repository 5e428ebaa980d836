//! Everything that can reach a shard: one closed enum.
//!
//! Boundary: requests of the handle, answers of executors, and nothing else; wake-ups and commit
//! results are the loop's own.
//! Read first: [`Input`].

use bytes::Bytes;
use engine::Command;
use engine::ids::{
    DefinitionKey, DeploymentKey, DocumentKey, EntryKey, InstanceKey, JobKey, RequestKey,
};
use engine::instance::Activation;
use engine::transition::StepVerdict;
use engine::value::{maybe_text, text};
use feel::{Context, Str};
use minicbor::{Decode, Encode};
use store::{DeploymentChange, RequestRow, TokenRow};
use tokio::sync::oneshot;

use crate::cluster::wire::context;
use crate::error::Error;
use crate::packages::Prepared;
use crate::stream::{JobLease, StreamEnd, WorkerRequest};

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
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Created {
    /// The instance.
    #[n(0)]
    pub instance: InstanceKey,
    /// Its process version.
    #[n(1)]
    pub definition: DefinitionKey,
    /// The process id.
    #[n(2)]
    #[cbor(with = "text")]
    pub process: Str,
    /// The version number.
    #[n(3)]
    pub version: u32,
}

/// How an awaited instance ended.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Ended {
    /// What was created.
    #[n(0)]
    pub created: Created,
    /// Whether it ended normally.
    #[n(1)]
    pub completed: bool,
    /// Its variables at the end.
    #[n(2)]
    #[cbor(with = "context")]
    pub variables: Context,
}

/// A document to accept, already validated.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct NewDocument {
    /// `package/name`.
    #[n(0)]
    #[cbor(with = "text")]
    pub(crate) document_type: Str,
    /// CloudEvents `source`; given by the publisher, or the server's own.
    #[n(1)]
    #[cbor(with = "text")]
    pub(crate) source: Str,
    /// CloudEvents `id`, if the publisher gave one.
    #[n(2)]
    #[cbor(with = "maybe_text")]
    pub(crate) id: Option<Str>,
    /// The data.
    #[n(3)]
    #[cbor(with = "context")]
    pub(crate) content: Context,
}

/// What became of a published document.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Accepted {
    /// Its key.
    #[n(0)]
    pub document: DocumentKey,
    /// Its CloudEvents id.
    #[n(1)]
    #[cbor(with = "text")]
    pub id: Str,
    /// Whether it had been accepted before.
    #[n(2)]
    pub duplicate: bool,
}

/// A message to publish.
#[derive(Debug, Clone, Encode, Decode)]
pub struct NewMessage {
    /// Its name.
    #[n(0)]
    #[cbor(with = "text")]
    pub name: Str,
    /// Its correlation key; empty reaches message start events only.
    #[n(1)]
    #[cbor(with = "text")]
    pub key: Str,
    /// While one of the same id is buffered, another is refused; empty: never.
    #[n(2)]
    #[cbor(with = "text")]
    pub id: Str,
    /// How long it waits for a receiver, in milliseconds; zero: it must find one at once.
    #[n(3)]
    pub time_to_live_ms: i64,
    /// What the receiver gets.
    #[n(4)]
    #[cbor(with = "context")]
    pub variables: Context,
}

/// A lock that a client holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Grant {
    /// Greater than those of all holders before: what the lock protects can refuse an older one.
    #[n(0)]
    pub fence: u64,
    /// Until when it is the client's if it is not renewed, milliseconds since 1970 UTC.
    #[n(1)]
    pub lease_until_ms: i64,
}

/// What a client or an operator asks of a lock.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) enum LockAct {
    /// Wait for it.
    #[n(0)]
    Acquire {
        #[n(0)]
        #[cbor(with = "text")]
        session: Str,
        #[n(1)]
        wait_ms: i64,
        #[n(2)]
        lease_ms: i64,
    },
    /// Give it back, or wait no longer.
    #[n(1)]
    Release {
        #[n(0)]
        #[cbor(with = "text")]
        session: Str,
    },
    /// Keep it for so long from now.
    #[n(2)]
    Renew {
        #[n(0)]
        #[cbor(with = "text")]
        session: Str,
        #[n(1)]
        lease_ms: i64,
    },
    /// Take it away from whoever holds it under this number; none: whoever it is.
    #[n(3)]
    TakeAway {
        #[n(0)]
        fence: Option<u64>,
    },
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

/// A shared setting to change.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Setting {
    /// Its name.
    #[n(0)]
    #[cbor(with = "text")]
    pub(crate) name: Str,
    /// Its value; none: the default.
    #[n(1)]
    #[cbor(with = "maybe_text")]
    pub(crate) value: Option<Str>,
}

/// A timer start event that was missed in maintenance mode.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MissedStart {
    /// The process id.
    #[n(0)]
    #[cbor(with = "text")]
    pub process: Str,
    /// The BPMN id of the start event.
    #[n(1)]
    #[cbor(with = "text")]
    pub element: Str,
    /// When it was due first, milliseconds since 1970 UTC.
    #[n(2)]
    pub due_ms: i64,
    /// How often it was due.
    #[n(3)]
    pub number: u32,
}

/// How settings are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Mode {
    /// To these values.
    #[n(0)]
    Set,
    /// To these values where nobody has set one.
    #[n(1)]
    Seed,
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
    /// A server that hosts a logical server worked these steps.
    Verdicts {
        instance: InstanceKey,
        job: JobKey,
        worker: Str,
        verdicts: Vec<StepVerdict>,
        reply: Reply<()>,
    },
    Lock {
        name: Str,
        act: LockAct,
        /// The grant, if it was asked for.
        reply: Reply<Option<Grant>>,
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
        undelivered: Vec<JobLease>,
    },
    Deploy {
        prepared: Box<Prepared>,
        /// The versions, and the revision of the catalogue that has them.
        reply: Reply<(Vec<DefinitionKey>, u64)>,
    },
    /// Open the row of a deployment.
    OpenDeployment {
        detail: Bytes,
        reply: Reply<DeploymentKey>,
    },
    /// Change the row of a deployment, with content that it will need.
    Deployment {
        change: DeploymentChange,
        blobs: Vec<(Str, Bytes)>,
        reply: Reply<()>,
    },
    Enable {
        process: Str,
        version: Option<u32>,
        /// The revision of the catalogue.
        reply: Reply<u64>,
    },
    /// Change tokens; none forgets.
    Tokens {
        changes: Vec<(Str, Option<TokenRow>)>,
        reply: Reply<()>,
    },
    /// Change shared settings.
    Settings {
        changes: Vec<Setting>,
        by: Str,
        mode: Mode,
        /// Timer start events that were missed in the maintenance mode that this ends.
        reply: Reply<Vec<MissedStart>>,
    },
    /// Accept a process request.
    Request {
        process: Str,
        variables: Context,
        due_ms: i64,
        reply: Reply<u64>,
    },
    /// There are process requests.
    Claim,
    /// A process request that this shard has claimed.
    Requested {
        request: RequestKey,
        row: Box<RequestRow>,
    },
    /// Other shards have sent something.
    Letters,
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
}
