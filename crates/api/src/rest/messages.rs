//! `POST /api/messages`: messages to waiting instances and message start events.
//!
//! Boundary: translation only.
//! Read first: [`publish`].

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use node::NewMessage;

use super::json::{Fields, answer, key, object};
use super::{Face, body};
use crate::problem::Problem;

/// Publishes a message.
pub(super) async fn publish(
    State(face): State<Face>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let body = body::json(&face, &head.headers, body).await?;
    let known = ["name", "correlationKey", "id", "timeToLive", "variables"];
    let fields = Fields::read(&body, &known)?;
    let name = fields.needed("name")?;
    let correlation_key = fields.text("correlationKey")?.unwrap_or_default();
    let id = fields.text("id")?.unwrap_or_default();
    let time_to_live_ms = fields.duration_ms("timeToLive")?.unwrap_or(0);
    if time_to_live_ms < 0 {
        let detail = "`timeToLive` is negative";
        return Err(Problem::field("/timeToLive", detail, "give 0 to keep nothing"));
    }
    let variables = fields.object("variables")?;
    let message = NewMessage {
        name: name.into(),
        key: correlation_key.into(),
        id: id.into(),
        time_to_live_ms,
        variables,
    };
    let message = face.node.publish_message(message).await?;
    Ok(answer(StatusCode::ACCEPTED, &object([("key", key(message))])))
}
