//! `/api/locks`: named locks that clients share with instances.
//!
//! Boundary: translation only. The call that acquires is answered when the lock is the client's;
//! a client that closes the connection before gives up its place.
//! Read first: [`acquire`].

use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use feel::Value;
use http::{StatusCode, Uri};
use store::LockRow;

use super::json::{Fields, answer, key, number, object, optional, page, text, time};
use super::parameters::Query;
use super::{Face, body};
use crate::problem::Problem;

/// How long a lock is a client's if it does not say, in milliseconds.
const LEASE_MS: i64 = 60_000;

/// The locks that somebody holds.
pub(super) async fn list(State(face): State<Face>, uri: Uri) -> Result<Response, Problem> {
    Query::read(&uri, &[])?;
    let rows = face.node.locks().await?;
    let items = rows.iter().map(|(name, row)| lock(name, row)).collect();
    Ok(answer(StatusCode::OK, &page(items, None)))
}

/// Waits for a lock.
pub(super) async fn acquire(
    State(face): State<Face>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let fields = read(&face, request, &["session", "wait", "lease"]).await?;
    let session = fields.needed("session")?;
    let wait = duration(&fields, "wait", 0)?;
    let lease = duration(&fields, "lease", LEASE_MS)?;
    let grant = face.node.acquire_lock(&name, session, wait, lease).await?;
    let shown = object([
        ("name", text(&name)),
        ("session", text(session)),
        ("fence", number(grant.fence)),
        ("leaseUntil", time(grant.lease_until_ms)),
    ]);
    Ok(answer(StatusCode::OK, &shown))
}

/// Gives a lock back.
pub(super) async fn release(
    State(face): State<Face>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let fields = read(&face, request, &["session"]).await?;
    face.node.release_lock(&name, fields.needed("session")?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Keeps a lock.
pub(super) async fn renew(
    State(face): State<Face>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let fields = read(&face, request, &["session", "lease"]).await?;
    let lease = duration(&fields, "lease", LEASE_MS)?;
    face.node.renew_lock(&name, fields.needed("session")?, lease).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes a lock away from its holder.
pub(super) async fn take_away(
    State(face): State<Face>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let fence = Query::read(&uri, &["fence"])?.parsed("fence")?;
    face.node.take_lock_away(&name, fence).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn read(face: &Face, request: Request, known: &[&str]) -> Result<Fields, Problem> {
    let (head, body) = request.into_parts();
    Fields::read(&body::json(face, &head.headers, body).await?, known)
}

fn duration(fields: &Fields, name: &str, default_ms: i64) -> Result<Duration, Problem> {
    let ms = fields.duration_ms(name)?.unwrap_or(default_ms);
    u64::try_from(ms).map(Duration::from_millis).map_err(|_| {
        let detail = format!("`{name}` is negative");
        Problem::field(&format!("/{name}"), detail, "give a duration of zero or more")
    })
}

fn lock(name: &str, row: &LockRow) -> Value {
    object([
        ("name", text(name)),
        ("holder", Value::from(row.holder.clone())),
        ("instance", optional(row.instance, |instance| key(instance.0))),
        ("fence", number(row.fence)),
        ("since", time(row.since_ms)),
        ("waiting", number(row.waiting)),
    ])
}
