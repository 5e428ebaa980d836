//! A keep-alive HTTP/1.1 connection, one request at a time.
//!
//! Boundary: no TLS, no redirects, no retries.
//! Read first: [`Connection`].   Tests: `tests.rs`.

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Where a face of the server listens, as `host:port`.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) authority: String,
}

impl Address {
    /// Reads `http://host:port`.
    ///
    /// # Errors
    /// It is another scheme, has no port, or is no address.
    pub(super) fn parse(url: &str) -> anyhow::Result<Self> {
        let uri: http::Uri = url.parse().with_context(|| format!("`{url}` is no address"))?;
        if uri.scheme_str() != Some("http") {
            bail!("`{url}`: expected `http://host:port`, the load generator speaks no TLS");
        }
        match (uri.authority(), uri.port_u16()) {
            (Some(authority), Some(_)) => Ok(Self { authority: authority.to_string() }),
            _ => bail!("`{url}` has no port"),
        }
    }
}

/// One connection. Closed when it is dropped.
pub(super) struct Connection {
    authority: String,
    sender: SendRequest<Full<Bytes>>,
    /// Drives the socket.
    _driver: JoinSet<()>,
}

impl Connection {
    /// # Errors
    /// Nobody listens there.
    pub(super) async fn open(address: &Address) -> anyhow::Result<Self> {
        let authority = address.authority.clone();
        let socket = TcpStream::connect(&authority)
            .await
            .with_context(|| format!("cannot reach `http://{authority}`"))?;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How a connection ended is told by the request that was on it.
            let _ = connection.await;
        });
        Ok(Self { authority, sender, _driver: driver })
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
            .header(HOST, &self.authority)
            .header(ACCEPT, "application/json");
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        self.sender.ready().await.context("the server closed the connection")?;
        let response = self.sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}
