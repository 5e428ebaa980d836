//! One connection after the other: HTTP/1.1, or HTTP/2 if a TLS handshake has agreed on it.
//!
//! Boundary: sockets and time-outs; bodies are bounded where they are read.
//! Read first: [`serve`].

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::accept::{Entrance, accept, stopped};
use crate::serve::Limits;
use crate::tls::{Door, H2, Stream};

/// Requests at a time on one connection of HTTP/2.
const STREAMS: u32 = 128;
/// Silence after which a ping is sent, and how long its answer may take.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));

/// Takes connections until `stop` says true.
///
/// # Errors
/// The listener fails for good.
pub(super) async fn serve(
    router: Router,
    (listener, door): (TcpListener, Arc<Door>),
    limits: &Limits,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.read_timeout);
    let stopping = stop.clone();
    let one = move |stream: Stream| {
        let (builder, router, stop) = (builder.clone(), router.clone(), stop.clone());
        async move {
            if stream.protocol() == Some(H2) {
                many(router, stream, stop).await;
            } else {
                one(builder, router, stream, stop).await;
            }
        }
    };
    let (most, drain) = (limits.connections, limits.drain);
    accept(Entrance { listener, door, most, drain }, stopping, one).await
}

/// One request after the other.
async fn one(
    builder: http1::Builder,
    router: Router,
    stream: Stream,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| router.clone().oneshot(request));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
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

/// Many requests at a time.
async fn many(router: Router, stream: Stream, mut stop: watch::Receiver<bool>) {
    let service = service_fn(move |request| router.clone().oneshot(request));
    let requests = Requests::default();
    let mut builder = http2::Builder::new(requests.clone());
    let _end = End(requests);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
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

/// The tasks of one connection's requests, which end with it.
#[derive(Clone, Default)]
struct Requests {
    tasks: Arc<Mutex<JoinSet<()>>>,
}

/// Ends the tasks of a connection, whatever has ended it.
struct End(Requests);

impl Drop for End {
    fn drop(&mut self) {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

impl<W: Future + Send + 'static> Executor<W> for Requests {
    fn execute(&self, work: W) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async {
            work.await;
        });
    }
}
