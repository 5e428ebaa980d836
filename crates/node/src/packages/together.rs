//! What of a deployment is as it was, and what becomes a new version all the same, because a
//! process means the versions that came with it (`bindingType="deployment"`).
//!
//! Camunda 8 makes a new version of every resource of a call that brings anything new; so do
//! resources without a package here. A package does it if one of its processes is bound like that.
//!
//! Boundary: compares; the shard makes the versions.
//! Read first: [`renewed`].   Tests: `tests/decisions.rs`

use std::collections::BTreeSet;
use std::sync::Arc;

use bpmn::{Binding, Kind, Rule};
use feel::{Str, Value};
use host::Diagnostic;

use super::{Prepared, PreparedDecision, PreparedProcess, named};
use crate::catalog::{Catalog, Decision, Definition, Requirements};

/// The newest version of a process, if this is the same.
pub(crate) fn same_process<'c>(
    catalog: &'c Catalog,
    new: &PreparedProcess,
) -> Option<&'c Arc<Definition>> {
    catalog.latest(&new.program.id).filter(|latest| {
        latest.digest == new.digest
            && latest.resource == new.resource
            && latest.package == new.package
            && latest.quality == new.quality
    })
}

/// The newest version of a decision, if this is the same.
pub(crate) fn same_decision<'c>(
    catalog: &'c Catalog,
    new: &PreparedDecision,
) -> Option<&'c Arc<Decision>> {
    catalog.latest_decision(&new.id).filter(|latest| {
        latest.digest == new.digest
            && latest.resource == new.resource
            && latest.package == new.package
    })
}

/// The newest version of a file of decisions, if this is the same.
pub(crate) fn same_requirements<'c>(
    catalog: &'c Catalog,
    new: &PreparedDecision,
) -> Option<&'c Arc<Requirements>> {
    catalog.requirements.get(new.model.id())?.last().filter(|latest| {
        latest.digest == new.digest
            && latest.resource == new.resource
            && latest.package == new.package
    })
}

/// The packages (empty: none) of which everything gets a new version, changed or not.
pub(crate) fn renewed(prepared: &Prepared, catalog: &Catalog) -> BTreeSet<Str> {
    let of_processes = prepared.processes.iter().map(|new| &new.package);
    let of_decisions = prepared.decisions.iter().map(|new| &new.package);
    let owners: BTreeSet<&Str> = of_processes.chain(of_decisions).collect();
    let renewed = owners.into_iter().filter(|owner| is_renewed(owner, prepared, catalog));
    renewed.cloned().collect()
}

fn is_renewed(owner: &str, prepared: &Prepared, catalog: &Catalog) -> bool {
    let processes = || prepared.processes.iter().filter(|new| &*new.package == owner);
    let decisions = prepared.decisions.iter().filter(|new| &*new.package == owner);
    let is_bound = processes().any(is_bound);
    if !owner.is_empty() && !is_bound {
        return false;
    }
    let known = processes().map(|new| same_process(catalog, new).map(|same| same.deployment));
    let decided = decisions.map(|new| same_decision(catalog, new).map(|same| same.deployment));
    let known: BTreeSet<Option<u64>> = known.chain(decided).collect();
    // All is as it was; but what is bound together must have come together.
    known.contains(&None) || (is_bound && known.len() > 1)
}

fn is_bound(process: &PreparedProcess) -> bool {
    process.program.elements.iter().any(|element| match &element.kind {
        Kind::CallActivity(call) => call.same_deployment,
        Kind::BusinessRuleTask(Rule::Decision(called)) => called.binding == Binding::Deployment,
        _ => false,
    })
}

/// Decisions that are called by name should be there; they may come later, unless they have to
/// come with the process.
pub(super) fn check_decisions(
    process: &PreparedProcess,
    prepared: &Prepared,
    catalog: &Catalog,
    problems: &mut Vec<Diagnostic>,
) {
    for (position, element) in process.program.elements.iter().enumerate() {
        let Kind::BusinessRuleTask(Rule::Decision(called)) = &element.kind else { continue };
        let Some(Value::String(wanted)) = called.decision_id.as_constant() else { continue };
        let mut comes = prepared.decisions.iter().filter(|new| new.id == *wanted);
        if called.binding == Binding::Deployment {
            if !comes.any(|new| new.package == process.package) {
                let message =
                    format!("the decision `{wanted}` of the same deployment is not in it");
                let hint = "deploy them together, or call it with another `bindingType`";
                problems.push(named(process, position, "PKG-012", message, hint));
            }
        } else if comes.next().is_none() && !catalog.decisions.contains_key(wanted) {
            let message = format!("the called decision `{wanted}` is not deployed");
            let hint = "deploy it before an instance comes here";
            problems.push(named(process, position, "PKG-012", message, hint).warning());
        }
    }
}
