//! The commands' way to a server: JSON over HTTP, one request at a time.
//!
//! Boundary: no redirects; how a server is reached stands in `dial.rs`. A request that the server
//! did not take because it is busy is sent again when the server says so.
//! Read first: [`Remote`], then [`Client::get`] and [`Client::send`].

mod dial;

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::task::JoinSet;

pub(crate) use dial::{Credentials, ENVIRONMENT, Protocol, Route};

use crate::output::remark;
use crate::problem::{self, Exit, Failure, Problem};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(120);
/// How often a request that was not taken is sent again.
const TRIES_MAX: u32 = 8;
/// The first pause before that; it doubles.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause, whatever the server asks for.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Which server a command talks to.
#[derive(Debug, Clone, Args)]
pub(crate) struct Remote {
    /// Address of the server's HTTP face, `http://` or `https://`.
    #[arg(
        long,
        visible_alias = "url",
        global = true,
        value_name = "URL",
        env = "POINTSMAN_SERVER",
        default_value = "http://127.0.0.1:8080"
    )]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
}

/// A connection to a server, made when it is first needed.
pub(crate) struct Client {
    route: Route,
    connection: Option<Connection>,
    /// How long the server may take to answer.
    patience: Duration,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Drives the socket; it ends with the connection.
    _driver: JoinSet<()>,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

impl Remote {
    /// Runs a conversation with the server on a runtime of its own.
    ///
    /// # Errors
    /// The address is wrong, or what the conversation failed with.
    pub(crate) fn talk<T>(
        &self,
        conversation: impl AsyncFnOnce(&mut Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let route = Route::new(&self.server, &self.credentials, Protocol::Http1)?;
        let mut client = Client { route, connection: None, patience: ANSWER };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            Failure::internal("cannot start the runtime".to_owned()).because(&error)
        })?;
        runtime.block_on(conversation(&mut client))
    }
}

impl Client {
    /// Waits so long for each answer from now on.
    pub(crate) fn wait_at_most(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, Body::None).await?.json()
    }

    /// Sends a request and reads the whole answer, which is a success.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<Answer, Failure> {
        let (content_type, bytes) = body.parts();
        let (mut pause, patience) = (PAUSE, self.patience);
        for attempt in 1..=TRIES_MAX {
            let sending = self.exchange(&method, path, content_type, bytes.clone());
            let answer = match tokio::time::timeout(patience, sending).await {
                Ok(answer) => answer?,
                Err(_) => {
                    self.connection = None;
                    let message = format!(
                        "`{}` did not answer in {} s",
                        self.route.authority,
                        patience.as_secs()
                    );
                    let hint = "what was asked may still be done: look before asking again";
                    return Err(Failure::unreachable(message, hint));
                }
            };
            if answer.status.is_success() {
                return Ok(answer);
            }
            // These two say that nothing was taken.
            let busy = matches!(
                answer.status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            );
            if !busy || attempt == TRIES_MAX || answer.is_of_service() {
                return Err(answer.refusal());
            }
            let wait = answer.retry_after.unwrap_or(pause).min(PAUSE_MAX);
            if attempt == 1 {
                remark("the server is busy; trying again");
            }
            tokio::time::sleep(wait).await;
            pause *= 2;
        }
        Err(Failure::internal("no try was made".to_owned()))
    }

    async fn exchange(
        &mut self,
        method: &Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.route.authority)
            .header(ACCEPT, "application/json, application/problem+json")
            .header(CONTENT_TYPE, content_type);
        if let Some(authorization) = &self.route.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| Failure::internal(format!("no request for `{path}`: {error}")))?;
        let authority = self.route.authority.clone();
        let broken = |error: hyper::Error| {
            let message = format!("the connection to `{authority}` broke");
            let hint = "what was asked may have been done: look before asking again";
            Failure::unreachable(message, hint).because(&error)
        };
        let connection = self.connect().await?;
        let response = connection.sender.send_request(request).await.map_err(&broken)?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = retry_after.map(Duration::from_secs);
        let body = response.into_body().collect().await.map_err(&broken)?.to_bytes();
        Ok(Answer { status, retry_after, body })
    }

    /// The open connection, or a new one if there is none or the server closed it.
    async fn connect(&mut self) -> Result<&mut Connection, Failure> {
        let open = match self.connection.take() {
            Some(mut connection) => connection.sender.ready().await.ok().map(|()| connection),
            None => None,
        };
        let connection = match open {
            Some(connection) => connection,
            None => Connection::open(&self.route).await?,
        };
        Ok(self.connection.insert(connection))
    }
}

impl Connection {
    async fn open(route: &Route) -> Result<Self, Failure> {
        let stream = match tokio::time::timeout(CONNECT, route.dial()).await {
            Ok(dialled) => dialled.map_err(|error| route.failed(&error))?,
            Err(late) => return Err(route.failed(&late.into())),
        };
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) =
            handshake.map_err(|error| route.failed(&std::io::Error::other(error)))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How a connection ended is told by the request that was on it.
            let _ = connection.await;
        });
        Ok(Self { sender, _driver: driver })
    }
}

/// What a request carries.
pub(crate) enum Body {
    None,
    Json(Value),
    /// JSON that is written already, with every digit of its numbers.
    Written(String),
    /// One JSON text per line.
    Lines(String),
    /// A list of CloudEvents.
    Events(Value),
    /// Files: name and bytes.
    Archives(Vec<(String, Vec<u8>)>),
}

impl Body {
    fn parts(self) -> (&'static str, Bytes) {
        match self {
            Self::None => ("application/json", Bytes::new()),
            Self::Json(data) => ("application/json", data.to_string().into()),
            Self::Written(json) => ("application/json", json.into()),
            Self::Lines(lines) => ("application/x-ndjson", lines.into()),
            Self::Events(events) => {
                ("application/cloudevents-batch+json", events.to_string().into())
            }
            Self::Archives(archives) => multipart(&archives),
        }
    }
}

/// Several files in one body. The archives are compressed with a checksum, so that none of them
/// can contain the boundary by chance more than once in 2^200.
fn multipart(archives: &[(String, Vec<u8>)]) -> (&'static str, Bytes) {
    const TYPE: &str = "multipart/form-data; boundary=pointsman-8d1f6c0e5b7a4923";
    const BOUNDARY: &str = "--pointsman-8d1f6c0e5b7a4923";
    let mut body = Vec::new();
    for (name, bytes) in archives {
        let head = format!(
            "{BOUNDARY}\r\ncontent-disposition: form-data; name=\"archive\"; \
             filename=\"{name}\"\r\ncontent-type: application/zstd\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(BOUNDARY.as_bytes());
    body.extend_from_slice(b"--\r\n");
    (TYPE, body.into())
}

impl Answer {
    /// The body as JSON; null if there is none.
    ///
    /// # Errors
    /// It is something else.
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::answer("the answer is not JSON".to_owned()).because(&error))
    }

    /// Whether it is a service that failed: it was called, and may have done something.
    fn is_of_service(&self) -> bool {
        self.json().is_ok_and(|problem| problem["code"] == "NODE-026")
    }

    fn refusal(&self) -> Failure {
        let exit = match self.status {
            StatusCode::INTERNAL_SERVER_ERROR => Exit::Internal,
            _ => Exit::Refused,
        };
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(problem) if problem.is_object() => {
                Failure { exit, problem: Some(Box::new(Problem::from_json(&problem))) }
            }
            _ if self.body.starts_with(b"this address speaks TLS") => {
                let message = "the server speaks TLS at this address".to_owned();
                Failure::unreachable(message, "begin the address with `https://`")
                    .coded(problem::INSECURE)
            }
            _ => {
                let text: String = String::from_utf8_lossy(&self.body).chars().take(200).collect();
                Failure::answer(format!("the server answered {}: {text}", self.status))
            }
        }
    }
}

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            // Writing to a text cannot fail.
            other => drop(write!(encoded, "%{other:02X}")),
        }
    }
    encoded
}

/// A query of the parts that have a value, with its question mark.
pub(crate) fn query(parts: &[(&str, Option<String>)]) -> String {
    let parts = parts.iter().filter_map(|(name, value)| {
        value.as_ref().map(|value| format!("{name}={}", segment(value)))
    });
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::{query, segment};

    #[test]
    fn segments_and_queries_are_encoded() {
        assert_eq!(segment("a b/ü"), "a%20b%2F%C3%BC");
        assert_eq!(query(&[("state", None), ("process", Some("a&b".into()))]), "?process=a%26b");
        assert_eq!(query(&[("state", None)]), "");
    }
}
