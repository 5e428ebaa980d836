//! `/api/instances`: starting, finding and steering instances.
//!
//! Boundary: translation only; the steps of an instance are drawn by the command line.
//! Read first: [`show`], then [`start`].

mod detail;

use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use engine::Reach;
use engine::ids::{IncidentKey, InstanceKey, StepKey};
use engine::render::{Keys, Log, Names};
use feel::Value;
use http::{StatusCode, Uri};
use node::audit::{Entry, Output};
use node::{Created, InstanceQuery};
use store::InstanceState;

use super::json::{Fields, answer, key, number, object, page, text, text_answer};
use super::parameters::{Query, parsed};
use super::{Face, body, view};
use crate::operation::start::{self as operation, Wanted};
use crate::operation::variables;
use crate::problem::Problem;

pub(super) use detail::show;

/// How long a caller may wait for the end of an instance.
const PATIENCE_MAX_MS: i64 = 600_000;
/// Incidents that are read together.
const PAGE: u32 = 100;

/// Instances, newest first.
pub(super) async fn list(State(face): State<Face>, uri: Uri) -> Result<Response, Problem> {
    let known =
        ["process", "version", "state", "incidents", "businessKey", "parent", "before", "limit"];
    let query = Query::read(&uri, &known)?;
    let state = match query.text("state") {
        None => None,
        Some("active") => Some(InstanceState::Active),
        Some("completed") => Some(InstanceState::Completed),
        Some("cancelled") => Some(InstanceState::Cancelled),
        Some("failed") => Some(InstanceState::Failed),
        Some(other) => {
            let detail = format!("there is no state `{other}`");
            return Err(Problem::field(
                "state",
                detail,
                "ask for active, completed, cancelled or failed",
            ));
        }
    };
    let filter = InstanceQuery {
        shard: None,
        process: query.text("process").map(Into::into),
        version: query.parsed("version")?,
        state,
        with_incidents: query.parsed("incidents")?.unwrap_or(false),
        business_key: query.text("businessKey").map(Into::into),
        parent: query.parsed("parent")?.map(InstanceKey),
        before: query.parsed("before")?.map(InstanceKey),
        limit: query.limit()?,
    };
    let rows = face.node.instances(&filter).await?;
    let full = rows.len() >= filter.limit as usize;
    let next = rows.last().filter(|_| full).map(|row| row.key.0);
    let items = rows.iter().map(view::instance).collect();
    Ok(answer(StatusCode::OK, &page(items, next)))
}

/// Starts an instance, and answers at its end if asked to wait.
pub(super) async fn start(State(face): State<Face>, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let body = body::json(&face, &head.headers, body).await?;
    let fields = Fields::read(&body, &["process", "version", "variables", "wait"])?;
    let wanted = Wanted::Process(fields.needed("process")?, fields.integer("version")?);
    let variables = fields.object("variables")?;
    let Some(wait_ms) = fields.duration_ms("wait")? else {
        let created = operation::start(&face.node, &wanted, variables).await?;
        return Ok(answer(StatusCode::CREATED, &object(created_fields(&created))));
    };
    if !(1..=PATIENCE_MAX_MS).contains(&wait_ms) {
        let detail = format!("`wait` is {wait_ms} ms");
        let hint = format!("wait for 1 to {PATIENCE_MAX_MS} ms");
        return Err(Problem::field("/wait", detail, &hint));
    }
    let patience = Duration::from_millis(wait_ms.unsigned_abs());
    let ended = operation::and_wait(&face.node, &wanted, variables, patience).await?;
    let state = if ended.completed { "completed" } else { "cancelled" };
    let [process, version, definition, instance] = created_fields(&ended.created);
    let variables = ("variables", Value::Context(ended.variables));
    let value = object([process, version, definition, instance, ("state", text(state)), variables]);
    Ok(answer(StatusCode::CREATED, &value))
}

fn created_fields(created: &Created) -> [(&'static str, Value); 4] {
    [
        ("key", key(created.instance.0)),
        ("process", Value::from(created.process.clone())),
        ("version", number(created.version)),
        ("definition", key(created.definition.0)),
    ]
}

/// The audit log, a line for each event.
pub(super) async fn log(
    State(face): State<Face>,
    Path(of): Path<String>,
) -> Result<Response, Problem> {
    let row = face.node.instance(InstanceKey(parsed("key", &of)?)).await?;
    let catalog = face.node.catalog();
    let missing = || node::Error::NotFound { kind: "process", name: row.process.to_string() };
    let program = &catalog.definitions.get(&row.definition).ok_or_else(missing)?.program;
    let (mut log, mut lines) = (Log::default(), String::new());
    for entry in face.node.log(row.key).await? {
        let record = match entry {
            Entry::Event(record) => record,
            Entry::Output { at_ms, output } => {
                print_output(at_ms, &output, &mut lines);
                continue;
            }
        };
        if let Some(line) = log.event(&record.event, program, &Keys) {
            lines.push_str(&Keys.time(record.at_ms));
            lines.push(' ');
            lines.push_str(&line);
            lines.push('\n');
        }
    }
    Ok(text_answer(StatusCode::OK, "text/plain; charset=utf-8", lines))
}

/// A line for each line that a service printed.
fn print_output(at_ms: i64, output: &Output, lines: &mut String) {
    let head = format!("{} job `{}` printed ", Keys.time(at_ms), output.job);
    if output.lost > 0 {
        lines.push_str(&format!("{head}| ({} bytes before this are not kept)\n", output.lost));
    }
    for line in output.text.lines() {
        // What steers a terminal is not passed on.
        let line: String =
            line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        lines.push_str(&format!("{head}| {line}\n"));
    }
}

/// Cancels an instance.
pub(super) async fn cancel(
    State(face): State<Face>,
    Path(of): Path<String>,
) -> Result<Response, Problem> {
    face.node.cancel(InstanceKey(parsed("key", &of)?)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Tries again everything in the instance that waits for a person.
pub(super) async fn retry(
    State(face): State<Face>,
    Path(of): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let instance = InstanceKey(parsed("key", &of)?);
    let (head, body) = request.into_parts();
    let body = body::json(&face, &head.headers, body).await?;
    let retries = retries(&Fields::read(&body, &["retries"])?)?.unwrap_or(1);
    face.node.instance(instance).await?;
    let open = open_incidents(&face, instance).await?;
    if open.is_empty() {
        let detail = format!("instance `{}` has no incident", instance.0);
        return Err(node::Error::State { detail }.into());
    }
    for incident in &open {
        face.node.resolve(*incident, Some(retries)).await?;
    }
    Ok(answer(StatusCode::OK, &object([("resolved", number(open.len()))])))
}

/// All of them before the first is resolved: what fails again must not be tried without end.
async fn open_incidents(face: &Face, instance: InstanceKey) -> Result<Vec<IncidentKey>, Problem> {
    let mut open = Vec::new();
    loop {
        let rows = face.node.incidents(Some(instance), open.last().copied(), PAGE).await?;
        open.extend(rows.iter().map(|(incident, _)| *incident));
        if rows.len() < PAGE as usize {
            return Ok(open);
        }
    }
}

/// The tries that a body gives to a job.
pub(super) fn retries(fields: &Fields) -> Result<Option<i32>, Problem> {
    let Some(retries) = fields.integer("retries")? else { return Ok(None) };
    match i32::try_from(retries) {
        Ok(retries) if retries >= 1 => Ok(Some(retries)),
        _ => Err(Problem::field("/retries", format!("`retries` is {retries}"), "give at least 1")),
    }
}

/// Sets variables of the whole instance.
pub(super) async fn set_variables(
    State(face): State<Face>,
    Path(of): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let instance: u64 = parsed("key", &of)?;
    let (head, body) = request.into_parts();
    let variables = variables::parse(&body::json(&face, &head.headers, body).await?)?;
    face.node.set_variables(StepKey(instance), variables, Reach::Local).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
