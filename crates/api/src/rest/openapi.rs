//! `GET /openapi.json`: the document that describes this face.
//!
//! Boundary: the committed file; `routes.rs` tests that it has every route.
//! Read first: [`DOCUMENT`].

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

/// The OpenAPI 3.1 document.
pub(super) const DOCUMENT: &[u8] = include_bytes!("../../openapi.json");

/// The document as it is.
pub(super) async fn show() -> Response {
    let mut response = DOCUMENT.into_response();
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
