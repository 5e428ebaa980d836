//! Who reaches a server and what they must show: TLS, tokens, and the refusal to listen without.
//!
//! Boundary: which files and references; they are read where they are used.
//! Read first: [`Security::read`], then [`Security::address`].   Tests: `tests.rs`

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use api::auth::SECRET_BYTES_MIN;
use api::tls::{FaceFiles, Identity, PeerFiles};
use api::{Exposure, Protection};

use super::{Values, wrong};
use crate::problem::{self, Failure};
use crate::reference::Reference;

/// What has to be said before a server listens without protection.
const WORDS: &str = "i-know-that-anybody-can-do-anything";

/// What callers show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Nothing,
    Tokens,
}

/// Where other servers connect.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// What servers show each other; without it they speak plain text.
    pub(crate) files: Option<PeerFiles>,
}

/// Who reaches a server, and how.
#[derive(Debug, Clone)]
pub(crate) struct Security {
    pub(crate) tls: Option<FaceFiles>,
    pub(crate) peer: Option<Peer>,
    pub(crate) method: Method,
    bootstrap: Option<Reference>,
    pub(crate) exposure: Exposure,
}

impl Security {
    pub(super) fn read(values: &Values, environment: &[(String, String)]) -> Result<Self, Failure> {
        let value = |name: &str| values.get(name).map_or("", |(value, _)| value.as_str());
        let exposure = match value("insecure-listen") {
            "" => Exposure::Guarded,
            WORDS => Exposure::Open,
            _ => {
                let hint = format!("leave it empty, or write `{WORDS}`");
                return Err(wrong(values, "insecure-listen", "does not say what it means", &hint));
            }
        };
        let method = match value("auth.method") {
            "none" => Method::Nothing,
            "tokens" => Method::Tokens,
            _ => return Err(wrong(values, "auth.method", "is no method", "use none or tokens")),
        };
        let bootstrap = match value("auth.bootstrap-token") {
            "" => None,
            text => Some(Reference::parse(text, environment).ok_or_else(|| {
                // What was written may be the token itself.
                let (_, origin) = &values["auth.bootstrap-token"];
                let message = "`auth.bootstrap-token` is no reference".to_owned();
                let hint = "write `env:NAME` or `file:PATH`; the token itself stands there";
                Failure::configuration(message, hint).at(origin.to_string())
            })?),
        };
        if bootstrap.is_some() && method == Method::Nothing {
            let why = "is of no use: nobody is asked for a token";
            let hint = "set `auth.method = \"tokens\"`";
            return Err(wrong(values, "auth.bootstrap-token", why, hint));
        }
        let mut security = Self { tls: None, peer: None, method, bootstrap, exposure };
        security.tls = faces(values)?;
        if !value("peer.address").is_empty() {
            security.peer = Some(security.peer(values)?);
        }
        Ok(security)
    }

    /// The address of a face, which only those reach who may.
    pub(super) fn address(&self, values: &Values, name: &str) -> Result<SocketAddr, Failure> {
        let protection = Protection {
            tls: self.tls.is_some(),
            tokens: self.method == Method::Tokens,
            exposure: self.exposure,
        };
        let found = resolve(values, name)?;
        for address in &found {
            api::check_listen(*address, &protection).map_err(|refused| {
                let message = format!("cannot listen for `{name}`: {}", refused.detail);
                let failure = Failure::configuration(message, &refused.hint);
                failure.coded(refused.code).at(values[name].1.to_string())
            })?;
        }
        found.first().copied().ok_or_else(|| no_address(values, name, "names nothing"))
    }

    fn peer(&self, values: &Values) -> Result<Peer, Failure> {
        let found = resolve(values, "peer.address")?;
        let address = found.first().copied();
        let address = address.ok_or_else(|| no_address(values, "peer.address", "names nothing"))?;
        let ca = path(values, "peer.ca");
        let own = identity(values, "peer.certificate", "peer.key")?;
        if own.is_some() && ca.is_none() {
            return Err(without(values, "peer.certificate", "peer.ca"));
        }
        let identity = own.or_else(|| self.tls.as_ref().map(|tls| tls.identity.clone()));
        let files = match (identity, ca) {
            (Some(identity), Some(ca)) => Some(PeerFiles { identity, ca }),
            (None, Some(_)) => {
                let hint = "set `peer.certificate` and `peer.key`, or those of `tls`: servers show \
                            them to each other";
                return Err(wrong(values, "peer.ca", "is of no use without a certificate", hint));
            }
            (_, None) => None,
        };
        advertised(values, &found)?;
        let local = found.iter().all(|address| address.ip().is_loopback());
        // A way past the tokens, even on one machine.
        let unguarded = !local || self.method == Method::Tokens;
        if files.is_none() && unguarded && self.exposure == Exposure::Guarded {
            let why = "anybody who reaches it could act as a server of the cluster";
            let (value, origin) = &values["peer.address"];
            let message = format!("cannot listen for `peer` at `{value}`: {why}");
            let hint = "set `peer.ca`, `peer.certificate` and `peer.key` in the configuration";
            return Err(Failure::configuration(message, hint)
                .coded(problem::EXPOSED)
                .at(origin.to_string()));
        }
        Ok(Peer { address, files })
    }

    /// Whoever has a client's certificate is no server of the cluster.
    ///
    /// # Errors
    /// The same authorities sign both.
    pub(crate) fn check_authorities(&self) -> Result<(), Failure> {
        let peers = self.peer.as_ref().and_then(|peer| peer.files.as_ref());
        let clients = self.tls.as_ref().and_then(|tls| tls.client_ca.as_ref());
        let (Some(peers), Some(clients)) = (peers, clients) else { return Ok(()) };
        // A file that cannot be read is told where it is used.
        let content = |path: &PathBuf| std::fs::read(path).ok();
        if &peers.ca != clients
            && (content(clients).is_none() || content(&peers.ca) != content(clients))
        {
            return Ok(());
        }
        let message =
            "`peer.ca` and `tls.client-ca` hold the same authorities: every client could \
                       act as a server of the cluster"
                .to_owned();
        let hint = "sign the servers' certificates with an authority that signs nothing else, and \
                    name them as `peer.certificate` and `peer.key`";
        Err(Failure::configuration(message, hint).coded(problem::EXPOSED))
    }

    /// The first token, if there is one.
    ///
    /// # Errors
    /// What is referred to is not there or too short.
    pub(crate) fn bootstrap(&self) -> Result<Option<String>, Failure> {
        let Some(reference) = &self.bootstrap else { return Ok(None) };
        let token = reference.read()?;
        if token.len() < SECRET_BYTES_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message =
                format!("what `{reference}` holds is no token for `auth.bootstrap-token`");
            let hint = "write at least 32 visible ASCII characters; `openssl rand -hex 32` makes \
                        some";
            return Err(Failure::configuration(message, hint));
        }
        Ok(Some(token))
    }

    /// Reads every file and reference once.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub(super) fn check_files(&self) -> Result<(), Failure> {
        self.check_authorities()?;
        if let Some(files) = &self.tls {
            api::tls::faces(files).map_err(|error| Failure::tls(&error))?;
        }
        if let Some(files) = self.peer.as_ref().and_then(|peer| peer.files.as_ref()) {
            let made = api::tls::client_config(files, api::peer::PROTOCOL);
            made.map_err(|error| Failure::tls(&error))?;
        }
        self.bootstrap().map(|_| ())
    }
}

fn path(values: &Values, name: &str) -> Option<PathBuf> {
    let (value, _) = values.get(name).filter(|(value, _)| !value.is_empty())?;
    Some(PathBuf::from(value.strip_prefix("file:").unwrap_or(value)))
}

/// What the faces speak TLS with, if they do.
fn faces(values: &Values) -> Result<Option<FaceFiles>, Failure> {
    let client_ca = path(values, "tls.client-ca");
    match identity(values, "tls.certificate", "tls.key")? {
        Some(identity) => Ok(Some(FaceFiles { identity, client_ca })),
        None if client_ca.is_some() => Err(without(values, "tls.client-ca", "tls.certificate")),
        None => Ok(None),
    }
}

/// A certificate and its key, both or neither.
fn identity(values: &Values, certificate: &str, key: &str) -> Result<Option<Identity>, Failure> {
    match (path(values, certificate), path(values, key)) {
        (Some(certificate), Some(key)) => Ok(Some(Identity { certificate, key })),
        (Some(_), None) => Err(without(values, certificate, key)),
        (None, Some(_)) => Err(without(values, key, certificate)),
        (None, None) => Ok(None),
    }
}

fn without(values: &Values, name: &str, other: &str) -> Failure {
    let why = format!("is of no use without `{other}`");
    wrong(values, name, &why, &format!("set `{other}` too"))
}

/// Where other servers of the database reach this one must be said, if listening does not.
fn advertised(values: &Values, found: &[SocketAddr]) -> Result<(), Failure> {
    let value = |name: &str| values.get(name).map_or("", |(value, _)| value.as_str());
    let advertise = value("peer.advertise");
    let hint = "set `peer.advertise` to the HOST:PORT by which other servers reach this one";
    if advertise.is_empty() {
        let is_shared = !value("database.url").is_empty();
        if is_shared && found.iter().any(|address| address.ip().is_unspecified()) {
            let why = "does not say where other servers reach this one";
            return Err(wrong(values, "peer.address", why, hint).coded(problem::ADDRESS));
        }
        return Ok(());
    }
    // The name need not be known here.
    let (host, port) = advertise.rsplit_once(':').unwrap_or_default();
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    let is_host = !host.is_empty()
        && (is_bracketed || !host.contains([':', '/', '@', ' ']))
        && !host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_unspecified());
    if !is_host || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(wrong(values, "peer.advertise", "is no HOST:PORT", hint));
    }
    Ok(())
}

fn resolve(values: &Values, name: &str) -> Result<Vec<SocketAddr>, Failure> {
    let (text, _) = &values[name];
    let found = text.to_socket_addrs();
    found.map(Iterator::collect).map_err(|error| no_address(values, name, &error.to_string()))
}

fn no_address(values: &Values, name: &str, why: &str) -> Failure {
    let (value, origin) = &values[name];
    let message = format!("cannot listen on `{value}`: it is no address: {why}");
    let hint = "write `HOST:PORT`, such as `127.0.0.1:8080`; port 0 takes a free one";
    Failure::configuration(message, hint).coded(problem::ADDRESS).at(origin.to_string())
}
