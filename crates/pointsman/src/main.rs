//! `pointsman`: the one binary; server, tools and client.
//!
//! Boundary: command line, configuration and wiring. What the server does stands in `node`; what
//! it answers in `api`.
//! Read first: `cli.rs`, then `serve.rs`.

mod bench;
mod cli;
mod client;
mod config;
mod decision;
mod demo;
mod deploy;
mod deployment;
mod explain;
mod expression;
mod finding;
mod follow;
mod incident;
mod instance;
mod lock;
mod logging;
mod message;
mod nearest;
mod output;
mod package;
mod problem;
mod process;
mod publish;
mod queue;
mod reference;
mod request;
mod serve;
mod server;
mod service;
mod settings;
mod storage;
mod token;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
