//! A small gRPC server directly on HTTP/2: one task per connection drives the socket and all of
//! its calls, so that a call costs no task, no queue and no layer.
//!
//! Boundary: unary and server-streaming calls, identity encoding; TLS is up to the door (or give
//! [`Server::serve_connection`] any byte stream). Handlers run on the connection's task: they wait
//! as long as they like, but they must not block or compute for long.
//! Invariants: CALL-1 a call that a handler has accepted is answered, unless its client has gone.
//! CALL-2 what a connection may hold of unfinished requests is bounded by [`Limits`].
//! Read first: [`Server`], then [`Routes`].   Tests: `wire/tests.rs`.

mod answer;
mod call;
mod connection;
mod head;
mod routes;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::accept::{Entrance, accept};
use crate::tls::{Door, Stream};

pub use self::routes::{Admission, Routes};

/// What one server allows.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest request message, in bytes.
    pub message_bytes: usize,
    /// Calls at a time on one connection.
    pub streams: u32,
    /// Connections at a time; further ones wait in the listener's backlog.
    pub connections: usize,
    /// Bytes of unfinished request messages that one connection may make the server hold.
    pub buffered_bytes: usize,
    /// Size of a request's headers, in bytes.
    pub header_bytes: u32,
    /// How long a client may take for its handshake, and for the body of one request.
    pub read_timeout: Duration,
    /// Silence after which a ping is sent, and how long its answer may take.
    pub keep_alive: (Duration, Duration),
    /// How long calls may go on after the server was told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 4 << 20,
            streams: 1024,
            connections: 10_000,
            buffered_bytes: 64 << 20,
            header_bytes: 32 << 10,
            read_timeout: Duration::from_secs(20),
            keep_alive: (Duration::from_secs(60), Duration::from_secs(20)),
            drain: Duration::from_secs(10),
        }
    }
}

/// Why a connection or a listener ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener cannot take connections any more.
    #[error("cannot accept connections")]
    Accept(#[source] io::Error),
    /// The peer broke the protocol or the connection broke.
    #[error("connection failed")]
    Connection(#[source] h2::Error),
    /// The peer did not finish its handshake, or did not answer a ping.
    #[error("peer is silent")]
    Silent,
}

/// Handlers by path, and the limits under which they are called.
#[derive(Debug)]
pub struct Server {
    routes: Routes,
    limits: Limits,
}

impl Server {
    /// A server of these routes.
    #[must_use]
    pub fn new(routes: Routes, limits: Limits) -> Arc<Self> {
        Arc::new(Self { routes, limits })
    }

    /// Largest request message at the moment, in bytes.
    fn message_bytes(&self) -> usize {
        self.limits.message_bytes.max(self.routes.message_bytes())
    }

    /// Takes connections until `stop` says true, then lets calls end for [`Limits::drain`].
    ///
    /// Dropping the future ends every connection at once.
    ///
    /// # Errors
    /// The listener fails for good. A failing connection only ends itself.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        door: Arc<Door>,
        stop: watch::Receiver<bool>,
    ) -> Result<(), Error> {
        let (most, drain) = (self.limits.connections, self.limits.drain);
        let stopping = stop.clone();
        let serve = move |stream: Stream| {
            let served = Arc::clone(&self).serve_connection(stream, stop.clone());
            async move {
                if let Err(error) = served.await {
                    tracing::debug!(%error, "connection ended");
                }
            }
        };
        accept(Entrance { listener, door, most, drain }, stopping, serve)
            .await
            .map_err(Error::Accept)
    }

    /// Serves one connection until the peer closes it, or until `stop` says true and its calls
    /// have ended. Dropping the future ends the connection and its calls at once.
    ///
    /// # Errors
    /// The connection broke or the peer broke the protocol.
    pub async fn serve_connection<I>(
        self: Arc<Self>,
        io: I,
        stop: watch::Receiver<bool>,
    ) -> Result<(), Error>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        connection::serve(self, io, stop).await
    }
}

#[cfg(test)]
mod tests;
