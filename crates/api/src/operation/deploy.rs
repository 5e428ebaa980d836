//! Deploys packages, or single resources.
//!
//! Boundary: reads archives within limits, off the connection's task; the rest is the node's.
//! Read first: [`sources`].

use std::sync::Arc;

use bytes::Bytes;
use engine::ids::DefinitionKey;
use host::package::{Limits, PackageSource};
use node::{Decision, Definition, Node, Requirements};

use crate::problem::Problem;

/// What a deployment brought.
#[derive(Debug)]
pub(crate) struct Deployed {
    /// The deployment's key; 0 if nothing was new and nothing is known.
    pub(crate) deployment: u64,
    /// The process versions, new ones and those that were there already.
    pub(crate) processes: Vec<Arc<Definition>>,
    /// The versions of decisions, likewise.
    pub(crate) decisions: Vec<Arc<Decision>>,
    /// The versions of the files that those stand in.
    pub(crate) requirements: Vec<Arc<Requirements>>,
}

/// Reads named archives, all problems of all of them at once.
pub(crate) async fn sources(archives: Vec<(String, Bytes)>) -> Result<Vec<PackageSource>, Problem> {
    let read = tokio::task::spawn_blocking(move || read(&archives)).await;
    let broke = |error| node::Error::Internal { detail: format!("reading broke: {error}") };
    Ok(read.map_err(broke)??)
}

/// Deploys BPMN and DMN files that belong to no package: all of them or none.
pub(crate) async fn resources(
    node: &Node,
    resources: Vec<(String, Bytes)>,
) -> Result<Deployed, Problem> {
    let (keys, _) = node.deploy_resources(resources).await?;
    Ok(describe(node, &keys))
}

fn read(archives: &[(String, Bytes)]) -> Result<Vec<PackageSource>, node::Error> {
    let (mut sources, mut problems) = (Vec::new(), Vec::new());
    for (name, bytes) in archives {
        match PackageSource::read_archive(bytes, &Limits::default()) {
            Ok(source) => sources.push(source),
            Err(found) => problems.extend(found.into_iter().map(|one| one.in_package(name))),
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(node::Error::Refused { problems }) }
}

/// What keys stand for, as far as it is known here.
pub(crate) fn describe(node: &Node, keys: &[DefinitionKey]) -> Deployed {
    let catalog = node.catalog();
    let known = keys.iter().filter_map(|key| catalog.definitions.get(key).cloned());
    let processes: Vec<_> = known.collect();
    let decisions: Vec<_> =
        keys.iter().filter_map(|key| catalog.decision(key.0).cloned()).collect();
    let of_processes = processes.iter().map(|known| known.deployment);
    let of_decisions = decisions.iter().map(|known| known.deployment);
    let deployment = of_processes.chain(of_decisions).max().unwrap_or(0);
    let requirements = keys.iter().filter_map(|key| catalog.requirements(key.0).cloned()).collect();
    Deployed { deployment, processes, decisions, requirements }
}
