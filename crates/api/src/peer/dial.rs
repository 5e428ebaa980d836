//! Calls to other servers.
//!
//! Boundary: connects when it is needed, and again after a failure; a call never waits for another
//! one's answer. PEE-1 is kept here: what was queued for a connection counts as sent. A connection
//! on which nothing came while a call ran out of time gets no more calls.
//! Read first: [`Dialer`], then [`run`].

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use node::cluster::{Call, CallError, Transport};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use store::{Member, ServerKey};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::{Connecting, GREETING, Io, next, notice_silence, put};
use crate::tls::Handle;

/// Frames that wait to leave for one server.
const QUEUE: usize = 4_096;
/// How long opening a connection may take.
const OPENING: Duration = Duration::from_secs(3);

/// How a connection is opened.
pub trait Connect: Send + Sync + 'static {
    /// Opens a connection to an address.
    fn connect<'a>(&'a self, address: &'a str) -> Connecting<'a>;
}

/// Connections without encryption, for servers on one machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Connect for Plain {
    fn connect<'a>(&'a self, address: &'a str) -> Connecting<'a> {
        Box::pin(async move {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            notice_silence(&socket)?;
            Ok(Box::new(socket) as Box<dyn Io>)
        })
    }
}

/// Connections on which each server shows the other its certificate.
#[derive(Debug, Clone)]
pub struct Secured {
    config: Handle<ClientConfig>,
}

impl Secured {
    /// Connections with the configuration of each moment, see [`crate::tls::client_config`].
    #[must_use]
    pub fn new(config: Handle<ClientConfig>) -> Self {
        Self { config }
    }
}

impl Connect for Secured {
    fn connect<'a>(&'a self, address: &'a str) -> Connecting<'a> {
        Box::pin(async move {
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let name = ServerName::try_from(host)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            notice_silence(&socket)?;
            let stream = TlsConnector::from(self.config.get()).connect(name, socket).await?;
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    }
}

type Answers = Arc<Mutex<BTreeMap<u64, oneshot::Sender<Bytes>>>>;

/// A connection to one server.
#[derive(Clone)]
struct Line {
    frames: mpsc::Sender<(u64, Bytes)>,
    answers: Answers,
    /// How much came.
    heard: Arc<AtomicU64>,
}

/// The way to other servers.
pub struct Dialer {
    connect: Arc<dyn Connect>,
    lines: Mutex<BTreeMap<ServerKey, Line>>,
    calls: AtomicU64,
    running: Mutex<JoinSet<()>>,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Dialer").finish_non_exhaustive()
    }
}

impl Dialer {
    /// A way that opens connections with `connect`.
    #[must_use]
    pub fn new(connect: Arc<dyn Connect>) -> Self {
        Self {
            connect,
            lines: Mutex::new(BTreeMap::new()),
            calls: AtomicU64::new(1),
            running: Mutex::new(JoinSet::new()),
        }
    }

    fn known(&self, server: ServerKey) -> Option<Line> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get(&server).filter(|line| !line.frames.is_closed()).cloned()
    }

    /// The connection to a server, opened if there is none.
    async fn line(&self, to: &Member) -> Result<Line, CallError> {
        if let Some(line) = self.known(to.key) {
            return Ok(line);
        }
        let server = &to.about.name;
        let not_sent = |error: String| {
            CallError::NotSent(format!("server `{server}` cannot be reached: {error}"))
        };
        let opening = async {
            let mut stream = self.connect.connect(&to.about.peer).await?;
            stream.write_all(GREETING).await?;
            Ok::<_, io::Error>(stream)
        };
        let opened = tokio::time::timeout(OPENING, opening).await;
        let stream = opened
            .map_err(|_| not_sent("it took too long".to_owned()))?
            .map_err(|error| not_sent(error.to_string()))?;
        let (frames, queue) = mpsc::channel(QUEUE);
        let line = Line { frames, answers: Answers::default(), heard: Arc::default() };
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = lines.get(&to.key).filter(|other| !other.frames.is_closed()) {
            // Two calls opened one each at the same time; the first one stays.
            return Ok(other.clone());
        }
        lines.retain(|_, line| !line.frames.is_closed());
        lines.insert(to.key, line.clone());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn(run(stream, queue, line.answers.clone(), line.heard.clone()));
        Ok(line)
    }

    async fn ask(
        &self,
        to: &Member,
        request: Bytes,
        patience: Duration,
    ) -> Result<Bytes, CallError> {
        let late = tokio::time::sleep(patience);
        tokio::pin!(late);
        let server = &to.about.name;
        let not_sent = || CallError::NotSent(format!("server `{server}` took too long"));
        let line = tokio::select! {
            line = self.line(to) => line?,
            () = &mut late => return Err(not_sent()),
        };
        let heard = line.heard.load(Ordering::Relaxed);
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let _forgotten = Forget { call, answers: line.answers.clone() };
        line.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(call, reply);
        tokio::select! {
            biased;
            queued = line.frames.send((call, request)) => if queued.is_err() {
                return Err(CallError::NotSent("the connection was closed".to_owned()));
            },
            () = &mut late => {
                self.give_up(to.key, &line, heard);
                return Err(not_sent());
            }
        }
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|_| {
                CallError::Lost(format!("the connection to server `{server}` broke"))
            }),
            () = &mut late => {
                self.give_up(to.key, &line, heard);
                Err(CallError::Lost(format!("server `{server}` took too long")))
            }
        }
    }

    /// A call ran out of time. If nothing came meanwhile, the connection may lead nowhere: the next
    /// call opens another one, and this one ends with the last call that waits on it.
    fn give_up(&self, server: ServerKey, line: &Line, heard: u64) {
        if line.heard.load(Ordering::Relaxed) != heard {
            return;
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.get(&server).is_some_and(|known| Arc::ptr_eq(&known.heard, &line.heard)) {
            lines.remove(&server);
            tracing::debug!(server = server.0, "a silent connection is not used any more");
        }
    }
}

/// Nobody waits for the answer any more.
struct Forget {
    call: u64,
    answers: Answers,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.call);
    }
}

impl Transport for Dialer {
    fn call<'a>(&'a self, to: &'a Member, request: Bytes, patience: Duration) -> Call<'a> {
        Box::pin(self.ask(to, request, patience))
    }
}

/// Writes what is queued and hands out what comes, until either fails.
async fn run(
    stream: Box<dyn Io>,
    mut queue: mpsc::Receiver<(u64, Bytes)>,
    answers: Answers,
    heard: Arc<AtomicU64>,
) {
    let (mut from, mut to) = tokio::io::split(stream);
    let reading = async {
        let mut buffer = BytesMut::with_capacity(64 << 10);
        while let Some((call, content)) = next(&mut from, &mut buffer).await? {
            heard.fetch_add(1, Ordering::Relaxed);
            let waiting = answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&call);
            if let Some(reply) = waiting {
                // Whoever asked may have given up.
                let _ = reply.send(content);
            }
        }
        Ok::<(), io::Error>(())
    };
    let writing = async {
        let mut frames = Vec::new();
        let mut out = BytesMut::new();
        while queue.recv_many(&mut frames, 256).await > 0 {
            for (call, content) in frames.drain(..) {
                put(&mut out, call, &content);
            }
            to.write_all_buf(&mut out).await?;
            to.flush().await?;
        }
        Ok::<(), io::Error>(())
    };
    let ended = tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to another server broke");
    }
    queue.close();
    // PEE-1: whoever still waits hears that the answer is lost.
    answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
