//! The way to other servers, and from them.
//!
//! Boundary: sockets and what secures them; what is spoken is `node`'s business.
//! Read first: [`Peers::open`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use api::peer::{self, Connect, Dialer, Plain};
use api::tls::{Door, Handle};
use node::Node;
use node::cluster::{Others, Transport};
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::problem::{self, Failure};

/// How often it is tried whether the other servers can be reached.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What servers show each other: as a server, and as a client.
type Shown = Option<(Handle<ServerConfig>, Handle<ClientConfig>)>;

/// The way to other servers, and from them.
pub(super) struct Peers {
    listener: Option<TcpListener>,
    door: Arc<Door>,
    /// Where others reach this server; empty: nowhere.
    pub(super) address: String,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) others: Others,
}

impl Peers {
    /// Listens, if other servers may come.
    ///
    /// # Errors
    /// The address is taken, or does not say where others reach it.
    pub(super) async fn open(config: &Config, shown: Shown) -> Result<Self, Failure> {
        let peer = config.security.peer.as_ref().filter(|_| config.database.is_some());
        let Some(peer) = peer else {
            return Ok(Self {
                listener: None,
                door: Door::plain("peer"),
                address: String::new(),
                transport: Arc::new(node::cluster::Alone),
                others: Others::None,
            });
        };
        let listener = super::listen(peer.address, "peer.address").await?;
        let bound = listener.local_addr().map_err(|error| {
            Failure::internal("a listener has no address".to_owned()).because(&error)
        })?;
        let address = advertised(config, bound)?;
        let (door, connect): (Arc<Door>, Arc<dyn Connect>) = match shown {
            None => (Door::plain("peer"), Arc::new(Plain)),
            Some((server, client)) => {
                (Door::tls("peer", move || server.get()), Arc::new(peer::Secured::new(client)))
            }
        };
        Ok(Self {
            listener: Some(listener),
            door,
            address,
            transport: Arc::new(Dialer::new(connect)),
            others: Others::Possible,
        })
    }

    /// Answers other servers from now on, until `stop` says so.
    pub(super) fn serve(self, node: Node, stop: watch::Receiver<bool>, tasks: &mut JoinSet<()>) {
        let Some(listener) = self.listener else { return };
        let door = self.door;
        tasks.spawn(async move {
            let limits = peer::Limits::default();
            if let Err(error) = peer::serve(node, listener, limits, door, stop).await {
                tracing::error!(%error, "other servers cannot reach this one any more");
            }
        });
    }
}

/// Looks again and again whether the servers of the cluster can be reached where they say, and
/// warns of each that cannot. Readiness says it, too.
pub(super) async fn look(node: Node) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let looked = node.look_around().await;
        for member in looked.lost {
            let (server, address) = (&*member.about.name, &*member.about.peer);
            let hint = hint(address);
            tracing::warn!(server, address, hint, "another server cannot be reached");
        }
        for member in looked.found {
            tracing::info!(server = &*member.about.name, "another server can be reached again");
        }
    }
}

fn hint(address: &str) -> &'static str {
    let host = address.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    match (address, is_loopback) {
        ("", _) => "it does not say where: set its `peer.address`",
        (_, true) => {
            "only servers of its own machine reach it there: set its `peer.address` and \
             `peer.advertise`"
        }
        (_, false) => "see its `peer.address` and `peer.advertise`, and what stands in between",
    }
}

fn advertised(config: &Config, bound: SocketAddr) -> Result<String, Failure> {
    if !config.peer_advertise.is_empty() {
        return Ok(config.peer_advertise.clone());
    }
    if bound.ip().is_unspecified() {
        let message = format!("`{bound}` does not say where other servers reach this one");
        let hint = "set `peer.advertise` to the HOST:PORT by which they do";
        return Err(Failure::refused(problem::ADDRESS, message, hint));
    }
    Ok(bound.to_string())
}
