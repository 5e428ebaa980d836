//! The running server: the shard and its commit path, triggers, jobs, services, deployments.
//!
//! Boundary: everything asynchronous around the pure engine. Faces (`api`, the command line) use
//! the [`Node`] handle and know nothing behind it.
//! Read first: [`Node`], then `shard.rs`.

pub mod audit;
mod blocking;
mod catalog;
mod clock;
pub mod cluster;
mod deployment;
mod error;
mod handle;
mod hosting;
mod input;
mod logical;
mod onward;
pub mod packages;
mod published;
mod shard;
mod stream;
mod view;
mod watched;

pub use catalog::{
    ActivePackage, Catalog, Decision, Definition, Requirements, SERVICE_PREFIX, Target, Trigger,
    Type, message_starts,
};
pub use clock::{Clock, Dial};
pub use deployment::{
    Change, DeploymentView, InFlight, Outcome, Plan, Planned, Running, ServerProgress, Stage,
    Strategy, Terms,
};
pub use dmn::Evaluated;
pub use error::{CODES, Error, Retry};
pub use handle::{
    Answered, Evaluation, Here, InstanceQuery, Invocation, Node, Options, Publication, Seed,
    ServerView, SettingView, ShardView, Told, WhichDecision,
};
pub use host::gate::{Chain, Policy};
pub use input::{Accepted, Created, Ended, Grant, JobFailure, MissedStart, NewMessage, Which};
pub use logical::LogicalServer;
pub use published::{Condition, Counters};
pub use shard::{Maintenance, Settings};
pub use stream::{JobLease, JobStream, WorkerRequest};
pub use view::{PathStep, StepView, path_of};
