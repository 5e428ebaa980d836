//! The audit log: which events are kept at which level (R38), and how a batch of them is written.
//!
//! Boundary: a record batch is a sequence of CBOR items: an integer sets the time, everything
//! else is one event. Reading it back is here too, so that both sides agree.
//! Read first: [`is_kept`], then [`append`] and [`read`].

use engine::Event;
use engine::value::Variables;
use host::package::LoggingLevel;
use minicbor::data::Type;

/// How much of a process is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// The level in force.
    pub level: LoggingLevel,
    /// Whether variables are logged with their values.
    pub pipeline: bool,
}

/// Whether an event is kept at a level.
#[must_use]
pub fn is_kept(event: &Event, logging: Logging, start_step: bool) -> bool {
    let least = match event {
        Event::TurnEnded { .. } | Event::BlockTaken { .. } => return false,
        Event::VariablesSet { .. } => {
            return logging.pipeline && logging.level >= LoggingLevel::Start;
        }
        Event::JobFailed { .. }
        | Event::JobErrorThrown { .. }
        | Event::IncidentRaised { .. }
        | Event::IncidentResolved { .. }
        | Event::LockTimedOut { .. }
        | Event::LockLost { .. }
        | Event::ServerFailed { .. }
        | Event::StepFailed { .. }
        | Event::ErrorEscalated { .. } => LoggingLevel::Errors,
        Event::InstanceStarted(_)
        | Event::InstanceCompleted
        | Event::InstanceCancelled
        | Event::InstanceFailed { .. } => LoggingLevel::Process,
        Event::StepActivated { .. } | Event::StepEntered { .. } | Event::StepCompleted { .. }
            if start_step =>
        {
            LoggingLevel::Start
        }
        Event::StepActivated { .. }
        | Event::StepEntered { .. }
        | Event::ScopeEntered { .. }
        | Event::StepCompleted { .. }
        | Event::StepTerminated { .. }
        | Event::FlowTaken { .. }
        | Event::JoinPassed { .. }
        | Event::JobCreated { .. }
        | Event::JobLeased { .. }
        | Event::JobCompleted { .. }
        | Event::JobReadied { .. }
        | Event::LockRequested { .. }
        | Event::LockGranted { .. }
        | Event::LockWithdrawn { .. }
        | Event::LockReleased { .. }
        | Event::JobWithdrawn { .. }
        | Event::RetriesUpdated { .. }
        | Event::DeadlineUpdated { .. }
        | Event::TimerArmed { .. }
        | Event::TimerFired { .. }
        | Event::TimerDisarmed { .. }
        | Event::SubscriptionOpened { .. }
        | Event::MessageCorrelated { .. }
        | Event::SubscriptionClosed { .. }
        | Event::ChildCalled { .. }
        | Event::ChildStarted { .. }
        | Event::ChildEnded { .. }
        | Event::Published { .. } => LoggingLevel::All,
    };
    logging.level >= least
}

/// Appends the time of the events that follow.
pub fn append_time(at_ms: i64, out: &mut Vec<u8>) {
    let result = minicbor::encode(at_ms, out);
    debug_assert!(result.is_ok(), "writing to memory cannot fail");
}

/// Appends one event.
pub fn append(event: &Event, out: &mut Vec<u8>) {
    let result = minicbor::encode(event, out);
    debug_assert!(result.is_ok(), "writing to memory cannot fail");
}

/// One event with its time in milliseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// When.
    pub at_ms: i64,
    /// What.
    pub event: Event,
}

/// Reads a batch of records back.
///
/// # Errors
/// If the bytes are no batch of this or the previous format.
pub fn read(bytes: &[u8], out: &mut Vec<Record>) -> Result<(), minicbor::decode::Error> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let mut at_ms = 0;
    while decoder.position() < bytes.len() {
        if decoder.datatype()? == Type::Array {
            out.push(Record { at_ms, event: decoder.decode()? });
        } else {
            at_ms = decoder.i64()?;
        }
    }
    Ok(())
}

/// The names of variables without their values.
#[must_use]
pub fn names_only(variables: &Variables) -> Variables {
    variables.keys().map(|name| (name.clone(), feel::Value::Null)).collect()
}
