//! `/api/requests`: durable requests to run a process (R40).
//!
//! Boundary: translation only; whichever server claims a request runs it.
//! Read first: [`create`], then [`list`].

use axum::extract::{Path, Request, State};
use axum::response::Response;
use engine::ids::RequestKey;
use feel::Value;
use http::{StatusCode, Uri};
use store::{RequestFilter, RequestRow, RequestState};

use super::json::{Fields, answer, key, object, optional, page, text, time};
use super::parameters::{Query, parsed};
use super::{Face, body};
use crate::problem::Problem;

/// The states and their names.
const STATES: [(&str, RequestState); 7] = [
    ("waiting", RequestState::Waiting),
    ("claimed", RequestState::Claimed),
    ("running", RequestState::Running),
    ("completed", RequestState::Completed),
    ("failed", RequestState::Failed),
    ("refused", RequestState::Refused),
    ("withdrawn", RequestState::Withdrawn),
];

/// Accepts a request; it is durable when it is answered.
pub(super) async fn create(
    State(face): State<Face>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let body = body::json(&face, &head.headers, body).await?;
    let fields = Fields::read(&body, &["process", "variables", "at"])?;
    let process = fields.needed("process")?;
    let at_ms = match fields.text("at")? {
        None => None,
        Some(at) => Some(moment(at).ok_or_else(|| {
            let hint = "write it like `2026-01-31T18:00:00Z`";
            Problem::field("/at", format!("`{at}` is no moment"), hint)
        })?),
    };
    let created = face.node.request(process, fields.object("variables")?, at_ms).await?;
    Ok(answer(StatusCode::ACCEPTED, &object([("id", key(created.0))])))
}

/// Requests, newest first.
pub(super) async fn list(State(face): State<Face>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(&uri, &["process", "state", "before", "limit"])?;
    let state = query.text("state").map(|name| {
        let found = STATES.iter().find(|(known, _)| *known == name);
        found.map(|(_, state)| *state).ok_or_else(|| {
            let names: Vec<&str> = STATES.iter().map(|(name, _)| *name).collect();
            let hint = format!("states are {}", names.join(", "));
            Problem::field("state", format!("there is no state `{name}`"), &hint)
        })
    });
    let filter = RequestFilter {
        state: state.transpose()?,
        process: query.text("process").map(Into::into),
        before: query.parsed("before")?.map(RequestKey),
        limit: query.limit()?,
        ..RequestFilter::default()
    };
    let rows = face.node.requests(&filter).await?;
    let next = rows.last().filter(|_| rows.len() >= filter.limit as usize).map(|(key, _)| key.0);
    let items = rows.iter().map(|(key, row)| view(*key, row)).collect();
    Ok(answer(StatusCode::OK, &page(items, next)))
}

/// One request.
pub(super) async fn show(
    State(face): State<Face>,
    Path(of): Path<String>,
) -> Result<Response, Problem> {
    let of = RequestKey(parsed("key", &of)?);
    let row = face.node.process_request(of).await?;
    Ok(answer(StatusCode::OK, &view(of, &row)))
}

fn moment(at: &str) -> Option<i64> {
    let at: jiff::Timestamp = at.parse().ok()?;
    Some(at.as_millisecond())
}

fn view(of: RequestKey, row: &RequestRow) -> Value {
    let state = STATES.iter().find(|(_, state)| *state == row.state);
    object([
        ("id", key(of.0)),
        ("process", Value::from(row.process.clone())),
        ("state", text(state.map_or("", |(name, _)| name))),
        ("requestedAt", time(row.at_ms)),
        ("dueAt", time(row.due_ms.max(row.at_ms))),
        ("instance", optional(row.instance, |instance| key(instance.0))),
        ("reason", optional(row.reason.clone(), Value::from)),
        ("endedAt", optional(row.ended_ms, time)),
        // What was accepted is JSON.
        ("variables", feel::json::parse(&row.variables).unwrap_or_default()),
    ])
}
