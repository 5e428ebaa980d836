//! Calls over HTTP that know a refusal from a connection that broke.
//!
//! Boundary: one try each; who asks decides what a failure means.
//! Read first: [`Http::send`].

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no good answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection was refused, or broke before the whole answer was there.
    Cut(String),
    /// The server said no, or nothing for too long.
    Refused(String),
}

/// A good answer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The version that says that it answered.
    pub(crate) version: Option<String>,
    pub(crate) body: Value,
}

/// A client with connections of its own.
pub(crate) struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    pub(crate) async fn get(&self, url: &str) -> Result<Reply, Failure> {
        self.send(Method::GET, url, ("", Bytes::new())).await
    }

    pub(crate) async fn post(&self, url: &str, body: &Value) -> Result<Reply, Failure> {
        let body = body.to_string().into();
        self.send(Method::POST, url, ("application/json", body)).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        (media, body): (&str, Bytes),
    ) -> Result<Reply, Failure> {
        let mut request = Request::builder().method(method).uri(url);
        if !media.is_empty() {
            request = request.header("content-type", media);
        }
        let request = request.body(Full::new(body)).unwrap();
        let exchange = async {
            let answer = self.0.request(request).await.map_err(|error| format!("{error:?}"))?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(|error| format!("{error:?}"))?;
            Ok::<_, String>((head, body.to_bytes()))
        };
        let answered = tokio::time::timeout(PATIENCE, exchange).await;
        let answered = answered.map_err(|_| Failure::Refused("no answer".to_owned()))?;
        let (head, body) = answered.map_err(Failure::Cut)?;
        if !head.status.is_success() {
            let text = String::from_utf8_lossy(&body);
            return Err(Failure::Refused(format!("{} {text}", head.status.as_u16())));
        }
        let version = head.headers.get("pointsman-package-version");
        let version = version.and_then(|text| text.to_str().ok()).map(str::to_owned);
        Ok(Reply { version, body: serde_json::from_slice(&body).unwrap_or_default() })
    }
}
