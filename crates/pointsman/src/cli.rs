//! The command line: what there is, and which function does it.
//!
//! Boundary: parses and dispatches; each command stands in a file of its own. Exit codes: 0 done,
//! 1 refused, 2 wrong use, 3 cannot reach, 4 internal; of deployments also 5 timed out, 6
//! cancelled, 7 failed.
//! Read first: [`Command`], then [`main`].   Tests: tests/commands.rs

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::output::{self, Format};
use crate::problem::{Exit, Failure};
use crate::{
    bench, config, decision, demo, deploy, deployment, explain, expression, incident, instance,
    lock, message, package, process, publish, queue, request, serve, server, service, settings,
    storage, token,
};

/// A process server: published documents start durable BPMN processes.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version, arg_required_else_help = true)]
struct Arguments {
    /// How data is printed.
    #[arg(long, global = true, value_enum, default_value = "table", env = "POINTSMAN_OUTPUT")]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server; needs no configuration.
    Serve(serve::Options),
    /// Check, explain or document a server's configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Make, check, test or build packages, without a server; list and switch those of one.
    #[command(subcommand)]
    Package(package::Command),
    /// Evaluate decisions, or run conformance tests of DMN, without a server.
    #[command(subcommand)]
    Decision(decision::Command),
    /// Evaluate and check FEEL expressions; run cases. Needs no server.
    #[command(subcommand)]
    Feel(expression::Command),
    /// Load packages into a server: all of them or none.
    Deploy(deploy::Options),
    /// List, show or cancel deployments.
    Deployment(deployment::Options),
    /// Call services of packages.
    Service(service::Options),
    /// Publish documents: one JSON object, or one per line.
    Publish(publish::Options),
    /// List processes and their versions; enable one.
    Process(process::Options),
    /// List, show, start, retry or cancel instances.
    Instance(instance::Options),
    /// List and resolve what failed and waits for a person.
    Incident(incident::Options),
    /// List, acquire, give back or take away named locks.
    Lock(lock::Options),
    /// Look at trigger queues and dead letters; replay or discard entries.
    Queue(queue::Options),
    /// Publish a message to waiting instances.
    Message(message::Options),
    /// Make, list or revoke API tokens.
    Token(token::Options),
    /// Request to run processes, at once or at a time; whichever server is free runs them.
    Request(request::Options),
    /// Look at the servers of a cluster; drain, remove, or let them stand by.
    Server(server::Options),
    /// Look at and change the settings that all servers share.
    Settings(settings::Options),
    /// Let nothing new start for a while; what runs goes on.
    Maintenance(settings::Maintenance),
    /// Migrate, check, copy, back up, restore or clean a store.
    #[command(subcommand)]
    Store(storage::Command),
    /// Explain an error code.
    Explain(explain::Options),
    /// Put a server under load and measure it.
    Bench(bench::Options),
    /// Print a script that completes commands in a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Sum up what `make demo` has done.
    #[command(hide = true)]
    Demo(demo::Options),
}

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to standard output and succeeds, the rest to standard error.
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::WrongUse } else { Exit::Done };
            return ExitCode::from(exit as u8);
        }
    };
    let exit = match run(&arguments) {
        Ok(()) => Exit::Done,
        Err(Failure { exit, problem }) => {
            if let Some(problem) = problem {
                output::remark(&problem.to_string());
            }
            exit
        }
    };
    ExitCode::from(exit as u8)
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let format = arguments.output;
    match &arguments.command {
        Command::Serve(options) => serve::run(options),
        Command::Config(command) => config::run(command, format),
        Command::Package(command) => package::run(command, format),
        Command::Decision(command) => decision::run(command, format),
        Command::Feel(command) => expression::run(command, format),
        Command::Deploy(options) => deploy::run(options, format),
        Command::Deployment(options) => deployment::run(options, format),
        Command::Service(options) => service::run(options),
        Command::Publish(options) => publish::run(options, format),
        Command::Process(options) => process::run(options, format),
        Command::Instance(options) => instance::run(options, format),
        Command::Incident(options) => incident::run(options, format),
        Command::Lock(options) => lock::run(options, format),
        Command::Queue(options) => queue::run(options, format),
        Command::Message(options) => message::run(options, format),
        Command::Token(options) => token::run(options, format),
        Command::Request(options) => request::run(options, format),
        Command::Server(options) => server::run(options, format),
        Command::Settings(options) => settings::run(options, format),
        Command::Maintenance(options) => settings::maintain(options, format),
        Command::Store(command) => storage::run(command, format),
        Command::Explain(options) => explain::run(options),
        Command::Bench(options) => run_bench(options, format),
        Command::Completions { shell } => complete(*shell),
        Command::Demo(options) => demo::run(options),
    }
}

fn run_bench(options: &bench::Options, format: Format) -> Result<(), Failure> {
    let summary = bench::run_blocking(options)
        .map_err(|error| Failure::refused("", format!("{error:#}"), ""))?;
    let data = serde_json::to_value(&summary)
        .map_err(|error| Failure::internal("no JSON".to_owned()).because(&error))?;
    output::show(format, &data, || summary.table())?;
    match summary.complaint() {
        None => Ok(()),
        Some(complaint) => Err(Failure::refused("", complaint, "")),
    }
}

fn complete(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "pointsman", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
