//! Named locks: who holds one, and who waits for it in which order (R49).
//!
//! A lock is held by one owner at a time: an instance, or a session of a client. Each owner gets a
//! fencing number that is greater than those before it, so that whatever the lock protects can
//! refuse somebody who lost it without knowing. An instance may acquire a lock again by another
//! step while it holds it: this is granted at once under the same number, and the lock is free when
//! as many acquisitions were given back.
//!
//! Boundary: one lock at a time; instances and clients are reached by effects, and answer with
//! commands. The name is known to the shell, which keeps the state under it.
//! Read first: [`decide`], then [`Lock`].   Tests: tests/scenarios/locks/

mod apply;
mod decide;
mod state;

pub use decide::{Command, Decision, Effect, decide};
pub use state::{Holder, Lock, Owner, Party, Waiter};
