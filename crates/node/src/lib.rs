//! The running server: the shard and its commit path, triggers, jobs, services, deployments.
//!
//! Boundary: everything asynchronous around the pure engine. Faces (`api`, the command line) use
//! the [`Node`] handle and know nothing behind it.
//! Read first: [`Node`], then `shard.rs`.

pub mod audit;
mod catalog;
mod clock;
mod error;
mod handle;
mod input;
pub mod packages;
mod published;
mod shard;
mod stream;
mod view;

pub use catalog::{
    ActivePackage, Catalog, Definition, SERVICE_PREFIX, Target, Trigger, Type, message_starts,
};
pub use clock::Clock;
pub use error::{CODES, Error, Retry};
pub use handle::{InstanceQuery, Node, Options, Publication};
pub use input::{Accepted, Created, Ended, JobFailure, NewMessage, Which};
pub use published::{Condition, Counters};
pub use shard::Settings;
pub use stream::{JobStream, WorkerRequest};
pub use view::{PathStep, StepView, path_of};
