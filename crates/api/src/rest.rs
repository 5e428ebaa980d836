//! The HTTP face: our own calls below `/api`, health, metrics, and the document that describes
//! them.
//!
//! Boundary: only translates between HTTP and the node. Every answer that is no success is problem
//! details, also for addresses that do not exist.
//! Read first: [`routes::table`], then [`serve`].

mod body;
mod connection;
mod decisions;
mod deployments;
mod documents;
mod guard;
mod health;
mod incidents;
mod instances;
pub(crate) mod json;
mod locks;
mod messages;
mod metrics;
mod multipart;
mod openapi;
mod packages;
mod parameters;
mod processes;
mod queues;
mod requests;
mod routes;
mod servers;
mod services;
mod settings;
mod terms;
mod tokens;
mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use node::Node;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::auth::{Access, Registry};
use crate::serve::Limits;
use crate::tls::{Door, Faces, Handle};

/// What handlers work with.
#[derive(Debug, Clone)]
pub(crate) struct Face {
    pub(crate) node: Node,
    pub(crate) limits: Arc<Limits>,
    /// Where the gRPC face is, for the topology.
    pub(crate) grpc: SocketAddr,
    pub(crate) access: Access,
    /// Where tokens are kept, if this server knows.
    pub(crate) registry: Option<Arc<dyn Registry>>,
    pub(crate) tls: Option<Handle<Faces>>,
}

impl Face {
    /// Whatever may be a variable may also be sent: in a body, a line or a message.
    pub(crate) fn body_bytes(&self) -> usize {
        self.limits.body_bytes.max(variable_bytes(&self.node))
    }
}

/// Bytes that a variable may have, as all servers say.
pub(crate) fn variable_bytes(node: &Node) -> usize {
    usize::try_from(node.values().limits.variable_bytes_max).unwrap_or(usize::MAX)
}

/// Method and path of every call.
#[cfg(test)]
pub(crate) fn calls() -> Vec<(&'static str, &'static str)> {
    routes::table().into_iter().map(|(method, path, _)| (method, path)).collect()
}

/// Serves the HTTP face at `address` until `stop` says true.
///
/// # Errors
/// The listener fails for good.
pub(crate) async fn serve(
    face: Face,
    address: SocketAddr,
    entrance: (TcpListener, Arc<Door>),
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let limits = Arc::clone(&face.limits);
    connection::serve(routes::router(face, address), entrance, &limits, stop).await
}
