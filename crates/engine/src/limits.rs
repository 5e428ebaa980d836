//! What the world says to a decision: the time, the bounds, and the next free keys.
//!
//! Boundary: plain data; where it comes from is `node`'s business.
//! Read first: [`Stamp`].

use feel::Environment;

use crate::decisions::Decisions;
use crate::ids::Blocks;

/// Bounds of one decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps that one turn enters before it lets others go first. Default 1,000.
    pub turn_steps_max: u32,
    /// Steps that an instance enters without waiting for anything, or at one moment, before it is
    /// stopped by an incident, because its model loops. Default 100,000.
    pub run_steps_max: u32,
    /// Evaluation steps of one expression. Default 1,000,000.
    pub feel_steps_max: u32,
    /// Active steps of one instance. Default 200,000.
    pub active_steps_max: u32,
    /// Called processes inside of each other. Default 1,000.
    pub call_depth_max: u32,
    /// Bytes, roughly, of one variable that a mapping or script makes. Default 4 MiB.
    pub variable_bytes_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            turn_steps_max: 1_000,
            run_steps_max: 100_000,
            feel_steps_max: 1_000_000,
            active_steps_max: 200_000,
            call_depth_max: 1_000,
            variable_bytes_max: 4 * 1024 * 1024,
        }
    }
}

/// Everything that comes from outside besides the command.
#[derive(Debug)]
pub struct Stamp<'a> {
    /// Milliseconds since 1970 UTC.
    pub now_ms: i64,
    /// Bounds.
    pub limits: &'a Limits,
    /// Where new keys come from.
    pub blocks: &'a mut Blocks,
    /// The decisions that are deployed.
    pub decisions: &'a dyn Decisions,
}

impl Stamp<'_> {
    /// What an expression may know of the world.
    #[must_use]
    pub fn environment(&self) -> Environment {
        Environment { now_ms: self.now_ms, steps_max: self.limits.feel_steps_max }
    }
}
