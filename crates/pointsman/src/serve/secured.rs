//! What a server is secured with: certificates that follow their files, and tokens.
//!
//! Boundary: wiring of `config/security.rs` to `api`.
//! Read first: [`Secured::new`], then [`Secured::follow`].   Tests: tests/security.rs

use std::sync::Arc;
use std::time::Duration;

use api::auth::{Access, Tokens};
use api::peer::PROTOCOL;
use api::tls::{self, Faces, Handle};
use node::{Clock, Node};
use rustls::{ClientConfig, ServerConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::{Method, Security};
use crate::problem::Failure;

/// How often the files of certificates are looked at; SIGHUP asks for it at once.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long is waited for the stored tokens before it is waited for them again.
const READ: Duration = Duration::from_secs(30);

/// The pause before that.
const READ_PAUSE: Duration = Duration::from_millis(100);

/// Everything that certificates and tokens were read from, in use.
pub(super) struct Secured {
    faces: Option<Handle<Faces>>,
    /// What servers show each other: as a server, and as a client.
    pub(super) peers: Option<(Handle<ServerConfig>, Handle<ClientConfig>)>,
    access: Access,
    exposure: api::Exposure,
}

impl Secured {
    /// Reads certificates, keys and the first token.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub(super) fn new(security: &Security, clock: Clock) -> Result<Self, Failure> {
        security.check_authorities()?;
        let unusable = |error: tls::Error| Failure::tls(&error);
        let faces = security.tls.as_ref().map(tls::faces).transpose().map_err(unusable)?;
        let files = security.peer.as_ref().and_then(|peer| peer.files.as_ref());
        let peers = files.map(|files| {
            let server = tls::server_config(files, PROTOCOL)?;
            Ok((server, tls::client_config(files, PROTOCOL)?))
        });
        let peers = peers.transpose().map_err(unusable)?;
        let access = match security.method {
            Method::Nothing => Access::Everybody,
            Method::Tokens => {
                let mut tokens = Tokens::new(clock);
                match security.bootstrap()? {
                    Some(token) => tokens = tokens.with_bootstrap(&token),
                    None => tracing::info!("no `auth.bootstrap-token`: stored tokens only"),
                }
                Access::Tokens(tokens)
            }
        };
        if security.exposure == api::Exposure::Open {
            tracing::warn!(
                "`insecure-listen` is set: anybody who reaches this server may do anything"
            );
        }
        Ok(Self { faces, peers, access, exposure: security.exposure })
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.faces.is_some() { "https" } else { "http" }
    }

    /// The options of the faces with what secures them; tokens are kept by the node.
    pub(super) fn options(&self, options: api::Options, node: &Node) -> api::Options {
        api::Options {
            tls: self.faces.clone(),
            access: self.access.clone(),
            exposure: self.exposure,
            registry: Some(Arc::new(node.clone())),
            ..options
        }
    }

    /// Keeps the stored tokens in force from now on.
    pub(super) fn follow_tokens(&self, node: &Node, chores: &mut JoinSet<()>) {
        if let Access::Tokens(tokens) = self.access.clone() {
            let node = node.clone();
            chores.spawn(async move {
                // Until the stored ones are read, nobody can say that a token is none.
                loop {
                    match node.ready(READ).await {
                        Ok(()) => break,
                        // It never will be: the program ends.
                        Err(node::Error::Format { .. }) => return,
                        Err(_) => tokio::time::sleep(READ_PAUSE).await,
                    }
                }
                tokens.follow(node.tokens_in_force()).await;
            });
        }
    }

    /// Looks after changed files from now on, at an interval and at each SIGHUP.
    ///
    /// # Errors
    /// The signal cannot be listened to.
    pub(super) fn follow(&self, chores: &mut JoinSet<()>) -> Result<(), Failure> {
        let (asked, asking) = watch::channel(0_u64);
        let mut hangups = signal(SignalKind::hangup()).map_err(|error| {
            Failure::internal("cannot listen to signals".to_owned()).because(&error)
        })?;
        chores.spawn(async move {
            while hangups.recv().await.is_some() {
                tracing::info!(signal = "SIGHUP", "looking at certificates");
                asked.send_modify(|times| *times += 1);
            }
        });
        if let Some(faces) = self.faces.clone() {
            let asking = asking.clone();
            chores.spawn(async move { faces.follow(LOOK_EVERY, asking).await });
        }
        if let Some((server, client)) = self.peers.clone() {
            let (one, two) = (asking.clone(), asking);
            chores.spawn(async move { server.follow(LOOK_EVERY, one).await });
            chores.spawn(async move { client.follow(LOOK_EVERY, two).await });
        }
        Ok(())
    }
}
