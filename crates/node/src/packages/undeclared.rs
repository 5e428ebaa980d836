//! References to packages that no declared dependency covers: such a package may be replaced while
//! the one that uses it runs, because a deployment waits for declared dependents only (R4).
//!
//! Boundary: what is named by constants in models and triggers; what an expression names is known
//! only when it is evaluated.
//! Read first: [`check`].

use std::collections::{BTreeMap, BTreeSet};

use bpmn::Kind;
use feel::Value;
use host::Diagnostic;
use host::package::TriggerTarget;

use crate::catalog::Catalog;

use super::{Prepared, PreparedPackage, PreparedProcess, job_type, named, service_name};

/// Warns of every such reference, with its place.
pub(super) fn check(
    prepared: &Prepared,
    catalog: &Catalog,
    owners: &BTreeMap<&str, &str>,
    problems: &mut Vec<Diagnostic>,
) {
    for package in &prepared.packages {
        let manifest = package.package.manifest();
        let mut declared: BTreeSet<&str> =
            manifest.dependencies.iter().map(|one| one.name.as_str()).collect();
        declared.insert(&manifest.name);
        // A process that belongs to no package is never replaced with one.
        declared.insert("");
        let own = prepared.processes.iter().filter(|one| *one.package == *manifest.name);
        for process in own {
            for position in 0..process.program.elements.len() {
                let used = used_by(process, position, (prepared, catalog), owners);
                if let Some(used) = used.filter(|used| !declared.contains(used.as_str())) {
                    let (message, hint) = words(&used);
                    let found = named(process, position, "PKG-024", message, &hint);
                    problems.push(found.warning());
                }
            }
        }
        check_triggers(package, &declared, owners, problems);
    }
}

fn check_triggers(
    package: &PreparedPackage,
    declared: &BTreeSet<&str>,
    owners: &BTreeMap<&str, &str>,
    problems: &mut Vec<Diagnostic>,
) {
    let manifest = package.package.manifest();
    for trigger in &manifest.triggers {
        let TriggerTarget::Process(process) = &trigger.target else { continue };
        let Some(owner) = owners.get(process.as_str()) else { continue };
        if !declared.contains(owner) {
            let (message, hint) = words(owner);
            let found = Diagnostic::error("PKG-024", "package.toml", message, &hint);
            problems.push(found.at(trigger.place).in_package(&manifest.name).warning());
        }
    }
}

fn words(used: &str) -> (String, String) {
    (
        format!("package `{used}` is used, but it is no declared dependency"),
        format!(
            "add `{used}` to `[dependencies]`: a deployment of `{used}` does not wait for this \
             package otherwise"
        ),
    )
}

/// The package that an element uses by a constant name.
fn used_by(
    process: &PreparedProcess,
    position: usize,
    (prepared, catalog): (&Prepared, &Catalog),
    owners: &BTreeMap<&str, &str>,
) -> Option<String> {
    let kind = &process.program.elements[position].kind;
    if let Some(service) = job_type(kind).and_then(service_name) {
        return service.split_once('/').map(|(package, _)| package.to_owned());
    }
    match kind {
        Kind::CallActivity(call) => {
            let Some(Value::String(called)) = call.process_id.as_constant() else { return None };
            owners.get(&**called).map(|owner| (*owner).to_owned())
        }
        Kind::BusinessRuleTask(bpmn::Rule::Decision(called)) => {
            let Some(Value::String(wanted)) = called.decision_id.as_constant() else { return None };
            let comes = prepared.decisions.iter().find(|new| new.id == *wanted);
            let known = || catalog.decisions.get(wanted)?.last().map(|one| one.package.to_string());
            comes.map(|new| new.package.to_string()).or_else(known)
        }
        _ => None,
    }
}
