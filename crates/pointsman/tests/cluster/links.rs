//! The ways between a server and the database, and from other servers to it; each can be cut.
//!
//! Boundary: passes bytes on; knows nothing of what they mean.
//! Read first: [`Link`], then [`How`].

use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How a way is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum How {
    /// Bytes are passed on.
    Open,
    /// Connections break, and new ones too.
    Cut,
    /// Nothing is refused and nothing arrives; what was sent arrives when the way is open again.
    Silent,
}

/// Where a way leads.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Socket(PathBuf),
    Port(u16),
}

/// One way, with a port of its own at its near end.
pub(crate) struct Link {
    pub(crate) port: u16,
    how: watch::Sender<How>,
    _driver: JoinSet<()>,
}

impl Link {
    pub(crate) async fn to(end: End) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (how, state) = watch::channel(How::Open);
        let mut driver = JoinSet::new();
        driver.spawn(accept(listener, end, state));
        Self { port, how, _driver: driver }
    }

    pub(crate) fn set(&self, how: How) {
        self.how.send_replace(how);
    }
}

async fn accept(listener: TcpListener, end: End, state: watch::Receiver<How>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (near, _) = accepted.unwrap();
                connections.spawn(connection(near, end.clone(), state.clone()));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// Passes bytes on until one side ends or the way is cut.
async fn connection(near: TcpStream, end: End, mut state: watch::Receiver<How>) {
    // Without this a cut would be an end in order.
    let _kept = near.set_zero_linger();
    let (read, write) = near.into_split();
    let both = async {
        open(&mut state.clone()).await;
        match end {
            End::Socket(path) => {
                let Ok(far) = UnixStream::connect(path).await else { return };
                let (far_read, far_write) = far.into_split();
                copy_both((read, write), (far_read, far_write), &state).await;
            }
            End::Port(port) => {
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                let _kept = far.set_zero_linger();
                let (far_read, far_write) = far.into_split();
                copy_both((read, write), (far_read, far_write), &state).await;
            }
        }
    };
    let mut cut = state.clone();
    tokio::select! {
        () = both => {}
        _ = cut.wait_for(|how| *how == How::Cut) => {}
    }
    state.mark_unchanged();
}

async fn copy_both<R, W, S, V>(near: (R, W), far: (S, V), state: &watch::Receiver<How>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    S: AsyncRead + Unpin,
    V: AsyncWrite + Unpin,
{
    tokio::select! {
        () = copy(near.0, far.1, state.clone()) => {}
        () = copy(far.0, near.1, state.clone()) => {}
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<How>,
) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let Ok(read @ 1..) = from.read(&mut bytes).await else { return };
        open(&mut state).await;
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

async fn open(state: &mut watch::Receiver<How>) {
    // The sender lives as long as the link.
    let _gone = state.wait_for(|how| *how == How::Open).await;
}
