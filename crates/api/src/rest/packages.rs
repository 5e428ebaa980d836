//! `/api/packages`: what is deployed.
//!
//! Boundary: shows the committed catalogue.
//! Read first: [`show`].

use axum::extract::{Path, State};
use axum::response::Response;
use feel::{Context, ContextBuilder, Value};
use http::StatusCode;
use node::ActivePackage;

use super::Face;
use super::json::{self, answer, object, page, text, time};
use crate::problem::Problem;

/// The active packages, by name.
pub(super) async fn list(State(face): State<Face>) -> Response {
    let catalog = face.node.catalog();
    let packages = catalog.packages.values();
    let packages = packages.map(|active| Value::Context(head(active).build())).collect();
    answer(StatusCode::OK, &page(packages, None))
}

fn head(active: &ActivePackage) -> ContextBuilder {
    let manifest = active.package.manifest();
    Context::builder()
        .with("name", manifest.name.as_str())
        .with("version", manifest.version.to_string())
        .with("description", manifest.description.as_str())
        .with("digest", active.digest.clone())
        .with("deployedAt", time(active.at_ms))
}

/// One package and its assets.
pub(super) async fn show(
    State(face): State<Face>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let catalog = face.node.catalog();
    let missing = || node::Error::NotFound { kind: "package", name: name.clone() };
    let active = catalog.packages.get(name.as_str()).ok_or_else(missing)?;
    let manifest = active.package.manifest();
    let dependencies = manifest.dependencies.iter().map(|one| {
        object([("name", text(&one.name)), ("version", Value::from(one.requirement.to_string()))])
    });
    let own = catalog
        .versions
        .keys()
        .filter(|process| catalog.latest(process).is_some_and(|latest| *latest.package == *name));
    let triggers = catalog.triggers.values().flatten().filter(|one| *one.package == *name);
    let mut triggers: Vec<_> = triggers.collect();
    triggers.sort_by(|left, right| left.name.cmp(&right.name));
    let triggers = triggers.into_iter().map(|trigger| {
        let target = match &trigger.target {
            node::Target::Process(process) => text(process),
            node::Target::Service(package, service) => Value::from(format!("{package}/{service}")),
        };
        object([
            ("name", Value::from(trigger.name.clone())),
            ("document", Value::from(trigger.document_type.clone())),
            ("target", target),
        ])
    });
    let documents = active.package.documents.iter();
    let mut value = head(active);
    value.push("dependencies", json::list(dependencies));
    value.push("processes", json::list(own.map(|process| Value::from(process.clone()))));
    value.push(
        "documents",
        json::list(documents.map(|one| Value::from(format!("{name}/{}", one.name)))),
    );
    value.push("triggers", json::list(triggers));
    value.push("services", json::list(manifest.services.iter().map(|one| text(&one.name))));
    Ok(answer(StatusCode::OK, &Value::Context(value.build())))
}
