//! Serves both faces of a node until it is told to stop.
//!
//! Boundary: sockets and limits; what is answered stands in `rest` and `grpc`.
//! Read first: [`serve`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use node::Node;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::auth::{Access, Registry};
use crate::grpc::{self, wire};
use crate::problem::{Kind, Problem};
use crate::rest;
use crate::tls::{Door, Faces, Handle};

/// What the HTTP face allows.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest body, and largest line of a body of lines, in bytes. Default 4 MiB.
    pub body_bytes: usize,
    /// Largest deployment, in bytes. Default 64 MiB.
    pub upload_bytes: usize,
    /// Connections at a time; further ones wait in the listener's backlog. Default 4,096.
    pub connections: usize,
    /// How long a request's head, and each pause within its body, may take. Default 60 s.
    pub read_timeout: Duration,
    /// How long requests may go on after the server was told to stop. Default 10 s.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 4 << 20,
            upload_bytes: 64 << 20,
            connections: 4_096,
            read_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

/// What a server is served with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What the HTTP face allows.
    pub http: Limits,
    /// What the gRPC face allows.
    pub grpc: wire::Limits,
    /// What both faces speak TLS with; without it they speak plain text.
    pub tls: Option<Handle<Faces>>,
    /// Who may call.
    pub access: Access,
    /// Where tokens are kept; without it they can only be checked.
    pub registry: Option<Arc<dyn Registry>>,
    /// Whether the faces may be reached by anybody.
    pub exposure: Exposure,
}

/// Whether a server may be reached by anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exposure {
    /// Other machines reach it through TLS and with a token only.
    #[default]
    Guarded,
    /// It was said in words that anybody may do anything.
    Open,
}

/// What stands between a listener and those who reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protection {
    /// What is sent cannot be read or changed on its way.
    pub tls: bool,
    /// Callers have to show who they are.
    pub tokens: bool,
    /// Whether neither is wanted.
    pub exposure: Exposure,
}

/// Why serving ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not allowed.
    #[error("cannot listen")]
    Address(#[source] Problem),
    /// The HTTP listener failed.
    #[error("cannot serve HTTP")]
    Http(#[source] io::Error),
    /// The gRPC listener failed.
    #[error("cannot serve gRPC")]
    Grpc(#[source] wire::Error),
}

/// Whether the server may listen on `address` with this protection. On its own machine it may
/// without any.
///
/// # Errors
/// The address can be reached from other machines and something is missing, which the hint names.
pub fn check_listen(address: SocketAddr, protection: &Protection) -> Result<(), Problem> {
    let what = match (protection.tls, protection.tokens) {
        (true, true) => return Ok(()),
        (false, true) => ("TLS", "`tls.certificate` and `tls.key`"),
        (true, false) => ("authentication", "`auth.method = \"tokens\"`"),
        (false, false) => (
            "neither TLS nor authentication",
            "`tls.certificate`, `tls.key` and `auth.method = \"tokens\"`",
        ),
    };
    if address.ip().is_loopback() || protection.exposure == Exposure::Open {
        return Ok(());
    }
    let (missing, keys) = what;
    let none = if protection.tls || protection.tokens { "no " } else { "" };
    let detail =
        format!("`{address}` can be reached from other machines, and there is {none}{missing}");
    let hint = format!("set {keys} in the configuration; or listen on 127.0.0.1 or [::1]");
    Err(Problem::new("API-007", Kind::Forbidden, StatusCode::FORBIDDEN, detail, &hint))
}

/// Serves `node` on both listeners until `shutdown` is ready, then ends streams, lets requests
/// finish and returns. The node itself goes on. Dropping the future ends every connection at once.
///
/// # Errors
/// A listener can be reached from other machines and is not protected, or fails for good.
pub async fn serve(
    node: Node,
    http: TcpListener,
    grpc: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let protection = Protection {
        tls: options.tls.is_some(),
        tokens: matches!(options.access, Access::Tokens(_)),
        exposure: options.exposure,
    };
    let address = |listener: &TcpListener| {
        let address = listener.local_addr().map_err(Error::Http)?;
        check_listen(address, &protection).map_err(Error::Address)?;
        Ok(address)
    };
    let (http_address, grpc_address) = (address(&http)?, address(&grpc)?);
    let (http_door, grpc_door) = match &options.tls {
        None => (Door::plain("http"), Door::plain("grpc")),
        Some(faces) => {
            let (one, two) = (faces.clone(), faces.clone());
            (
                Door::tls("http", move || Arc::clone(&one.get().http)),
                Door::tls("grpc", move || Arc::clone(&two.get().grpc)),
            )
        }
    };
    let (stop, stopping) = watch::channel(false);
    let shared = node.clone();
    let routes = grpc::routes(node.clone(), grpc_address, stopping.clone())
        .sized(move || rest::variable_bytes(&shared));
    let calls = wire::Server::new(grpc::guarded(routes, &options.access), options.grpc);
    let face = rest::Face {
        node,
        limits: Arc::new(options.http),
        grpc: grpc_address,
        access: options.access,
        registry: options.registry,
        tls: options.tls,
    };
    let pages = rest::serve(face, http_address, (http, http_door), stopping.clone());
    let stops = async {
        shutdown.await;
        // Nobody listens any more if both faces have failed.
        let _ = stop.send(true);
        Ok(())
    };
    let calls = async { calls.serve(grpc, grpc_door, stopping).await.map_err(Error::Grpc) };
    let pages = async { pages.await.map_err(Error::Http) };
    tokio::try_join!(calls, pages, stops).map(|_| ())
}
