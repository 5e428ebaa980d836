//! The faces of a server: decodes calls, checks rights, asks the node, encodes answers.
//!
//! Boundary: no logic of its own; what a call does stands in `node`. Who may call stands in `auth`,
//! how connections are protected in `tls`; without both a server listens on its own machine only.
//! Read first: [`serve`], then [`Problem`].   Tests: tests/

mod accept;
pub mod auth;
#[cfg(test)]
#[path = "../tests/support/authority.rs"]
mod authority;
pub mod grpc;
mod operation;
pub mod peer;
mod problem;
mod rest;
mod serve;
pub mod tls;

pub use problem::{CODES, Cause, Kind, Problem};
pub use serve::{Error, Exposure, Limits, Options, Protection, check_listen, serve};
