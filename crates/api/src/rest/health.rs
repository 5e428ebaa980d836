//! Whether the server lives and takes requests, for balancers and compatible clients.
//!
//! Boundary: the condition of the node.
//! Read first: [`ready`].

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use feel::{Context, Value};
use http::StatusCode;
use node::Condition;

use super::json::{self, answer, number, object, optional, text};
use super::{Face, servers};
use crate::problem::Problem;

fn name(condition: Condition) -> &'static str {
    match condition {
        Condition::Starting => "starting",
        Condition::Ready => "ready",
        Condition::Full => "full",
        Condition::Recovering => "recovering",
        Condition::Stopping => "stopping",
    }
}

/// The process answers.
pub(super) async fn live() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Whether requests are taken.
pub(super) async fn ready(State(face): State<Face>) -> Result<Response, Problem> {
    let condition = face.node.condition();
    let doing = match condition {
        Condition::Ready => {
            let here = face.node.standing_here();
            let mut value = Context::builder()
                .with("condition", name(condition))
                .with("server", face.node.name())
                .with("key", optional(here.key, |key| text(&key.to_string())))
                .with("standing", optional(here.standing, |one| text(servers::standing_name(one))))
                .with("shards", json::list(here.shards.iter().map(|shard| number(shard.0))));
            if let Some(ends_ms) = face.tls.as_ref().and_then(crate::tls::Handle::ends_ms) {
                value.push("certificateEndsAt", json::time(ends_ms));
            }
            return Ok(answer(StatusCode::OK, &Value::Context(value.build())));
        }
        Condition::Full => {
            let detail = "nothing is accepted until there is room".to_owned();
            let mut problem = Problem::from(node::Error::Full { detail });
            problem.status = StatusCode::SERVICE_UNAVAILABLE;
            return Err(problem);
        }
        Condition::Starting | Condition::Recovering | Condition::Stopping => name(condition),
    };
    let mut problem = Problem::from(node::Error::Unavailable { doing });
    problem.detail = format!("{}: {}", problem.detail, face.node.why_not_ready());
    Err(problem)
}

/// `GET /v2/status`: 204 if the one partition works.
pub(super) async fn status(State(face): State<Face>) -> Response {
    match face.node.condition() {
        Condition::Ready => StatusCode::NO_CONTENT.into_response(),
        Condition::Starting | Condition::Full | Condition::Recovering | Condition::Stopping => {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// `GET /v2/topology`: one broker with one partition.
pub(super) async fn topology(State(face): State<Face>) -> Response {
    let version = text(env!("CARGO_PKG_VERSION"));
    let healthy = face.node.condition() == Condition::Ready;
    let partition = object([
        ("partitionId", number(1)),
        ("role", text("leader")),
        ("health", text(if healthy { "healthy" } else { "unhealthy" })),
    ]);
    let broker = object([
        ("nodeId", number(0)),
        ("host", Value::from(face.grpc.ip().to_string())),
        ("port", number(face.grpc.port())),
        ("partitions", json::list([partition].into_iter())),
        ("version", version.clone()),
    ]);
    let value = object([
        ("brokers", json::list([broker].into_iter())),
        ("clusterSize", number(1)),
        ("partitionsCount", number(1)),
        ("replicationFactor", number(1)),
        ("gatewayVersion", version),
        ("clusterId", text(face.node.name())),
        ("lastCompletedChangeId", text("0")),
    ]);
    answer(StatusCode::OK, &value)
}
