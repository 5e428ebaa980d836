//! `/api/deployments`: packages are changed, all of them or none; how it goes, and cancelling.
//!
//! Boundary: translation only; the node leads. Whoever waits gets the end, all others a key.
//! Read first: [`deploy`], then [`change`].

mod show;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use engine::ids::DeploymentKey;
use feel::Value;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use node::{Change, DeploymentView};

use super::json::{answer, key, list, object, page};
use super::parameters::{Query, parsed};
use super::terms::Wish;
use super::{Face, body, multipart};
use crate::operation::deploy;
use crate::problem::{Cause, Problem};

/// How long a caller may wait for the next change.
const WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// Deploys one archive, or the archives of a form.
pub(super) async fn deploy(
    State(face): State<Face>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let wish = Wish::read(&face, &head.uri, &[])?;
    let archives = archives(&face, &head.headers, body).await?;
    let sources = deploy::sources(archives).await?;
    change(&face, Change::Deploy(sources), wish).await
}

async fn archives(
    face: &Face,
    headers: &HeaderMap,
    body: axum::body::Body,
) -> Result<Vec<(String, Bytes)>, Problem> {
    let media = body::media(headers);
    let boundary = match media.as_deref() {
        Some("application/zstd" | "application/octet-stream") => None,
        Some("multipart/form-data") => {
            let whole = headers.get(header::CONTENT_TYPE);
            let whole = whole.and_then(|value| value.to_str().ok()).unwrap_or_default();
            let missing =
                || Problem::field("Content-Type", "the form has no boundary", "see RFC 7578");
            Some(multipart::boundary(whole).ok_or_else(missing)?)
        }
        other => {
            let wanted = "an archive as application/zstd, or several as multipart/form-data";
            return Err(body::unknown_media(other, wanted));
        }
    };
    let bytes = body::read(face, body, face.limits.upload_bytes).await?;
    let archives = match boundary {
        Some(boundary) => multipart::parts(&bytes, &boundary)?,
        None => vec![("archive".to_owned(), bytes)],
    };
    if archives.is_empty() {
        let hint = "build one with `pointsman package build`";
        return Err(Problem::field("body", "there is no archive", hint));
    }
    Ok(archives)
}

/// Does a change of packages as it is wished: the plan, the end, or a key at once.
///
/// # Errors
/// Why it does not happen.
pub(super) async fn change(face: &Face, change: Change, wish: Wish) -> Result<Response, Problem> {
    if wish.is_dry {
        let plan = face.node.dry_run(change, wish.terms).await?;
        return Ok(answer(StatusCode::OK, &object([("plan", show::plan(&plan))])));
    }
    let begun = face.node.change(change, wish.terms).await?;
    let place = format!("/api/deployments/{}", begun.key.0);
    if !wish.waits {
        let value = object([("id", key(begun.key.0))]);
        return Ok(with_place(answer(StatusCode::ACCEPTED, &value), &place));
    }
    let ended = face.node.deployment_ended(begun.key).await.map_err(|error| {
        let mut problem = Problem::from(error);
        let value = begun.key.0.to_string();
        problem.causes.push(Cause::Field { name: "deployment", value });
        problem
    })?;
    let value = shown(face, &ended);
    Ok(with_place(answer(StatusCode::OK, &value), &place))
}

fn with_place(mut response: Response, place: &str) -> Response {
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

fn shown(face: &Face, view: &DeploymentView) -> Value {
    show::deployment(view, &deploy::describe(&face.node, &view.versions))
}

/// Deployments, newest first.
pub(super) async fn all(State(face): State<Face>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(&uri, &["before", "limit"])?;
    let (before, limit) = (query.parsed("before")?.map(DeploymentKey), query.limit()?);
    let views = face.node.deployments(before, limit).await?;
    let is_full = views.len() >= limit as usize;
    let next = views.last().filter(|_| is_full).map(|view| view.key.0);
    let items = views.iter().map(|view| shown(&face, view)).collect();
    Ok(answer(StatusCode::OK, &page(items, next)))
}

/// How a deployment is; with `wait`, as soon as it changes.
pub(super) async fn show(
    State(face): State<Face>,
    Path(of): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let query = Query::read(&uri, &["wait"])?;
    let wait = query.duration("wait")?.unwrap_or_default();
    if wait > WAIT_MAX {
        let hint = format!("wait at most {} s, and ask again", WAIT_MAX.as_secs());
        return Err(Problem::field("wait", format!("`wait` is {} s", wait.as_secs()), &hint));
    }
    let view = face.node.deployment(DeploymentKey(parsed("key", &of)?), wait).await?;
    Ok(answer(StatusCode::OK, &shown(&face, &view)))
}

/// Asks a deployment to end; before its commit only.
pub(super) async fn cancel(
    State(face): State<Face>,
    Path(of): Path<String>,
) -> Result<Response, Problem> {
    let view = face.node.cancel_deployment(DeploymentKey(parsed("key", &of)?)).await?;
    Ok(answer(StatusCode::ACCEPTED, &shown(&face, &view)))
}

/// The diagnostics of a package set.
fn diagnostics(found: &[host::Diagnostic]) -> Value {
    list(found.iter().map(crate::problem::diagnostic_value))
}
