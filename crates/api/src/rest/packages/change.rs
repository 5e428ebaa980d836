//! Changes of packages that are there: each one is a deployment.
//!
//! Boundary: says which change is meant; the rest is that of `/api/deployments`.
//! Read first: [`reload`].

use axum::extract::{Path, State};
use axum::response::Response;
use http::Uri;
use node::Change;

use crate::problem::Problem;
use crate::rest::Face;
use crate::rest::deployments::change;
use crate::rest::terms::Wish;

/// Loads it again.
pub(in crate::rest) async fn reload(
    state: State<Face>,
    name: Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    by_name(state, name, &uri, |name| Change::Reload(vec![name])).await
}

/// Offers it again.
pub(in crate::rest) async fn enable(
    state: State<Face>,
    name: Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    by_name(state, name, &uri, Change::Enable).await
}

/// Offers it no longer.
pub(in crate::rest) async fn disable(
    state: State<Face>,
    name: Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    by_name(state, name, &uri, Change::Disable).await
}

/// Takes it away; its versions are kept.
pub(in crate::rest) async fn remove(
    state: State<Face>,
    name: Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    by_name(state, name, &uri, Change::Remove).await
}

/// Brings back what was removed.
pub(in crate::rest) async fn recover(
    state: State<Face>,
    name: Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    by_name(state, name, &uri, Change::Recover).await
}

/// Goes back to an earlier version.
pub(in crate::rest) async fn roll_back(
    State(face): State<Face>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let wish = Wish::read(&face, &uri, &["version"])?;
    let version = wish.version.as_deref().map(Into::into);
    change(&face, Change::Rollback(name.as_str().into(), version), wish).await
}

async fn by_name(
    State(face): State<Face>,
    Path(name): Path<String>,
    uri: &Uri,
    of: impl FnOnce(feel::Str) -> Change,
) -> Result<Response, Problem> {
    let wish = Wish::read(&face, uri, &[])?;
    change(&face, of(name.as_str().into()), wish).await
}
