//! Rows of the store as JSON.
//!
//! Boundary: names and forms only.
//! Read first: [`instance`].

use engine::ids::{EntryKey, IncidentKey};
use feel::{Context, ContextBuilder, Value};
use node::PathStep;
use store::{EntryRow, EntryState, IncidentRow, InstanceRow, InstanceState};

use super::json::{self, key, number, object, optional, text, time};

/// The name of a state.
pub(super) fn state_name(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Active => "active",
        InstanceState::Completed => "completed",
        InstanceState::Cancelled => "cancelled",
        InstanceState::Failed => "failed",
    }
}

/// A row of the instance list.
pub(super) fn instance(row: &InstanceRow) -> Value {
    Value::Context(instance_fields(row).build())
}

/// The fields of a row of the instance list.
pub(super) fn instance_fields(row: &InstanceRow) -> ContextBuilder {
    Context::builder()
        .with("key", key(row.key.0))
        .with("process", row.process.clone())
        .with("version", number(row.version))
        .with("state", state_name(row.state))
        .with("incidents", number(row.incidents))
        .with("parent", optional(row.parent, |parent| key(parent.0)))
        .with("businessKey", optional(row.business_key.clone(), Value::from))
        .with("startedAt", time(row.started_ms))
        .with("endedAt", optional(row.ended_ms, time))
}

/// An open incident.
pub(super) fn incident(of: IncidentKey, row: &IncidentRow) -> Value {
    object([
        ("key", key(of.0)),
        ("instance", key(row.instance.0)),
        ("process", Value::from(row.process.clone())),
        ("element", Value::from(row.element.clone())),
        ("step", key(row.step.0)),
        ("job", optional(row.job, |job| key(job.0))),
        ("kind", Value::from(row.kind.clone())),
        ("message", Value::from(row.message.clone())),
        ("raisedAt", time(row.at_ms)),
    ])
}

/// The name of an entry's state.
pub(super) fn entry_state_name(state: EntryState) -> &'static str {
    match state {
        EntryState::Queued => "queued",
        EntryState::InProcess => "in-process",
        EntryState::Parked => "parked",
        EntryState::Dead => "dead",
    }
}

/// An entry of a trigger's queue.
pub(super) fn entry(of: EntryKey, row: &EntryRow) -> Value {
    object([
        ("key", key(of.0)),
        ("trigger", Value::from(row.trigger.clone())),
        ("document", key(row.document.0)),
        ("state", text(entry_state_name(row.state))),
        ("attempts", number(row.attempts)),
        ("dueAt", time(row.due_ms)),
        ("instance", optional(row.instance, |instance| key(instance.0))),
        ("reason", optional(row.reason.clone(), Value::from)),
    ])
}

/// The path that an instance took, as a tree.
pub(super) fn path(steps: &[PathStep]) -> Value {
    json::list(steps.iter().map(|step| {
        let view = &step.view;
        let notes = view
            .notes
            .iter()
            .map(|(at_ms, note)| object([("at", time(*at_ms)), ("text", text(note))]));
        object([
            ("step", key(view.step.0)),
            ("element", text(&view.element)),
            ("name", text(&view.name)),
            ("kind", text(view.kind)),
            ("state", text(view.state)),
            ("enteredAt", time(view.entered_ms)),
            ("leftAt", optional(view.left_ms, time)),
            ("child", optional(view.child, |child| key(child.0))),
            ("notes", json::list(notes)),
            ("inside", path(&step.inside)),
        ])
    }))
}
