//! A keep-alive HTTP/1.1 connection, one request at a time.
//!
//! Boundary: no redirects, no retries.
//! Read first: [`Connection`].   Tests: `tests.rs`.

use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use crate::client::{Credentials, Protocol, Route};

/// How a face of the server is reached.
///
/// # Errors
/// The address has no port or cannot be used.
pub(super) fn route(
    url: &str,
    credentials: &Credentials,
    protocol: Protocol,
) -> anyhow::Result<Route> {
    let route = Route::new(url, credentials, protocol).map_err(|failure| {
        let problem = failure.problem.map(|problem| problem.to_string());
        anyhow!("{}", problem.unwrap_or_else(|| format!("`{url}` cannot be used")))
    })?;
    let uri: http::Uri = url.parse().with_context(|| format!("`{url}` is no address"))?;
    ensure!(uri.port_u16().is_some(), "`{url}` has no port");
    Ok(route)
}

/// One connection. Closed when it is dropped.
pub(super) struct Connection {
    route: Route,
    sender: SendRequest<Full<Bytes>>,
    /// Drives the socket.
    _driver: JoinSet<()>,
}

impl Connection {
    /// # Errors
    /// Nobody listens there.
    pub(super) async fn open(route: &Route) -> anyhow::Result<Self> {
        let dialled = route.dial().await;
        let stream = dialled.with_context(|| format!("cannot reach `{}`", route.url()))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How a connection ended is told by the request that was on it.
            let _ = connection.await;
        });
        Ok(Self { route: route.clone(), sender, _driver: driver })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) async fn send(
        &mut self,
        method: Method,
        path: &str,
        (content_type, body): (&'static str, Bytes),
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.route.authority)
            .header(ACCEPT, "application/json");
        if let Some(authorization) = &self.route.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        self.sender.ready().await.context("the server closed the connection")?;
        let response = self.sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}
