//! Hot deployments: one row each, in which it is decided whether all servers switch or none.
//!
//! Boundary: a unit of the shard that opened the row commits it together with the catalogue; any
//! server aborts it, without holding anything. What the detail says is `node`'s business; it stays
//! in the row however long it is.
//! Invariants: DEP-1 whoever is first decides, and nobody changes that: a unit that commits a
//! deployment that is not open is refused whole, with everything else in it.
//! Read first: [`DeploymentChange`], then [`Deployments`].   Tests: `conformance/deployments.rs`

use std::collections::BTreeMap;

use bytes::Bytes;
use engine::ids::DeploymentKey;

use crate::port::Task;

/// How a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DeploymentState {
    /// Not decided.
    Open = 1,
    /// All servers switch.
    Committed = 2,
    /// No server switches.
    Aborted = 3,
}

/// A deployment of packages on all servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRow {
    /// How it stands.
    pub state: DeploymentState,
    /// What it is about, and what became of it.
    pub detail: Bytes,
    /// When it was opened, milliseconds since 1970 UTC.
    pub at_ms: i64,
}

/// A change of a deployment by a unit.
#[derive(Debug, Clone)]
pub enum DeploymentChange {
    /// A new row; one that is there already stays as it is.
    Open {
        /// The deployment.
        key: DeploymentKey,
        /// What it is about.
        detail: Bytes,
        /// When, milliseconds since 1970 UTC.
        at_ms: i64,
    },
    /// It happens, unless it is not open (any more): then the unit is refused whole (DEP-1).
    Commit {
        /// The deployment.
        key: DeploymentKey,
        /// Its detail from now on.
        detail: Bytes,
    },
    /// Another detail, however it stands.
    Detail {
        /// The deployment.
        key: DeploymentKey,
        /// Its detail from now on.
        detail: Bytes,
    },
    /// The row goes, if it is decided; an open one stays.
    Forget {
        /// The deployment.
        key: DeploymentKey,
    },
}

/// Which deployments to list; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct DeploymentFilter {
    /// Only in this state.
    pub state: Option<DeploymentState>,
    /// Only older than this key: the cursor of the next page.
    pub before: Option<DeploymentKey>,
    /// At most so many rows.
    pub limit: u32,
}

/// What there is to decide, and for whom.
pub trait Deployments: Send + Sync + 'static {
    /// Aborts a deployment with a last detail, if it is open; anybody may. Answers how it stands
    /// then, which is committed if that came first; none: there is no such row. Idempotent. An
    /// error says nothing about how it stands: ask again.
    fn abort_deployment(
        &self,
        key: DeploymentKey,
        detail: Bytes,
    ) -> Task<'_, Option<DeploymentState>>;

    /// Deployments, newest first.
    fn deployments<'a>(
        &'a self,
        filter: &'a DeploymentFilter,
    ) -> Task<'a, Vec<(DeploymentKey, DeploymentRow)>>;

    /// One deployment.
    fn deployment(&self, key: DeploymentKey) -> Task<'_, Option<DeploymentRow>>;
}

impl DeploymentState {
    /// What is stored as `number`.
    pub(crate) fn of_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Open),
            2 => Some(Self::Committed),
            3 => Some(Self::Aborted),
            _ => None,
        }
    }
}

/// The first deployment that `changes` would commit although it is not open, if there is one.
pub(crate) fn refused<E>(
    changes: &[DeploymentChange],
    mut stored: impl FnMut(DeploymentKey) -> Result<Option<DeploymentState>, E>,
) -> Result<Option<DeploymentKey>, E> {
    // What the changes before it have made of a row counts.
    let mut states: BTreeMap<DeploymentKey, Option<DeploymentState>> = BTreeMap::new();
    for change in changes {
        let (DeploymentChange::Open { key, .. }
        | DeploymentChange::Commit { key, .. }
        | DeploymentChange::Detail { key, .. }
        | DeploymentChange::Forget { key }) = change;
        let state = match states.get(key) {
            Some(state) => *state,
            None => stored(*key)?,
        };
        let next = match change {
            DeploymentChange::Open { .. } => state.or(Some(DeploymentState::Open)),
            DeploymentChange::Commit { .. } if state != Some(DeploymentState::Open) => {
                return Ok(Some(*key));
            }
            DeploymentChange::Commit { .. } => Some(DeploymentState::Committed),
            DeploymentChange::Detail { .. } => state,
            DeploymentChange::Forget { .. } => state.filter(|is| *is == DeploymentState::Open),
        };
        states.insert(*key, next);
    }
    Ok(None)
}

/// Whether others have to hear of one of them.
pub(crate) fn are_told(changes: &[DeploymentChange]) -> bool {
    !changes.iter().all(|change| matches!(change, DeploymentChange::Detail { .. }))
}
