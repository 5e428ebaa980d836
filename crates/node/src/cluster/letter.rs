//! What one shard tells another: durable with the sender's unit, received exactly once.
//!
//! Boundary: what happens between aggregates of two shards; within one shard the same happens in
//! one turn. The byte form is stored, so numbers and fields are never reused.
//! Invariants: LTR-1 letters of one sender are received in order. LTR-2 the unit that deals with a
//! letter is the one that takes it out of the inbox. LTR-3 a letter is dealt with under a catalogue
//! that is not older than its sender's.
//! Read first: [`Letter`].   Tests: `crates/node/tests/shards.rs`

use engine::ids::{InstanceKey, MessageKey, StepKey};
use engine::lock::{Command as LockCommand, Party};
use engine::message::{Command, Waiting};
use engine::value::{maybe_text, text};
use feel::{Context, Str};
use minicbor::{Decode, Encode};

use super::wire::context;

/// What one shard tells another.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) enum Letter {
    /// A message for a bucket.
    #[n(0)]
    Publish {
        #[n(0)]
        #[cbor(with = "text")]
        name: Str,
        #[n(1)]
        #[cbor(with = "text")]
        key: Str,
        #[n(2)]
        message: MessageKey,
        #[n(3)]
        #[cbor(with = "text")]
        id: Str,
        #[n(4)]
        #[cbor(with = "context")]
        variables: Context,
        #[n(5)]
        deadline_ms: i64,
        #[n(6)]
        #[cbor(with = "maybe_text")]
        only: Option<Str>,
    },
    /// A step waits for messages of a bucket.
    #[n(1)]
    Subscribe {
        #[n(0)]
        #[cbor(with = "text")]
        name: Str,
        #[n(1)]
        #[cbor(with = "text")]
        key: Str,
        #[n(2)]
        waiting: Waiting,
    },
    /// It does not any more.
    #[n(2)]
    Unsubscribe {
        #[n(0)]
        #[cbor(with = "text")]
        name: Str,
        #[n(1)]
        #[cbor(with = "text")]
        key: Str,
        #[n(2)]
        step: StepKey,
        #[n(3)]
        element: u32,
    },
    /// A message could not be given to a step.
    #[n(3)]
    Return {
        #[n(0)]
        #[cbor(with = "text")]
        name: Str,
        #[n(1)]
        #[cbor(with = "text")]
        key: Str,
        #[n(2)]
        message: MessageKey,
        #[n(3)]
        #[cbor(with = "text")]
        process: Str,
        #[n(4)]
        step: StepKey,
        #[n(5)]
        element: u32,
    },
    /// An instance that holds a bucket has ended.
    #[n(4)]
    Release {
        #[n(0)]
        #[cbor(with = "text")]
        name: Str,
        #[n(1)]
        #[cbor(with = "text")]
        key: Str,
        #[n(2)]
        instance: InstanceKey,
    },
    /// A bucket's message for a step of an instance.
    #[n(5)]
    Correlate {
        #[n(0)]
        #[cbor(with = "text")]
        name: Str,
        #[n(1)]
        #[cbor(with = "text")]
        key: Str,
        #[n(2)]
        message: MessageKey,
        #[n(3)]
        #[cbor(with = "text")]
        process: Str,
        #[n(4)]
        instance: InstanceKey,
        #[n(5)]
        step: StepKey,
        #[n(6)]
        element: u32,
        #[n(7)]
        #[cbor(with = "context")]
        variables: Context,
    },
    /// A step wants a lock.
    #[n(6)]
    AcquireLock {
        #[n(0)]
        #[cbor(with = "text")]
        name: Str,
        #[n(1)]
        instance: InstanceKey,
        #[n(2)]
        step: StepKey,
        #[n(3)]
        deadline_ms: Option<i64>,
    },
    /// It gives the lock back, or does not want it any more.
    #[n(7)]
    ReleaseLock {
        #[n(0)]
        #[cbor(with = "text")]
        name: Str,
        #[n(1)]
        instance: InstanceKey,
        #[n(2)]
        step: StepKey,
    },
    /// An instance that may hold the lock is lost.
    #[n(8)]
    ForgetLock {
        #[n(0)]
        #[cbor(with = "text")]
        name: Str,
        #[n(1)]
        instance: InstanceKey,
    },
    /// A step has the lock.
    #[n(9)]
    Granted {
        #[n(0)]
        #[cbor(with = "text")]
        name: Str,
        #[n(1)]
        instance: InstanceKey,
        #[n(2)]
        step: StepKey,
        #[n(3)]
        fence: u64,
    },
    /// A step did not get the lock in time.
    #[n(10)]
    LockTimedOut {
        #[n(0)]
        #[cbor(with = "text")]
        name: Str,
        #[n(1)]
        instance: InstanceKey,
        #[n(2)]
        step: StepKey,
    },
    /// An instance has the lock no longer.
    #[n(11)]
    LockLost {
        #[n(0)]
        #[cbor(with = "text")]
        name: Str,
        #[n(1)]
        instance: InstanceKey,
        #[n(2)]
        fence: u64,
    },
    /// To itself: the last owner died, and active instances of a process are to fail.
    #[n(12)]
    Fail {
        /// One life of the server.
        #[n(0)]
        #[cbor(with = "text")]
        server: Str,
        #[n(1)]
        #[cbor(with = "text")]
        process: Str,
        /// Those with smaller keys.
        #[n(2)]
        before: InstanceKey,
    },
}

impl Letter {
    /// The letter that brings a command to a lock; none for those that never leave its shard.
    pub(crate) fn to_lock(name: Str, command: &LockCommand) -> Option<Self> {
        Some(match *command {
            LockCommand::Acquire { party: Party::Step { instance, step }, deadline_ms, .. } => {
                Self::AcquireLock { name, instance, step, deadline_ms }
            }
            LockCommand::Release { party: Party::Step { instance, step } } => {
                Self::ReleaseLock { name, instance, step }
            }
            LockCommand::Forget { instance } => Self::ForgetLock { name, instance },
            // Clients ask the shard of the lock, and operators too.
            LockCommand::Acquire { party: Party::Client { .. }, .. }
            | LockCommand::Release { party: Party::Client { .. } }
            | LockCommand::ReleaseHolder { .. }
            | LockCommand::Renew { .. }
            | LockCommand::Expire => return None,
        })
    }

    /// The letter that brings a command to a bucket; none for those that never leave its shard.
    pub(crate) fn to_bucket(name: Str, key: Str, command: Command) -> Option<Self> {
        Some(match command {
            Command::Publish { message, id, variables, deadline_ms, only } => {
                Self::Publish { name, key, message, id, variables, deadline_ms, only }
            }
            Command::Subscribe(waiting) => Self::Subscribe { name, key, waiting },
            Command::Unsubscribe { step, element } => {
                Self::Unsubscribe { name, key, step, element }
            }
            Command::Return { message, process, step, element } => {
                Self::Return { name, key, message, process, step, element }
            }
            Command::Release { instance } => Self::Release { name, key, instance },
            Command::Hold(_) | Command::Expire => return None,
        })
    }
}
