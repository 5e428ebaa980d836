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
    /// The step that a message was given to does not wait any more: whoever of the same process
    /// waits, or comes later, may have it.
    Return {
        /// The message.
        message: MessageKey,
        /// The process id of the instance that had it.
        process: Str,
        /// The step that does not wait any more.
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
    /// Give the message to a waiting step. If the step does not wait any more, the answer is
    /// [`Command::Return`].
    Correlate {
        /// The message.
        message: MessageKey,
        /// The process id of the instance.
        process: Str,
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
        Command::Return { message, process, step, element } => {
            bucket.waiting.retain(|known| (known.step, known.element) != (step, element));
            give_back(bucket, message, &process, &mut decision);
        }
        Command::Release { instance } => release(bucket, instance, starts, keyed, &mut decision),
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

/// A new subscription takes the oldest buffered message that its process has not had, or all of
/// them if it waits for more than one.
fn subscribe(bucket: &mut Bucket, waiting: Waiting, decision: &mut Decision) {
    for message in &mut bucket.buffered {
        if !may_take(message, &waiting.process) {
            continue;
        }
        message.taken_by.push(waiting.process.clone());
        decision.effects.push(correlate(&waiting, message));
        if waiting.once {
            return;
        }
    }
    bucket.waiting.push(waiting);
}

/// A message came too late for the step that it was given to. If its time to live is over, it is
/// gone, as if nobody had waited.
fn give_back(bucket: &mut Bucket, message: MessageKey, process: &Str, decision: &mut Decision) {
    let Some(message) = bucket.buffered.iter_mut().find(|known| known.message == message) else {
        return;
    };
    message.taken_by.retain(|known| known != process);
    let Some(next) = bucket.waiting.iter().position(|known| known.process == *process) else {
        return;
    };
    message.taken_by.push(process.clone());
    decision.effects.push(correlate(&bucket.waiting[next], message));
    if bucket.waiting[next].once {
        bucket.waiting.remove(next);
    }
}

/// After a holder ended, the oldest buffered message that its process has not had starts the next
/// instance of it.
fn release(
    bucket: &mut Bucket,
    instance: InstanceKey,
    starts: &[StartOption],
    keyed: bool,
    decision: &mut Decision,
) {
    let (released, kept) = core::mem::take(&mut bucket.holders)
        .into_iter()
        .partition::<Vec<_>, _>(|known| known.instance == instance);
    bucket.holders = kept;
    let mut buffered = core::mem::take(&mut bucket.buffered);
    for holder in released {
        let option = starts.iter().find(|option| option.process == holder.process);
        let option = option.map(core::slice::from_ref).unwrap_or_default();
        for message in &mut buffered {
            start(bucket, message, option, keyed, decision);
        }
    }
    bucket.buffered = buffered;
}

fn may_take(message: &Buffered, process: &str) -> bool {
    !message.taken_by.iter().any(|known| &**known == process)
        && message.only.as_ref().is_none_or(|only| &**only == process)
}

fn correlate(waiting: &Waiting, message: &Buffered) -> Effect {
    Effect::Correlate {
        message: message.message,
        process: waiting.process.clone(),
        instance: waiting.instance,
        step: waiting.step,
        element: waiting.element,
        variables: to_context(&message.variables),
    }
}
