//! The faces of a server: decodes calls, checks rights, asks the node, encodes answers.
//!
//! Boundary: no logic of its own; what a call does stands in `node`. There is no authentication
//! yet, which is why a server listens on its own machine only.
//! Read first: [`serve`], then [`Problem`].   Tests: tests/

mod accept;
pub mod grpc;
mod operation;
mod problem;
mod rest;
mod serve;

pub use problem::{CODES, Cause, Kind, Problem};
pub use serve::{Error, Limits, Options, check_listen, serve};
