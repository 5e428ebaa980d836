//! Columns for deployments: in the order of the units, because each change depends on those before.
//!
//! Boundary: a unit with one is the last of its shard in a group, so that one that is refused
//! takes no other with it.
//! Read first: [`Batch::deployments`].   Tests: `conformance/deployments.rs`

use engine::ids::DeploymentKey;

use super::{Batch, Of, columns, each};
use crate::deployments::DeploymentChange;
use crate::statement::named;
use crate::unit::Unit;

const DEPLOYMENTS: &str = include_str!("../../sql/deployments.postgres.sql");

/// Whether a unit commits the deployment.
pub(in super::super) fn commits(unit: &Unit, deployment: DeploymentKey) -> bool {
    unit.deployments
        .iter()
        .any(|change| matches!(change, DeploymentChange::Commit { key, .. } if *key == deployment))
}

impl<'u> Batch<'u> {
    pub(super) fn deployments(&mut self, group: &[Of<'u>]) {
        let changes: Vec<(i16, i64, &[u8], i64)> = each(group, |unit| &unit.deployments)
            .map(|(_, change)| match change {
                DeploymentChange::Open { key, detail, at_ms } => {
                    (1, key.to_i64(), &**detail, *at_ms)
                }
                DeploymentChange::Commit { key, detail } => (2, key.to_i64(), &**detail, 0),
                DeploymentChange::Detail { key, detail } => (3, key.to_i64(), &**detail, 0),
                DeploymentChange::Forget { key } => (4, key.to_i64(), &[][..], 0),
            })
            .collect();
        self.add(
            const { named(DEPLOYMENTS, "deploy") },
            &changes,
            |rows| columns!(rows, (kind, key, detail, at_ms) => *kind, *key, *detail, *at_ms),
        );
    }
}
