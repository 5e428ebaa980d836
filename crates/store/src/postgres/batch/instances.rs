//! Columns for the instance list, the audit log and the incidents.
//!
//! Boundary: several changes of one instance become one row, or one change of a row.
//! Read first: [`Row`].   Tests: `conformance/instances.rs`

use std::collections::BTreeMap;

use engine::ids::{InstanceKey, JobKey};

use super::super::session::{Write, values};
use super::super::text::encode;
use super::{Batch, Last, Of, columns, each, last};
use crate::statement::named;
use crate::unit::{IncidentRow, InstanceChange, InstanceState, NewAudit};

const AUDIT: &str = include_str!("../../sql/audit.postgres.sql");
const INCIDENTS: &str = include_str!("../../sql/incidents.postgres.sql");
const INSTANCES: &str = include_str!("../../sql/instances.postgres.sql");

/// What a group says about one instance: how it started, if it did, and what changed then.
#[derive(Default)]
struct Row<'u> {
    started: Option<&'u InstanceChange>,
    incidents: Option<u32>,
    end: Option<End>,
}

#[derive(Clone, Copy)]
struct End {
    state: InstanceState,
    ended_ms: i64,
    forget_ms: i64,
}

impl<'u> Row<'u> {
    fn add(&mut self, change: &'u InstanceChange) {
        match change {
            InstanceChange::Started { .. } => {
                *self = Self { started: Some(change), ..Self::default() };
            }
            InstanceChange::Incidents { open, .. } => self.incidents = Some(*open),
            InstanceChange::Ended { state, ended_ms, forget_ms, .. } => {
                self.end = Some(End { state: *state, ended_ms: *ended_ms, forget_ms: *forget_ms });
            }
        }
    }

    fn incidents(&self) -> Option<i64> {
        self.incidents.map(i64::from)
    }

    fn state(&self) -> Option<i16> {
        self.end.map(|end| end.state as i16)
    }

    fn ended_ms(&self) -> Option<i64> {
        self.end.map(|end| end.ended_ms)
    }

    fn forget_ms(&self) -> Option<i64> {
        self.end.map(|end| end.forget_ms)
    }
}

impl<'u> Batch<'u> {
    pub(super) fn instances(&mut self, group: &[Of<'u>]) {
        let mut rows: BTreeMap<InstanceKey, Row<'u>> = BTreeMap::new();
        for (_, change) in each(group, |unit| &unit.instances) {
            let (InstanceChange::Started { key, .. }
            | InstanceChange::Incidents { key, .. }
            | InstanceChange::Ended { key, .. }) = change;
            rows.entry(*key).or_default().add(change);
        }
        let (started, changed): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|(_, row)| row.started.is_some());
        self.start(&started);
        self.add(const { named(INSTANCES, "change") }, &changed, |rows| {
            columns!(rows, (key, row) =>
                key.to_i64(), row.incidents(), row.state(), row.ended_ms(), row.forget_ms())
        });
        let audit = each(group, |unit| &unit.audit)
            .map(|(_, row)| ((row.instance.to_i64(), row.sequence.cast_signed()), Some(row)));
        self.add(const { named(AUDIT, "append") }, &last::<_, &NewAudit>(audit).put, |rows| {
            columns!(rows, ((instance, sequence), row) =>
                *instance, *sequence, row.at_ms, &*row.records)
        });
        self.incidents(group);
    }

    fn start(&mut self, started: &[(InstanceKey, Row<'u>)]) {
        let rows: Vec<_> = started
            .iter()
            .filter_map(|(_, row)| match row.started? {
                InstanceChange::Started {
                    key,
                    definition,
                    process,
                    version,
                    parent,
                    business_key,
                    started_ms,
                } => {
                    let keys = (key.to_i64(), definition.to_i64(), parent.map(InstanceKey::to_i64));
                    let names = (encode(process), business_key.as_deref().map(encode));
                    Some((row, keys, names, i64::from(*version), *started_ms))
                }
                InstanceChange::Incidents { .. } | InstanceChange::Ended { .. } => None,
            })
            .collect();
        self.add(const { named(INSTANCES, "start") }, &rows, |rows| {
            columns!(rows, (row, keys, names, version, started_ms) =>
                keys.0,
                keys.1,
                names.0.clone(),
                *version,
                row.state().unwrap_or(InstanceState::Active as i16),
                row.incidents().unwrap_or(0),
                keys.2,
                names.1.clone(),
                *started_ms,
                row.ended_ms(),
                row.forget_ms(),
            )
        });
    }

    fn incidents(&mut self, group: &[Of<'u>]) {
        let incidents =
            each(group, |unit| &unit.incidents).map(|(_, (key, row))| (key.to_i64(), row.as_ref()));
        let Last { put, gone } = last::<_, &IncidentRow>(incidents);
        self.add(const { named(INCIDENTS, "put") }, &put, |rows| {
            columns!(rows, (key, row) =>
                *key,
                row.instance.to_i64(),
                row.step.to_i64(),
                row.job.map(JobKey::to_i64),
                encode(&row.element),
                encode(&row.process),
                encode(&row.kind),
                encode(&row.message),
                row.at_ms,
            )
        });
        self.add(const { named(INCIDENTS, "delete") }, &gone, |rows| columns!(rows, key => *key));
    }

    pub(super) fn forget_instances(&mut self, keys: &[i64]) {
        if !keys.is_empty() {
            let sql = const { named(INSTANCES, "forget") };
            self.writes.push(Write { sql, values: values![keys.to_vec()] });
        }
    }
}
