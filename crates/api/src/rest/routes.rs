//! Which handler answers which method and path.
//!
//! Boundary: the table only; the same paths stand in `openapi.json`, which a test compares.
//! Read first: [`table`].

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post, put};
use http::{Method, Uri};

use super::{
    Face, decisions, deployments, documents, guard, health, incidents, instances, locks, messages,
    metrics, openapi, packages, processes, queues, requests, servers, services, settings, tokens,
};
use crate::auth::Access;
use crate::auth::roles::{Need, need};
use crate::problem::{Kind, Problem};

/// Every method and path with its handler.
pub(super) fn table() -> Vec<(&'static str, &'static str, MethodRouter<Face>)> {
    vec![
        ("post", "/api/documents/{*type}", post(documents::publish)),
        ("post", "/api/services/{package}/{service}", post(services::invoke)),
        ("post", "/api/deployments", post(deployments::deploy)),
        ("get", "/api/deployments", get(deployments::all)),
        ("get", "/api/deployments/{id}", get(deployments::show)),
        ("post", "/api/deployments/{id}/cancel", post(deployments::cancel)),
        ("get", "/api/packages", get(packages::list)),
        ("get", "/api/packages/{name}", get(packages::show)),
        ("delete", "/api/packages/{name}", delete(packages::remove)),
        ("post", "/api/packages/{name}/enable", post(packages::enable)),
        ("post", "/api/packages/{name}/disable", post(packages::disable)),
        ("post", "/api/packages/{name}/reload", post(packages::reload)),
        ("post", "/api/packages/{name}/rollback", post(packages::roll_back)),
        ("post", "/api/packages/{name}/recover", post(packages::recover)),
        ("get", "/api/processes", get(processes::list)),
        ("get", "/api/processes/{id}", get(processes::show)),
        ("put", "/api/processes/{id}/enabled", put(processes::enable)),
        ("get", "/api/processes/{id}/versions/{version}/xml", get(processes::xml)),
        ("get", "/api/decisions", get(decisions::list)),
        ("get", "/api/decisions/{id}", get(decisions::show)),
        ("get", "/api/instances", get(instances::list)),
        ("post", "/api/instances", post(instances::start)),
        ("get", "/api/instances/{key}", get(instances::show)),
        ("get", "/api/instances/{key}/log", get(instances::log)),
        ("post", "/api/instances/{key}/cancel", post(instances::cancel)),
        ("post", "/api/instances/{key}/retry", post(instances::retry)),
        ("put", "/api/instances/{key}/variables", put(instances::set_variables)),
        ("get", "/api/incidents", get(incidents::list)),
        ("post", "/api/incidents/{key}/resolve", post(incidents::resolve)),
        ("get", "/api/queues", get(queues::list)),
        ("get", "/api/queues/{entry}", get(queues::show)),
        ("post", "/api/queues/replay", post(queues::replay)),
        ("post", "/api/queues/discard", post(queues::discard)),
        ("post", "/api/messages", post(messages::publish)),
        ("get", "/api/locks", get(locks::list)),
        ("post", "/api/locks/{name}/acquire", post(locks::acquire)),
        ("post", "/api/locks/{name}/release", post(locks::release)),
        ("post", "/api/locks/{name}/renew", post(locks::renew)),
        ("delete", "/api/locks/{name}/holder", delete(locks::take_away)),
        ("post", "/api/requests", post(requests::create)),
        ("get", "/api/requests", get(requests::list)),
        ("get", "/api/requests/{key}", get(requests::show)),
        ("get", "/api/servers", get(servers::list)),
        ("post", "/api/servers/{name}/drain", post(servers::drain)),
        ("post", "/api/servers/{name}/serve", post(servers::serve)),
        ("post", "/api/servers/{name}/standby", post(servers::stand_by)),
        ("delete", "/api/servers/{name}", delete(servers::remove)),
        ("get", "/api/shards", get(servers::shards)),
        ("put", "/api/shards", put(servers::set_shards)),
        ("get", "/api/settings", get(settings::list)),
        ("get", "/api/settings/{name}", get(settings::show)),
        ("put", "/api/settings/{name}", put(settings::set)),
        ("delete", "/api/settings/{name}", delete(settings::unset)),
        ("get", "/api/tokens", get(tokens::list)),
        ("post", "/api/tokens", post(tokens::create)),
        ("delete", "/api/tokens/{name}", delete(tokens::revoke)),
        ("get", "/health/live", get(health::live)),
        ("get", "/health/ready", get(health::ready)),
        ("get", "/metrics", get(metrics::show)),
        ("get", "/openapi.json", get(openapi::show)),
        ("get", "/v2/topology", get(health::topology)),
        ("get", "/v2/status", get(health::status)),
        ("post", "/v2/decision-definitions/evaluation", post(decisions::evaluate)),
    ]
}

/// The router of all handlers at `address`. Where callers show tokens, each handler stands behind
/// the role that its call needs; elsewhere all stand behind the guard against other sites.
pub(super) fn router(face: Face, address: SocketAddr) -> Router {
    let mut router = Router::new();
    for (method, path, handler) in table() {
        let handler = match &face.access {
            Access::Everybody => handler,
            Access::Tokens(tokens) => match need(method, path) {
                Need::Nothing => handler,
                Need::Role(role) => {
                    let state = (tokens.clone(), role);
                    handler.route_layer(from_fn_with_state(state, guard::authorise))
                }
            },
        };
        router = router.route(path, handler);
    }
    let router = router.fallback(unknown).method_not_allowed_fallback(not_allowed);
    let router = match &face.access {
        Access::Tokens(_) => router,
        Access::Everybody => {
            router.layer(from_fn_with_state(guard::Names::at(address), guard::check))
        }
    };
    router.with_state(face)
}

async fn unknown(uri: Uri) -> Problem {
    let detail = format!("there is nothing at `{}`", uri.path());
    let hint = "GET /openapi.json lists the addresses";
    Problem::new("API-003", Kind::NotFound, StatusCode::NOT_FOUND, detail, hint)
}

async fn not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not take {method}", uri.path());
    let hint = "GET /openapi.json lists the methods";
    Problem::new("API-004", Kind::Invalid, StatusCode::METHOD_NOT_ALLOWED, detail, hint)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn openapi_describes_every_route_and_no_other() {
        let document: serde_json::Value = serde_json::from_slice(openapi::DOCUMENT).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                described.insert((method.clone(), path.clone()));
            }
        }
        let routed = table().into_iter();
        let routed =
            routed.map(|(method, path, _)| (method.to_owned(), path.replace("{*", "{"))).collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn openapi_references_lead_somewhere() {
        let document: serde_json::Value = serde_json::from_slice(openapi::DOCUMENT).unwrap();
        let mut stack = vec![&document];
        while let Some(value) = stack.pop() {
            match value {
                serde_json::Value::Object(entries) => {
                    if let Some(serde_json::Value::String(to)) = entries.get("$ref") {
                        let pointer = to.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{to}");
                    }
                    stack.extend(entries.values());
                }
                serde_json::Value::Array(items) => stack.extend(items),
                _ => {}
            }
        }
    }
}
