//! The core: commands in, events and effects out, as a deterministic function.
//!
//! Boundary: pure. Time, keys and limits come in with each command; nothing here knows stores,
//! sockets or threads. What must happen in the world leaves as effects.
//! Invariants: ENG-1 the same state, program, command and stamp give the same events and effects.
//! ENG-2 replaying the events gives the same state.
//! Read first: [`instance::decide`], then [`Command`], [`Event`] and [`Effect`].
#![no_std]

extern crate alloc;

mod command;
mod decisions;
mod draft;
mod effect;
mod event;
pub mod ids;
pub mod instance;
pub mod job;
mod limits;
pub mod lock;
pub mod message;
mod rejection;
pub mod render;
#[cfg(feature = "script")]
pub mod script;
pub mod time;
pub mod transition;
pub mod value;

pub use command::{Caller, CancelledBy, Command, Origin, Reach, Start};
pub use decisions::{DecisionVersion, Decisions, NoDecisions, Wanted};
pub use effect::{Effect, Report};
pub use event::{
    EvaluatedDecision, EvaluatedInput, Event, IncidentKind, MatchedRule, ReadyCause, Repeat,
    Started,
};
pub use limits::{Limits, Stamp};
pub use rejection::Rejection;
