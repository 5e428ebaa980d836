//! What servers ask each other, and its byte form.
//!
//! Boundary: CBOR with numbered fields, so that servers of two adjacent versions understand each
//! other; how the bytes travel is [`super::Transport`]'s business.
//! Read first: [`Request`], then [`Answer`].   Tests: `wire/tests.rs`

mod command;
mod error;
#[cfg(test)]
mod tests;

use engine::Command;
use engine::ids::{
    DefinitionKey, DeploymentKey, EntryKey, InstanceKey, JobKey, RequestKey, ShardId, StepKey,
};
use engine::instance::Activation;
use engine::transition::StepVerdict;
use engine::value::{Variables, maybe_text, text, texts, variables};
use feel::{Context, Str, Value};
use minicbor::{Decode, Encode};
use store::{Role, TokenRow};

use crate::deployment::{DeploymentView, Plan, Step, Told};
use crate::error::Error;
use crate::input::{
    Accepted, Created, Ended, Grant, LockAct, MissedStart, Mode, NewDocument, NewMessage, Setting,
    Which,
};
use crate::stream::{JobLease, WorkerRequest};

pub(crate) use command::Order;
pub(crate) use error::{Finding, Trouble};

/// What a server asks another one.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) enum Request {
    /// For an instance of a shard that the other one owns.
    #[n(0)]
    Command {
        #[n(0)]
        instance: InstanceKey,
        #[n(1)]
        order: Order,
    },
    /// Start an instance in this shard.
    #[n(1)]
    Create {
        #[n(0)]
        shard: ShardId,
        #[n(1)]
        which: Which,
        #[n(2)]
        #[cbor(with = "context")]
        variables: Context,
        /// Wait for its end, in milliseconds; none: do not.
        #[n(3)]
        wait_ms: Option<u64>,
    },
    /// Accept documents in this shard.
    #[n(2)]
    Publish {
        #[n(0)]
        shard: ShardId,
        #[n(1)]
        documents: Vec<NewDocument>,
    },
    /// Put a message into a bucket of this shard.
    #[n(3)]
    Message {
        #[n(0)]
        shard: ShardId,
        #[n(1)]
        message: NewMessage,
    },
    /// Jobs of the other one's shards that are ready now.
    #[n(4)]
    Activate {
        #[n(0)]
        worker: WorkerRequest,
        #[n(1)]
        most: u32,
    },
    /// Jobs of the other one's shards as they become ready, for a worker that is connected here.
    #[n(5)]
    Follow {
        /// Who asks, and which of its streams it is for.
        #[n(0)]
        server: u64,
        #[n(1)]
        stream: u64,
        #[n(2)]
        worker: WorkerRequest,
        #[n(3)]
        most: u32,
        /// How long to wait for the first one.
        #[n(4)]
        wait_ms: u64,
    },
    /// The worker of a followed stream is gone.
    #[n(6)]
    Unfollow {
        #[n(0)]
        server: u64,
        #[n(1)]
        stream: u64,
    },
    /// Deploy these files.
    #[n(8)]
    DeployResources {
        #[n(0)]
        resources: Vec<Archive>,
    },
    /// Enable a version of a process, or none.
    #[n(9)]
    Enable {
        #[n(0)]
        #[cbor(with = "text")]
        process: Str,
        #[n(1)]
        version: Option<u32>,
    },
    /// Queue entries of this shard again.
    #[n(10)]
    Replay {
        #[n(0)]
        shard: ShardId,
        #[n(1)]
        entries: Vec<EntryKey>,
    },
    /// Drop entries of this shard.
    #[n(11)]
    Discard {
        #[n(0)]
        shard: ShardId,
        #[n(1)]
        entries: Vec<EntryKey>,
    },
    /// Load the catalogue up to this revision before answering.
    #[n(12)]
    Refresh {
        #[n(0)]
        revision: u64,
    },
    /// Look at the cluster now: a shard was given back, or a server came or goes.
    #[n(13)]
    Look,
    /// Look into the inbox of this shard.
    #[n(14)]
    Letters {
        #[n(0)]
        shard: ShardId,
    },
    /// Change shared settings; none removes.
    #[n(15)]
    Settings {
        #[n(0)]
        changes: Vec<Setting>,
        /// Who wants it.
        #[n(1)]
        #[cbor(with = "text")]
        by: Str,
        #[n(2)]
        mode: Mode,
    },
    /// Change tokens; none removes.
    #[n(16)]
    Tokens {
        #[n(0)]
        changes: Vec<TokenChange>,
    },
    /// Give all shards away and forward calls.
    #[n(17)]
    Drain,
    /// Make a process request.
    #[n(18)]
    Order {
        #[n(0)]
        #[cbor(with = "text")]
        process: Str,
        #[n(1)]
        #[cbor(with = "context")]
        variables: Context,
        #[n(2)]
        due_ms: i64,
    },
    /// Withdraw a process request that nobody has claimed.
    #[n(19)]
    Withdraw {
        #[n(0)]
        request: RequestKey,
    },
    /// Claim process requests: there are new ones.
    #[n(20)]
    Claim,
    /// Answer this with a catalogue of this revision at least: the asking server has accepted it
    /// with that one.
    #[n(22)]
    Knowing {
        #[n(0)]
        revision: u64,
        #[n(1)]
        request: Box<Request>,
    },
    /// Of a client or operator, for a lock of this shard.
    #[n(21)]
    Lock {
        #[n(0)]
        shard: ShardId,
        #[n(1)]
        #[cbor(with = "text")]
        name: Str,
        #[n(2)]
        act: LockAct,
    },
    /// What came of steps that were worked for a logical server.
    #[n(24)]
    Verdicts {
        #[n(0)]
        instance: InstanceKey,
        #[n(1)]
        job: JobKey,
        #[n(2)]
        #[cbor(with = "text")]
        worker: Str,
        #[n(3)]
        verdicts: Vec<StepVerdict>,
    },
    /// One step of a deployment.
    #[n(41)]
    Part {
        #[n(0)]
        deployment: DeploymentKey,
        #[n(1)]
        step: Step,
    },
    /// Begin a change of packages, which this server is to lead.
    #[n(42)]
    Change {
        #[n(0)]
        change: PackageChange,
        #[n(1)]
        terms: Conditions,
    },
    /// How a deployment is that this server leads, as soon as it changes or after so long.
    #[n(43)]
    Deployment {
        #[n(0)]
        deployment: DeploymentKey,
        #[n(1)]
        wait_ms: u64,
        /// To be cancelled.
        #[n(2)]
        cancel: bool,
    },
    /// Serve, or stand by.
    #[n(40)]
    Stand {
        #[n(0)]
        standby: bool,
    },
}

/// A file or an archive.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Archive {
    /// Its name.
    #[n(0)]
    pub(crate) name: String,
    /// Its bytes.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) content: Vec<u8>,
}

/// A token.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct TokenChange {
    /// Its name.
    #[n(0)]
    #[cbor(with = "text")]
    pub(crate) name: Str,
    /// The sha256 of the token; none removes it.
    #[n(1)]
    #[cbor(with = "maybe_text")]
    pub(crate) hash: Option<Str>,
    /// Its role as a number.
    #[n(2)]
    pub(crate) role: u8,
    /// When it ends.
    #[n(3)]
    pub(crate) expires_ms: Option<i64>,
    /// When it was made.
    #[n(4)]
    pub(crate) created_ms: i64,
}

impl TokenChange {
    /// A token by its name; none forgets it.
    pub(crate) fn new(name: &str, row: Option<TokenRow>) -> Self {
        let name = name.into();
        match row {
            None => Self { name, hash: None, role: 0, expires_ms: None, created_ms: 0 },
            Some(TokenRow { hash, role, created_ms, expires_ms }) => {
                Self { name, hash: Some(hash), role: role as u8, expires_ms, created_ms }
            }
        }
    }

    /// What is to be stored.
    pub(crate) fn into_row(self) -> (Str, Option<TokenRow>) {
        let Self { name, hash, role, expires_ms, created_ms } = self;
        let role = match role {
            4 => Role::Admin,
            3 => Role::Developer,
            2 => Role::Operator,
            _ => Role::Viewer,
        };
        (name, hash.map(|hash| TokenRow { hash, role, created_ms, expires_ms }))
    }
}

/// What a server answers another one.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) enum Answer {
    /// Done.
    #[n(0)]
    Done,
    /// A number: of entries, or the key of a message.
    #[n(1)]
    Number(#[n(0)] u64),
    /// An instance was created.
    #[n(2)]
    Created(#[n(0)] Created),
    /// An instance ended.
    #[n(3)]
    Ended(#[n(0)] Ended),
    /// Documents were accepted.
    #[n(4)]
    Accepted(#[n(0)] Vec<Accepted>),
    /// Jobs.
    #[n(5)]
    Jobs(#[n(0)] Vec<Job>),
    /// What was deployed.
    #[n(6)]
    Deployed(#[n(0)] Vec<DefinitionKey>, #[n(1)] Vec<Finding>),
    /// Not done: this server does not own the shard, or not yet. Asking again does no harm.
    #[n(7)]
    Elsewhere,
    /// Refused or failed.
    #[n(8)]
    Failed(#[n(0)] Trouble),
    /// A step of a deployment is done.
    #[n(41)]
    Part(#[n(0)] Told),
    /// How a deployment is.
    #[n(42)]
    Deployment(#[n(0)] Box<DeploymentView>),
    /// What a change would do.
    #[n(43)]
    Planned(#[n(0)] Plan),
    /// A client has a lock.
    #[n(9)]
    Granted(#[n(0)] Grant),
    /// Settings were changed; timer start events that were missed in the maintenance mode that
    /// this ended.
    #[n(40)]
    Changed(#[n(0)] Vec<MissedStart>),
}

/// A job on its way to a worker of another server.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Job {
    #[n(0)]
    job: JobKey,
    #[n(1)]
    #[cbor(with = "text")]
    job_type: Str,
    #[n(2)]
    instance: InstanceKey,
    #[n(3)]
    #[cbor(with = "text")]
    process: Str,
    #[n(4)]
    version: u32,
    #[n(5)]
    definition: DefinitionKey,
    #[n(6)]
    #[cbor(with = "text")]
    element: Str,
    #[n(7)]
    step: StepKey,
    #[n(8)]
    #[cbor(with = "texts")]
    headers: Vec<Str>,
    #[n(9)]
    #[cbor(with = "text")]
    worker: Str,
    #[n(10)]
    retries: i32,
    #[n(11)]
    attempt: u32,
    #[n(12)]
    deadline_ms: i64,
    #[n(13)]
    #[cbor(with = "variables")]
    variables: Variables,
}

impl Job {
    /// The lease that came with it.
    pub(crate) fn lease(&self) -> JobLease {
        JobLease { job: self.job, attempt: self.attempt, deadline_ms: self.deadline_ms }
    }
}

impl From<Activation> for Job {
    fn from(activation: Activation) -> Self {
        let headers = activation.headers.into_iter().flat_map(|(name, value)| [name, value]);
        Self {
            job: activation.job,
            job_type: activation.job_type,
            instance: activation.instance,
            process: activation.process,
            version: activation.version,
            definition: activation.definition,
            element: activation.element,
            step: activation.step,
            headers: headers.collect(),
            worker: activation.worker,
            retries: activation.retries,
            attempt: activation.attempt,
            deadline_ms: activation.deadline_ms,
            variables: activation.variables,
        }
    }
}

impl From<Job> for Activation {
    fn from(job: Job) -> Self {
        let mut headers = Vec::with_capacity(job.headers.len() / 2);
        let mut texts = job.headers.into_iter();
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            headers.push((name, value));
        }
        Self {
            job: job.job,
            job_type: job.job_type,
            instance: job.instance,
            process: job.process,
            version: job.version,
            definition: job.definition,
            element: job.element,
            step: job.step,
            headers,
            worker: job.worker,
            retries: job.retries,
            attempt: job.attempt,
            deadline_ms: job.deadline_ms,
            variables: job.variables,
        }
    }
}

/// The byte form of a request or an answer.
pub(crate) fn write<T: Encode<()>>(value: &T) -> bytes::Bytes {
    let mut out = Vec::with_capacity(128);
    let written = minicbor::encode(value, &mut out);
    debug_assert!(written.is_ok(), "writing to memory cannot fail");
    out.into()
}

/// A request or an answer from its byte form.
pub(crate) fn read<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, Error> {
    minicbor::decode(bytes).map_err(|error| Error::Internal {
        detail: format!("what another server sent cannot be read: {error}"),
    })
}

/// The order that stands for a command, if the command may come from another server.
pub(crate) fn order_of(command: Command) -> Option<Order> {
    Order::of(command)
}

/// `#[cbor(with = "context")]` for [`Context`].
pub(crate) mod context {
    use super::{Context, Value};
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    pub(crate) fn encode<C, W: Write>(
        value: &Context,
        out: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        engine::value::encode(&Value::Context(value.clone()), out, ctx)
    }

    pub(crate) fn decode<C>(input: &mut Decoder<'_>, ctx: &mut C) -> Result<Context, DecodeError> {
        match engine::value::decode(input, ctx)? {
            Value::Context(context) => Ok(context),
            _ => Err(DecodeError::message("no object")),
        }
    }
}

impl<C> Encode<C> for Which {
    fn encode<W: minicbor::encode::Write>(
        &self,
        out: &mut minicbor::Encoder<W>,
        _ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self {
            Self::Key(key) => out.array(1)?.u64(key.0)?,
            Self::Enabled(process) => out.array(2)?.str(process)?.u32(0)?,
            Self::Version(process, version) => out.array(2)?.str(process)?.u32(*version)?,
        };
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Which {
    fn decode(
        input: &mut minicbor::Decoder<'b>,
        _ctx: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        if input.array()? == Some(1) {
            return Ok(Self::Key(DefinitionKey(input.u64()?)));
        }
        let process: Str = input.str()?.into();
        // Versions begin at 1.
        Ok(match input.u32()? {
            0 => Self::Enabled(process),
            version => Self::Version(process, version),
        })
    }
}

/// A change of packages, as servers tell each other.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct PackageChange {
    /// 0 deploy, 1 reload, 2 rollback, 3 recover, 4 enable, 5 disable, 6 remove.
    #[n(0)]
    pub(crate) action: u8,
    #[n(1)]
    pub(crate) archives: Vec<Archive>,
    #[n(2)]
    #[cbor(with = "texts")]
    pub(crate) names: Vec<Str>,
    #[n(3)]
    #[cbor(with = "maybe_text")]
    pub(crate) version: Option<Str>,
}

/// How it is to be done.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Conditions {
    #[n(0)]
    pub(crate) timeout_ms: u64,
    #[n(1)]
    pub(crate) auto_recover: bool,
    /// 0 hold, 1 fail fast, 2 run on old.
    #[n(2)]
    pub(crate) policy: u8,
    #[n(3)]
    pub(crate) side_by_side: bool,
    #[n(4)]
    pub(crate) allow_downgrade: bool,
    /// Only tell what would be done.
    #[n(5)]
    pub(crate) dry_run: bool,
}
