//! `/api/tokens`: makes, lists and revokes API tokens.
//!
//! Boundary: a token is shown once, in the answer that makes it; what is kept is its digest.
//! Read first: [`create`].

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use feel::{Context, Value};
use http::StatusCode;

use super::json::{Fields, answer, optional, page, time};
use super::{Face, body};
use crate::auth::{Registry, TokenRow, digest, hexadecimal, mint, role_name, role_named};
use crate::problem::{Kind, Problem};

/// Bytes of a token's name at most.
const NAME_BYTES_MAX: usize = 100;

/// Makes a token and shows it, once.
pub(super) async fn create(
    State(face): State<Face>,
    request: Request,
) -> Result<Response, Problem> {
    let registry = registry(&face)?;
    let (head, body) = request.into_parts();
    let body = body::json(&face, &head.headers, body).await?;
    let fields = Fields::read(&body, &["name", "role", "expiresIn"])?;
    let name = fields.needed("name")?;
    check_name(name)?;
    let role = role_named(fields.needed("role")?).ok_or_else(|| {
        let hint = "roles are viewer, operator, developer, admin";
        Problem::field("/role", "there is no such role", hint)
    })?;
    let created_ms = face.node.now_ms();
    let expires_ms = match fields.duration_ms("expiresIn")? {
        None => None,
        Some(left) if left > 0 => Some(created_ms.saturating_add(left)),
        Some(_) => {
            let detail = "`expiresIn` is not after now";
            return Err(Problem::field("/expiresIn", detail, "send a duration above zero"));
        }
    };
    let token = mint()?;
    let hash = hexadecimal(&digest(&token)).into();
    let row = TokenRow { hash, role, created_ms, expires_ms };
    registry.create(name, row.clone()).await?;
    tracing::info!(name, role = role_name(role), "token made");
    let mut shown = view(name, &row);
    shown.push("token", token.as_str());
    let mut response = answer(StatusCode::CREATED, &Value::Context(shown.build()));
    let never = http::HeaderValue::from_static("no-store");
    response.headers_mut().insert(http::header::CACHE_CONTROL, never);
    Ok(response)
}

/// All tokens, without what they are.
pub(super) async fn list(State(face): State<Face>) -> Result<Response, Problem> {
    let rows = registry(&face)?.list().await?;
    let items = rows.iter().map(|(name, row)| Value::Context(view(name, row).build()));
    Ok(answer(StatusCode::OK, &page(items.collect(), None)))
}

/// Ends a token at once.
pub(super) async fn revoke(
    State(face): State<Face>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    registry(&face)?.revoke(&name).await?;
    tracing::info!(name, "token revoked");
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn registry(face: &Face) -> Result<&Arc<dyn Registry>, Problem> {
    face.registry.as_ref().ok_or_else(|| {
        let status = StatusCode::NOT_IMPLEMENTED;
        let hint = "use the token of `auth.bootstrap-token`";
        Problem::new("API-010", Kind::Unsupported, status, "tokens are not kept here", hint)
    })
}

fn check_name(name: &str) -> Result<(), Problem> {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "-_.@".contains(letter);
    if name.len() <= NAME_BYTES_MAX && name.chars().all(good) {
        return Ok(());
    }
    let hint = "use up to 100 letters, digits, `-`, `_`, `.` and `@`";
    Err(Problem::field("/name", format!("`{name}` is no name for a token"), hint))
}

fn view(name: &str, row: &TokenRow) -> feel::ContextBuilder {
    Context::builder()
        .with("name", name)
        .with("role", role_name(row.role))
        .with("createdAt", time(row.created_ms))
        .with("expiresAt", optional(row.expires_ms, time))
}
