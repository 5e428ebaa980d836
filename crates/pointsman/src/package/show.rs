//! `pointsman package build` and `show`: the archive of a package, and what it holds.
//!
//! Boundary: reads and prints; the archive's form is `host`'s.
//! Read first: [`build`], then [`run`].

use std::path::{Path, PathBuf};

use host::package::{PackageSource, TriggerTarget, digest};
use serde_json::{Value, json};

use crate::output::{self, Format, text};
use crate::problem::Failure;

use super::load;

fn one(path: &Path) -> Result<PackageSource, Failure> {
    let mut loaded = load(&[path.to_owned()])?;
    loaded.packages.pop().ok_or_else(|| Failure::internal("no package was read".to_owned()))
}

/// Writes the archive of a package.
///
/// # Errors
/// The package cannot be read, or the archive not be written.
pub(super) fn build(path: &Path, out: Option<&Path>, format: Format) -> Result<(), Failure> {
    let package = one(path)?;
    let archive = package.archive().map_err(|error| {
        Failure::internal("the archive cannot be built".to_owned()).because(&error)
    })?;
    let (name, version) = (&package.manifest.name, &package.manifest.version);
    let out =
        out.map_or_else(|| PathBuf::from(format!("{name}-{version}.tar.zst")), Path::to_owned);
    std::fs::write(&out, &archive).map_err(|error| Failure::file("write", &out, &error))?;
    let data = json!({
        "package": name, "version": version.to_string(), "file": out.display().to_string(),
        "bytes": archive.len(), "digest": digest(&archive),
    });
    output::show(format, &data, || {
        format!(
            "{name} {version}: {} with {} bytes\n{}",
            out.display(),
            archive.len(),
            text(&data, "digest")
        )
    })
}

/// Shows what a package holds.
///
/// # Errors
/// The package cannot be read.
pub(super) fn run(path: &Path, format: Format) -> Result<(), Failure> {
    let package = one(path)?;
    let data = describe(&package);
    output::show(format, &data, || {
        let manifest = &package.manifest;
        let mut out =
            format!("{} {}\n{}\n\n", manifest.name, manifest.version, manifest.description);
        let rows = ["dependencies", "processes", "documents", "services", "triggers", "tests"]
            .into_iter()
            .flat_map(|kind| output::items(&data[kind]).iter().map(move |asset| (kind, asset)))
            .map(|(kind, asset)| [kind.to_owned(), text(asset, "name"), text(asset, "about")]);
        out.push_str(&output::table(["kind", "name", "about"], rows.collect()));
        out
    })
}

fn describe(package: &PackageSource) -> Value {
    let manifest = &package.manifest;
    let files = |folder: &str| {
        let list = package
            .files_in(folder)
            .map(|(path, bytes)| json!({"name": path, "about": format!("{} bytes", bytes.len())}));
        list.collect::<Value>()
    };
    let dependencies = manifest.dependencies.iter().map(
        |dependency| json!({"name": dependency.name, "about": dependency.requirement.to_string()}),
    );
    let services = manifest.services.iter().map(|service| {
        let kind = match service.kind {
            host::service::ServiceKind::Http(_) => "http",
            host::service::ServiceKind::Command(_) => "command",
            host::service::ServiceKind::Wasm(_) => "wasm",
        };
        json!({"name": service.name, "about": kind})
    });
    let triggers = manifest.triggers.iter().map(|trigger| {
        let target = match &trigger.target {
            TriggerTarget::Process(process) => format!("process {process}"),
            TriggerTarget::Service(service) => format!("service {}", service.name),
        };
        json!({"name": trigger.name, "about": format!("{} -> {target}", trigger.document.name)})
    });
    json!({
        "name": manifest.name, "version": manifest.version.to_string(),
        "description": manifest.description,
        "dependencies": dependencies.collect::<Value>(),
        "processes": files("processes"),
        "documents": files("documents"),
        "services": services.collect::<Value>(),
        "triggers": triggers.collect::<Value>(),
        "tests": files("tests"),
    })
}
