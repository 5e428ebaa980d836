//! Who reaches a server and what they must show: TLS, tokens, and the refusal to listen without.
//!
//! Boundary: which files and references; they are read where they are used.
//! Read first: [`Security::read`], then [`Security::address`].   Tests: `tests.rs`

use std::net::{SocketAddr, ToSocketAddrs};
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
        let files = match (&self.tls, ca) {
            (Some(tls), Some(ca)) => Some(PeerFiles { identity: tls.identity.clone(), ca }),
            (None, Some(_)) => {
                let hint = "set `tls.certificate` and `tls.key`: servers show them to each other";
                return Err(wrong(values, "peer.ca", "is of no use without TLS", hint));
            }
            (_, None) => None,
        };
        let local = found.iter().all(|address| address.ip().is_loopback());
        // A way past the tokens, even on one machine.
        let unguarded = !local || self.method == Method::Tokens;
        if files.is_none() && unguarded && self.exposure == Exposure::Guarded {
            let why = "anybody who reaches it could act as a server of the cluster";
            let (value, origin) = &values["peer.address"];
            let message = format!("cannot listen for `peer` at `{value}`: {why}");
            let hint = "set `peer.ca`, `tls.certificate` and `tls.key` in the configuration";
            return Err(Failure::configuration(message, hint)
                .coded(problem::EXPOSED)
                .at(origin.to_string()));
        }
        Ok(Peer { address, files })
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
    let without = |name: &str, other: &str| {
        let why = format!("is of no use without `{other}`");
        wrong(values, name, &why, &format!("set `{other}` too"))
    };
    match (path(values, "tls.certificate"), path(values, "tls.key")) {
        (Some(certificate), Some(key)) => {
            Ok(Some(FaceFiles { identity: Identity { certificate, key }, client_ca }))
        }
        (Some(_), None) => Err(without("tls.certificate", "tls.key")),
        (None, Some(_)) => Err(without("tls.key", "tls.certificate")),
        (None, None) if client_ca.is_some() => Err(without("tls.client-ca", "tls.certificate")),
        (None, None) => Ok(None),
    }
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
