//! `/api/packages`: what is deployed, how it is loaded, and what runs in it on this server.
//!
//! Boundary: shows the committed catalogue, rows of versions, and this server's gate.
//! Read first: [`show`].

mod change;

use axum::extract::{Path, State};
use axum::response::Response;
use feel::{Context, ContextBuilder, Value};
use http::{StatusCode, Uri};
use node::{ActivePackage, Catalog};
use store::PackageRow;

use super::Face;
use super::json::{self, answer, key, number, object, optional, page, text, time};
use super::parameters::Query;
use crate::problem::Problem;

pub(super) use change::{disable, enable, recover, reload, remove, roll_back};

/// Calls in flight that are shown.
const SEEN_MAX: usize = 100;

/// The packages, by name; with `removed`, also those that can be recovered.
pub(super) async fn list(State(face): State<Face>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(&uri, &["removed"])?;
    let catalog = face.node.catalog();
    let packages = catalog.packages.values();
    let mut items: Vec<Value> =
        packages.map(|active| Value::Context(head(&face, &catalog, active).build())).collect();
    if query.parsed("removed")?.unwrap_or(false) {
        let rows = face.node.package_versions().await?;
        let mut gone: Vec<&PackageRow> =
            rows.iter().filter(|row| !catalog.packages.contains_key(&row.name)).collect();
        // The newest of each name.
        gone.sort_by(|one, next| (&one.name, next.at_ms).cmp(&(&next.name, one.at_ms)));
        gone.dedup_by(|one, kept| one.name == kept.name);
        items.extend(gone.into_iter().map(removed));
    }
    Ok(answer(StatusCode::OK, &page(items, None)))
}

fn removed(row: &PackageRow) -> Value {
    let name = &row.name;
    object([
        ("name", Value::from(name.clone())),
        ("version", Value::from(row.version.clone())),
        ("description", text("")),
        ("digest", Value::from(row.digest.clone())),
        ("deployedAt", time(row.at_ms)),
        ("loaded", text("no")),
        (
            "reason",
            Value::from(format!("removed; `pointsman package recover {name}` brings it back")),
        ),
        ("gate", text("open")),
        ("inFlight", number(0)),
    ])
}

fn head(face: &Face, catalog: &Catalog, active: &ActivePackage) -> ContextBuilder {
    let manifest = active.package.manifest();
    let (loaded, reason) = loaded(catalog, active);
    let (_, number_inside, gate) = face.node.inside(&manifest.name, 0);
    Context::builder()
        .with("name", manifest.name.as_str())
        .with("version", manifest.version.to_string())
        .with("description", manifest.description.as_str())
        .with("digest", active.digest.clone())
        .with("deployedAt", time(active.at_ms))
        .with("loaded", loaded)
        .with("reason", optional(reason, Value::from))
        .with("gate", gate)
        .with("inFlight", number(number_inside))
}

/// How far a package is loaded, and why not further.
fn loaded(catalog: &Catalog, active: &ActivePackage) -> (&'static str, Option<String>) {
    if active.is_disabled {
        let reason = match &*active.note {
            "" => "somebody disabled it".to_owned(),
            note => note.to_owned(),
        };
        return ("no", Some(reason));
    }
    let needs = active.package.manifest().dependencies.iter();
    let missing = needs.map(|need| need.name.as_str()).filter(|name| {
        let known = catalog.packages.get(*name);
        known.is_none_or(|known| known.is_disabled)
    });
    let missing: Vec<String> = missing.map(|name| format!("`{name}`")).collect();
    if !missing.is_empty() {
        return ("partial", Some(format!("needs {}, not loaded", missing.join(", "))));
    }
    match &*active.note {
        "" => ("yes", None),
        note => ("partial", Some(note.to_owned())),
    }
}

/// One package: its assets, the versions that are kept, and what runs in it on this server.
pub(super) async fn show(
    State(face): State<Face>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let catalog = face.node.catalog();
    let missing = || node::Error::NotFound { kind: "package", name: name.clone() };
    let active = catalog.packages.get(name.as_str()).ok_or_else(missing)?;
    let mut value = head(&face, &catalog, active);
    assets(&catalog, active, &mut value);
    value.push("calls", calls(&face, &name));
    let mut rows = face.node.package_versions().await?;
    rows.retain(|row| *row.name == *name);
    rows.sort_by_key(|row| std::cmp::Reverse(row.at_ms));
    value.push("versions", json::list(rows.iter().map(version)));
    Ok(answer(StatusCode::OK, &Value::Context(value.build())))
}

/// The calls inside, the oldest first.
fn calls(face: &Face, name: &str) -> Value {
    let (calls, _, _) = face.node.inside(name, SEEN_MAX);
    json::list(calls.iter().map(|call| {
        object([
            ("kind", text(call.kind.name())),
            ("name", Value::from(call.name.clone())),
            ("owner", optional(Some(call.owner).filter(|owner| *owner != 0), key)),
            ("ageMs", number(call.since.elapsed().as_millis())),
        ])
    }))
}

fn version(row: &PackageRow) -> Value {
    object([
        ("version", Value::from(row.version.clone())),
        ("digest", Value::from(row.digest.clone())),
        ("active", Value::from(row.active)),
        ("deployedAt", time(row.at_ms)),
    ])
}

fn assets(catalog: &Catalog, active: &ActivePackage, value: &mut ContextBuilder) {
    let manifest = active.package.manifest();
    let name = &manifest.name;
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
    value.push("dependencies", json::list(dependencies));
    value.push("processes", json::list(own.map(|process| Value::from(process.clone()))));
    value.push(
        "documents",
        json::list(documents.map(|one| Value::from(format!("{name}/{}", one.name)))),
    );
    value.push("triggers", json::list(triggers));
    value.push("services", json::list(manifest.services.iter().map(|one| text(&one.name))));
}
