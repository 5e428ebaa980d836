//! `POST /api/services/{package}/{service}`: any service, called by name.
//!
//! Boundary: translation only; the service runs on this server, inside of its package's gate.
//! Read first: [`invoke`].

use axum::extract::{Path, Request, State};
use axum::response::Response;
use feel::{Context, Value};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use node::{Chain, Invocation};

use super::json::answer;
use super::parameters::{Query, duration};
use super::{Face, body};
use crate::problem::Problem;

/// The same for each try of a call.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The packages whose calls led to this one.
const CHAIN: &str = "pointsman-call-chain";
/// How long the call may wait for the gate.
const HOLD_TIMEOUT: &str = "pointsman-hold-timeout";
/// The version that answered.
const VERSION: HeaderName = HeaderName::from_static("pointsman-package-version");
/// Bytes of an idempotency key.
const KEY_MAX: usize = 256;

/// Calls a service with the body's object, and answers its result.
pub(super) async fn invoke(
    State(face): State<Face>,
    Path((package, service)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let query = Query::read(&head.uri, &["hold-timeout"])?;
    let patience = match query.duration("hold-timeout")? {
        Some(patience) => Some(patience),
        None => one(&head.headers, HOLD_TIMEOUT)?
            .map(|text| duration(HOLD_TIMEOUT, text))
            .transpose()?,
    };
    let invocation = Invocation {
        idempotency_key: idempotency_key(&head.headers)?,
        chain: chain(&head.headers)?,
        patience,
        input: input(&body::json(&face, &head.headers, body).await?)?,
    };
    let answered = face.node.invoke(&package, &service, invocation).await?;
    let mut response = answer(StatusCode::OK, &answered.value);
    if let Ok(version) = HeaderValue::from_str(&answered.version) {
        response.headers_mut().insert(VERSION, version);
    }
    Ok(response)
}

fn input(body: &[u8]) -> Result<Context, Problem> {
    if body.is_empty() {
        return Ok(Context::default());
    }
    let value = feel::json::parse(body)
        .map_err(|error| Problem::not_json(format!("the body is not JSON: {error}")))?;
    let Value::Context(input) = value else {
        let detail = format!("the body must be an object, found {}", value.kind_name());
        return Err(Problem::field("", detail, "send a JSON object, or nothing"));
    };
    Ok(input)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = one(headers, IDEMPOTENCY_KEY)? else { return Ok(None) };
    if key.is_empty() || key.len() > KEY_MAX {
        let detail = format!("the idempotency key has {} bytes", key.len());
        let hint = format!("send 1 to {KEY_MAX} bytes");
        return Err(Problem::field(IDEMPOTENCY_KEY, detail, &hint));
    }
    Ok(Some(key.to_owned()))
}

fn chain(headers: &HeaderMap) -> Result<Chain, Problem> {
    let Some(text) = one(headers, CHAIN)? else { return Ok(Chain::default()) };
    Chain::parse(text).ok_or_else(|| {
        let detail =
            format!("`{text}` is no list of at most {} package names", host::gate::CHAIN_MAX);
        let hint = "pass the header on as the service got it, or leave it out";
        Problem::field(CHAIN, detail, hint)
    })
}

/// A header that may be there once, as text.
fn one<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, Problem> {
    let mut found = headers.get_all(name).iter();
    let Some(first) = found.next() else { return Ok(None) };
    let refused = |detail: &str| Problem::field(name, detail, "send it once, in ASCII");
    if found.next().is_some() {
        return Err(refused("the header is there more than once"));
    }
    first.to_str().map(Some).map_err(|_| refused("the header is no text"))
}
