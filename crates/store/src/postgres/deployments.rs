//! Deployments: lists of them, and how one is aborted.
//!
//! Boundary: an abort is a function of the database (`migrations/postgres`), so that it is decided
//! under a lock and may be sent twice. It takes the connection of those that wait for commits.
//! Read first: the implementation of [`Deployments`].   Tests: `conformance/deployments.rs`

use bytes::Bytes;
use engine::ids::DeploymentKey;

use super::Postgres;
use super::read::{many, one};
use super::row::{Answer, Columns};
use super::session::values;
use crate::deployments::{DeploymentFilter, DeploymentRow, DeploymentState, Deployments};
use crate::port::Task;
use crate::statement::named;

const DEPLOYMENTS: &str = include_str!("../sql/deployments.postgres.sql");

impl Deployments for Postgres {
    fn abort_deployment(
        &self,
        key: DeploymentKey,
        detail: Bytes,
    ) -> Task<'_, Option<DeploymentState>> {
        Box::pin(async move {
            let values = values![key.to_i64(), &*detail];
            let sql = const { named(DEPLOYMENTS, "abort") };
            let read = |row: &Columns<'_>| row.get::<Option<i16>>(0)?.map(state_of).transpose();
            let states = self.demand("abort a deployment in", sql, &values, read).await?;
            Ok(states.first().copied().flatten())
        })
    }

    fn deployments<'a>(
        &'a self,
        filter: &'a DeploymentFilter,
    ) -> Task<'a, Vec<(DeploymentKey, DeploymentRow)>> {
        let values = values![
            filter.before.map_or(i64::MAX, DeploymentKey::to_i64),
            filter.state.map(|state| state as i16),
            i64::from(filter.limit),
        ];
        many(&self.server, const { named(DEPLOYMENTS, "list") }, values, read_row)
    }

    fn deployment(&self, key: DeploymentKey) -> Task<'_, Option<DeploymentRow>> {
        let sql = const { named(DEPLOYMENTS, "one") };
        one(&self.server, sql, values![key.to_i64()], |row| Ok(read_row(row)?.1))
    }
}

fn read_row(row: &Columns<'_>) -> Answer<(DeploymentKey, DeploymentRow)> {
    let deployment =
        DeploymentRow { state: state_of(row.get(1)?)?, detail: row.bytes(2)?, at_ms: row.get(3)? };
    Ok((DeploymentKey(row.key(0)?), deployment))
}

fn state_of(number: i16) -> Answer<DeploymentState> {
    DeploymentState::of_number(number.into())
        .ok_or_else(|| format!("unknown state {number} of a deployment").into())
}
