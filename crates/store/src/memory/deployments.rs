//! Deployments in memory.
//!
//! Boundary: a unit that commits one was checked before.
//! Read first: the implementation of [`Deployments`].   Tests: `conformance/deployments.rs`

use std::collections::btree_map::Entry;

use bytes::Bytes;
use engine::ids::DeploymentKey;

use super::{Memory, State, done, rows};
use crate::deployments::{
    DeploymentChange, DeploymentFilter, DeploymentRow, DeploymentState, Deployments, are_told,
};
use crate::port::Task;

impl State {
    pub(super) fn apply_deployments(&mut self, changes: Vec<DeploymentChange>) {
        self.cluster.deployments += u64::from(are_told(&changes));
        for change in changes {
            match change {
                DeploymentChange::Open { key, detail, at_ms } => {
                    let row = DeploymentRow { state: DeploymentState::Open, detail, at_ms };
                    self.deployments.entry(key).or_insert(row);
                }
                DeploymentChange::Commit { key, detail } => {
                    if let Some(row) = self.deployments.get_mut(&key) {
                        row.state = DeploymentState::Committed;
                        row.detail = detail;
                    }
                }
                DeploymentChange::Detail { key, detail } => {
                    if let Some(row) = self.deployments.get_mut(&key) {
                        row.detail = detail;
                    }
                }
                DeploymentChange::Forget { key } => {
                    if let Entry::Occupied(row) = self.deployments.entry(key)
                        && row.get().state != DeploymentState::Open
                    {
                        row.remove();
                    }
                }
            }
        }
    }
}

impl Deployments for Memory {
    fn abort_deployment(
        &self,
        key: DeploymentKey,
        detail: Bytes,
    ) -> Task<'_, Option<DeploymentState>> {
        let mut state = self.state();
        let Some(row) = state.deployments.get_mut(&key) else { return done(None) };
        if row.state != DeploymentState::Open {
            return done(Some(row.state));
        }
        row.state = DeploymentState::Aborted;
        row.detail = detail;
        state.cluster.deployments += 1;
        done(Some(DeploymentState::Aborted))
    }

    fn deployments<'a>(
        &'a self,
        filter: &'a DeploymentFilter,
    ) -> Task<'a, Vec<(DeploymentKey, DeploymentRow)>> {
        let state = self.state();
        done(
            state
                .deployments
                .iter()
                .rev()
                .filter(|(key, row)| {
                    filter.before.is_none_or(|before| **key < before)
                        && filter.state.is_none_or(|state| row.state == state)
                })
                .map(|(key, row)| (*key, row.clone()))
                .take(rows(filter.limit))
                .collect(),
        )
    }

    fn deployment(&self, key: DeploymentKey) -> Task<'_, Option<DeploymentRow>> {
        done(self.state().deployments.get(&key).cloned())
    }
}
