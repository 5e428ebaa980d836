//! The command line as people and scripts meet it: a real server process, real commands.
//!
//! Boundary: the built program and its files only.
//! Read first: `cli/server.rs`, then `cli/commands.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "cli/commands.rs"]
mod commands;
#[path = "cli/decision.rs"]
mod decision;
#[path = "cli/deployment.rs"]
mod deployment;
#[path = "cli/drop.rs"]
mod drop;
#[path = "cli/feel.rs"]
mod feel;
#[path = "cli/serve.rs"]
mod serve;
#[path = "cli/server.rs"]
mod server;
