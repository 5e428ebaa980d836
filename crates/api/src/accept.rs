//! Takes connections until the server stops, then lets them end.
//!
//! Boundary: what is spoken on a connection is the caller's business; how a socket becomes one is
//! the door's.
//! Read first: [`accept`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::tls::{Door, Stream};

/// Where connections come from.
pub(crate) struct Entrance {
    pub(crate) listener: TcpListener,
    pub(crate) door: Arc<Door>,
    /// Connections at a time; further ones wait in the listener's backlog.
    pub(crate) most: usize,
    /// How long connections may go on after the stop.
    pub(crate) drain: Duration,
}

/// Takes connections until `stop` says true, then gives them time to end. Dropping the future ends
/// every connection at once.
///
/// # Errors
/// The listener fails for good. A failing connection only ends itself.
pub(crate) async fn accept<W>(
    entrance: Entrance,
    mut stop: watch::Receiver<bool>,
    serve: impl Fn(Stream) -> W + Clone + Send + 'static,
) -> io::Result<()>
where
    W: Future<Output = ()> + Send + 'static,
{
    let Entrance { listener, door, most, drain } = entrance;
    let permits = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            Ok(permit) = Arc::clone(&permits).acquire_owned() => permit,
            () = stopped(&mut stop) => break,
        };
        let socket = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                Err(error) if is_passing(&error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
                Err(error) => return Err(error),
            },
            () = stopped(&mut stop) => break,
        };
        while connections.try_join_next().is_some() {}
        let (door, serve, mut stop) = (Arc::clone(&door), serve.clone(), stop.clone());
        connections.spawn(async move {
            let _permit = permit;
            let entered = tokio::select! {
                entered = door.enter(without_delay(socket)) => entered,
                () = stopped(&mut stop) => None,
            };
            if let Some(stream) = entered {
                serve(stream).await;
            }
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "calls cut off by the stop");
    }
    connections.shutdown().await;
    Ok(())
}

/// Waits until `stop` says true, or until nobody is left who could say it.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: nobody can wait for a drain any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Replies are small and many: each batch leaves at once.
fn without_delay(socket: TcpStream) -> TcpStream {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "no-delay not set");
    }
    socket
}

/// Failures of one connection, or of a moment, after which the listener is still good.
fn is_passing(error: &io::Error) -> bool {
    const TOO_MANY_FILES: [i32; 2] = [23, 24];
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::OutOfMemory
    ) || error.raw_os_error().is_some_and(|code| TOO_MANY_FILES.contains(&code))
}
