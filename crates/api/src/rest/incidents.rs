//! `/api/incidents`: failures that wait for a person.
//!
//! Boundary: translation only.
//! Read first: [`list`].

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use engine::ids::{IncidentKey, InstanceKey};
use http::{StatusCode, Uri};

use super::json::{Fields, answer, page};
use super::parameters::{Query, parsed};
use super::{Face, body, instances, view};
use crate::problem::Problem;

/// Open incidents, oldest first.
pub(super) async fn list(State(face): State<Face>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(&uri, &["instance", "after", "limit"])?;
    let instance = query.parsed("instance")?.map(InstanceKey);
    let after = query.parsed("after")?.map(IncidentKey);
    let limit = query.limit()?;
    let rows = face.node.incidents(instance, after, limit).await?;
    let next = rows.last().filter(|_| rows.len() >= limit as usize).map(|(key, _)| key.0);
    let items = rows.iter().map(|(key, row)| view::incident(*key, row)).collect();
    Ok(answer(StatusCode::OK, &page(items, next)))
}

/// Tries again what failed, with new tries for its job if they are given.
pub(super) async fn resolve(
    State(face): State<Face>,
    Path(of): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let incident = IncidentKey(parsed("key", &of)?);
    let (head, body) = request.into_parts();
    let body = body::json(&face, &head.headers, body).await?;
    let retries = instances::retries(&Fields::read(&body, &["retries"])?)?;
    face.node.resolve(incident, retries).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
