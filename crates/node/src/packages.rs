//! Packages on their way into a server: compiled and checked as a set, before anything changes.
//!
//! Stages: sources (`host`) -> resolved (`host::package::resolve`) -> [`Prepared`] (BPMN compiled,
//! every name that a process or trigger uses is known). Only the last can be activated.
//!
//! Boundary: pure apart from time spent; the switch itself happens in the shard.
//! Read first: [`prepare`], then [`check`].

pub(crate) mod change;
pub(crate) mod decisions;
pub(crate) mod together;
mod undeclared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bpmn::{Kind, Program, SendSpec};
use bytes::Bytes;
use engine::ids::DeploymentKey;
use feel::{Expression, Str, Value};
use host::package::{
    Installed, Package, PackageSource, QualityOfService, Resolved, TriggerTarget, digest, resolve,
};
use host::{Diagnostic, Severity};

use crate::catalog::{Catalog, SERVICE_PREFIX};
use crate::error::Error;

pub use decisions::PreparedDecision;

/// A set that can be activated.
#[derive(Debug, Default)]
pub struct Prepared {
    /// Packages in the order of their dependencies.
    pub packages: Vec<PreparedPackage>,
    /// Processes of the packages, and those deployed alone, in order.
    pub processes: Vec<PreparedProcess>,
    /// Decisions of the packages, and those deployed alone, in order.
    pub decisions: Vec<PreparedDecision>,
    /// Content by digest: archives and resources.
    pub blobs: Vec<(Str, Bytes)>,
    /// What works, but probably not as meant.
    pub warnings: Vec<Diagnostic>,
    /// Packages that go.
    pub removed: Vec<Str>,
    /// The row that decides it, and its detail from then on; none: nothing was blocked.
    pub deployment: Option<(DeploymentKey, Bytes)>,
    /// Versions that are kept no longer: names and versions.
    pub forgotten: Vec<(Str, Str)>,
}

/// A package with everything it needs.
#[derive(Debug)]
pub struct PreparedPackage {
    /// The package, checked.
    pub package: Package,
    /// The digest of its archive.
    pub digest: Str,
    /// Whether it is not offered.
    pub is_disabled: bool,
    /// Why it is not fully loaded; empty: there is nothing to say.
    pub note: Str,
}

/// A compiled process.
#[derive(Debug, Clone)]
pub struct PreparedProcess {
    /// What runs.
    pub program: Arc<Program>,
    /// Its package's name, or empty.
    pub package: Str,
    /// Its package's version, or empty.
    pub package_version: Str,
    /// The resource's name.
    pub resource: Str,
    /// The resource's digest.
    pub digest: Str,
    /// Quality of service.
    pub quality: QualityOfService,
    /// Whether a new version is enabled at once.
    pub auto_enable: bool,
}

/// Compiles and checks a set of packages against what is deployed.
///
/// # Errors
/// [`Error::Refused`] with all problems at once.
pub fn prepare(sources: Vec<PackageSource>, catalog: &Catalog) -> Result<Prepared, Error> {
    let installed: Vec<Installed> =
        catalog.packages.values().map(|active| Installed::from(&active.package)).collect();
    let resolved = resolve(sources, &installed).map_err(|problems| Error::Refused { problems })?;
    let mut prepared = Prepared::default();
    let mut problems = Vec::new();
    for resolved in resolved {
        add(resolved, catalog, &mut prepared, &mut problems);
    }
    check_names(&prepared, catalog, &mut problems);
    let refused = problems.iter().any(|problem| problem.severity == Severity::Error);
    if refused {
        return Err(Error::Refused { problems });
    }
    prepared.warnings.extend(problems);
    Ok(prepared)
}

/// Checks packages without a server: as [`prepare`] against an empty catalogue.
///
/// # Errors
/// All problems at once.
pub fn check(sources: Vec<PackageSource>) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    match prepare(sources, &Catalog::default()) {
        Ok(prepared) => Ok(prepared.warnings),
        Err(Error::Refused { problems }) => Err(problems),
        Err(_) => Ok(Vec::new()),
    }
}

/// Compiles BPMN and DMN files that belong to no package.
///
/// # Errors
/// [`Error::Refused`] with all problems at once.
pub fn prepare_resources(
    resources: &[(String, Bytes)],
    catalog: &Catalog,
) -> Result<Prepared, Error> {
    let mut prepared = Prepared::default();
    let mut problems = Vec::new();
    let (rules, models): (Vec<_>, Vec<_>) =
        resources.iter().partition(|(name, _)| name.ends_with(decisions::ENDING));
    let files: Vec<_> = rules.iter().map(|(name, content)| (name.as_str(), &**content)).collect();
    let nobody = decisions::Owner { package: "", version: "" };
    decisions::compile(&files, nobody, &mut prepared, &mut problems);
    for (name, content) in models {
        let model = match bpmn::read(content, &bpmn::Limits::default()) {
            Ok(model) => model,
            Err(found) => {
                problems.extend(found.into_iter().map(|problem| diagnostic(name, problem)));
                continue;
            }
        };
        let digest: Str = digest(content).into();
        for program in model.programs {
            prepared.processes.push(PreparedProcess {
                program: Arc::new(program),
                package: "".into(),
                package_version: "".into(),
                resource: name.as_str().into(),
                digest: digest.clone(),
                quality: QualityOfService::default(),
                auto_enable: true,
            });
        }
        prepared.blobs.push((digest, content.clone()));
        let warnings = model.warnings.into_iter();
        prepared.warnings.extend(warnings.map(|problem| diagnostic(name, problem)));
    }
    check_names(&prepared, catalog, &mut problems);
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Error::Refused { problems });
    }
    prepared.warnings.extend(problems);
    Ok(prepared)
}

fn add(
    resolved: Resolved,
    catalog: &Catalog,
    prepared: &mut Prepared,
    problems: &mut Vec<Diagnostic>,
) {
    let package = resolved.package;
    let manifest = package.manifest();
    let (name, version) = (manifest.name.clone(), manifest.version.to_string());
    problems.extend(package.warnings.iter().cloned().map(|found| found.in_package(&name)));
    let files: Vec<_> = package.decisions().collect();
    let owner = decisions::Owner { package: &name, version: &version };
    decisions::compile(&files, owner, prepared, problems);
    compile(&package, prepared, problems);
    let archive = match package.source.archive() {
        Ok(archive) => Bytes::from(archive),
        Err(error) => {
            let hint = "check the disk and the package's files";
            let message = format!("the archive cannot be built: {error}");
            problems.push(Diagnostic::error("PKG-009", "package.toml", message, hint));
            return;
        }
    };
    let content: Str = digest(&archive).into();
    if let Some(active) = catalog.packages.get(name.as_str()) {
        let same = active.package.manifest().version.to_string() == version;
        if same && active.digest != content {
            let message = format!("version {version} of `{name}` is active with other content");
            let hint = "a version never changes: raise `version` in package.toml";
            let found = Diagnostic::error("PKG-020", "package.toml", message, hint);
            problems.push(found.in_package(&name));
        }
    }
    prepared.blobs.push((content.clone(), archive));
    prepared.packages.push(PreparedPackage {
        package,
        digest: content,
        is_disabled: false,
        note: "".into(),
    });
}

fn compile(package: &Package, prepared: &mut Prepared, problems: &mut Vec<Diagnostic>) {
    let manifest = package.manifest();
    for (path, content) in package.processes() {
        let file = format!("{}/{path}", manifest.name);
        let model = match bpmn::read(content, &bpmn::Limits::default()) {
            Ok(model) => model,
            Err(found) => {
                problems.extend(found.into_iter().map(|problem| diagnostic(&file, problem)));
                continue;
            }
        };
        problems.extend(model.warnings.into_iter().map(|problem| diagnostic(&file, problem)));
        let content_digest: Str = digest(content).into();
        for program in model.programs {
            let quality = manifest.quality_of_service(&program.id);
            prepared.processes.push(PreparedProcess {
                program: Arc::new(program),
                package: manifest.name.as_str().into(),
                package_version: manifest.version.to_string().into(),
                resource: path.into(),
                digest: content_digest.clone(),
                quality,
                auto_enable: manifest.settings.auto_enable,
            });
        }
        prepared.blobs.push((content_digest, Bytes::copy_from_slice(content)));
    }
}

/// What processes and triggers name must exist: in the set, or deployed.
fn check_names(prepared: &Prepared, catalog: &Catalog, problems: &mut Vec<Diagnostic>) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for definition in catalog.definitions.values() {
        owners.insert(definition.process(), &definition.package);
    }
    for process in &prepared.processes {
        let earlier = owners.insert(&process.program.id, &process.package);
        let other = earlier.filter(|owner| !owner.is_empty() && **owner != *process.package);
        let twice = prepared.processes.iter().filter(|p| p.program.id == process.program.id);
        if other.is_some() || twice.count() > 1 {
            let owner = other.unwrap_or(&process.package);
            let message =
                format!("process `{}` is declared by package `{owner}` too", process.program.id);
            let hint = "give one of them another id";
            problems.push(named(process, 0, "PKG-021", message, hint));
        }
    }
    decisions::check_owners(prepared, catalog, problems);
    let services = known_services(prepared, catalog);
    for process in &prepared.processes {
        check_process(process, &owners, &services, problems);
        together::check_decisions(process, prepared, catalog, problems);
    }
    for package in &prepared.packages {
        check_triggers(package, &owners, problems);
    }
    undeclared::check(prepared, catalog, &owners, problems);
}

fn known_services(prepared: &Prepared, catalog: &Catalog) -> BTreeSet<String> {
    let deployed = catalog.packages.values().map(|active| active.package.manifest());
    let new = prepared.packages.iter().map(|new| new.package.manifest());
    let replaced: BTreeSet<&str> =
        prepared.packages.iter().map(|new| new.package.manifest().name.as_str()).collect();
    deployed
        .filter(|manifest| !replaced.contains(manifest.name.as_str()))
        .chain(new)
        .flat_map(|manifest| {
            manifest.services.iter().map(move |known| format!("{}/{}", manifest.name, known.name))
        })
        .collect()
}

fn check_process(
    process: &PreparedProcess,
    owners: &BTreeMap<&str, &str>,
    services: &BTreeSet<String>,
    problems: &mut Vec<Diagnostic>,
) {
    for (position, element) in process.program.elements.iter().enumerate() {
        if let Some(wanted) = job_type(&element.kind).and_then(service_name) {
            let full = service_reference(&wanted, &process.package);
            if !services.contains(&full) {
                let message = format!("there is no service `{full}`");
                let hint = "declare it in package.toml, or drop `service:` for an external worker";
                problems.push(named(process, position, "PKG-012", message, hint));
            }
        }
        if let Kind::CallActivity(call) = &element.kind
            && let Some(Value::String(called)) = call.process_id.as_constant()
            && !owners.contains_key(&**called)
        {
            let message = format!("the called process `{called}` is not deployed");
            let hint = "deploy it before an instance comes here";
            let found = named(process, position, "PKG-012", message, hint);
            problems.push(found.warning());
        }
    }
}

fn check_triggers(
    package: &PreparedPackage,
    owners: &BTreeMap<&str, &str>,
    problems: &mut Vec<Diagnostic>,
) {
    let manifest = package.package.manifest();
    for trigger in &manifest.triggers {
        let TriggerTarget::Process(process) = &trigger.target else { continue };
        if !owners.contains_key(process.as_str()) {
            let message = format!(
                "trigger `{}` starts process `{process}`, which no package has",
                trigger.name
            );
            let hint = "correct the id, or add the BPMN file to processes/";
            let found = Diagnostic::error("PKG-012", "package.toml", message, hint);
            problems.push(found.at(trigger.place).in_package(&manifest.name));
        }
    }
}

/// The job type of an element that is one job.
#[must_use]
pub fn job_type(kind: &Kind) -> Option<&Expression> {
    match kind {
        Kind::ServiceTask(job)
        | Kind::SendTask(SendSpec::Job(job))
        | Kind::IntermediateMessage(SendSpec::Job(job))
        | Kind::EndMessage(SendSpec::Job(job))
        | Kind::ScriptTask(bpmn::Script::Job(job))
        | Kind::BusinessRuleTask(bpmn::Rule::Job(job)) => Some(&job.job_type),
        _ => None,
    }
}

fn service_name(job_type: &Expression) -> Option<String> {
    match job_type.as_constant() {
        Some(Value::String(text)) => text.strip_prefix(SERVICE_PREFIX).map(str::to_owned),
        _ => None,
    }
}

/// `package/name` of what a process of `package` calls `wanted`.
#[must_use]
pub fn service_reference(wanted: &str, package: &str) -> String {
    if wanted.contains('/') { wanted.to_owned() } else { format!("{package}/{wanted}") }
}

fn named(
    process: &PreparedProcess,
    position: usize,
    code: &'static str,
    message: String,
    hint: &str,
) -> Diagnostic {
    let element = &process.program.elements[position];
    let file = if process.package.is_empty() {
        process.resource.to_string()
    } else {
        format!("{}/{}", process.package, process.resource)
    };
    let place = host::Place { line: element.place.line, column: element.place.column };
    let mut found = Diagnostic::error(code, &file, message, hint).at(place);
    found.element = Some(element.id.clone());
    found
}

/// What the readers of BPMN and DMN found, as a problem of a package.
fn diagnostic(file: &str, problem: bpmn::Diagnostic) -> Diagnostic {
    let place = host::Place { line: problem.place.line, column: problem.place.column };
    let mut found = Diagnostic::error(problem.code, file, problem.message, &problem.hint).at(place);
    found.element = problem.element;
    match problem.severity {
        bpmn::Severity::Error => found,
        bpmn::Severity::Warning => found.warning(),
    }
}
