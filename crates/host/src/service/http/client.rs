//! Pooled HTTP connections.
//!
//! Boundary: sends one request once and tells connection errors from everything else.
//! Read first: [`Clients::send`].

use std::time::Duration;

use ::http::Response;
use ::http::uri::Scheme;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::OnceCell;

use super::request::Request;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const IDLE_PER_HOST_MAX: usize = 64;

/// Why there is no answer.
pub(super) enum Refusal {
    /// The connection failed before an answer came.
    Connection(String),
    /// It cannot even be tried.
    Setup(String),
}

/// The clients that all `http` services share.
#[derive(Debug)]
pub(crate) struct Clients {
    plain: Client<HttpConnector, Full<Bytes>>,
    /// Made at the first `https` call: reading the system's certificates takes a while.
    secure: OnceCell<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>,
}

impl Clients {
    pub(crate) fn new() -> Self {
        Self { plain: client().build(connector()), secure: OnceCell::new() }
    }

    /// Sends `request` once. Cancellation safe.
    pub(super) async fn send(&self, request: &Request) -> Result<Response<Incoming>, Refusal> {
        let mut sent = ::http::Request::new(Full::new(request.body.clone()));
        *sent.method_mut() = request.method.clone();
        *sent.uri_mut() = request.uri.clone();
        *sent.headers_mut() = request.headers.clone();
        let response = if request.uri.scheme() == Some(&Scheme::HTTPS) {
            self.secure.get_or_try_init(secure).await?.request(sent).await
        } else {
            self.plain.request(sent).await
        };
        response.map_err(|error| Refusal::Connection(chain(&error)))
    }
}

fn client() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX);
    builder
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_nodelay(true);
    connector
}

/// A client that trusts what the system trusts.
async fn secure() -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, Refusal> {
    let unusable = |reason: String| {
        Refusal::Setup(format!("the system's certificates cannot be read: {reason}"))
    };
    let read = || {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)
    };
    let certificates = tokio::task::spawn_blocking(read).await;
    let certificates = certificates.map_err(|error| unusable(error.to_string()))?;
    let builder = certificates.map_err(|error| unusable(error.to_string()))?;
    let mut plain = connector();
    plain.enforce_http(false);
    Ok(client().build(builder.https_only().enable_all_versions().wrap_connector(plain)))
}

/// An error with what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
