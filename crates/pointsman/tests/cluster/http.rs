//! Calls over HTTP, as a client that knows nothing but addresses.
//!
//! Boundary: one try each; who asks decides what a failure means.
//! Read first: [`Http::post`].

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// The media type of most bodies.
pub(crate) const JSON: &str = "application/json";
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client with connections of its own.
pub(crate) struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    pub(crate) async fn get(&self, address: &str, path: &str) -> Result<Value, String> {
        let request = Request::get(format!("{address}{path}"));
        self.call(request.body(Full::default()).unwrap()).await
    }

    /// What was answered, if that is a success; otherwise why not, beginning with the status.
    pub(crate) async fn post(
        &self,
        address: &str,
        path: &str,
        (media, body): (&str, &Value),
    ) -> Result<Value, String> {
        let request = Request::post(format!("{address}{path}")).header("content-type", media);
        self.call(request.body(Full::new(body.to_string().into())).unwrap()).await
    }

    async fn call(&self, request: Request<Full<Bytes>>) -> Result<Value, String> {
        let exchange = async {
            let answer = self.0.request(request).await.map_err(|error| format!("{error:?}"))?;
            let status = answer.status();
            let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
            Ok::<_, String>((status, body.to_bytes()))
        };
        let answered = tokio::time::timeout(PATIENCE, exchange).await;
        let (status, body) = answered.map_err(|_| "no answer".to_owned())??;
        match status {
            StatusCode::NO_CONTENT => Ok(Value::Null),
            status if status.is_success() => {
                serde_json::from_slice(&body).map_err(|error| error.to_string())
            }
            status => Err(format!("{} {}", status.as_u16(), String::from_utf8_lossy(&body))),
        }
    }
}
