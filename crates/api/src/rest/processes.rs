//! `/api/processes`: process versions, and which one is enabled.
//!
//! Boundary: shows the committed catalogue with the store's counts.
//! Read first: [`show`].

use std::collections::HashMap;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use engine::ids::DefinitionKey;
use feel::{Context, Value};
use http::{HeaderValue, StatusCode, header};
use node::{Catalog, Definition};

use super::json::{self, Fields, answer, key, number, object, optional, page, time};
use super::{Face, body, parameters};
use crate::problem::Problem;

/// Active instances, and those with incidents, by process version.
type Counts = HashMap<DefinitionKey, (u64, u64)>;

async fn counts(face: &Face) -> Result<Counts, Problem> {
    let counts = face.node.counts().await?.into_iter();
    Ok(counts.map(|(key, active, incidents)| (key, (active, incidents))).collect())
}

/// Every process, by id.
pub(super) async fn list(State(face): State<Face>) -> Result<Response, Problem> {
    let counts = counts(&face).await?;
    let catalog = face.node.catalog();
    let ids = catalog.versions.keys();
    let processes = ids.filter_map(|id| Some(Value::Context(process(&catalog, id, &counts)?)));
    Ok(answer(StatusCode::OK, &page(processes.collect(), None)))
}

/// One process with its versions, newest first.
pub(super) async fn show(
    State(face): State<Face>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let counts = counts(&face).await?;
    let catalog = face.node.catalog();
    let process = process(&catalog, &id, &counts).ok_or_else(|| missing(&id))?;
    let versions = versions(&catalog, &id).rev().map(|known| version(known, &counts));
    let value = process.with("versions", json::list(versions));
    Ok(answer(StatusCode::OK, &Value::Context(value)))
}

fn missing(id: &str) -> Problem {
    node::Error::NotFound { kind: "process", name: id.to_owned() }.into()
}

fn versions<'a>(catalog: &'a Catalog, id: &str) -> impl DoubleEndedIterator<Item = &'a Definition> {
    let keys = catalog.versions.get(id).map(Vec::as_slice).unwrap_or_default();
    keys.iter().filter_map(|key| catalog.definitions.get(key).map(AsRef::as_ref))
}

fn process(catalog: &Catalog, id: &str, counts: &Counts) -> Option<Context> {
    let latest = catalog.latest(id)?;
    let all = versions(catalog, id).filter_map(|known| counts.get(&known.key));
    let (active, incidents) = all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let enabled = catalog.enabled(id);
    Some(
        Context::builder()
            .with("id", id)
            .with("name", latest.program.name.clone())
            .with("package", latest.package.clone())
            .with("enabled", optional(enabled, |known| number(known.version)))
            .with("latest", number(latest.version))
            .with("active", number(active))
            .with("incidents", number(incidents))
            .build(),
    )
}

fn version(known: &Definition, counts: &Counts) -> Value {
    let (active, incidents) = counts.get(&known.key).copied().unwrap_or_default();
    object([
        ("version", number(known.version)),
        ("key", key(known.key.0)),
        ("enabled", Value::from(known.enabled)),
        ("package", Value::from(known.package.clone())),
        ("packageVersion", Value::from(known.package_version.clone())),
        ("resource", Value::from(known.resource.clone())),
        ("deployment", key(known.deployment)),
        ("deployedAt", time(known.at_ms)),
        ("active", number(active)),
        ("incidents", number(incidents)),
    ])
}

/// Enables one version, or none.
pub(super) async fn enable(
    State(face): State<Face>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let body = body::json(&face, &head.headers, body).await?;
    let fields = Fields::read(&body, &["version"])?;
    if !fields.has("version") {
        let hint = "send a version number, or null to disable the process";
        return Err(Problem::field("/version", "`version` is missing", hint));
    }
    let version = match fields.integer("version")? {
        None => None,
        Some(version) => Some(u32::try_from(version).map_err(|_| missing(&id))?),
    };
    face.node.enable(&id, version).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The BPMN text of a version.
pub(super) async fn xml(
    State(face): State<Face>,
    Path((id, version)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let version: u32 = parameters::parsed("version", &version)?;
    let catalog = face.node.catalog();
    let known = catalog.version(&id, version).ok_or_else(|| missing(&id))?;
    let mut response = face.node.resource(known.key).await?.into_response();
    let media = HeaderValue::from_static("application/xml");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    Ok(response)
}
