//! The part of the command line's client that the lean connection needs: a way without encryption.
//!
//! Boundary: stands in for the module of that name in `pointsman`, so that `wire.rs` is the same.
//! Read first: [`Route`].

use api::tls::Stream;
use http::HeaderValue;
use tokio::net::TcpStream;

/// The way to a server on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// `host:port`.
    pub(crate) authority: String,
    /// Never anything here.
    pub(crate) authorization: Option<HeaderValue>,
}

impl Route {
    /// The way to `authority`.
    pub(crate) fn to(authority: &str) -> Self {
        Self { authority: authority.to_owned(), authorization: None }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    pub(crate) fn scheme(&self) -> &'static str {
        "http"
    }

    pub(crate) async fn dial(&self) -> std::io::Result<Stream> {
        let socket = TcpStream::connect(&self.authority).await?;
        socket.set_nodelay(true)?;
        Ok(Stream::plain(socket))
    }
}
