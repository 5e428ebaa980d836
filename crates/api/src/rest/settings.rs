//! `/api/settings`: what all servers share.
//!
//! Boundary: translation only; the home shard checks and writes.
//! Read first: [`list`], then [`set`].

use axum::extract::{Path, Request, State};
use axum::response::Response;
use feel::{Context, ContextBuilder, Value};
use http::{Extensions, StatusCode};
use node::{MissedStart, SettingView};

use super::guard::Caller;
use super::json::{self, Fields, answer, number, optional, page, text, time};
use super::{Face, body};
use crate::problem::Problem;

/// All settings, by name.
pub(super) async fn list(State(face): State<Face>) -> Response {
    let items = face.node.settings();
    let items = items.iter().map(|setting| Value::Context(view(setting).build()));
    answer(StatusCode::OK, &page(items.collect(), None))
}

/// One setting.
pub(super) async fn show(
    State(face): State<Face>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let setting = face.node.setting(&name)?;
    Ok(answer(StatusCode::OK, &Value::Context(view(&setting).build())))
}

/// Changes a setting for all servers.
pub(super) async fn set(
    State(face): State<Face>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let body = body::json(&face, &head.headers, body).await?;
    let fields = Fields::read(&body, &["value"])?;
    let by = caller(&face, &head.extensions);
    change(&face, &name, Some(fields.needed("value")?), &by).await
}

/// Puts a setting back to its default.
pub(super) async fn unset(
    State(face): State<Face>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let by = caller(&face, request.extensions());
    change(&face, &name, None, &by).await
}

/// Who wants it: the holder of a token, or somebody who reaches this server.
pub(super) fn caller(face: &Face, extensions: &Extensions) -> String {
    match extensions.get::<Caller>() {
        Some(caller) => caller.0.to_string(),
        None => format!("somebody at server `{}`", face.node.name()),
    }
}

async fn change(
    face: &Face,
    name: &str,
    value: Option<&str>,
    by: &str,
) -> Result<Response, Problem> {
    let missed = face.node.set_setting(name, value, by).await?;
    tracing::info!(setting = name, value, by, "setting changed");
    let mut view = view(&face.node.setting(name)?);
    view.push("missed", json::list(missed.iter().map(missed_start)));
    Ok(answer(StatusCode::OK, &Value::Context(view.build())))
}

fn missed_start(start: &MissedStart) -> Value {
    json::object([
        ("process", Value::from(start.process.clone())),
        ("element", Value::from(start.element.clone())),
        ("dueAt", time(start.due_ms)),
        ("number", number(start.number)),
    ])
}

fn view(view: &SettingView) -> ContextBuilder {
    let stored = view.stored.as_ref();
    Context::builder()
        .with("name", view.setting.name)
        .with("value", view.value())
        .with("default", view.setting.default)
        .with("mustBe", text(&view.setting.kind.to_string()))
        .with("meaning", view.setting.meaning)
        .with("changedAt", optional(stored, |stored| time(stored.at_ms)))
        .with("changedBy", optional(stored, |stored| Value::from(stored.by.clone())))
}
