//! Who may reach a handler: those with a token whose role allows it; and, where nobody shows a
//! token, no web pages of other sites.
//!
//! A browser on the same machine reaches loopback addresses for any page it shows. Such a request
//! tells where it comes from (`Origin`), and one to a name that somebody has pointed at this
//! machine shows that name (`Host`). A request with a token needs no such guard: no browser adds
//! one by itself.
//!
//! Boundary: heads only.
//! Read first: [`authorise`], then [`check`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri, header};

use crate::auth::{Role, Tokens};
use crate::problem::{Kind, Problem};

/// By which names a server may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Only by those of its own machine.
    Loopback,
    /// By whatever name others know it.
    Any,
}

impl Names {
    /// Those of a server that listens at `address`.
    pub(super) fn at(address: SocketAddr) -> Self {
        if address.ip().is_loopback() { Self::Loopback } else { Self::Any }
    }
}

/// Who sends a request, where callers show tokens.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) Arc<str>);

/// Lets requests through whose token has at least this role.
///
/// # Errors
/// The request carries no such token.
pub(super) async fn authorise(
    State((tokens, role)): State<(Tokens, Role)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let pass = tokens.check(request.headers(), role)?;
    if let Some(name) = pass.name() {
        request.extensions_mut().insert(Caller(name));
    }
    Ok(next.run(request).await)
}

/// Lets requests through that come from this machine.
///
/// # Errors
/// The request comes from another site, or calls this server by a foreign name.
pub(super) async fn check(
    State(names): State<Names>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if let Some(found) = foreign(names, request.uri(), request.headers()) {
        let hint = "call the server by its loopback address, and not from another site's page";
        return Err(Problem::new(
            "API-008",
            Kind::Forbidden,
            StatusCode::FORBIDDEN,
            format!("requests of `{found}` are not taken"),
            hint,
        ));
    }
    Ok(next.run(request).await)
}

/// The name of another site that the head shows.
fn foreign(names: Names, uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    // HTTP/2 has the name in the address.
    let host = text(header::HOST).or_else(|| uri.authority().map(|name| name.as_str().into()));
    if names == Names::Loopback
        && let Some(host) = host.as_ref().filter(|host| !is_loopback(host))
    {
        return Some(host.clone().into_owned());
    }
    let origin = text(header::ORIGIN)?;
    let site = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let own = site.is_some_and(|site| host.is_some_and(|host| *host == *site));
    (!own).then(|| origin.into_owned())
}

/// Whether a `host` or `host:port` is this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(host: &str, origin: Option<&str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        foreign(Names::Loopback, &Uri::from_static("/"), &headers)
    }

    #[test]
    fn this_machine_is_let_through() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "[::1]"] {
            assert_eq!(found(host, None), None, "{host}");
        }
        assert_eq!(found("localhost:8080", Some("http://localhost:8080")), None);
    }

    #[test]
    fn other_sites_are_not() {
        assert_eq!(found("evil.example:8080", None), Some("evil.example:8080".into()));
        let origin = Some("https://evil.example");
        assert_eq!(found("localhost", origin), origin.map(str::to_owned));
        assert_eq!(found("localhost", Some("null")), Some("null".into()));
        assert_eq!(found("127.0.0.1.evil.example", None), Some("127.0.0.1.evil.example".into()));
    }

    #[test]
    fn a_server_that_others_reach_still_keeps_foreign_pages_out() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "server.example".parse().unwrap());
        let uri = Uri::from_static("/");
        assert_eq!(foreign(Names::Any, &uri, &headers), None);
        headers.insert(header::ORIGIN, "https://server.example".parse().unwrap());
        assert_eq!(foreign(Names::Any, &uri, &headers), None);
        headers.insert(header::ORIGIN, "https://evil.example".parse().unwrap());
        assert_eq!(foreign(Names::Any, &uri, &headers), Some("https://evil.example".into()));
    }

    #[test]
    fn http_2_has_the_name_in_the_address() {
        let found = |uri| foreign(Names::Loopback, &Uri::from_static(uri), &HeaderMap::new());
        assert_eq!(found("https://localhost:8080/x"), None);
        assert_eq!(found("https://evil.example/x"), Some("evil.example".into()));
    }
}
