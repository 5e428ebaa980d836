//! Versions of decisions in a deployment.
//!
//! Boundary: as `deploy`; a decision is not enabled or disabled, its newest version is in force.
//! Read first: [`Shard::add_decisions`].   Tests: `tests/decisions.rs`

use engine::DecisionVersion;
use engine::ids::DefinitionKey;
use store::DefinitionRow;

use crate::catalog::{Catalog, Decision};
use crate::packages::PreparedDecision;

use super::Shard;

impl Shard {
    /// Adds what is new; the key of each decision's version, in order. As with processes, what is
    /// the same as the newest version gives no new one.
    pub(super) fn add_decisions(
        &mut self,
        catalog: &mut Catalog,
        prepared: Vec<PreparedDecision>,
        deployment: u64,
    ) -> Vec<DefinitionKey> {
        let mut keys = Vec::with_capacity(prepared.len());
        for new in prepared {
            let latest = catalog.latest_decision(&new.id);
            let same = latest.filter(|latest| {
                latest.digest == new.digest
                    && latest.resource == new.resource
                    && latest.package == new.package
            });
            if let Some(same) = same {
                keys.push(DefinitionKey(same.deployed.key));
                continue;
            }
            let version = latest.map_or(1, |latest| latest.deployed.version + 1);
            let key = DefinitionKey(self.loose_key());
            let decision = Decision {
                id: new.id,
                deployed: DecisionVersion { key: key.0, version, model: new.model },
                package: new.package,
                package_version: new.package_version,
                resource: new.resource,
                digest: new.digest,
                deployment,
                at_ms: self.now_ms,
            };
            self.batch.unit.definitions.push(row_of(&decision));
            catalog.add_decision(decision);
            keys.push(key);
        }
        keys
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
