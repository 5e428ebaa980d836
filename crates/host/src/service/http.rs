//! Services of kind `http`: one request, its answer as a value.
//!
//! Boundary: pooled connections; redirects are not followed; only connection errors are tried
//! again here, and only if the definition says so.
//! Read first: [`run`], then [`outcome`].   Tests: `tests/service_http.rs`

mod client;
mod request;

use std::time::Duration;

use ::http::{HeaderMap, Response, StatusCode, header};
use bytes::Bytes;
use feel::{Context, Value};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

pub(super) use client::Clients;
pub(crate) use request::check_url;

use crate::service::scope::ResultScope;
use crate::service::{Failure, HttpService, Work, permanent, transient};

/// The longest pause between two tries of a connection.
const BACK_OFF_MS_MAX: u64 = 30_000;

/// Runs one call. Cancellation safe.
pub(super) async fn run(
    clients: &Clients,
    service: &HttpService,
    work: &Work<'_>,
    response_bytes_max: usize,
) -> Result<Value, Failure> {
    let request = request::build(service, work).await?;
    let mut back_off_ms = service.back_off_ms;
    let mut retries_left = service.retries;
    let response = loop {
        match clients.send(&request).await {
            Ok(response) => break response,
            Err(client::Refusal::Connection(_)) if retries_left > 0 => {
                retries_left -= 1;
                tokio::time::sleep(Duration::from_millis(back_off_ms)).await;
                back_off_ms = back_off_ms.saturating_mul(2).min(BACK_OFF_MS_MAX);
            }
            Err(client::Refusal::Connection(reason)) => {
                return Err(transient(format!("{}: {reason}", request.shown())));
            }
            Err(client::Refusal::Setup(reason)) => {
                return Err(permanent(format!("{}: {reason}", request.shown())));
            }
        }
    };
    outcome(response, service, (work, &request.shown()), response_bytes_max).await
}

/// The answer as the service's result.
async fn outcome(
    response: Response<Incoming>,
    service: &HttpService,
    (work, shown): (&Work<'_>, &str),
    response_bytes_max: usize,
) -> Result<Value, Failure> {
    let (head, body) = response.into_parts();
    let body = match Limited::new(body, response_bytes_max).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("{shown}: the answer has more than {response_bytes_max} bytes");
            return Err(permanent(message));
        }
        Err(error) => return Err(transient(format!("{shown}: the answer broke off: {error}"))),
    };
    if let Some(failure) = failure_of(head.status, &head.headers, service, (shown, &body)) {
        return Err(failure);
    }
    let body =
        body_value(&head.headers, &body).map_err(|why| permanent(format!("{shown}: {why}")))?;
    let Some(result) = &work.definition.result else { return Ok(body) };
    let answer = [
        ("status", Value::Number(i64::from(head.status.as_u16()).into())),
        ("headers", headers_value(&head.headers)),
        ("body", body),
    ];
    let scope = ResultScope { request: &work.scope, answer: &answer };
    Ok(result.evaluate(&scope, &work.environment).value)
}

/// What kind of failure a status is; None if it is a success.
fn failure_of(
    status: StatusCode,
    headers: &HeaderMap,
    service: &HttpService,
    (shown, body): (&str, &Bytes),
) -> Option<Failure> {
    let rules = || service.errors.iter();
    let covered = rules().filter(|(rule, _)| rule.covers(status.as_u16()));
    // An exact status goes before its hundred, whatever their order.
    let code = covered.min_by_key(|(rule, _)| match rule {
        crate::service::StatusRule::Exact(_) => 0,
        crate::service::StatusRule::Hundred(_) => 1,
    });
    if status.is_success() {
        return None;
    }
    let mut message = format!("{shown} answered {status}");
    let excerpt = excerpt(body);
    if !excerpt.is_empty() {
        message = format!("{message}: {excerpt}");
    }
    if let Some((_, code)) = code {
        return Some(Failure::Error { code: code.clone(), message });
    }
    Some(match status.as_u16() {
        408 | 425 | 429 | 500 | 502 | 503 | 504 => {
            Failure::Transient { message, retry_after_ms: retry_after_ms(headers) }
        }
        300..400 => permanent(format!("{message} (redirects are not followed)")),
        _ => permanent(message),
    })
}

fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    seconds.parse::<u64>().ok()?.checked_mul(1000)
}

/// The first line of a text answer, for people; nothing of a binary one.
fn excerpt(body: &Bytes) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(1000)]);
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("").trim();
    if line.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        return String::new();
    }
    line.chars().take(200).collect()
}

fn body_value(headers: &HeaderMap, body: &Bytes) -> Result<Value, String> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or("").split(';').next().unwrap_or("").trim();
    let essence = essence.to_ascii_lowercase();
    if essence.ends_with("/json") || essence.ends_with("+json") {
        return feel::json::parse(body).map_err(|error| {
            let offset = error.offset;
            format!("the answer says it is JSON, but is not at byte {offset}: {}", error.message)
        });
    }
    match std::str::from_utf8(body) {
        Ok(text) => Ok(Value::String(text.into())),
        Err(_) => Err(format!("the answer is neither JSON nor UTF-8 text (`{essence}`)")),
    }
}

/// Header fields by name in small letters; several of one name joined by commas.
fn headers_value(headers: &HeaderMap) -> Value {
    let mut entries = Vec::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter();
        let values: Vec<_> = values.map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        entries.push((name.as_str().into(), Value::String(values.join(", ").into())));
    }
    Value::Context(Context::new(entries))
}
