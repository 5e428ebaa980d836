//! Process instances: the aggregate at the heart of the engine.
//!
//! Boundary: one instance at a time; other aggregates are reached by effects that come back as
//! commands. The program is read, never changed.
//! Read first: [`decide`], then [`Instance`], then `element.rs`.   Tests: tests/scenarios/

mod activation;
mod apply;
mod boundary;
mod decide;
mod element;
mod end;
mod failure;
mod flow;
mod incident;
mod job;
mod scope;
mod state;
mod subscription;
mod variables;

pub use activation::Activation;
pub(crate) use activation::describe;
pub use apply::{apply, begin};
pub use decide::{Decision, Rules, decide, start};
pub use state::{
    HeldLock, Incident, Instance, Job, JobState, LockWait, Status, Step, StepPhase, Subscription,
    Timer, Wait,
};
