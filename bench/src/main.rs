//! What a gRPC call costs at either end: tonic and our own server, tonic and the load generator's
//! client, in every combination, with the server in a process of its own.
//!
//! Boundary: no engine and no store behind the calls; this is the cost of the wire alone.
//! Read first: [`measure`].   How to run it and read the figures: `README.md`.
#![expect(clippy::print_stdout, reason = "prints its figures")]
#![expect(clippy::disallowed_methods, reason = "measures time; no server code runs here")]

mod client;
mod serve;
#[path = "../../crates/pointsman/src/bench/wire.rs"]
#[expect(dead_code, reason = "the load generator uses more of it")]
mod wire;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use prost::Message;
use proto::gateway::gateway_client::GatewayClient;
use proto::gateway::{ActivatedJob, CompleteJobRequest, StreamActivatedJobsRequest};
use tokio::task::JoinSet;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use self::client::Route;
use self::wire::{Event, Wire};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Calls in flight; 0 is one server stream of [`STREAMED`] jobs.
const LOADS: [usize; 5] = [1, 64, 256, 512, 0];
const STREAMED: i64 = 2_000_000;
/// Kernel ticks in a second of `/proc/*/stat`, on every Linux there is.
const TICKS: f64 = 100.0;
const WINDOW: u32 = 8 << 20;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, kind] = &arguments[..]
        && mode == "serve"
    {
        return threads(2)?.block_on(serve::run(kind));
    }
    let seconds: f64 = match arguments.first() {
        Some(seconds) => seconds.parse().context("usage: wire-bench [SECONDS [FILTER]]")?,
        None => 5.0,
    };
    let filter = arguments.get(1).map_or("", String::as_str);
    println!(
        "{:<20} {:>10} {:>14} {:>14}",
        "server-client-load", "per s", "client us", "server us"
    );
    for server in ["tonic", "ours"] {
        for client in ["tonic", "lean"] {
            for load in LOADS {
                let name = format!("{server}-{client}-{load}");
                if name.contains(filter) {
                    measure(&name, (server, client, load), Duration::try_from_secs_f64(seconds)?)?;
                }
            }
        }
    }
    Ok(())
}

fn threads(count: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    Ok(runtime.worker_threads(count).enable_all().build()?)
}

/// Prints one line: calls (or streamed jobs) per second, and CPU time of each at both ends. The
/// CPU times hold on a machine that has other things to do, the rate does not.
fn measure(
    name: &str,
    (server, client, load): (&str, &str, usize),
    time: Duration,
) -> anyhow::Result<()> {
    let (mut child, address) = spawn(server)?;
    let pid = child.id().to_string();
    let before = (cpu("self")?, cpu(&pid)?);
    let start = Instant::now();
    let until = start + time;
    let calls = match (client, load) {
        ("tonic", 0) => threads(2)?.block_on(stream_tonic(&address))?,
        ("tonic", _) => threads(2)?.block_on(call_tonic(&address, load, until))?,
        (_, _) => {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build()?;
            match load {
                0 => runtime.block_on(stream_lean(&address))?,
                _ => runtime.block_on(call_lean(&address, load, until))?,
            }
        }
    };
    let took = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let calls = calls as f64;
    let micros = |from: f64, to: f64| (to - from) * 1e6 / calls;
    let client = micros(before.0, cpu("self")?);
    let server = micros(before.1, cpu(&pid)?);
    println!("{name:<20} {:>10.0} {client:>14.2} {server:>14.2}", calls / took);
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// Starts this program as a server and waits for its address.
fn spawn(kind: &str) -> anyhow::Result<(Child, String)> {
    use std::io::{BufRead, BufReader};
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = command.args(["serve", kind]).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("the server has no output")?;
    let mut address = String::new();
    BufReader::new(output).read_line(&mut address)?;
    ensure!(!address.is_empty(), "the server did not start");
    Ok((child, address.trim().to_owned()))
}

/// Seconds of CPU time that a process has used.
fn cpu(pid: &str) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("needs Linux")?;
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let mut ticks = 0.0;
    for field in fields.split(' ').skip(11).take(2) {
        ticks += field.parse::<f64>()?;
    }
    Ok(ticks / TICKS)
}

fn completion() -> CompleteJobRequest {
    CompleteJobRequest {
        job_key: 2_251_799_813_685_249,
        variables: r#"{"n":1234567}"#.to_owned(),
        ..Default::default()
    }
}

async fn channel(address: &str) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
    Ok(endpoint.initial_connection_window_size(WINDOW).connect().await?)
}

async fn call_tonic(address: &str, load: usize, until: Instant) -> anyhow::Result<u64> {
    let channel = channel(address).await?;
    let mut callers = JoinSet::new();
    for _ in 0..load {
        let mut client = GatewayClient::new(channel.clone());
        callers.spawn(async move {
            let mut calls = 0;
            while Instant::now() < until {
                client.complete_job(completion()).await?;
                calls += 1;
            }
            anyhow::Ok(calls)
        });
    }
    callers.join_all().await.into_iter().sum()
}

async fn call_lean(address: &str, load: usize, until: Instant) -> anyhow::Result<u64> {
    let mut wire = Wire::connect(&Route::to(address)).await?;
    let method = wire.method("/gateway_protocol.Gateway/CompleteJob");
    for _ in 0..load {
        wire.call(&method, &completion(), ());
    }
    let mut calls = 0;
    while wire.in_flight() > 0 {
        let Event::Answer { result, .. } = wire.next().await? else { bail!("a stream") };
        result?;
        calls += 1;
        if Instant::now() < until {
            wire.call(&method, &completion(), ());
        }
    }
    Ok(calls)
}

fn everything() -> StreamActivatedJobsRequest {
    StreamActivatedJobsRequest { timeout: STREAMED, ..Default::default() }
}

async fn stream_tonic(address: &str) -> anyhow::Result<u64> {
    let mut client = GatewayClient::new(channel(address).await?);
    let mut jobs = client.stream_activated_jobs(everything()).await?.into_inner();
    let mut count = 0;
    while jobs.message().await?.is_some() {
        count += 1;
    }
    Ok(count)
}

async fn stream_lean(address: &str) -> anyhow::Result<u64> {
    let mut wire = Wire::connect(&Route::to(address)).await?;
    let method = wire.method("/gateway_protocol.Gateway/StreamActivatedJobs");
    wire.open(&method, &everything(), ());
    let mut count = 0;
    loop {
        match wire.next().await? {
            Event::Message { message, .. } => {
                ActivatedJob::decode(message)?;
                count += 1;
            }
            Event::End { status, .. } if status.code() == Code::Ok => return Ok(count),
            Event::End { status, .. } => return Err(status.into()),
            Event::Opened | Event::Answer { .. } => {}
        }
    }
}
