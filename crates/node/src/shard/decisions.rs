//! Versions of decisions and of the files that they stand in, in a deployment.
//!
//! Boundary: as `deploy`; a decision is not enabled or disabled, its newest version is in force.
//! The row of a file is told from those of its decisions by not being enabled.
//! Read first: [`Shard::add_decisions`].   Tests: `tests/decisions.rs`

use std::collections::BTreeSet;

use engine::DecisionVersion;
use engine::ids::DefinitionKey;
use feel::Str;
use store::DefinitionRow;

use crate::catalog::{Catalog, Decision, Requirements};
use crate::packages::{PreparedDecision, together};

use super::Shard;

/// The deployment that brings decisions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coming<'a> {
    pub(super) deployment: u64,
    /// The packages of which everything gets a new version.
    pub(super) renewed: &'a BTreeSet<Str>,
}

impl Shard {
    /// Adds what is new. The key of each decision's version, in order, then of each file's. As with
    /// processes, what is the same as the newest version gives no new one.
    pub(super) fn add_decisions(
        &mut self,
        catalog: &mut Catalog,
        prepared: Vec<PreparedDecision>,
        coming: Coming<'_>,
    ) -> Vec<DefinitionKey> {
        let mut files: Vec<DefinitionKey> = Vec::new();
        let mut keys = Vec::with_capacity(prepared.len());
        let mut last: Option<(Str, Str)> = None;
        for new in prepared {
            let file = (new.package.clone(), new.resource.clone());
            if last.as_ref() != Some(&file) {
                files.push(self.add_file(catalog, &new, coming));
                last = Some(file);
            }
            keys.push(self.add_decision(catalog, new, coming));
        }
        keys.extend(files);
        keys
    }

    fn add_decision(
        &mut self,
        catalog: &mut Catalog,
        new: PreparedDecision,
        coming: Coming<'_>,
    ) -> DefinitionKey {
        let same = together::same_decision(catalog, &new);
        if let Some(same) = same.filter(|_| !coming.renewed.contains(&new.package)) {
            return DefinitionKey(same.deployed.key);
        }
        let latest = catalog.latest_decision(&new.id);
        let version = latest.map_or(1, |latest| latest.deployed.version + 1);
        let key = self.loose_key();
        let decision = Decision {
            id: new.id,
            deployed: DecisionVersion { key, version, model: new.model },
            package: new.package,
            package_version: new.package_version,
            resource: new.resource,
            digest: new.digest,
            deployment: coming.deployment,
            at_ms: self.now_ms,
        };
        self.batch.unit.definitions.push(row_of(&decision));
        catalog.add_decision(decision);
        DefinitionKey(key)
    }

    /// The version of the file that `new` is the first decision of.
    fn add_file(
        &mut self,
        catalog: &mut Catalog,
        new: &PreparedDecision,
        coming: Coming<'_>,
    ) -> DefinitionKey {
        let same = together::same_requirements(catalog, new);
        if let Some(same) = same.filter(|_| !coming.renewed.contains(&new.package)) {
            return DefinitionKey(same.key);
        }
        let latest = catalog.requirements.get(new.model.id()).and_then(|known| known.last());
        let requirements = Requirements {
            id: new.model.id().clone(),
            name: new.model.name().into(),
            version: latest.map_or(1, |latest| latest.version + 1),
            key: self.loose_key(),
            package: new.package.clone(),
            package_version: new.package_version.clone(),
            resource: new.resource.clone(),
            digest: new.digest.clone(),
            deployment: coming.deployment,
            at_ms: self.now_ms,
        };
        let key = DefinitionKey(requirements.key);
        self.batch.unit.definitions.push(row_of_file(&requirements));
        catalog.add_requirements(requirements);
        key
    }
}

fn row_of(decision: &Decision) -> DefinitionRow {
    DefinitionRow {
        key: DefinitionKey(decision.deployed.key),
        process: decision.id.clone(),
        version: decision.deployed.version,
        package: decision.package.clone(),
        package_version: decision.package_version.clone(),
        resource: decision.resource.clone(),
        digest: decision.digest.clone(),
        deployment: decision.deployment,
        enabled: true,
        at_ms: decision.at_ms,
    }
}

fn row_of_file(file: &Requirements) -> DefinitionRow {
    DefinitionRow {
        key: DefinitionKey(file.key),
        process: file.id.clone(),
        version: file.version,
        package: file.package.clone(),
        package_version: file.package_version.clone(),
        resource: file.resource.clone(),
        digest: file.digest.clone(),
        deployment: file.deployment,
        enabled: false,
        at_ms: file.at_ms,
    }
}
