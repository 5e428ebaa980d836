//! The standard health check of gRPC.
//!
//! Boundary: says whether calls are taken, for the server and for its one service.
//! Read first: [`check`].

use std::sync::Arc;

use node::Condition;
use proto::health::health_check_response::ServingStatus;
use proto::health::{HealthCheckRequest, HealthCheckResponse};
use tonic::Status;

use super::Face;

/// Whether the named service, or the whole server, takes calls.
pub(super) async fn check(
    face: Arc<Face>,
    request: HealthCheckRequest,
) -> Result<HealthCheckResponse, Status> {
    if !matches!(request.service.as_str(), "" | "gateway_protocol.Gateway") {
        return Err(Status::not_found(format!("no service `{}`", request.service)));
    }
    let status = match face.node.condition() {
        Condition::Ready if face.node.is_cut_off() => ServingStatus::NotServing,
        Condition::Ready => ServingStatus::Serving,
        Condition::Starting | Condition::Full | Condition::Recovering | Condition::Stopping => {
            ServingStatus::NotServing
        }
    };
    Ok(HealthCheckResponse { status: status.into() })
}
