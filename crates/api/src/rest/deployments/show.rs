//! Deployments and their plans as JSON.
//!
//! Boundary: names and forms only.
//! Read first: [`deployment`].

use feel::{Context, Value};
use node::{Decision, Definition, DeploymentView, InFlight, Plan, ServerProgress};

use super::diagnostics;
use crate::operation::deploy::Deployed;
use crate::rest::json::{key, list, number, object, optional, text, time};

/// A deployment, with the versions that it brought.
pub(super) fn deployment(view: &DeploymentView, brought: &Deployed) -> Value {
    let fields = Context::builder()
        .with("id", key(view.key.0))
        .with("deployment", key(view.key.0))
        .with("action", view.action.clone())
        .with("stage", view.stage.name())
        .with("outcome", optional(view.outcome, |outcome| text(outcome.name())))
        .with("code", filled(&view.code))
        .with("reason", filled(&view.reason))
        .with("begunAt", time(view.begun_ms))
        .with("endedAt", optional(view.ended_ms, time))
        .with("timeoutMs", number(view.timeout_ms))
        .with("blockedAt", optional(view.blocked_ms, time))
        .with("closedMicros", optional(view.closed_us, number))
        .with("plan", plan(&view.plan))
        .with("servers", list(view.servers.iter().map(server)))
        .with("processes", list(brought.processes.iter().map(|known| process(known))))
        .with("decisions", list(brought.decisions.iter().map(|known| decision(known))))
        .with("warnings", diagnostics(&view.plan.warnings()))
        .with("problems", diagnostics(&view.problems()));
    Value::Context(fields.build())
}

fn filled(word: &str) -> Value {
    optional(Some(word).filter(|word| !word.is_empty()), text)
}

/// What a deployment does.
pub(super) fn plan(plan: &Plan) -> Value {
    let packages = plan.packages.iter().map(|one| {
        object([
            ("name", Value::from(one.name.clone())),
            ("from", filled(&one.from)),
            ("to", filled(&one.to)),
        ])
    });
    let running = plan.running.iter().map(|one| {
        object([
            ("process", Value::from(one.process.clone())),
            ("version", number(one.version)),
            ("active", number(one.active)),
        ])
    });
    object([
        ("packages", list(packages)),
        ("affected", list(plan.affected.iter().cloned().map(Value::from))),
        ("running", list(running)),
        ("warnings", diagnostics(&plan.warnings())),
    ])
}

fn process(known: &Definition) -> Value {
    object([
        ("id", Value::from(known.process().clone())),
        ("version", number(known.version)),
        ("key", key(known.key.0)),
        ("package", Value::from(known.package.clone())),
        ("enabled", Value::from(known.enabled)),
    ])
}

fn decision(known: &Decision) -> Value {
    object([
        ("id", Value::from(known.id.clone())),
        ("version", number(known.deployed.version)),
        ("key", key(known.deployed.key)),
        ("package", Value::from(known.package.clone())),
    ])
}

fn server(server: &ServerProgress) -> Value {
    object([
        ("name", Value::from(server.name.clone())),
        ("inFlight", number(server.in_flight)),
        ("held", number(server.held)),
        ("heldMs", number(server.held_ms)),
        ("oldest", list(server.oldest.iter().map(in_flight))),
    ])
}

fn in_flight(call: &InFlight) -> Value {
    object([
        ("kind", Value::from(call.kind.clone())),
        ("name", Value::from(call.name.clone())),
        ("owner", optional(Some(call.owner).filter(|owner| *owner != 0), key)),
        ("ageMs", number(call.age_ms)),
    ])
}
