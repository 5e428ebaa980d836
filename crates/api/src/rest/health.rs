//! Whether the server lives and takes requests, for balancers and compatible clients.
//!
//! Boundary: the condition of the node.
//! Read first: [`ready`].

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use feel::{Context, Value};
use http::StatusCode;
use node::Condition;
use proto::gateway::partition::PartitionBrokerHealth;
use proto::gateway::{BrokerInfo, Partition};

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
    let unreachable: Vec<String> =
        face.node.unreachable().iter().map(|member| member.about.name.to_string()).collect();
    let doing = match condition {
        Condition::Ready if face.node.is_cut_off() => {
            let mut problem = Problem::from(node::Error::Unavailable { doing: "cut off" });
            let detail = format!("it does not reach `{}`", unreachable.join("`, `"));
            problem.detail = format!("{}: {detail}", problem.detail);
            return Err(problem);
        }
        Condition::Ready => {
            let shown = if unreachable.is_empty() { name(condition) } else { "degraded" };
            let here = face.node.standing_here();
            let mut value = Context::builder()
                .with("condition", shown)
                .with("server", face.node.name())
                .with("key", optional(here.key, |key| text(&key.to_string())))
                .with("standing", optional(here.standing, |one| text(servers::standing_name(one))))
                .with("shards", json::list(here.shards.iter().map(|shard| number(shard.0))))
                .with("unreachable", json::list(unreachable.iter().map(|name| text(name))));
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
        Condition::Ready if face.node.is_cut_off() => {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Condition::Ready => StatusCode::NO_CONTENT.into_response(),
        Condition::Starting | Condition::Full | Condition::Recovering | Condition::Stopping => {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// `GET /v2/topology`: a broker for each server, a partition for each shard.
pub(super) async fn topology(State(face): State<Face>) -> Result<Response, Problem> {
    let seen = crate::grpc::seen(&face.node, face.grpc).await?;
    let partition = |of: &Partition| {
        let is_healthy = of.health() == PartitionBrokerHealth::Healthy;
        object([
            ("partitionId", number(of.partition_id)),
            ("role", text("leader")),
            ("health", text(if is_healthy { "healthy" } else { "unhealthy" })),
        ])
    };
    let broker = |of: &BrokerInfo| {
        object([
            ("nodeId", number(of.node_id)),
            ("host", text(&of.host)),
            ("port", number(of.port)),
            ("partitions", json::list(of.partitions.iter().map(partition))),
            ("version", text(&of.version)),
        ])
    };
    let value = object([
        ("brokers", json::list(seen.brokers.iter().map(broker))),
        ("clusterSize", number(seen.cluster_size)),
        ("partitionsCount", number(seen.partitions_count)),
        ("replicationFactor", number(seen.replication_factor)),
        ("gatewayVersion", text(&seen.gateway_version)),
        ("clusterId", text(&seen.cluster_id)),
        ("lastCompletedChangeId", text("0")),
    ]);
    Ok(answer(StatusCode::OK, &value))
}
