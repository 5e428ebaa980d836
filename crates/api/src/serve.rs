//! Serves both faces of a node until it is told to stop.
//!
//! Boundary: sockets and limits; what is answered stands in `rest` and `grpc`.
//! Read first: [`serve`].

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use node::Node;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::grpc::{self, wire};
use crate::problem::{Kind, Problem};
use crate::rest;

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

/// Whether the server may listen on `address`: without authentication on its own machine only.
///
/// # Errors
/// The address can be reached from other machines.
pub fn check_listen(address: SocketAddr) -> Result<(), Problem> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let detail = format!("`{address}` can be reached from other machines");
    let hint = "this version has no authentication: listen on 127.0.0.1 or [::1]";
    Err(Problem::new("API-007", Kind::Forbidden, StatusCode::FORBIDDEN, detail, hint))
}

/// Serves `node` on both listeners until `shutdown` is ready, then ends streams, lets requests
/// finish and returns. The node itself goes on. Dropping the future ends every connection at once.
///
/// # Errors
/// A listener is not on loopback, or fails for good.
pub async fn serve(
    node: Node,
    http: TcpListener,
    grpc: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mut addresses = Vec::new();
    for listener in [&http, &grpc] {
        let address = listener.local_addr().map_err(Error::Http)?;
        check_listen(address).map_err(Error::Address)?;
        addresses.push(address);
    }
    let (stop, stopping) = watch::channel(false);
    let grpc_address = addresses.pop().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    let calls =
        wire::Server::new(grpc::routes(node.clone(), grpc_address, stopping.clone()), options.grpc);
    let pages = rest::serve(node, grpc_address, http, options.http, stopping.clone());
    let stops = async {
        shutdown.await;
        // Nobody listens any more if both faces have failed.
        let _ = stop.send(true);
        Ok(())
    };
    let calls = async { calls.serve(grpc, stopping).await.map_err(Error::Grpc) };
    let pages = async { pages.await.map_err(Error::Http) };
    tokio::try_join!(calls, pages, stops).map(|_| ())
}
