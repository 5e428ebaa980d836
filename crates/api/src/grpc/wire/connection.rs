//! One connection: its socket, its calls and its keep-alive, driven by one task.
//!
//! Boundary: HTTP/2 framing is h2's; what a call does stands in `call.rs`.
//! Read first: [`serve`].   Tests: `tests.rs`.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::server::Connection;
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use super::{Error, Server, call};
use crate::accept::stopped;

const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
/// Requests are smaller than what h2 counts as worth a frame, and a batch of them waits for the
/// task: the allowance for small frames covers every stream many times over.
const SMALL_FRAMES: usize = 8 << 20;
/// A worker that stops cancels all of its waiting calls at once.
const RESETS: usize = 256;

/// What the calls of one connection share.
pub(super) struct Peer {
    pub(super) server: Arc<Server>,
    /// Bytes of request messages that have arrived in part.
    pub(super) buffered: AtomicUsize,
    pub(super) stop: watch::Receiver<bool>,
}

pub(super) async fn serve<I>(
    server: Arc<Server>,
    io: I,
    stop: watch::Receiver<bool>,
) -> Result<(), Error>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let limits = server.limits.clone();
    let mut connection = tokio::time::timeout(limits.read_timeout, handshake(&server, io))
        .await
        .map_err(|_| Error::Silent)?
        .map_err(Error::Connection)?;
    let mut keep_alive =
        connection.ping_pong().map(|pings| KeepAlive::new(pings, limits.keep_alive));
    let mut stopping = Box::pin({
        let mut stop = stop.clone();
        async move { stopped(&mut stop).await }
    });
    let peer = Arc::new(Peer { server, buffered: AtomicUsize::new(0), stop });
    let mut calls = FuturesUnordered::new();
    let mut draining = false;
    poll_fn(|context| {
        if !draining && stopping.as_mut().poll(context).is_ready() {
            draining = true;
            connection.graceful_shutdown();
        }
        if keep_alive.as_mut().is_some_and(|pings| pings.poll_dead(context).is_ready()) {
            return Poll::Ready(Err(Error::Silent));
        }
        loop {
            // Accepting also reads the socket and writes what ended calls have left behind.
            while let Poll::Ready(accepted) = connection.poll_accept(context) {
                let Some(accepted) = accepted else { return Poll::Ready(Ok(())) };
                let (request, respond) = accepted.map_err(Error::Connection)?;
                calls.push(call::serve(Arc::clone(&peer), request, respond));
            }
            let mut ended = 0_usize;
            while let Poll::Ready(Some(())) = calls.poll_next_unpin(context) {
                ended += 1;
            }
            if ended == 0 {
                return Poll::Pending;
            }
        }
    })
    .await
}

async fn handshake<I>(server: &Server, io: I) -> Result<Connection<I, Bytes>, h2::Error>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .data_frame_budget(SMALL_FRAMES)
        .max_pending_accept_reset_streams(RESETS)
        .max_concurrent_streams(server.limits.streams)
        .max_header_list_size(server.limits.header_bytes)
        .handshake(io)
        .await
}

/// Finds a peer that went without a word: it may hold streams into which jobs are pushed.
struct KeepAlive {
    pings: PingPong,
    timer: Pin<Box<Sleep>>,
    interval: Duration,
    patience: Duration,
    asked: bool,
}

impl KeepAlive {
    fn new(pings: PingPong, (interval, patience): (Duration, Duration)) -> Self {
        let timer = Box::pin(tokio::time::sleep(interval));
        Self { pings, timer, interval, patience, asked: false }
    }

    /// Ready when a ping was not answered in time.
    fn poll_dead(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.asked && self.pings.poll_pong(context).is_ready() {
            self.asked = false;
            self.rest(self.interval);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            if self.asked {
                return Poll::Ready(());
            }
            if self.pings.send_ping(Ping::opaque()).is_err() {
                // The connection is ending; its own poll says how.
                return Poll::Pending;
            }
            self.asked = self.pings.poll_pong(context).is_pending();
            self.rest(self.patience);
        }
        Poll::Pending
    }

    fn rest(&mut self, time: Duration) {
        let until = self.timer.deadline().max(Instant::now()) + time;
        self.timer.as_mut().reset(until);
    }
}
