//! TLS on every listener and between servers: certificates from files, read again when they change.
//!
//! Boundary: one provider of cryptography for all (aws-lc-rs), TLS 1.2 and 1.3 as rustls has them.
//! What is spoken inside is the caller's business.
//! Invariants: TLS-1 a file that cannot be used never replaces a certificate that can. TLS-2 a
//! connection that does not finish its handshake keeps no other one out.
//! Read first: [`faces`], [`server_config`], [`client_config`], then [`Handle`].
//! Tests: `tls/tests.rs`, tests/faces/tls.rs

mod certificate;
mod door;
mod files;
mod handshakes;
mod reload;
mod stream;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub use door::Door;
pub use files::{Error, Identity};
pub use reload::{Handle, Made, Refreshed};
pub use stream::Stream;

/// The names that HTTP/2 and HTTP/1.1 have in a handshake.
pub const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// What the faces listen with.
#[derive(Debug, Clone)]
pub struct FaceFiles {
    /// The server's own certificate.
    pub identity: Identity,
    /// Who signs the certificates that clients must have; they need none if it is not given.
    pub client_ca: Option<PathBuf>,
}

/// What servers show each other.
#[derive(Debug, Clone)]
pub struct PeerFiles {
    /// The server's own certificate, shown as a server and as a client.
    pub identity: Identity,
    /// Who signs the certificates of servers, and of nobody else.
    pub ca: PathBuf,
}

/// The configurations of both faces, made from the same files.
#[derive(Debug, Clone)]
pub struct Faces {
    /// For HTTP/2 and HTTP/1.1.
    pub http: Arc<ServerConfig>,
    /// For HTTP/2 alone.
    pub grpc: Arc<ServerConfig>,
}

/// What both faces listen with.
///
/// # Errors
/// A file cannot be read or used.
pub fn faces(files: &FaceFiles) -> Result<Handle<Faces>, Error> {
    let files = files.clone();
    let mut paths = files.identity.paths();
    paths.extend(files.client_ca.clone());
    Handle::new("faces", paths, move |texts| {
        let verifier = match (&files.client_ca, texts.get(2)) {
            (Some(path), Some(text)) => client_verifier(files::roots(path, text)?, path)?,
            _ => WebPkiClientVerifier::no_client_auth(),
        };
        let (config, ends_ms) = serving(&files.identity, texts, verifier)?;
        let speaking = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Arc::new(config)
        };
        let faces = Faces { http: speaking(&[H2, HTTP1]), grpc: speaking(&[H2]) };
        Ok(Made { config: Arc::new(faces), ends_ms: Some(ends_ms) })
    })
}

/// What a server listens with for other servers: it shows its certificate and demands theirs.
///
/// # Errors
/// A file cannot be read or used.
pub fn server_config(files: &PeerFiles, protocol: &[u8]) -> Result<Handle<ServerConfig>, Error> {
    let (files, protocol) = (files.clone(), protocol.to_vec());
    Handle::new("peers", files.paths(), move |texts| {
        let verifier = client_verifier(files.roots(texts)?, &files.ca)?;
        let (mut config, ends_ms) = serving(&files.identity, texts, verifier)?;
        config.alpn_protocols = vec![protocol.clone()];
        Ok(Made { config: Arc::new(config), ends_ms: Some(ends_ms) })
    })
}

/// What a server calls other servers with: it demands their certificate and shows its own.
///
/// # Errors
/// A file cannot be read or used.
pub fn client_config(files: &PeerFiles, protocol: &[u8]) -> Result<Handle<ClientConfig>, Error> {
    let (files, protocol) = (files.clone(), protocol.to_vec());
    Handle::new("peers", files.paths(), move |texts| {
        let roots = files.roots(texts)?;
        let mut config = calling(roots, Some((&files.identity, texts)))?;
        config.alpn_protocols = vec![protocol.clone()];
        let ends_ms = files::chain(&files.identity, texts)?.1;
        Ok(Made { config: Arc::new(config), ends_ms: Some(ends_ms) })
    })
}

/// What a client calls a server with, once: the authorities that it trusts, and its own
/// certificate if the server demands one.
///
/// # Errors
/// A file cannot be read or used.
pub fn calling_with(
    roots: RootCertStore,
    identity: Option<&Identity>,
) -> Result<ClientConfig, Error> {
    match identity {
        None => calling(roots, None),
        Some(identity) => {
            let texts = files::read(&identity.paths())?;
            calling(roots, Some((identity, &texts)))
        }
    }
}

/// The authorities in a file.
///
/// # Errors
/// It cannot be read, or has none.
pub fn authorities(path: &std::path::Path) -> Result<RootCertStore, Error> {
    let texts = files::read(&[path.to_owned()])?;
    files::roots(path, texts.first().map_or(&[], Vec::as_slice))
}

impl PeerFiles {
    fn paths(&self) -> Vec<PathBuf> {
        let mut paths = self.identity.paths();
        paths.push(self.ca.clone());
        paths
    }

    fn roots(&self, texts: &[Vec<u8>]) -> Result<RootCertStore, Error> {
        files::roots(&self.ca, texts.get(2).map_or(&[], Vec::as_slice))
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::LazyLock<Arc<CryptoProvider>> =
        std::sync::LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

fn client_verifier(
    roots: RootCertStore,
    path: &std::path::Path,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| Error::Authorities { path: path.to_owned(), detail: error.to_string() })
}

/// The configuration of a listener, and when its certificate ends.
fn serving(
    identity: &Identity,
    texts: &[Vec<u8>],
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<(ServerConfig, i64), Error> {
    let (chain, ends_ms) = files::chain(identity, texts)?;
    let key = files::key(identity, texts)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::unusable(identity, source))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|source| Error::unusable(identity, source))?;
    Ok((config, ends_ms))
}

fn calling(
    roots: RootCertStore,
    shown: Option<(&Identity, &[Vec<u8>])>,
) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::Provider { source })?
        .with_root_certificates(roots);
    match shown {
        None => Ok(builder.with_no_client_auth()),
        Some((identity, texts)) => {
            let (chain, _) = files::chain(identity, texts)?;
            let key = files::key(identity, texts)?;
            let made = builder.with_client_auth_cert(chain, key);
            made.map_err(|source| Error::unusable(identity, source))
        }
    }
}
