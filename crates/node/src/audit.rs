//! The audit log: which events are kept at which level (R38), and how a batch of them is written.
//!
//! Boundary: a record batch is a sequence of CBOR items: an integer sets the time, a map is what a
//! service printed, everything else is one event. Reading it back is here too, so that both sides
//! agree.
//! Read first: [`is_kept`], then [`append`] and [`read`].

use engine::Event;
use engine::ids::JobKey;
use engine::value::Variables;
use host::package::LoggingLevel;
use minicbor::data::Type;

/// The key of a map that has what a service printed.
const OUTPUT: u8 = 0;

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
        | Event::Published { .. }
        | Event::ExpressionWarned { .. }
        | Event::DecisionEvaluated { .. } => LoggingLevel::All,
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

/// What a service printed while it worked on a job, besides its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The job.
    pub job: JobKey,
    /// Bytes before `text` that were not kept.
    pub lost: u64,
    /// The end of what was printed.
    pub text: String,
}

/// A line, or several, of the log.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Something happened.
    Event(Record),
    /// A service printed something.
    Output {
        /// When its call had ended, in milliseconds since 1970 UTC.
        at_ms: i64,
        /// What.
        output: Output,
    },
}

/// Appends what a service printed.
pub fn append_output(output: &Output, out: &mut Vec<u8>) {
    let mut encoder = minicbor::Encoder::new(out);
    let result = encoder
        .map(1)
        .and_then(|to| to.u8(OUTPUT))
        .and_then(|to| to.array(3))
        .and_then(|to| to.u64(output.job.0))
        .and_then(|to| to.u64(output.lost))
        .and_then(|to| to.str(&output.text));
    debug_assert!(result.is_ok(), "writing to memory cannot fail");
}

fn read_output(decoder: &mut minicbor::Decoder<'_>) -> Result<Output, minicbor::decode::Error> {
    let shape = (decoder.map()?, decoder.u8()?, decoder.array()?);
    if shape != (Some(1), OUTPUT, Some(3)) {
        return Err(minicbor::decode::Error::message("a map that is no output"));
    }
    let (job, lost) = (JobKey(decoder.u64()?), decoder.u64()?);
    Ok(Output { job, lost, text: decoder.str()?.to_owned() })
}

/// Reads the events of a batch of records back.
///
/// # Errors
/// If the bytes are no batch of this or the previous format.
pub fn read(bytes: &[u8], out: &mut Vec<Record>) -> Result<(), minicbor::decode::Error> {
    let mut entries = Vec::new();
    read_all(bytes, &mut entries)?;
    out.extend(entries.into_iter().filter_map(|entry| match entry {
        Entry::Event(record) => Some(record),
        Entry::Output { .. } => None,
    }));
    Ok(())
}

/// Reads a batch of records back.
///
/// # Errors
/// If the bytes are no batch of this or the previous format.
pub fn read_all(bytes: &[u8], out: &mut Vec<Entry>) -> Result<(), minicbor::decode::Error> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let mut at_ms = 0;
    while decoder.position() < bytes.len() {
        match decoder.datatype()? {
            Type::Array => out.push(Entry::Event(Record { at_ms, event: decoder.decode()? })),
            Type::Map => out.push(Entry::Output { at_ms, output: read_output(&mut decoder)? }),
            _ => at_ms = decoder.i64()?,
        }
    }
    Ok(())
}

/// The names of variables without their values.
#[must_use]
pub fn names_only(variables: &Variables) -> Variables {
    variables.keys().map(|name| (name.clone(), feel::Value::Null)).collect()
}

#[cfg(test)]
mod tests {
    use engine::Event;
    use engine::ids::JobKey;

    use super::{
        Entry, Logging, LoggingLevel, Output, append, append_output, append_time, is_kept, read,
        read_all,
    };

    #[test]
    fn warnings_of_expressions_are_kept_with_the_steps_only() {
        let warned = Event::ExpressionWarned {
            step: engine::ids::StepKey(1),
            warnings: vec!["`x`: no variable".into()],
        };
        let logging = |level| Logging { level, pipeline: true };
        for (level, kept) in [(LoggingLevel::All, true), (LoggingLevel::Start, false)] {
            assert_eq!(is_kept(&warned, logging(level), true), kept);
        }
    }

    #[test]
    fn what_was_printed_stands_between_the_events() {
        let output = Output { job: JobKey(7), lost: 3, text: "a line\nä\n".into() };
        let mut bytes = Vec::new();
        append_time(5, &mut bytes);
        append(&Event::InstanceCompleted, &mut bytes);
        append_output(&output, &mut bytes);
        append_time(6, &mut bytes);
        append(&Event::InstanceCancelled, &mut bytes);
        let (mut records, mut entries) = (Vec::new(), Vec::new());
        read(&bytes, &mut records).expect("readable");
        assert_eq!(records.iter().map(|record| record.at_ms).collect::<Vec<_>>(), [5, 6]);
        read_all(&bytes, &mut entries).expect("readable");
        assert_eq!(entries[1], Entry::Output { at_ms: 5, output });
        assert_eq!(entries.len(), 3);
        // A map of another kind is refused.
        assert!(read_all(&[0xA1, 1, 0x80], &mut entries).is_err());
    }
}
