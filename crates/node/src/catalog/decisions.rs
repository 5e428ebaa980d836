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
            // What did not change with the caller's deployment has no version of it: then the one
            // that was the newest when the caller was deployed.
            Binding::Deployment => {
                let deployment = self.definitions.get(&wanted.caller)?.deployment;
                versions.iter().rev().find(|known| known.deployment <= deployment)
            }
            Binding::VersionTag(tag) => versions
                .iter()
                .rev()
                .find(|known| known.deployed.model.version_tag(&known.id) == Some(tag)),
        };
        found.map(|known| &known.deployed)
    }
}
