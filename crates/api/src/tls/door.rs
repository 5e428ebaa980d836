//! How an accepted socket becomes a connection: as it is, or by a TLS handshake.
//!
//! Boundary: one door per listener. A handshake has a deadline and a place among a bounded number;
//! it runs on its connection's task, so that accepting goes on. Who comes with the wrong protocol
//! or the wrong certificate gets a line in the log, at most one a second.
//! Read first: [`Door`], then [`Door::enter`].   Tests: `tests.rs`

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::handshakes::Handshakes;
use super::stream::Stream;

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes at a time.
const HANDSHAKES_MAX: usize = 256;
/// At most one complaint in this time; what is left out is counted.
const COMPLAIN_EVERY: Duration = Duration::from_secs(1);
/// The first byte of every handshake of TLS.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a web browser or `curl` shows that speaks plain HTTP where TLS is spoken.
const USE_HTTPS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
    content-length: 45\r\nconnection: close\r\n\r\nthis address speaks TLS: begin it with https\n";

/// What stands before a listener.
pub struct Door {
    /// The listener's name in the log.
    name: &'static str,
    kind: Kind,
    complaints: Complaints,
}

enum Kind {
    Plain,
    Tls {
        config: Box<dyn Fn() -> Arc<ServerConfig> + Send + Sync>,
        handshakes: Handshakes,
        patience: Duration,
    },
}

impl Door {
    /// Lets sockets through as they are.
    #[must_use]
    pub fn plain(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, kind: Kind::Plain, complaints: Complaints::default() })
    }

    /// Lets sockets through after a handshake with the configuration of that moment.
    #[must_use]
    pub fn tls(
        name: &'static str,
        config: impl Fn() -> Arc<ServerConfig> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::bounded(name, config, (HANDSHAKES_MAX, PATIENCE))
    }

    pub(super) fn bounded(
        name: &'static str,
        config: impl Fn() -> Arc<ServerConfig> + Send + Sync + 'static,
        (most, patience): (usize, Duration),
    ) -> Arc<Self> {
        let (config, handshakes) = (Box::new(config), Handshakes::new(most));
        let kind = Kind::Tls { config, handshakes, patience };
        Arc::new(Self { name, kind, complaints: Complaints::default() })
    }

    /// Whether what comes through is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        match &self.kind {
            Kind::Plain => false,
            Kind::Tls { .. } => true,
        }
    }

    /// Makes a connection of a socket; none if it does not become one, which the log tells.
    pub(crate) async fn enter(self: &Arc<Self>, socket: TcpStream) -> Option<Stream> {
        let Kind::Tls { config, handshakes, patience } = &self.kind else {
            return Some(Stream::Plain { socket, fresh: Some(Arc::clone(self)) });
        };
        let peer = socket.peer_addr().ok();
        let mut place = handshakes.begin();
        let accepting = accept(socket, config());
        let accepted = tokio::select! {
            accepted = tokio::time::timeout(*patience, accepting) => accepted,
            () = place.lost() => {
                self.complain(peer, "handshake given up: too many are under way");
                return None;
            }
        };
        match accepted {
            Ok(Accepted::Stream(stream)) => Some(Stream::Tls(stream)),
            Ok(Accepted::Not(error)) => {
                self.refuse(peer, &error);
                None
            }
            Ok(Accepted::PlainText(mut socket)) => {
                drop(place);
                self.complain(peer, "plain text on a listener with TLS");
                // A kindness to people with a browser; whether it arrives is of no importance.
                let _ = socket.write_all(USE_HTTPS).await;
                let _ = socket.shutdown().await;
                None
            }
            Err(_) => {
                self.complain(peer, "handshake given up: it took too long");
                None
            }
        }
    }

    fn refuse(&self, peer: Option<SocketAddr>, error: &io::Error) {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(reason) => self.complain(peer, &told(reason)),
            // Scanners and balancers open connections and close them.
            None => tracing::debug!(listener = self.name, ?peer, %error, "handshake broken off"),
        }
    }

    /// Looks at the first byte of a connection that came through as it is: it may have been meant
    /// for TLS.
    pub(super) fn look_at(&self, socket: &TcpStream, first: u8) {
        if first == TLS_HANDSHAKE {
            let why = "TLS on a listener without TLS: set `tls.certificate`, or use http";
            self.complain(socket.peer_addr().ok(), why);
        }
    }

    fn complain(&self, peer: Option<SocketAddr>, why: &str) {
        let peer = peer.map_or_else(String::new, |peer| peer.to_string());
        match self.complaints.left_out() {
            None => {}
            Some(0) => tracing::warn!(listener = self.name, peer, "connection refused: {why}"),
            Some(others) => {
                tracing::warn!(listener = self.name, peer, others, "connection refused: {why}");
            }
        }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Door").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What came of a socket.
enum Accepted {
    Stream(Box<TlsStream<TcpStream>>),
    PlainText(TcpStream),
    Not(io::Error),
}

async fn accept(socket: TcpStream, config: Arc<ServerConfig>) -> Accepted {
    let mut first = [0];
    match socket.peek(&mut first).await {
        Ok(1) if first[0] != TLS_HANDSHAKE => return Accepted::PlainText(socket),
        Ok(_) => {}
        Err(error) => return Accepted::Not(error),
    }
    match TlsAcceptor::from(config).accept(socket).await {
        Ok(stream) => Accepted::Stream(Box::new(TlsStream::Server(stream))),
        Err(error) => Accepted::Not(error),
    }
}

/// What the log says of a failed handshake.
fn told(error: &rustls::Error) -> String {
    match error {
        rustls::Error::NoCertificatesPresented => "the client shows no certificate".to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the client's certificate has ended".to_owned(),
        rustls::Error::InvalidCertificate(error) => {
            format!("the client's certificate is not good: {error}")
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => {
            "the client says that our certificate has ended".to_owned()
        }
        rustls::Error::AlertReceived(alert) => {
            format!("the client does not like our certificate or versions: {alert:?}")
        }
        other => other.to_string(),
    }
}

/// Keeps a flood of strangers from flooding the log.
#[derive(Debug, Default)]
struct Complaints {
    last: Mutex<Option<Instant>>,
    left_out: AtomicU64,
}

impl Complaints {
    /// How many were left out before this one; none if this one is left out too.
    fn left_out(&self) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < COMPLAIN_EVERY) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *last = Some(Instant::now());
        Some(self.left_out.swap(0, Ordering::Relaxed))
    }
}
