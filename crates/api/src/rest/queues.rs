//! `/api/queues`: documents on the queues of triggers, the dead-letter queue among them.
//!
//! Boundary: translation only; many entries are handled in pages.
//! Read first: [`list`], then [`replay`].

use axum::extract::{Path, Request, State};
use axum::response::Response;
use engine::ids::EntryKey;
use feel::{Context, Value};
use http::{StatusCode, Uri};
use store::EntryState;

use super::json::{Fields, answer, number, object, optional, page, time};
use super::parameters::{Query, parsed};
use super::{Face, body, view};
use crate::problem::Problem;

/// Entries that are handled together.
const PAGE: u32 = 500;

/// Entries in one state, oldest first.
pub(super) async fn list(State(face): State<Face>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(&uri, &["state", "trigger", "after", "limit"])?;
    let state = state(query.text("state"))?;
    let after = query.parsed("after")?.map(EntryKey);
    let limit = query.limit()?;
    let rows = face.node.entries(state, query.text("trigger"), after, limit).await?;
    let next = rows.last().filter(|_| rows.len() >= limit as usize).map(|(key, _)| key.0);
    let items = rows.iter().map(|(key, row)| view::entry(*key, row)).collect();
    Ok(answer(StatusCode::OK, &page(items, next)))
}

fn state(name: Option<&str>) -> Result<EntryState, Problem> {
    match name {
        Some("queued") => Ok(EntryState::Queued),
        Some("in-process") => Ok(EntryState::InProcess),
        Some("parked") => Ok(EntryState::Parked),
        Some("dead") => Ok(EntryState::Dead),
        other => {
            let detail = match other {
                Some(other) => format!("there is no state `{other}`"),
                None => "`state` is missing".to_owned(),
            };
            Err(Problem::field("state", detail, "name queued, in-process, parked or dead"))
        }
    }
}

/// One entry with its document.
pub(super) async fn show(
    State(face): State<Face>,
    Path(of): Path<String>,
) -> Result<Response, Problem> {
    let of = EntryKey(parsed("key", &of)?);
    let (row, document) = face.node.entry(of).await?;
    let document = optional(document, |document| {
        // Content that is no JSON cannot have been accepted.
        let content = feel::json::parse(&document.content).unwrap_or_default();
        object([
            ("type", Value::from(document.document_type)),
            ("id", Value::from(document.id)),
            ("source", Value::from(document.source)),
            ("acceptedAt", time(document.at_ms)),
            ("content", content),
        ])
    });
    let entry = object([("entry", view::entry(of, &row)), ("document", document)]);
    Ok(answer(StatusCode::OK, &entry))
}

/// Queues dead or parked entries again.
pub(super) async fn replay(
    State(face): State<Face>,
    request: Request,
) -> Result<Response, Problem> {
    each(&face, request, Act::Replay).await
}

/// Throws entries away.
pub(super) async fn discard(
    State(face): State<Face>,
    request: Request,
) -> Result<Response, Problem> {
    each(&face, request, Act::Discard).await
}

#[derive(Clone, Copy)]
enum Act {
    Replay,
    Discard,
}

/// Does it to the named entries, or to all of a trigger in a state.
async fn each(face: &Face, request: Request, act: Act) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let body = body::json(face, &head.headers, body).await?;
    let fields = Fields::read(&body, &["entries", "trigger", "state"])?;
    let mut done = 0;
    if let Some(keys) = fields.keys("entries")? {
        if fields.has("trigger") || fields.has("state") {
            let hint = "send either entries, or a trigger with a state";
            return Err(Problem::field("/entries", "there is too much to choose by", hint));
        }
        done = some(face, keys.into_iter().map(EntryKey).collect(), act).await?;
    } else {
        let trigger = fields.needed("trigger")?;
        let state = state(fields.text("state")?)?;
        let mut after = None;
        loop {
            let rows = face.node.entries(state, Some(trigger), after, PAGE).await?;
            let keys: Vec<_> = rows.into_iter().map(|(key, _)| key).collect();
            let Some(last) = keys.last() else { break };
            after = Some(*last);
            done += some(face, keys, act).await?;
        }
    }
    let value = Value::Context(Context::builder().with("entries", number(done)).build());
    Ok(answer(StatusCode::OK, &value))
}

async fn some(face: &Face, keys: Vec<EntryKey>, act: Act) -> Result<u64, Problem> {
    Ok(match act {
        Act::Replay => face.node.replay(keys).await?,
        Act::Discard => face.node.discard(keys).await?,
    })
}
