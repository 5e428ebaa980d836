//! The command line as people and scripts meet it: a real server process, real commands.
//!
//! Boundary: the built program and its files only.
//! Read first: `cli/server.rs`, then `cli/commands.rs`.

#[path = "cli/commands.rs"]
mod commands;
#[path = "cli/serve.rs"]
mod serve;
#[path = "cli/server.rs"]
mod server;
