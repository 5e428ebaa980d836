//! What a request's head says: whether it is gRPC, how long the client waits, how it is encoded.
//!
//! Boundary: pure functions over headers.
//! Read first: [`refusal`].   Tests: at the end of this file.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};
use tonic::Status;

/// The HTTP status for a request that is no gRPC call at all.
pub(super) fn refusal(method: &Method, headers: &HeaderMap) -> Option<StatusCode> {
    if method != Method::POST {
        return Some(StatusCode::METHOD_NOT_ALLOWED);
    }
    let content = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let content = content.split(';').next().unwrap_or("").trim_end();
    match content {
        "application/grpc" | "application/grpc+proto" => None,
        _ => Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    }
}

/// How long the client waits; none means for ever.
///
/// # Errors
/// The value is not at most eight digits and a unit.
pub(super) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|text| {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let count: u64 = digits.parse().ok()?;
        match unit {
            "H" => Some(Duration::from_secs(count * 3600)),
            "M" => Some(Duration::from_secs(count * 60)),
            "S" => Some(Duration::from_secs(count)),
            "m" => Some(Duration::from_millis(count)),
            "u" => Some(Duration::from_micros(count)),
            "n" => Some(Duration::from_nanos(count)),
            _ => None,
        }
    });
    match parsed {
        Some(timeout) => Ok(Some(timeout)),
        None => Err(Status::internal(format!("malformed grpc-timeout {value:?}"))),
    }
}

/// Why a message that is flagged as compressed cannot be read.
pub(super) fn compressed(headers: &HeaderMap) -> Status {
    let encoding = headers.get("grpc-encoding").and_then(|value| value.to_str().ok());
    match encoding {
        None | Some("identity") => {
            Status::internal("message is flagged as compressed, but `grpc-encoding` is identity")
        }
        Some(other) => {
            let mut status = Status::unimplemented(format!(
                "message is compressed with `{other}`, this server reads `identity`"
            ));
            let accepted = tonic::metadata::MetadataValue::from_static("identity");
            status.metadata_mut().insert("grpc-accept-encoding", accepted);
            status
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )])
    }

    #[test]
    fn only_grpc_posts_are_calls() {
        let grpc = |value| refusal(&Method::POST, &headers("content-type", value));
        for good in ["application/grpc", "application/grpc+proto", "application/grpc; charset=u"] {
            assert_eq!(grpc(good), None, "{good}");
        }
        for bad in ["application/json", "application/grpc-web", "application/grpc+json", ""] {
            assert_eq!(grpc(bad), Some(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{bad}");
        }
        let get = refusal(&Method::GET, &headers("content-type", "application/grpc"));
        assert_eq!(get, Some(StatusCode::METHOD_NOT_ALLOWED));
    }

    #[test]
    fn timeouts_are_digits_and_a_unit() {
        let read = |value| timeout(&headers("grpc-timeout", value)).map_err(|_| ());
        assert_eq!(timeout(&HeaderMap::new()).unwrap(), None);
        assert_eq!(read("2H"), Ok(Some(Duration::from_secs(7200))));
        assert_eq!(read("3M"), Ok(Some(Duration::from_secs(180))));
        assert_eq!(read("99999999S"), Ok(Some(Duration::from_secs(99_999_999))));
        assert_eq!(read("15000m"), Ok(Some(Duration::from_secs(15))));
        assert_eq!(read("7u"), Ok(Some(Duration::from_micros(7))));
        assert_eq!(read("8n"), Ok(Some(Duration::from_nanos(8))));
        for bad in ["", "S", "1", "-1S", "+1S", "999999999S", "1s", "1 S"] {
            assert_eq!(read(bad), Err(()), "{bad}");
        }
    }
}
