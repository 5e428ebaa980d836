//! `pointsman bench`: drives a running server over the network like any client, measures it, and
//! checks that every instance it started has completed.
//!
//! Boundary: only the public faces, gRPC and HTTP. The client shares the machine with the server
//! most of the time, so it is lean: one thread, no task per call.
//! Invariants: BENCH-1 a run in which an instance is missing, or a call failed, is no success.
//! Read first: [`Options`], then [`run`].   Tests: `bench/tests.rs`; how to read the figures:
//! `bench/README.md` of the workspace.

mod documents;
mod http;
mod instances;
mod latency;
mod model;
mod report;
mod server;
mod wire;

#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};

pub(crate) use self::report::Summary;
use crate::client::{Credentials, Protocol};

/// What to run, against which server, and for how long.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// What an instance does.
    #[arg(long, value_enum, default_value_t = Profile::W1)]
    pub(crate) profile: Profile,

    /// How long instances are started, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, conflicts_with = "instances")]
    pub(crate) duration: f64,

    /// How many instances are started, in place of a duration.
    #[arg(long, value_name = "COUNT")]
    pub(crate) instances: Option<u64>,

    /// Seconds at the start of a duration that are not measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, conflicts_with = "instances")]
    pub(crate) warm_up: f64,

    /// How many instances (D1: documents) are under way at a time.
    #[arg(long, value_name = "COUNT", default_value_t = 256, conflicts_with = "rate")]
    pub(crate) in_flight: usize,

    /// Start this many instances per second whatever the server does, to measure latency.
    #[arg(long, value_name = "PER_SECOND")]
    pub(crate) rate: Option<f64>,

    /// Connections, spread over the servers.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    pub(crate) connections: usize,

    /// First create this many instances that wait for a job which nobody takes.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) waiting: u64,

    /// Seconds to wait at the end for what has not completed.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    pub(crate) patience: f64,

    /// Address of the server's gRPC face; several times for several servers of one cluster.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:26500")]
    pub(crate) grpc: Vec<String>,

    /// Address of the server's HTTP face; several times for all servers of the cluster.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) http: Vec<String>,

    #[command(flatten)]
    pub(crate) credentials: Credentials,
}

/// What an instance does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Start, script, end: nothing outside the server.
    #[value(name = "W0")]
    W0,
    /// One job, worked by a streaming worker.
    #[value(name = "W1")]
    W1,
    /// Ten jobs in sequence, worked by a streaming worker.
    #[value(name = "W10")]
    W10,
    /// A published document starts a process that runs straight through.
    #[value(name = "D1")]
    D1,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::W0 => "W0",
            Self::W1 => "W1",
            Self::W10 => "W10",
            Self::D1 => "D1",
        }
    }

    /// The id of the process that is run.
    fn process(self) -> &'static str {
        match self {
            Self::W0 => "bench-w0",
            Self::W1 => "bench-w1",
            Self::W10 => "bench-w10",
            Self::D1 => "bench-d1",
        }
    }

    /// Jobs that each instance needs.
    fn jobs(self) -> u32 {
        match self {
            Self::W0 | Self::D1 => 0,
            Self::W1 => 1,
            Self::W10 => 10,
        }
    }

    /// Steps that count: jobs, or the one script.
    fn steps(self) -> u32 {
        self.jobs().max(1)
    }
}

/// When a run stops starting instances.
#[derive(Clone, Copy, Debug)]
enum Until {
    Count(u64),
    Time { warm_up: Duration, measured: Duration },
}

/// Runs the load on a thread and runtime of its own and reports what was seen. Blocks.
///
/// Whether the run succeeded is [`Summary::is_clean`]; the summary is there either way.
///
/// # Errors
/// The server cannot be reached, refuses the models, or stops answering.
pub(crate) fn run_blocking(options: &Options) -> anyhow::Result<Summary> {
    // One thread: the server needs the others, and a second one costs more in wake-ups.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(options))
}

/// As [`run_blocking`], on the caller's runtime.
///
/// # Errors
/// The server cannot be reached, refuses the models, or stops answering.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Summary> {
    let until = check(options)?;
    let routes = |urls: &[String], protocol| {
        let routes = urls.iter().map(|url| http::route(url, &options.credentials, protocol));
        routes.collect::<Result<Vec<_>, _>>()
    };
    let grpc = routes(&options.grpc, Protocol::Http2)?;
    let http = routes(&options.http, Protocol::Http1)?;
    if options.waiting > 0 {
        instances::create_waiting(&grpc[0], options)
            .await
            .context("cannot create the waiting instances")?;
    }
    let profile = options.profile;
    let mut server = server::Server::connect(&http).await?;
    match profile {
        Profile::D1 => server.deploy_package(model::package()?).await?,
        Profile::W0 | Profile::W1 | Profile::W10 => {
            let model = model::process(profile.process(), profile.jobs());
            instances::deploy(&grpc[0], profile.process(), model).await?;
        }
    }
    let before = server.counts(profile.process()).await?;
    let run = match profile {
        Profile::D1 => documents::run(&http, options, until).await?,
        Profile::W0 | Profile::W1 | Profile::W10 => instances::run(&grpc, options, until).await?,
    };
    let expected = before.completed + run.accepted;
    let after = server
        .settle(profile.process(), expected, Duration::from_secs_f64(options.patience))
        .await?;
    Ok(Summary::new(options, run, before, after))
}

fn check(options: &Options) -> anyhow::Result<Until> {
    ensure!(options.in_flight > 0, "`--in-flight` must be at least 1");
    ensure!(options.connections > 0, "`--connections` must be at least 1");
    let seconds = |name: &str, value: f64| {
        Duration::try_from_secs_f64(value).with_context(|| format!("`--{name} {value}`"))
    };
    seconds("patience", options.patience)?;
    if options.rate.is_some_and(|rate| !(rate > 0.0 && rate <= 10_000_000.0)) {
        bail!("`--rate` must be above 0 and at most 10,000,000");
    }
    Ok(match options.instances {
        Some(count) => Until::Count(count),
        None => Until::Time {
            warm_up: seconds("warm-up", options.warm_up)?,
            measured: seconds("duration", options.duration)?,
        },
    })
}
