//! The least role for each call of both faces: one table.
//!
//! Boundary: the table and its lookup; a test compares it with what the faces answer, and writes
//! it into the guide.
//! Read first: [`TABLE`].   Tests: `tests.rs`

use store::Role;

/// Every role, the smallest first.
pub(crate) const ROLES: [Role; 4] = [Role::Viewer, Role::Operator, Role::Developer, Role::Admin];

/// The name of a role.
#[must_use]
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Developer => "developer",
        Role::Admin => "admin",
    }
}

/// The role of a name.
#[must_use]
pub fn role_named(name: &str) -> Option<Role> {
    ROLES.into_iter().find(|role| role_name(*role) == name)
}

/// What a caller must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// No token: balancers and supervisors have none.
    Nothing,
    /// A token of at least this role.
    Role(Role),
}

const NOTHING: Need = Need::Nothing;
const VIEWER: Need = Need::Role(Role::Viewer);
const OPERATOR: Need = Need::Role(Role::Operator);
const DEVELOPER: Need = Need::Role(Role::Developer);
const ADMIN: Need = Need::Role(Role::Admin);

/// How the calls of the gateway are told from those of HTTP.
pub(crate) const GRPC: &str = "grpc";

/// Method (`grpc` for the gateway), path, and what a caller must show.
pub(crate) const TABLE: &[(&str, &str, Need)] = &[
    ("get", "/health/live", NOTHING),
    ("get", "/health/ready", NOTHING),
    ("get", "/v2/status", NOTHING),
    (GRPC, "/grpc.health.v1.Health/Check", NOTHING),
    ("get", "/api/deployments", VIEWER),
    ("get", "/api/deployments/{id}", VIEWER),
    ("get", "/api/packages", VIEWER),
    ("get", "/api/packages/{name}", VIEWER),
    ("get", "/api/processes", VIEWER),
    ("get", "/api/processes/{id}", VIEWER),
    ("get", "/api/processes/{id}/versions/{version}/xml", VIEWER),
    ("get", "/api/decisions", VIEWER),
    ("get", "/api/decisions/{id}", VIEWER),
    ("get", "/api/instances", VIEWER),
    ("get", "/api/instances/{key}", VIEWER),
    ("get", "/api/instances/{key}/log", VIEWER),
    ("get", "/api/incidents", VIEWER),
    ("get", "/api/queues", VIEWER),
    ("get", "/api/queues/{entry}", VIEWER),
    ("get", "/api/locks", VIEWER),
    ("get", "/api/requests", VIEWER),
    ("get", "/api/requests/{key}", VIEWER),
    ("get", "/api/servers", VIEWER),
    ("get", "/api/shards", VIEWER),
    ("get", "/api/settings", VIEWER),
    ("get", "/api/settings/{name}", VIEWER),
    ("get", "/metrics", VIEWER),
    ("get", "/openapi.json", VIEWER),
    ("get", "/v2/topology", VIEWER),
    (GRPC, "/gateway_protocol.Gateway/Topology", VIEWER),
    ("post", "/api/documents/{*type}", OPERATOR),
    ("post", "/api/services/{package}/{service}", OPERATOR),
    ("post", "/api/instances", OPERATOR),
    ("post", "/api/instances/{key}/cancel", OPERATOR),
    ("post", "/api/instances/{key}/retry", OPERATOR),
    ("put", "/api/instances/{key}/variables", OPERATOR),
    ("post", "/api/incidents/{key}/resolve", OPERATOR),
    ("post", "/api/queues/replay", OPERATOR),
    ("post", "/api/queues/discard", OPERATOR),
    ("post", "/api/messages", OPERATOR),
    ("post", "/api/locks/{name}/acquire", OPERATOR),
    ("post", "/api/locks/{name}/release", OPERATOR),
    ("post", "/api/locks/{name}/renew", OPERATOR),
    ("delete", "/api/locks/{name}/holder", OPERATOR),
    ("post", "/api/requests", OPERATOR),
    ("post", "/v2/decision-definitions/evaluation", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/CreateProcessInstance", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/CreateProcessInstanceWithResult", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/CancelProcessInstance", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/EvaluateDecision", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/SetVariables", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/ResolveIncident", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/PublishMessage", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/ActivateJobs", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/StreamActivatedJobs", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/CompleteJob", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/FailJob", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/ThrowError", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/UpdateJobRetries", OPERATOR),
    (GRPC, "/gateway_protocol.Gateway/UpdateJobTimeout", OPERATOR),
    ("post", "/api/deployments", DEVELOPER),
    ("post", "/api/deployments/{id}/cancel", DEVELOPER),
    ("delete", "/api/packages/{name}", DEVELOPER),
    ("post", "/api/packages/{name}/enable", DEVELOPER),
    ("post", "/api/packages/{name}/disable", DEVELOPER),
    ("post", "/api/packages/{name}/reload", DEVELOPER),
    ("post", "/api/packages/{name}/rollback", DEVELOPER),
    ("post", "/api/packages/{name}/recover", DEVELOPER),
    ("put", "/api/processes/{id}/enabled", DEVELOPER),
    (GRPC, "/gateway_protocol.Gateway/DeployResource", DEVELOPER),
    (GRPC, "/gateway_protocol.Gateway/DeployProcess", DEVELOPER),
    ("post", "/api/servers/{name}/drain", ADMIN),
    ("post", "/api/servers/{name}/serve", ADMIN),
    ("post", "/api/servers/{name}/standby", ADMIN),
    ("delete", "/api/servers/{name}", ADMIN),
    ("put", "/api/shards", ADMIN),
    ("put", "/api/settings/{name}", ADMIN),
    ("delete", "/api/settings/{name}", ADMIN),
    ("get", "/api/tokens", ADMIN),
    ("post", "/api/tokens", ADMIN),
    ("delete", "/api/tokens/{name}", ADMIN),
];

/// What a caller of a path must show: what the table says, or else the greatest role (AUTH-2).
pub(crate) fn need(method: &str, path: &str) -> Need {
    let found = TABLE.iter().find(|(known, of, _)| *known == method && *of == path);
    found.map_or(ADMIN, |(_, _, need)| *need)
}
