//! What stands between the store and its database: passes bytes on until it is told to cut.
//!
//! Boundary: knows bytes and connections, not what they say.
//! Read first: [`Proxy::cut_after`].

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Which bytes count before the cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    /// From the store to the database.
    In,
    /// From the database to the store.
    Out,
}

/// What becomes of the connection to the database when the store's is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rest {
    /// It is closed, too: the database notices.
    Close,
    /// It stays open, and what was not yet passed on is passed on when the test says so.
    Hold,
    /// Both stay open, but the store hears nothing more, until [`Proxy::cut_all`].
    Mute,
}

struct State {
    way: Mutex<(Way, Rest)>,
    /// Bytes until the cut; negative: there is none.
    left: AtomicI64,
    cuts: AtomicU32,
    /// Whether new connections are let in.
    is_open: AtomicBool,
    opened: Notify,
    released: watch::Sender<bool>,
    /// Grows: all connections end.
    generation: watch::Sender<u32>,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn before(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            way: Mutex::new((Way::In, Rest::Close)),
            left: AtomicI64::new(-1),
            cuts: AtomicU32::new(0),
            is_open: AtomicBool::new(true),
            opened: Notify::new(),
            released: watch::Sender::new(false),
            generation: watch::Sender::new(0),
        });
        let shared = Arc::clone(&state);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (state, socket) = (Arc::clone(&shared), socket.clone());
                connections.spawn(async move {
                    while !state.is_open.load(Ordering::SeqCst) {
                        state.opened.notified().await;
                    }
                    // The database may be starting.
                    if let Ok(database) = UnixStream::connect(&socket).await {
                        pass(client, database, &state).await;
                    }
                });
            }
        });
        Self { port, state, _accepting: accepting }
    }

    /// Cuts one connection after so many bytes of all of them.
    pub(crate) fn cut_after(&self, way: Way, bytes: i64, rest: Rest) {
        *self.state.way.lock().unwrap() = (way, rest);
        self.state.left.store(bytes, Ordering::SeqCst);
    }

    /// How many connections were cut by [`Proxy::cut_after`].
    pub(crate) fn cuts(&self) -> u32 {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// Passes on what a cut held back.
    pub(crate) fn release(&self) {
        self.state.released.send_replace(true);
    }

    /// Ends all connections.
    pub(crate) fn cut_all(&self) {
        self.state.generation.send_modify(|generation| *generation += 1);
    }

    /// Lets nobody in until [`Proxy::open`].
    pub(crate) fn close(&self) {
        self.state.is_open.store(false, Ordering::SeqCst);
    }

    pub(crate) fn open(&self) {
        self.state.is_open.store(true, Ordering::SeqCst);
        self.state.opened.notify_waiters();
    }
}

/// What a piece of bytes leads to.
enum Piece {
    Pass,
    /// Only the first so many, then the cut.
    Cut(usize, Rest),
}

impl State {
    fn judge(&self, way: Way, bytes: usize) -> Piece {
        let (counted, rest) = *self.way.lock().unwrap();
        if counted != way || self.left.load(Ordering::SeqCst) < 0 {
            return Piece::Pass;
        }
        let bytes = i64::try_from(bytes).unwrap();
        let left = self.left.fetch_sub(bytes, Ordering::SeqCst);
        if left < 0 || left >= bytes {
            return Piece::Pass;
        }
        self.left.store(-1, Ordering::SeqCst);
        self.cuts.fetch_add(1, Ordering::SeqCst);
        Piece::Cut(usize::try_from(left).unwrap(), rest)
    }
}

async fn pass(mut client: TcpStream, mut database: UnixStream, state: &State) {
    let mut generation = state.generation.subscribe();
    let (mut inward, mut outward) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut is_mute = false;
    loop {
        tokio::select! {
            read = client.read(&mut inward) => {
                let Some(bytes) = read.ok().filter(|bytes| *bytes > 0) else { return };
                match state.judge(Way::In, bytes) {
                    Piece::Pass => {
                        if database.write_all(&inward[..bytes]).await.is_err() { return }
                    }
                    Piece::Cut(first, rest) => {
                        drop(database.write_all(&inward[..first]).await);
                        drop(client);
                        if rest == Rest::Hold {
                            let mut released = state.released.subscribe();
                            drop(released.wait_for(|is_released| *is_released).await);
                            drop(database.write_all(&inward[first..bytes]).await);
                            // What it answers is for nobody.
                            while database.read(&mut outward).await.is_ok_and(|read| read > 0) {}
                        }
                        return;
                    }
                }
            }
            read = database.read(&mut outward) => {
                let Some(bytes) = read.ok().filter(|bytes| *bytes > 0) else { return };
                if is_mute {
                    continue;
                }
                match state.judge(Way::Out, bytes) {
                    Piece::Pass => {
                        if client.write_all(&outward[..bytes]).await.is_err() { return }
                    }
                    Piece::Cut(first, rest) => {
                        drop(client.write_all(&outward[..first]).await);
                        if rest != Rest::Mute {
                            return;
                        }
                        is_mute = true;
                    }
                }
            }
            _ = generation.changed() => return,
        }
    }
}
