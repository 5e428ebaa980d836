//! Request bodies, within bounds of size and time.
//!
//! Boundary: bytes; what they say is read by the callers.
//! Read first: [`read`].

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode, header};

use super::Face;
use crate::problem::{Kind, Problem};

/// The whole body, at most `most` bytes.
///
/// # Errors
/// It is larger, or does not arrive.
pub(super) async fn read(face: &Face, body: Body, most: usize) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > most as u64 {
        // Said in the head: nothing of it is read.
        return Err(Problem::too_large(most));
    }
    let mut frames = body.into_data_stream();
    let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = next(face, frames.next()).await? {
        if first.len() + joined.len() + frame.len() > most {
            return Err(Problem::too_large(most));
        }
        if first.is_empty() {
            first = frame;
        } else {
            if joined.is_empty() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&frame);
        }
        if !joined.is_empty() && joined.len() > most {
            return Err(Problem::too_large(most));
        }
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

/// The next piece of a body, waiting for it only so long.
///
/// # Errors
/// It does not arrive.
pub(super) async fn next(
    face: &Face,
    frame: impl Future<Output = Option<Result<Bytes, axum::Error>>>,
) -> Result<Option<Bytes>, Problem> {
    match tokio::time::timeout(face.limits.read_timeout, frame).await {
        Ok(Some(Ok(frame))) => Ok(Some(frame)),
        Ok(None) => Ok(None),
        Ok(Some(Err(_))) => Err(missing("the body ended early")),
        Err(_) => Err(missing("the body did not arrive in time")),
    }
}

fn missing(detail: &str) -> Problem {
    let hint = "send the request again";
    Problem::new("API-011", Kind::Invalid, StatusCode::REQUEST_TIMEOUT, detail, hint)
}

/// The body of a call that takes JSON; it may be left out.
///
/// # Errors
/// It is said to be something else, is too large, or does not arrive.
pub(super) async fn json(face: &Face, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let bytes = read(face, body, face.body_bytes()).await?;
    match media(headers) {
        Some(media) if media == "application/json" || media.ends_with("+json") => Ok(bytes),
        None if bytes.is_empty() => Ok(bytes),
        other => Err(unknown_media(other.as_deref(), "application/json")),
    }
}

/// The media type of the body, lower case and without parameters.
pub(super) fn media(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase())
}

/// What to answer to a media type that the call does not take.
pub(super) fn unknown_media(found: Option<&str>, wanted: &str) -> Problem {
    let found = found.unwrap_or("nothing");
    let detail = format!("the content type is `{found}`");
    let hint = format!("send {wanted}");
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Problem::new("API-005", Kind::Invalid, status, detail, &hint).at("Content-Type")
}
