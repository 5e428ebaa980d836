//! Message buckets: everything that concerns one message name and correlation key.
//!
//! Boundary: one bucket at a time; instances are reached by effects. Which processes a message
//! may start is told by the shell, because it depends on what is enabled.
//! Read first: [`decide`], then [`Bucket`].   Tests: tests/scenarios/messages/

mod decide;
mod state;

pub use decide::{Command, Decision, Effect, StartOption, decide};
pub use state::{Bucket, Buffered, Holder, Waiting};
