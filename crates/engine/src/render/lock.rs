//! The lines of what concerns locks.
//!
//! Boundary: as `render`.
//! Read first: [`event`].

use alloc::format;
use alloc::string::String;

use crate::event::Event;
use crate::lock::Owner;

use super::{Log, Names};

/// The line of an event, if it is about a lock.
pub(super) fn event(log: &Log, event: &Event, names: &dyn Names) -> Option<String> {
    Some(match event {
        Event::LockRequested { name, deadline_ms, .. } => match deadline_ms {
            Some(until_ms) => format!("  waits for lock {name} until {}", names.time(*until_ms)),
            None => format!("  waits for lock {name}"),
        },
        Event::LockGranted { step, name, fence } => {
            format!("{} has lock {name}, fence {fence}", log.step(*step, names))
        }
        Event::LockTimedOut { step } => {
            format!("{} did not get its lock in time", log.step(*step, names))
        }
        Event::LockWithdrawn { .. } => String::from("  waits for the lock no more"),
        Event::LockReleased { step, name, .. } => {
            format!("{} gives lock {name} back", log.step(*step, names))
        }
        Event::LockLost { name, fence } => {
            format!("{} lost lock {name}, fence {fence}", log.name(names))
        }
        _ => return None,
    })
}

/// Why somebody cannot give a lock back or renew it.
pub(super) fn not_held(owner: &Owner, holder: &Option<Owner>, names: &dyn Names) -> String {
    let who = self::owner(owner, names);
    match holder {
        Some(holder) => {
            let holder = self::owner(holder, names);
            format!("{who} neither holds the lock nor waits for it: {holder} holds it")
        }
        None => format!("{who} neither holds the lock nor waits for it: nobody holds it"),
    }
}

/// Who holds a lock.
pub(crate) fn owner(owner: &Owner, names: &dyn Names) -> String {
    match owner {
        Owner::Instance(instance) => names.instance(*instance),
        Owner::Client(session) => format!("client {session}"),
    }
}
