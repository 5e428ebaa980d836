//! The decisions of a world: each file is a deployment of its own, and the models before the next
//! one belong to it.
//!
//! Boundary: as `script`.
//! Read first: [`Decided`].

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bpmn::Binding;
use feel::Str;

use crate::decisions::{DecisionVersion, Decisions, Wanted};
use crate::ids::DefinitionKey;

use super::world::World;

/// What is deployed, oldest first.
#[derive(Debug, Default)]
pub(super) struct Decided {
    versions: Vec<(Str, DecisionVersion)>,
    /// How many versions there were when each process version was deployed.
    callers: Vec<(DefinitionKey, usize)>,
}

impl Decided {
    /// Notes the deployment of a process version.
    pub(super) fn called_by(&mut self, definition: DefinitionKey) {
        self.callers.push((definition, self.versions.len()));
    }
}

impl Decisions for Decided {
    fn find(&self, wanted: &Wanted<'_>) -> Option<&DecisionVersion> {
        let known = match wanted.binding {
            Binding::Latest | Binding::VersionTag(_) => self.versions.len(),
            Binding::Deployment => {
                self.callers.iter().find(|(key, _)| *key == wanted.caller).map_or(0, |(_, n)| *n)
            }
        };
        let fits = |(id, version): &&(Str, DecisionVersion)| {
            **id == *wanted.decision
                && match wanted.binding {
                    Binding::VersionTag(tag) => version.model.version_tag(id) == Some(tag),
                    Binding::Latest | Binding::Deployment => true,
                }
        };
        self.versions.iter().take(known).rev().find(fits).map(|(_, version)| version)
    }
}

impl World {
    /// Deploys the decisions of a DMN file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn deploy_decisions(&mut self, xml: &str) -> Result<(), String> {
        let source = dmn::Source { name: "scenario", xml: xml.as_bytes() };
        let model = dmn::read(&source, &[], &dmn::Limits::default()).map_err(|found| {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            found.join("\n")
        })?;
        for (id, _) in model.decisions() {
            let known = self.decisions.versions.iter().filter(|(known, _)| known == id).count();
            let version = u32::try_from(known + 1).map_err(|error| format!("{error}"))?;
            let key = self.blocks.take().first();
            let deployed = DecisionVersion { key, version, model: model.clone() };
            self.decisions.versions.push((id.clone(), deployed));
        }
        Ok(())
    }
}
