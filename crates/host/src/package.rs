//! Packages: what they hold, whether that is right, and in which order they are loaded.
//!
//! Stages have types of their own: [`PackageSource`] (read) -> [`Package`] (checked) ->
//! [`Resolved`] (dependencies known, in order).
//!
//! Boundary: BPMN and DMN files are carried as bytes; `node` compiles them and checks what they
//! name.
//! Read first: [`PackageSource`], then [`Package::check`], then [`resolve()`].
//! Tests: `package/tests.rs`

mod archive;
mod component;
mod document;
mod duration;
mod manifest;
mod nearest;
mod resolve;
pub mod scenario;
mod source;
mod table;
#[cfg(test)]
mod tests;

pub use archive::{Error, digest};
pub use document::{DocumentType, Violation};
pub use manifest::{
    Dependency, LoggingLevel, Manifest, OnServerFailure, QualityOfService, Reference, Settings,
    Trigger, TriggerTarget, WhenDisabled,
};
pub use nearest::nearest;
pub use resolve::{Installed, Resolved, resolve};
pub use source::{Limits, PackageSource};

use crate::diagnostic::{self, Diagnostic, Severity};
use crate::package::scenario::Scenario;
use crate::service::ServiceKind;

/// The name of the manifest in a package.
pub const MANIFEST: &str = "package.toml";

/// The folders of a package and what their files end in; empty: any ending.
const FOLDERS: &[(&str, &str)] = &[
    ("processes", ".bpmn"),
    ("decisions", ".dmn"),
    ("documents", ".json"),
    ("services", ""),
    ("forms", ".form"),
    ("tests", ".toml"),
    ("data", ""),
];

/// A package whose every asset that this crate knows has been compiled.
#[derive(Debug)]
pub struct Package {
    /// What it was made from.
    pub source: PackageSource,
    /// Its document types, by name.
    pub documents: Vec<DocumentType>,
    /// Its scenario tests, by file.
    pub scenarios: Vec<Scenario>,
    /// What works, but probably not as meant.
    pub warnings: Vec<Diagnostic>,
}

impl Package {
    /// Checks everything inside the package; files are named relative to it.
    ///
    /// # Errors
    /// All problems at once, warnings among them, sorted by file and line.
    pub fn check(source: PackageSource) -> Result<Self, Vec<Diagnostic>> {
        let mut found = stray_files(&source);
        let documents = document::compile(&source.files, &mut found);
        let scenarios = scenario::read_all(&source.files, &mut found);
        check_own_names(&source, &mut found);
        component::check(&source, &mut found);
        found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        if found.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(found);
        }
        Ok(Self { source, documents, scenarios, warnings: found })
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.source.manifest
    }

    /// The document type `name`.
    #[must_use]
    pub fn document(&self, name: &str) -> Option<&DocumentType> {
        self.documents.iter().find(|document| document.name == name)
    }

    /// The BPMN files, path and bytes, by path.
    pub fn processes(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.source.files_in("processes")
    }

    /// The DMN files, path and bytes, by path.
    pub fn decisions(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.source.files_in("decisions")
    }
}

fn stray_files(source: &PackageSource) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for path in source.files.keys() {
        let known = match path.split_once('/') {
            Some((folder, _)) => {
                FOLDERS.iter().any(|(name, ending)| *name == folder && path.ends_with(ending))
            }
            None => matches!(path.as_str(), "README.md" | "LICENSE" | "CHANGELOG.md"),
        };
        if !known {
            let folders: Vec<_> =
                FOLDERS.iter().map(|(name, ending)| format!("{name}/*{ending}")).collect();
            let hint = format!("a package holds {}", folders.join(", "));
            let message = format!("`{path}` has no meaning in a package");
            found.push(Diagnostic::error(diagnostic::STRAY_FILE, path, message, &hint).warning());
        }
    }
    found
}

/// Names in the manifest that must exist in this package.
fn check_own_names(source: &PackageSource, found: &mut Vec<Diagnostic>) {
    let manifest = &source.manifest;
    let own = |reference: &Reference| {
        reference.package.as_ref().is_none_or(|package| *package == manifest.name)
    };
    for trigger in &manifest.triggers {
        let element = format!("triggers.{}", trigger.name);
        let document_file = format!("documents/{}.json", trigger.document.name);
        if own(&trigger.document) && !source.files.contains_key(&document_file) {
            let message = format!("there is no document type `{}`", trigger.document.name);
            let hint = format!("add `{document_file}`, or name it as `package/type`");
            found.push(
                Diagnostic::error(diagnostic::UNKNOWN_NAME, MANIFEST, message, &hint)
                    .at(trigger.place)
                    .about(&element),
            );
        }
        if let TriggerTarget::Service(service) = &trigger.target
            && own(service)
            && !manifest.services.iter().any(|known| known.name == service.name)
        {
            let message = format!("there is no service `{}`", service.name);
            let hint = format!("add `[services.{}]`", service.name);
            found.push(
                Diagnostic::error(diagnostic::UNKNOWN_NAME, MANIFEST, message, &hint)
                    .at(trigger.place)
                    .about(&element),
            );
        }
    }
    for service in &manifest.services {
        let ServiceKind::Command(command) = &service.kind else { continue };
        let in_package = command.program.starts_with("services/");
        let direct = command.shell == crate::service::Shell::None;
        if in_package && direct && !source.files.contains_key(&command.program) {
            let message = format!("the package has no file `{}`", command.program);
            found.push(
                Diagnostic::error(
                    diagnostic::UNKNOWN_NAME,
                    MANIFEST,
                    message,
                    "add the script, or name an installed program",
                )
                .at(service.place)
                .about(&format!("services.{}.program", service.name)),
            );
        }
    }
}
