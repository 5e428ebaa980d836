//! What one shard tells another: durable with the sender's unit, received exactly once.
//!
//! Boundary: what happens between aggregates of two shards; within one shard the same happens in
//! one turn. The byte form is stored, so numbers and fields are never reused.
//! Invariants: LTR-1 letters of one sender are received in order, also by a bucket or lock that
//! moves to another shard meanwhile. LTR-2 the unit that deals with a letter is the one that takes
//! it out of the inbox. LTR-3 a letter is dealt with under a catalogue that is not older than its
//! sender's.
//! Read first: [`Letter`].   Tests: `crates/node/tests/shards.rs`

use engine::ids::{Address, InstanceKey, MessageKey, ShardId, StepKey};
use engine::lock::{Command as LockCommand, Party};
use engine::message::{Command, Waiting};
use engine::value::{maybe_text, text};
use feel::{Context, Str};
use minicbor::{Decode, Encode};
use store::slot_of;

use super::wire::context;

/// A bucket or a lock on its way to another shard.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Parcel {
    /// The bytes of its address.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) address: Vec<u8>,
    /// Its snapshot.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) snapshot: Vec<u8>,
}

/// Slots that one shard gives to another: told apart by the giver and the unit that gives them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Move {
    /// The giver's unit.
    #[n(0)]
    pub(crate) unit: u64,
    /// The shard that gets them.
    #[n(1)]
    pub(crate) to: ShardId,
    /// The slots.
    #[n(2)]
    pub(crate) slots: Vec<u16>,
}

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
    /// Of the giver, in the unit that gives slots away: what is in them, or a part of it.
    #[n(60)]
    Part {
        #[n(0)]
        of: Move,
        #[n(1)]
        parcels: Vec<Parcel>,
    },
    /// To itself, in the same unit: all other shards are to be told. Then to the receiver: these
    /// were told, and will confirm it.
    #[n(61)]
    Given {
        #[n(0)]
        of: Move,
        #[n(1)]
        told: Vec<ShardId>,
    },
    /// Of the giver to every other shard: what concerns these slots goes to the receiver from now
    /// on.
    #[n(62)]
    Moved {
        #[n(0)]
        of: Move,
    },
    /// To the giver, which passes it on to the receiver: this shard sends the giver nothing more
    /// for these slots.
    #[n(63)]
    Confirmed {
        #[n(0)]
        of: Move,
        #[n(1)]
        by: ShardId,
    },
}

impl Letter {
    /// The slot of the bucket or lock that it is for, if it is for one.
    pub(crate) fn slot(&self) -> Option<u16> {
        let address = match self {
            Self::Publish { name, key, .. }
            | Self::Subscribe { name, key, .. }
            | Self::Unsubscribe { name, key, .. }
            | Self::Return { name, key, .. }
            | Self::Release { name, key, .. } => {
                Address::Bucket { name: name.clone(), key: key.clone() }
            }
            Self::AcquireLock { name, .. }
            | Self::ReleaseLock { name, .. }
            | Self::ForgetLock { name, .. } => Address::Lock { name: name.clone() },
            Self::Correlate { .. }
            | Self::Granted { .. }
            | Self::LockTimedOut { .. }
            | Self::LockLost { .. }
            | Self::Fail { .. }
            | Self::Part { .. }
            | Self::Given { .. }
            | Self::Moved { .. }
            | Self::Confirmed { .. } => return None,
        };
        Some(slot_of(&address.to_bytes()))
    }

    /// The move that it tells the receiver of, if it does.
    pub(crate) fn of_move(&self) -> Option<&Move> {
        let (Self::Part { of, .. } | Self::Given { of, .. } | Self::Confirmed { of, .. }) = self
        else {
            return None;
        };
        Some(of)
    }

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
