//! A server with TLS and tokens, and clients that can also do it wrong.

use std::path::Path;
use std::sync::Arc;

use api::auth::{Access, Registry, Role, TokenRow, Tokens, digest};
use api::tls::{FaceFiles, Faces, Handle, Identity};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use node::Clock;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::authority::{Authority, LONG, Written};
use crate::kept::Kept;
use crate::server::{Answer, Server};

/// The first token of every server here.
pub(crate) const FIRST: &str = "a bootstrap token of thirty-two bytes";

/// Options of a server that demands tokens, and where they are.
pub(crate) fn with_tokens() -> (api::Options, Arc<Kept>) {
    let tokens = Tokens::new(Clock::System).with_bootstrap(FIRST);
    let kept = Kept::new(tokens.clone());
    let registry: Arc<dyn Registry> = kept.clone();
    let access = Access::Tokens(tokens);
    (api::Options { access, registry: Some(registry), ..api::Options::default() }, kept)
}

/// Keeps a token that the test has chosen, under its own name.
pub(crate) fn put(kept: &Kept, token: &str, role: Role) {
    let hash: String = digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
    kept.keep(token, TokenRow { hash: hash.into(), role, created_ms: 0, expires_ms: None });
}

pub(crate) fn identity(written: Written) -> Identity {
    Identity { certificate: written.certificate, key: written.key }
}

/// A server's certificate in a directory, and how servers use it.
pub(crate) fn faces(authority: &Authority, directory: &Path) -> Handle<Faces> {
    let identity = identity(authority.write(directory, "server", LONG));
    api::tls::faces(&FaceFiles { identity, client_ca: None }).unwrap()
}

/// What a client that trusts these authorities uses, with its own certificate or none.
pub(crate) fn client(ca: &Path, own: Option<&Identity>, protocol: &[u8]) -> Arc<ClientConfig> {
    let roots: RootCertStore = api::tls::authorities(ca).unwrap();
    let mut config = api::tls::calling_with(roots, own).unwrap();
    if !protocol.is_empty() {
        config.alpn_protocols = vec![protocol.to_vec()];
    }
    Arc::new(config)
}

/// A connection through TLS.
pub(crate) async fn dial(
    address: std::net::SocketAddr,
    config: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(config).connect(name, socket).await
}

/// One request on a connection of its own, as `curl` does.
pub(crate) async fn curl(
    server: &Server,
    config: Arc<ClientConfig>,
    request: http::request::Builder,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = dial(server.http, config).await?;
    let mut driving = JoinSet::new();
    let response = if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let io = TokioIo::new(stream);
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        driving.spawn(async { drop(connection.await) });
        sender.send_request(request.body(Full::<Bytes>::default())?).await?
    } else {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        driving.spawn(async { drop(connection.await) });
        sender.send_request(request.body(Full::<Bytes>::default())?).await?
    };
    let (head, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
    Ok(Answer { status: head.status, headers: head.headers, text })
}

pub(crate) fn get(path: &str) -> http::request::Builder {
    Request::get(format!("https://localhost{path}")).header("host", "localhost")
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}
