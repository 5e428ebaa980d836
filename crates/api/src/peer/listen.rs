//! Calls from other servers.
//!
//! Boundary: each call is answered by the node; answers leave in the order in which they are ready.
//! Read first: [`serve`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use node::Node;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::{GREETING, next, put};
use crate::accept::{Entrance, accept};
use crate::tls::{Door, Stream};

/// What other servers may do at once.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections. Default 256.
    pub connections: usize,
    /// Calls of one connection that are not answered. Default 8,192.
    pub calls: usize,
    /// How long the first bytes of a connection may take. Default 5 s.
    pub greeting: Duration,
    /// How long calls may go on after the server was told to stop. Default 2 s.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            calls: 8_192,
            greeting: Duration::from_secs(5),
            drain: Duration::from_secs(2),
        }
    }
}

/// Answers other servers until `stop` says true.
///
/// # Errors
/// The listener fails for good.
pub async fn serve(
    node: Node,
    listener: TcpListener,
    limits: Limits,
    door: Arc<Door>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let (most, drain) = (limits.connections, limits.drain);
    let stopping = stop.clone();
    accept(Entrance { listener, door, most, drain }, stop, move |stream| {
        let (node, limits) = (node.clone(), limits.clone());
        let mut stopping = stopping.clone();
        async move {
            let served = async {
                let stream = tokio::time::timeout(limits.greeting, greet(stream)).await;
                let stream = stream.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                run(node, stream, limits.calls).await
            };
            tokio::select! {
                ended = served => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection from another server broke");
                },
                () = crate::accept::stopped(&mut stopping) => {}
            }
        }
    })
    .await
}

async fn greet(mut stream: Stream) -> io::Result<Stream> {
    let mut greeting = [0; GREETING.len()];
    stream.read_exact(&mut greeting).await?;
    if greeting == *GREETING {
        return Ok(stream);
    }
    tracing::warn!("something that is no server of this version connected to the peer address");
    Err(io::Error::new(io::ErrorKind::InvalidData, "not the greeting of a server"))
}

async fn run(node: Node, stream: Stream, calls: usize) -> io::Result<()> {
    let (mut from, mut to) = tokio::io::split(stream);
    let permits = Arc::new(Semaphore::new(calls));
    let (answers, mut ready) = mpsc::channel::<(u64, Bytes)>(1_024);
    let mut running = JoinSet::new();
    let reading = async {
        let mut buffer = BytesMut::with_capacity(64 << 10);
        while let Some((call, request)) = next(&mut from, &mut buffer).await? {
            while running.try_join_next().is_some() {}
            // The semaphore is never closed.
            let Ok(permit) = permits.clone().acquire_owned().await else { break };
            let (node, answers) = (node.clone(), answers.clone());
            running.spawn(async move {
                let answer = node.answer_peer(request).await;
                drop(permit);
                // The connection may be gone.
                let _ = answers.send((call, answer)).await;
            });
        }
        Ok(())
    };
    let writing = async {
        let mut frames = Vec::new();
        let mut out = BytesMut::new();
        while ready.recv_many(&mut frames, 256).await > 0 {
            for (call, content) in frames.drain(..) {
                put(&mut out, call, &content);
            }
            to.write_all_buf(&mut out).await?;
            to.flush().await?;
        }
        Ok(())
    };
    tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
    }
}
