//! Publishing, waiting and expiring, for one bucket.
//!
//! Boundary: the answer to a match is an effect addressed to the instance; both orders of arrival
//! (message first, subscription first) lead to the same end.
//! Invariants: MSG-1 a message goes to each process id at most once. MSG-2 with a correlation key
//! at most one instance per process runs that a message of this key started: start-or-join is
//! atomic (R28). MSG-3 nothing correlates after its deadline.
//! Read first: [`decide`].   Tests: tests/scenarios/messages/

use alloc::vec::Vec;

use feel::{Context, Str};

use crate::ids::{DefinitionKey, InstanceKey, MessageKey, StepKey};
use crate::rejection::Rejection;
use crate::value::{from_context, to_context};

use super::state::{Bucket, Buffered, Holder, Waiting};

/// A process that a message of this name may start: its enabled version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartOption {
    /// The process id.
    pub process: Str,
    /// The enabled version.
    pub definition: DefinitionKey,
    /// Position of its message start event.
    pub element: u32,
}

/// What a bucket can be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A message was published.
    Publish {
        /// Its key.
        message: MessageKey,
        /// Its id; empty: none.
        id: Str,
        /// Its content.
        variables: Context,
        /// Until when it is buffered, milliseconds since 1970 UTC.
        deadline_ms: i64,
        /// Only for this process, if set.
        only: Option<Str>,
    },
    /// A step waits.
    Subscribe(Waiting),
    /// It does not any more.
    Unsubscribe {
        /// The step.
        step: StepKey,
        /// The catching element.
        element: u32,
    },
    /// A started instance has its key.
    Hold(Holder),
    /// An instance that a message of this key started has ended.
    Release {
        /// The instance.
        instance: InstanceKey,
    },
    /// Drop what is past its deadline.
    Expire,
}

/// What the shell must do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Give the message to a waiting step.
    Correlate {
        /// The instance.
        instance: InstanceKey,
        /// The step.
        step: StepKey,
        /// The catching element.
        element: u32,
        /// The message's content.
        variables: Context,
    },
    /// Start an instance with the message.
    Start {
        /// Which process, and where.
        option: StartOption,
        /// The message's content.
        variables: Context,
        /// Whether it holds this bucket until it ends.
        holds: bool,
    },
    /// Wake the bucket to drop messages past their deadline.
    ArmExpiry {
        /// Milliseconds since 1970 UTC.
        due_ms: i64,
    },
}

/// What a decision brought about.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// What the shell must do, in order.
    pub effects: Vec<Effect>,
    /// Whether a published message found a taker at once.
    pub taken: bool,
}

/// Answers a command to a bucket. `starts` are the processes that a message of this name may
/// start; `keyed` says that the correlation key is not empty.
///
/// # Errors
/// [`Rejection::Duplicate`] if a message of the same id is still buffered.
pub fn decide(
    bucket: &mut Bucket,
    command: Command,
    starts: &[StartOption],
    keyed: bool,
    now_ms: i64,
) -> Result<Decision, Rejection> {
    let mut decision = Decision::default();
    bucket.buffered.retain(|message| message.deadline_ms > now_ms);
    match command {
        Command::Publish { message, id, variables, deadline_ms, only } => {
            if !id.is_empty() && bucket.buffered.iter().any(|known| known.id == id) {
                return Err(Rejection::Duplicate);
            }
            let taken_by = Vec::new();
            let variables = from_context(&variables);
            let mut published = Buffered { message, id, variables, deadline_ms, taken_by, only };
            offer(bucket, &mut published, starts, keyed, &mut decision);
            decision.taken = !published.taken_by.is_empty();
            if published.deadline_ms > now_ms {
                decision.effects.push(Effect::ArmExpiry { due_ms: published.deadline_ms });
                bucket.buffered.push(published);
            }
        }
        Command::Subscribe(waiting) => subscribe(bucket, waiting, &mut decision),
        Command::Unsubscribe { step, element } => {
            bucket.waiting.retain(|known| (known.step, known.element) != (step, element));
        }
        Command::Hold(holder) => {
            bucket.holders.retain(|known| known.process != holder.process);
            bucket.holders.push(holder);
        }
        Command::Release { instance } => {
            bucket.holders.retain(|known| known.instance != instance);
            restart(bucket, starts, keyed, &mut decision);
        }
        Command::Expire => {}
    }
    Ok(decision)
}

/// Gives a new message to every process that waits for it or may be started by it.
fn offer(
    bucket: &mut Bucket,
    message: &mut Buffered,
    starts: &[StartOption],
    keyed: bool,
    decision: &mut Decision,
) {
    let mut kept = Vec::with_capacity(bucket.waiting.len());
    for waiting in bucket.waiting.drain(..) {
        if !may_take(message, &waiting.process) {
            kept.push(waiting);
            continue;
        }
        message.taken_by.push(waiting.process.clone());
        decision.effects.push(correlate(&waiting, message));
        if !waiting.once {
            kept.push(waiting);
        }
    }
    bucket.waiting = kept;
    start(bucket, message, starts, keyed, decision);
}

fn start(
    bucket: &mut Bucket,
    message: &mut Buffered,
    starts: &[StartOption],
    keyed: bool,
    decision: &mut Decision,
) {
    for option in starts {
        let held = keyed && bucket.holders.iter().any(|holder| holder.process == option.process);
        if held || !may_take(message, &option.process) {
            continue;
        }
        message.taken_by.push(option.process.clone());
        if keyed {
            let process = option.process.clone();
            bucket.holders.push(Holder { process, instance: InstanceKey(0) });
        }
        let variables = to_context(&message.variables);
        decision.effects.push(Effect::Start { option: option.clone(), variables, holds: keyed });
    }
}

/// A new subscription takes the oldest buffered message that its process has not had.
fn subscribe(bucket: &mut Bucket, waiting: Waiting, decision: &mut Decision) {
    let found = bucket.buffered.iter_mut().find(|known| may_take(known, &waiting.process));
    let Some(message) = found else {
        bucket.waiting.push(waiting);
        return;
    };
    message.taken_by.push(waiting.process.clone());
    decision.effects.push(correlate(&waiting, message));
    if !waiting.once {
        bucket.waiting.push(waiting);
    }
}

/// After a holder ended, the oldest buffered message starts the next instance.
fn restart(bucket: &mut Bucket, starts: &[StartOption], keyed: bool, decision: &mut Decision) {
    let mut buffered = core::mem::take(&mut bucket.buffered);
    for message in &mut buffered {
        start(bucket, message, starts, keyed, decision);
    }
    bucket.buffered = buffered;
}

fn may_take(message: &Buffered, process: &str) -> bool {
    !message.taken_by.iter().any(|known| &**known == process)
        && message.only.as_ref().is_none_or(|only| &**only == process)
}

fn correlate(waiting: &Waiting, message: &Buffered) -> Effect {
    Effect::Correlate {
        instance: waiting.instance,
        step: waiting.step,
        element: waiting.element,
        variables: to_context(&message.variables),
    }
}
