//! One HTTP/1.1 connection after the other.
//!
//! Boundary: sockets and time-outs; bodies are bounded where they are read.
//! Read first: [`serve`].

use std::io;
use std::pin::pin;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::accept::{accept, stopped};
use crate::serve::Limits;

/// Takes connections until `stop` says true.
///
/// # Errors
/// The listener fails for good.
pub(super) async fn serve(
    router: Router,
    listener: TcpListener,
    limits: &Limits,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.read_timeout);
    let stopping = stop.clone();
    let one = move |socket| one(builder.clone(), router.clone(), socket, stop.clone());
    accept(listener, limits.connections, limits.drain, stopping, one).await
}

async fn one(
    builder: http1::Builder,
    router: Router,
    socket: TcpStream,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| router.clone().oneshot(request));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
