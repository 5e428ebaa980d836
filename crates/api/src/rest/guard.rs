//! Keeps web pages of other sites away from a server that has no authentication yet.
//!
//! A browser on the same machine reaches loopback addresses for any page it shows. Such a request
//! tells where it comes from (`Origin`), and one to a name that somebody has pointed at this
//! machine shows that name (`Host`).
//!
//! Boundary: heads only.
//! Read first: [`check`].

use std::net::IpAddr;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};

use crate::problem::{Kind, Problem};

/// Lets requests through that come from this machine.
///
/// # Errors
/// The request comes from another site, or calls this server by a foreign name.
pub(super) async fn check(request: Request, next: Next) -> Result<Response, Problem> {
    if let Some(found) = foreign(request.headers()) {
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
fn foreign(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    if let Some(host) = text(header::HOST).filter(|host| !is_loopback(host)) {
        return Some(host.into_owned());
    }
    let origin = text(header::ORIGIN)?;
    let site = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let own = site.is_some_and(|site| text(header::HOST).is_some_and(|host| *host == *site));
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
        foreign(&headers)
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
}
