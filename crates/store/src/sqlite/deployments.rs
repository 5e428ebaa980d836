//! Deployments: asked of the readers, and aborted by the writer.
//!
//! Boundary: hands orders over; what they do is in `commit/deployments.rs`.
//! Read first: the implementation of [`Deployments`].   Tests: `conformance/deployments.rs`

use bytes::Bytes;
use engine::ids::DeploymentKey;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::Sqlite;
use super::order::Use;
use super::read::{self, Answer};
use super::readers::For;
use crate::deployments::{DeploymentFilter, DeploymentRow, DeploymentState, Deployments};
use crate::port::Task;
use crate::statement::named;

const DEPLOYMENTS: &str = include_str!("../sql/deployments.sqlite.sql");

impl Deployments for Sqlite {
    fn abort_deployment(
        &self,
        key: DeploymentKey,
        detail: Bytes,
    ) -> Task<'_, Option<DeploymentState>> {
        self.order(Use::Always, move |commit| commit.abort_deployment(key, &detail))
    }

    fn deployments<'a>(
        &'a self,
        filter: &'a DeploymentFilter,
    ) -> Task<'a, Vec<(DeploymentKey, DeploymentRow)>> {
        let filter = filter.clone();
        self.readers.later(For::Server, move |on| list(on, &filter))
    }

    fn deployment(&self, key: DeploymentKey) -> Task<'_, Option<DeploymentRow>> {
        Box::pin(async move { self.readers.now(|on| one(on, key)) })
    }
}

fn list(on: &Connection, filter: &DeploymentFilter) -> Answer<Vec<(DeploymentKey, DeploymentRow)>> {
    let values = (
        filter.before.map_or(i64::MAX, DeploymentKey::to_i64),
        filter.state.map(|state| state as u8),
        filter.limit,
    );
    let mut statement = on.prepare_cached(const { named(DEPLOYMENTS, "list") })?;
    statement.query_map(values, read_row)?.collect()
}

fn one(on: &Connection, key: DeploymentKey) -> Answer<Option<DeploymentRow>> {
    let mut statement = on.prepare_cached(const { named(DEPLOYMENTS, "one") })?;
    statement.query_row([key.to_i64()], |row| Ok(read_row(row)?.1)).optional()
}

fn read_row(row: &Row<'_>) -> Answer<(DeploymentKey, DeploymentRow)> {
    let deployment = DeploymentRow {
        state: read_state(row, 1)?,
        detail: read::bytes(row, 2)?,
        at_ms: row.get(3)?,
    };
    Ok((DeploymentKey(read::key(row, 0)?), deployment))
}

pub(super) fn read_state(row: &Row<'_>, column: usize) -> Answer<DeploymentState> {
    DeploymentState::of_number(row.get(column)?)
        .ok_or_else(|| read::unknown(column, "state of a deployment"))
}
