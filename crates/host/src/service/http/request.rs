//! From a definition and a call to one HTTP request.
//!
//! Boundary: evaluates and encodes; sending lives in `client.rs`. No value of a header or a
//! query is ever part of a message.
//! Read first: [`build`].

use ::http::uri::{PathAndQuery, Scheme, Uri};
use ::http::{HeaderMap, HeaderValue, Method, header};
use bytes::Bytes;
use feel::Value;

use crate::service::{Failure, HttpService, Template, Work, permanent};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const CALL_CHAIN: &str = "pointsman-call-chain";

/// One request; can be sent several times.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    /// Method and URL without its query, for messages.
    pub(super) fn shown(&self) -> String {
        let scheme = self.uri.scheme_str().unwrap_or("http");
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        format!("`{} {scheme}://{authority}{}`", self.method, self.uri.path())
    }
}

/// Whether `text` is a URL that a service can call; why not.
pub(crate) fn check_url(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => {}
        Some(scheme) => return Err(format!("the scheme `{scheme}` is not `http` or `https`")),
        None => return Err("it must start with `http://` or `https://`".to_owned()),
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("user names and passwords belong in a header with `secret:`".to_owned())
        }
        Some(_) => Ok(uri),
        None => Err("it names no host".to_owned()),
    }
}

/// Evaluates everything that the request consists of. Cancellation safe.
pub(super) async fn build(service: &HttpService, work: &Work<'_>) -> Result<Request, Failure> {
    let uri = uri(service, work).await?;
    let mut headers = HeaderMap::new();
    let mut body = Bytes::new();
    if let Some(template) = &service.body {
        let (content_type, content) = content(template, work).await?;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        body = content;
    }
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
    let agent = concat!("pointsman/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    if !work.call.chain.packages().is_empty() {
        headers.insert(CALL_CHAIN, header_value(&work.call.chain.text(), CALL_CHAIN)?);
    }
    headers.insert(IDEMPOTENCY_KEY, header_value(&work.call.idempotency_key, IDEMPOTENCY_KEY)?);
    for (name, template) in &service.headers {
        if let Some(text) = template.text(&work.scope, &work.environment).await? {
            let mut value = header_value(&text, name.as_str())?;
            value.set_sensitive(matches!(template, Template::Secret { .. }));
            headers.insert(name.clone(), value);
        }
    }
    Ok(Request { method: service.method.clone(), uri, headers, body })
}

fn header_value(text: &str, name: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text)
        .map_err(|_| permanent(format!("the header `{name}` has a value with control characters")))
}

async fn uri(service: &HttpService, work: &Work<'_>) -> Result<Uri, Failure> {
    let text = service.url.text(&work.scope, &work.environment).await?;
    let text = text.ok_or_else(|| permanent("the service's `url` is null".to_owned()))?;
    let uri = check_url(&text)
        .map_err(|reason| permanent(format!("the service's `url` cannot be called: {reason}")))?;
    let mut query = uri.query().unwrap_or("").to_owned();
    for (name, template) in &service.query {
        let Some(value) = template.text(&work.scope, &work.environment).await? else { continue };
        if !query.is_empty() {
            query.push('&');
        }
        encode(name, &mut query);
        query.push('=');
        encode(&value, &mut query);
    }
    if query.is_empty() {
        return Ok(uri);
    }
    let path = format!("{}?{query}", uri.path());
    let unfit = |error: ::http::Error| permanent(format!("the query cannot be sent: {error}"));
    let path = PathAndQuery::try_from(path).map_err(|error| unfit(error.into()))?;
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|error| unfit(error.into()))
}

/// Percent-encodes everything that RFC 3986 does not leave alone.
fn encode(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// The body and its content type: text as it is, everything else as JSON.
async fn content(template: &Template, work: &Work<'_>) -> Result<(&'static str, Bytes), Failure> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if let Template::Feel(expression) = template {
        let value = expression.evaluate(&work.scope, &work.environment).value;
        if !matches!(value, Value::String(_)) {
            let mut json = String::new();
            feel::json::write(&value, &mut json);
            return Ok(("application/json", json.into()));
        }
    }
    let text = template.text(&work.scope, &work.environment).await?;
    Ok((TEXT, text.unwrap_or_default().into()))
}
