//! Opens, decides and forgets deployments, inside the writer's transaction.
//!
//! Boundary: one connection writes, so what was read a moment ago is still so.
//! Read first: [`Deployments::refused`].   Tests: `conformance/deployments.rs`

use engine::ids::DeploymentKey;
use rusqlite::OptionalExtension as _;

use super::super::deployments::read_state;
use super::super::read::Answer;
use super::super::statement::statements;
use super::Commit;
use crate::deployments::{self, DeploymentChange, DeploymentState};

statements!(
    /// Writes deployments.
    Deployments from "deployments" { open, decide, put_detail, forget, state }
);

impl Deployments<'_> {
    /// The deployment for which a unit with these changes is refused (DEP-1).
    pub(super) fn refused(
        &mut self,
        changes: &[DeploymentChange],
    ) -> Answer<Option<DeploymentKey>> {
        deployments::refused(changes, |key| self.state_of(key))
    }

    pub(super) fn write(&mut self, change: &DeploymentChange) -> Answer<()> {
        match change {
            DeploymentChange::Open { key, detail, at_ms } => {
                self.open.execute((key.to_i64(), &**detail, at_ms))
            }
            DeploymentChange::Commit { key, detail } => {
                self.decide.execute((key.to_i64(), DeploymentState::Committed as u8, &**detail))
            }
            DeploymentChange::Detail { key, detail } => {
                self.put_detail.execute((key.to_i64(), &**detail))
            }
            DeploymentChange::Forget { key } => self.forget.execute([key.to_i64()]),
        }
        .map(drop)
    }

    fn state_of(&mut self, key: DeploymentKey) -> Answer<Option<DeploymentState>> {
        self.state.query_row([key.to_i64()], |row| read_state(row, 0)).optional()
    }
}

impl Commit<'_> {
    pub(in super::super) fn abort_deployment(
        &mut self,
        key: DeploymentKey,
        detail: &[u8],
    ) -> Answer<Option<DeploymentState>> {
        let values = (key.to_i64(), DeploymentState::Aborted as u8, detail);
        if self.deployments.decide.execute(values)? > 0 {
            self.cluster.raise("deployments")?;
        }
        self.deployments.state_of(key)
    }
}
