//! Decisions that are deployed: versions by id, and which one a business rule task means.
//!
//! Boundary: as `catalog`; who evaluates them is `engine`.
//! Invariants: CAT-2 a version of a decision is never changed or removed.
//! Read first: [`Decision`], then [`Catalog::decision`].   Tests: `tests/decisions.rs`

use std::sync::Arc;

use bpmn::Binding;
use engine::{DecisionVersion, Decisions, Wanted};
use feel::Str;

use super::Catalog;

/// One version of one decision.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Its id.
    pub id: Str,
    /// Its key, its version number, and the model that has it.
    pub deployed: DecisionVersion,
    /// The package, or empty for a resource deployed alone.
    pub package: Str,
    /// The package's version.
    pub package_version: Str,
    /// The resource's name.
    pub resource: Str,
    /// The resource's digest, with what it imports.
    pub digest: Str,
    /// The deployment that brought it.
    pub deployment: u64,
    /// When it was deployed, milliseconds since 1970 UTC.
    pub at_ms: i64,
}

/// One version of a DMN file: the decisions in it, with what they require.
#[derive(Debug, Clone)]
pub struct Requirements {
    /// The id of its definitions, or else their name.
    pub id: Str,
    /// The name of its definitions.
    pub name: Str,
    /// Its key.
    pub key: u64,
    /// Its version number, from 1.
    pub version: u32,
    /// The package, or empty for a resource deployed alone.
    pub package: Str,
    /// The package's version.
    pub package_version: Str,
    /// The resource's name.
    pub resource: Str,
    /// The resource's digest, with what it imports.
    pub digest: Str,
    /// The deployment that brought it.
    pub deployment: u64,
    /// When it was deployed, milliseconds since 1970 UTC.
    pub at_ms: i64,
}

impl Decision {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        let mut all = self.deployed.model.decisions();
        all.find(|(id, _)| **id == self.id).map_or("", |(_, name)| name)
    }
}

impl Catalog {
    /// Adds a version of a decision.
    pub fn add_decision(&mut self, decision: Decision) {
        let versions = self.decisions.entry(decision.id.clone()).or_default();
        versions.push(Arc::new(decision));
        versions.sort_by_key(|known| known.deployed.version);
    }

    /// Adds a version of a file of decisions.
    pub fn add_requirements(&mut self, requirements: Requirements) {
        let versions = self.requirements.entry(requirements.id.clone()).or_default();
        versions.push(Arc::new(requirements));
        versions.sort_by_key(|known| known.version);
    }

    /// The version of the file that a version of a decision stands in.
    #[must_use]
    pub fn requirements_of(&self, decision: &Decision) -> Option<&Arc<Requirements>> {
        let same = |known: &&Arc<Requirements>| {
            known.digest == decision.digest
                && known.resource == decision.resource
                && known.package == decision.package
        };
        let versions = self.requirements.get(decision.deployed.model.id())?;
        let together = versions.iter().find(|known| known.deployment == decision.deployment);
        together.filter(same).or_else(|| versions.iter().rev().find(same))
    }

    /// The version of the decision `id` that `decision` is evaluated with: that of the same file,
    /// or else, since it is imported, of the same deployment.
    #[must_use]
    pub fn decided_with(&self, decision: &Decision, id: &str) -> Option<&Arc<Decision>> {
        let versions = || self.decisions.get(id).into_iter().flatten().rev();
        let together = |known: &&Arc<Decision>| known.deployment == decision.deployment;
        let same = |known: &&Arc<Decision>| {
            known.digest == decision.digest
                && known.resource == decision.resource
                && known.package == decision.package
        };
        versions()
            .find(|known| together(known) && same(known))
            .or_else(|| versions().find(same))
            .or_else(|| versions().find(together))
    }

    /// The version of a file of decisions with this key.
    #[must_use]
    pub fn requirements(&self, key: u64) -> Option<&Arc<Requirements>> {
        self.requirements.values().flatten().find(|known| known.key == key)
    }

    /// The newest version of a decision.
    #[must_use]
    pub fn latest_decision(&self, id: &str) -> Option<&Arc<Decision>> {
        self.decisions.get(id)?.last()
    }

    /// The version of a decision with this key.
    #[must_use]
    pub fn decision(&self, key: u64) -> Option<&Arc<Decision>> {
        self.decisions.values().flatten().find(|known| known.deployed.key == key)
    }
}

impl Decisions for Catalog {
    fn find(&self, wanted: &Wanted<'_>) -> Option<&DecisionVersion> {
        let versions = self.decisions.get(wanted.decision)?;
        let found = match wanted.binding {
            Binding::Latest => versions.last(),
            Binding::Deployment => {
                let deployment = self.definitions.get(&wanted.caller)?.deployment;
                versions.iter().rev().find(|known| known.deployment == deployment)
            }
            Binding::VersionTag(tag) => versions
                .iter()
                .rev()
                .find(|known| known.deployed.model.version_tag(&known.id) == Some(tag)),
        };
        found.map(|known| &known.deployed)
    }
}
