//! `/api/servers`: who is there, and what a server is there for; `/api/shards`: who owns what.
//!
//! Boundary: translation only; any server passes on what another one is told.
//! Read first: [`list`], then [`drain`].

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use feel::Value;
use http::StatusCode;
use node::{LogicalServer, ServerView, ShardView, Told};
use store::Standing;

use super::json::{self, Fields, answer, number, object, optional, page, time};
use super::settings::caller;
use super::{Face, body};
use crate::problem::Problem;

/// The name of a standing.
pub(super) fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Serving => "serving",
        Standing::Draining => "draining",
        Standing::Standby => "standby",
    }
}

/// The servers whose leases run, by name, and the logical servers that they host.
pub(super) async fn list(State(face): State<Face>) -> Result<Response, Problem> {
    let servers = face.node.servers().await?;
    let logical = face.node.logical_servers().await?;
    let shown = object([
        ("items", json::list(servers.iter().map(view))),
        ("next", Value::Null),
        ("logicalServers", json::list(logical.iter().map(logical_server))),
    ]);
    Ok(answer(StatusCode::OK, &shown))
}

fn logical_server(logical: &LogicalServer) -> Value {
    object([
        ("name", Value::from(logical.name.clone())),
        ("servers", json::list(logical.hosts.iter().map(|name| Value::from(name.clone())))),
        ("waitingJobs", number(logical.waiting)),
    ])
}

/// Gives a server's shards to the others.
pub(super) async fn drain(
    State(face): State<Face>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    tell(&face, &name, Told::Drain).await
}

/// Lets a server own shards.
pub(super) async fn serve(
    State(face): State<Face>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    tell(&face, &name, Told::Serve).await
}

/// Lets a server own nothing until it is told otherwise.
pub(super) async fn stand_by(
    State(face): State<Face>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    tell(&face, &name, Told::StandBy).await
}

async fn tell(face: &Face, name: &str, told: Told) -> Result<StatusCode, Problem> {
    face.node.tell_server(name, told).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the lease of a server that is dead or hangs.
pub(super) async fn remove(
    State(face): State<Face>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    face.node.remove_server(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// All shards with their owners and slots.
pub(super) async fn shards(State(face): State<Face>) -> Result<Response, Problem> {
    let shards = face.node.shards().await?;
    Ok(answer(StatusCode::OK, &page(shards.iter().map(shard).collect(), None)))
}

/// Changes the number of shards.
pub(super) async fn set_shards(
    State(face): State<Face>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let body = body::json(&face, &head.headers, body).await?;
    let wanted = Fields::read(&body, &["number"])?.integer("number")?;
    // What is no number of shards is refused with what it must be.
    let wanted = wanted.map_or(0, |wanted| u16::try_from(wanted).unwrap_or(u16::MAX));
    face.node.set_shards(wanted, &caller(&face, &head.extensions)).await?;
    shards(State(face)).await
}

fn shard(shard: &ShardView) -> Value {
    object([
        ("shard", number(shard.shard.0)),
        ("owner", optional(shard.owner.clone(), Value::from)),
        ("epoch", number(shard.epoch)),
        ("slots", number(u64::try_from(shard.slots).unwrap_or(0))),
        ("wanted", Value::from(shard.is_wanted)),
        ("used", Value::from(shard.is_used)),
    ])
}

fn view(server: &ServerView) -> Value {
    let about = &server.member.about;
    object([
        ("name", Value::from(about.name.clone())),
        ("key", Value::from(server.member.key.to_string())),
        ("standing", Value::from(standing_name(about.standing))),
        ("shards", json::list(server.shards.iter().map(|shard| number(shard.0)))),
        ("leaseMs", number(server.lease_ms)),
        ("joinedAt", time(server.member.joined_ms)),
        ("http", Value::from(about.http.clone())),
        ("grpc", Value::from(about.grpc.clone())),
        ("peer", Value::from(about.peer.clone())),
        ("hosts", json::list(about.hosts.iter().map(|host| Value::from(host.clone())))),
        ("build", Value::from(about.build.clone())),
        ("formatMax", number(about.format_max)),
        ("answered", Value::from(server.is_this)),
    ])
}
