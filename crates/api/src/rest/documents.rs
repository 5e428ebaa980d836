//! `POST /api/documents/{type}`: one document, lines of documents, or CloudEvents.
//!
//! Boundary: forms of bodies; what a document must be is checked by the node.
//! Read first: [`publish`].

mod event;
mod lines;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use feel::Value;
use http::{HeaderMap, StatusCode};
use node::{Accepted, Publication};

use super::json::{answer, key, object};
use super::{Face, body};
use crate::problem::Problem;

/// Accepts documents; each is durable when it is answered.
pub(super) async fn publish(
    State(face): State<Face>,
    Path(document_type): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let media = body::media(&head.headers);
    match media.as_deref() {
        Some("application/x-ndjson" | "application/jsonl" | "application/x-jsonlines") => {
            lines::publish(face, document_type, body).await
        }
        Some("application/cloudevents+json") => {
            let body = body::read(&face, body, face.body_bytes()).await?;
            one(&face, &document_type, event::structured(parse(&body)?)?).await
        }
        Some("application/cloudevents-batch+json") => {
            let body = body::read(&face, body, face.body_bytes()).await?;
            batch(&face, &document_type, parse(&body)?).await
        }
        Some(media) if media == "application/json" || media.ends_with("+json") => {
            let body = body::read(&face, body, face.body_bytes()).await?;
            let publication = plain(&head.headers, parse(&body)?)?;
            one(&face, &document_type, publication).await
        }
        other => {
            let wanted = "application/json, application/x-ndjson, application/cloudevents+json \
                          or application/cloudevents-batch+json";
            Err(body::unknown_media(other, wanted))
        }
    }
}

/// A body of data; its event's attributes may stand in the headers.
fn plain(headers: &HeaderMap, data: Value) -> Result<Publication, Problem> {
    if headers.contains_key("ce-specversion") {
        return event::binary(headers, data);
    }
    Ok(Publication { source: None, id: None, data })
}

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    feel::json::parse(bytes)
        .map_err(|error| Problem::not_json(format!("the body is not JSON: {error}")))
}

async fn one(
    face: &Face,
    document_type: &str,
    publication: Publication,
) -> Result<Response, Problem> {
    let mut accepted = face.node.publish(document_type, vec![publication]).await?;
    let missing = || node::Error::Internal { detail: "an answer is missing".into() };
    let accepted = accepted.pop().unwrap_or_else(|| Err(missing()))?;
    Ok(answer(StatusCode::ACCEPTED, &accepted_value(&accepted)))
}

async fn batch(face: &Face, document_type: &str, events: Value) -> Result<Response, Problem> {
    let Value::List(events) = events else {
        let detail = format!("a batch is a list, found {}", events.kind_name());
        return Err(Problem::field("", detail, "send a list of CloudEvents"));
    };
    let read: Vec<_> = events.iter().map(|event| event::structured(event.clone())).collect();
    let answers = each(face, document_type, read).await?;
    let answers = answers.into_iter().map(|answered| match answered {
        Ok(accepted) => accepted_value(&accepted),
        Err(problem) => problem.to_value(),
    });
    Ok(answer(StatusCode::ACCEPTED, &Value::from(answers.collect::<Vec<_>>())))
}

/// Publishes what could be read; answers for everything, in order.
///
/// # Errors
/// What refuses all of them.
async fn each(
    face: &Face,
    document_type: &str,
    read: Vec<Result<Publication, Problem>>,
) -> Result<Vec<Result<Accepted, Problem>>, Problem> {
    let mut good = Vec::with_capacity(read.len());
    let mut order = Vec::with_capacity(read.len());
    for one in read {
        match one {
            Ok(publication) => {
                good.push(publication);
                order.push(None);
            }
            Err(problem) => order.push(Some(problem)),
        }
    }
    let mut answers = face.node.publish(document_type, good).await?.into_iter();
    let missing = || Err(node::Error::Internal { detail: "an answer is missing".into() });
    let merged = order.into_iter().map(|refused| match refused {
        Some(problem) => Err(problem),
        None => answers.next().unwrap_or_else(missing).map_err(Problem::from),
    });
    Ok(merged.collect())
}

fn accepted_value(accepted: &Accepted) -> Value {
    object([
        ("id", Value::from(accepted.id.clone())),
        ("key", key(accepted.document.0)),
        ("duplicate", Value::from(accepted.duplicate)),
    ])
}
