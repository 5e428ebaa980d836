//! `pointsman serve`: opens the store, starts the node, serves both faces, and stops in order.
//!
//! Boundary: wiring. Readiness is the node's condition; the node gives its shards away before the
//! faces end, the faces end before the node stops, and the node stops before the store.
//! Invariants: SRV-1 a server that could not start has changed nothing of another one. SRV-2 the
//! store is closed after the last commit, whatever ended the server.
//! Read first: [`run`], then [`Server::start`] and [`Server::stop`].   Tests: tests/serve.rs

mod addresses;
mod backend;
mod cleaning;
mod drop;
mod peers;
mod secured;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use api::grpc::wire;
use clap::Args;
use node::{Clock, Condition, Node, cluster};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::config::{Config, Given};
use crate::problem::{self, Failure};
use crate::serve::backend::Backend;
use crate::serve::peers::Peers;
use crate::serve::secured::Secured;
use crate::{logging, output};

/// How often finished instances are looked for that may be forgotten.
const PURGE_EVERY: Duration = Duration::from_secs(3600);
/// The lease of a server that has its directory for itself. Nobody could take its work over, so
/// that one which gets no time for a while had better keep what it has.
const LEASE_ALONE_MS: i64 = 60_000;
/// Rounds of forgetting in a row; the rest waits for the next time.
const PURGE_ROUNDS: u32 = 1_000;
/// How long a start is waited for before the log says that it is late.
const READY: Duration = Duration::from_secs(30);

/// What overrides the configuration file and the environment.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The directory with the database [default: pointsman-data].
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// The PostgreSQL database that servers share, or a reference to its address.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Where values that are too large for a row go: `file:///DIRECTORY` or `s3://BUCKET/PREFIX`.
    #[arg(long, value_name = "URL")]
    storage: Option<String>,
    /// Where REST, health and metrics are served [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// Where workers and clients of the gateway connect [default: 127.0.0.1:26500].
    #[arg(long, value_name = "ADDRESS")]
    grpc: Option<String>,
    /// The server's name [default: pointsman].
    #[arg(long)]
    name: Option<String>,
    /// The logical servers that it hosts, separated by commas.
    #[arg(long, value_name = "NAMES")]
    hosts: Option<String>,
    /// A folder whose `inbox` deploys what is put into it.
    #[arg(long, value_name = "DIR")]
    drop_folder: Option<String>,
    /// How log lines look: auto, text or json [default: auto].
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Options {
    /// The configuration, with a data directory that does not depend on where a service's
    /// process runs.
    fn load(&self) -> Result<Config, Failure> {
        let mut given = Given::from_environment();
        let flags = [
            ("data", &self.data),
            ("database.url", &self.database),
            ("storage.url", &self.storage),
            ("http", &self.http),
            ("grpc", &self.grpc),
            ("name", &self.name),
            ("hosts", &self.hosts),
            ("drop-folder", &self.drop_folder),
            ("log.format", &self.log_format),
        ];
        for (key, value) in flags {
            given.flags.extend(value.clone().map(|value| (key, value)));
        }
        let mut config = Config::load(given.file(self.config.as_deref()).as_deref(), &given)?;
        let absolute = std::path::absolute(&config.data);
        config.data = absolute.map_err(|error| Failure::file("find", &config.data, &error))?;
        Ok(config)
    }
}

/// Runs a server until it is told to stop.
///
/// # Errors
/// The configuration is wrong, the data directory is in use or unusable, or an address is taken.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let config = options.load()?;
    logging::start(&config.log_level, config.log_format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::internal("cannot start the runtime".to_owned()).because(&error)
    })?;
    let ended = runtime.block_on(serve(&config));
    // Whatever is left after a second signal is not waited for.
    runtime.shutdown_background();
    ended
}

async fn serve(config: &Config) -> Result<(), Failure> {
    let begin = Instant::now();
    let mut signals = Signals::new()?;
    let server = Server::start(config).await?;
    tokio::select! {
        told = server.announce(begin) => if let Err(failure) = told {
            server.stop(&mut signals).await?;
            return Err(failure);
        },
        name = signals.next() => {
            tracing::info!(signal = name, "stopping before the server was ready");
            return server.stop(&mut signals).await;
        }
    }
    server.run(&mut signals).await
}

/// A running server.
struct Server {
    node: Node,
    store: Backend,
    data: PathBuf,
    http: SocketAddr,
    grpc: SocketAddr,
    /// Told to end the faces.
    quit: oneshot::Sender<()>,
    /// Told to answer other servers no more.
    part: watch::Sender<bool>,
    faces: JoinSet<Result<(), api::Error>>,
    chores: JoinSet<()>,
    others: JoinSet<()>,
    scheme: &'static str,
}

impl Server {
    async fn start(config: &Config) -> Result<Self, Failure> {
        let shares = config.database.is_some();
        let clock = if shares { Clock::shared() } else { Clock::System };
        let secured = Secured::new(&config.security, clock.clone())?;
        let folder = config.drop_folder.as_deref();
        let folder = folder.map(|path| drop::Folder::open(path, &config.name)).transpose()?;
        let store = Backend::open(config).await?;
        let http = listen(config.http, "--http").await?;
        let grpc = listen(config.grpc, "--grpc").await?;
        let address = |listener: &TcpListener| {
            listener.local_addr().map_err(|error| {
                Failure::internal("a listener has no address".to_owned()).because(&error)
            })
        };
        let (http_address, grpc_address) = (address(&http)?, address(&grpc)?);
        let scheme = secured.scheme();
        let own = format!("{scheme}://{http_address}");
        let peers = Peers::open(config, secured.peers.clone()).await?;
        let mut options = node_options(config, &own);
        options.cluster = cluster_options(config, &peers, &own, grpc_address);
        options.clock = clock;
        let node = Node::open(store.store(), options);
        let (quit, told) = oneshot::channel::<()>();
        let mut faces = JoinSet::new();
        let options = secured.options(face_options(config), &node);
        let serving = api::serve(node.clone(), http, grpc, options, async {
            // A dropped sender says the same.
            let _ = told.await;
        });
        faces.spawn(serving);
        let mut chores = JoinSet::new();
        chores.spawn(purge(node.clone()));
        if let Some(folder) = folder {
            chores.spawn(folder.run(node.clone()));
        }
        if let Some((location, blobs)) = store.cleaning() {
            chores.spawn(cleaning::run(location, blobs));
        }
        let (part, parting) = watch::channel(false);
        let mut others = JoinSet::new();
        peers.serve(node.clone(), parting, &mut others);
        let (seeded, seeds) = (node.clone(), config.seeds());
        chores.spawn(async move { seeded.seed(&seeds).await });
        if config.database.is_some() {
            chores.spawn(peers::look(node.clone()));
        }
        secured.follow(&mut chores)?;
        secured.follow_tokens(&node, &mut chores);
        let data = config.data.clone();
        let (http, grpc) = (http_address, grpc_address);
        Ok(Self { node, store, data, http, grpc, quit, part, others, faces, chores, scheme })
    }

    /// Waits until the server takes requests and says where.
    async fn announce(&self, begin: Instant) -> Result<(), Failure> {
        addresses::write(&self.data, self.scheme, (self.http, self.grpc))?;
        while let Err(error) = self.node.ready(READY).await {
            if let node::Error::Format { detail } = error {
                let hint = "`pointsman explain NODE-022` tells what can be done";
                return Err(Failure::refused("NODE-022", detail, hint));
            }
            let why = self.node.why_not_ready();
            tracing::warn!(condition = ?self.node.condition(), why, "the server is not ready yet");
        }
        let (ms, scheme) = (begin.elapsed().as_millis(), self.scheme);
        output::print(&format!(
            "pointsman {} is ready after {ms} ms: {scheme}://{} (REST), {scheme}://{} (gRPC), \
             data in {}",
            env!("CARGO_PKG_VERSION"),
            self.http,
            self.grpc,
            self.data.display()
        ))
    }

    async fn run(mut self, signals: &mut Signals) -> Result<(), Failure> {
        let broken = tokio::select! {
            name = signals.next() => {
                tracing::info!(signal = name, "stopping: no new calls, finishing what was begun");
                None
            }
            Some(ended) = self.faces.join_next() => Some(ended),
        };
        let stopped = self.stop(signals).await;
        match broken {
            None => stopped,
            Some(Ok(Ok(()))) => Err(Failure::internal("the faces ended by themselves".to_owned())),
            Some(Ok(Err(error))) => {
                Err(Failure::internal("the server cannot listen any more".to_owned())
                    .because(&error))
            }
            Some(Err(error)) => Err(Failure::internal("serving broke".to_owned()).because(&error)),
        }
    }

    /// Ends everything in order; a second signal ends the waiting (SRV-2).
    async fn stop(self, signals: &mut Signals) -> Result<(), Failure> {
        let Self { node, store, data, quit, part, mut faces, mut chores, mut others, .. } = self;
        let orderly = async {
            chores.shutdown().await;
            // Others take the shards over while calls are still forwarded to them.
            node.drain().await;
            // The faces may have ended by themselves.
            let _ = quit.send(());
            while let Some(ended) = faces.join_next().await {
                match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!(%error, "a face ended with an error"),
                    Err(error) => tracing::error!(%error, "a face broke"),
                }
            }
            node.stop().await;
            // They may have ended by themselves.
            let _ = part.send(true);
            while others.join_next().await.is_some() {}
            let closed = store.close().await;
            addresses::remove(&data);
            closed
        };
        tokio::select! {
            closed = orderly => closed.map_err(|error| {
                Failure::internal("the store was not closed properly".to_owned()).because(&error)
            }),
            name = signals.next() => {
                tracing::warn!(signal = name, "second signal: not waiting any more");
                Err(Failure::refused(
                    "",
                    "the server was ended before it had stopped".to_owned(),
                    "nothing durable is lost; it goes on at the next start",
                ))
            }
        }
    }
}

async fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = format!("choose another address with `{flag}`; port 0 takes a free one");
        let message = format!("cannot listen on `{address}`");
        Failure::refused(problem::ADDRESS, message, &hint).because(&error)
    })
}

/// Whatever may be a variable may also be sent.
fn face_options(config: &Config) -> api::Options {
    let body_bytes = config.variable_bytes_max as usize;
    let http = api::Limits { body_bytes, ..api::Limits::default() };
    let mut grpc = wire::Limits::default();
    grpc.message_bytes = grpc.message_bytes.max(body_bytes);
    grpc.buffered_bytes = grpc.buffered_bytes.max(grpc.message_bytes);
    api::Options { http, grpc, ..api::Options::default() }
}

fn node_options(config: &Config, own: &str) -> node::Options {
    let mut options = node::Options::new(&config.name, config.data.join("work"));
    options.settings.service_calls_max = config.service_calls_max as usize;
    options.cluster.about.standing = config.standing;
    options.settings.server = feel::Value::Context(
        feel::Context::builder().with("url", own).with("name", config.name.as_str()).build(),
    );
    options
}

/// How the server takes part among others.
fn cluster_options(
    config: &Config,
    peers: &Peers,
    http: &str,
    grpc: SocketAddr,
) -> cluster::Options {
    let mut options = cluster::Options {
        others: peers.others,
        transport: peers.transport.clone(),
        ..cluster::Options::default()
    };
    if config.database.is_some() {
        options.shards = config.shards;
    } else {
        options.lease_ms = LEASE_ALONE_MS;
    }
    options.about.peer = peers.address.as_str().into();
    options.about.http = http.into();
    options.about.hosts = config.hosts.iter().map(|name| name.as_str().into()).collect();
    options.about.grpc = grpc.to_string().into();
    options
}

/// Forgets finished instances whose time has come, once an hour.
async fn purge(node: Node) {
    let mut hours = tokio::time::interval(PURGE_EVERY);
    hours.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        hours.tick().await;
        for _ in 0..PURGE_ROUNDS {
            match node.purge().await {
                Ok(0) => break,
                Ok(found) => tracing::debug!(found, "finished instances forgotten"),
                Err(error) if node.condition() == Condition::Ready => {
                    tracing::warn!(%error, "finished instances are not forgotten");
                    break;
                }
                Err(_) => break,
            }
        }
    }
}

/// What may tell a server to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::internal("cannot listen to signals".to_owned()).because(&error)
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// The name of the next signal. Cancel safe.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
