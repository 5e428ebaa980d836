//! The HTTP face: our own calls below `/api`, health, metrics, and the document that describes
//! them.
//!
//! Boundary: only translates between HTTP and the node. Every answer that is no success is problem
//! details, also for addresses that do not exist.
//! Read first: [`routes::table`], then [`serve`].

mod body;
mod connection;
mod deployments;
mod documents;
mod guard;
mod health;
mod incidents;
mod instances;
pub(crate) mod json;
mod messages;
mod metrics;
mod multipart;
mod openapi;
mod packages;
mod parameters;
mod processes;
mod queues;
mod routes;
mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use node::Node;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::serve::Limits;

/// What handlers work with.
#[derive(Debug, Clone)]
pub(crate) struct Face {
    node: Node,
    limits: Arc<Limits>,
    /// Where the gRPC face is, for the topology.
    grpc: SocketAddr,
}

/// Serves the HTTP face until `stop` says true.
///
/// # Errors
/// The listener fails for good.
pub(crate) async fn serve(
    node: Node,
    grpc: SocketAddr,
    listener: TcpListener,
    limits: Limits,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let limits = Arc::new(limits);
    let face = Face { node, limits: Arc::clone(&limits), grpc };
    connection::serve(routes::router(face), listener, &limits, stop).await
}
