//! Writes the rows of the instance list, the audit log, the incidents and the counts.
//!
//! Boundary: rows of one kind at a time.
//! Invariants: SQI-1 at the end of each transaction `counts` says what counting the active rows
//! of `instances` would say.
//! Read first: [`Instances::change_all`].   Tests: `conformance`

use std::collections::BTreeMap;

use engine::ids::{IncidentKey, InstanceKey};
use rusqlite::{Connection, OptionalExtension as _};

use super::super::statement::statements;
use crate::unit::{IncidentRow, InstanceChange, InstanceState, NewAudit};

/// What an instance is to `counts`: its definition and whether it has incidents.
type Active = (i64, bool);

/// Writes what belongs to instances.
pub(super) struct Instances<'c> {
    list: List<'c>,
    audit: Audit<'c>,
    incidents: Incidents<'c>,
    /// Changes of `counts` by definition: active ones, and of these with incidents.
    counted: BTreeMap<i64, (i64, i64)>,
}

/// How an instance ends.
#[derive(Clone, Copy)]
struct End {
    key: InstanceKey,
    state: InstanceState,
    ended_ms: i64,
    forget_ms: i64,
}

impl End {
    fn of(change: &InstanceChange) -> Option<Self> {
        match *change {
            InstanceChange::Ended { key, state, ended_ms, forget_ms } => {
                Some(Self { key, state, ended_ms, forget_ms })
            }
            InstanceChange::Started { .. } | InstanceChange::Incidents { .. } => None,
        }
    }
}

statements!(List from "instances" {
    start, remove, active, set_incidents, end, forget, count,
});
statements!(Audit from "audit" { append, forget });
statements!(Incidents from "incidents" { put, delete });

impl<'c> Instances<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            list: List::prepare(connection)?,
            audit: Audit::prepare(connection)?,
            incidents: Incidents::prepare(connection)?,
            counted: BTreeMap::new(),
        })
    }

    pub(super) fn forget_counted(&mut self) {
        self.counted.clear();
    }

    pub(super) fn write_counted(&mut self) -> rusqlite::Result<()> {
        for (definition, (active, with_incidents)) in std::mem::take(&mut self.counted) {
            if (active, with_incidents) != (0, 0) {
                self.list.count.execute((definition, active, with_incidents))?;
            }
        }
        Ok(())
    }

    /// Applies changes that are sorted by instance.
    pub(super) fn change_all(&mut self, changes: &[InstanceChange]) -> rusqlite::Result<()> {
        let mut rest = changes.iter().peekable();
        while let Some(change) = rest.next() {
            match change {
                InstanceChange::Started { key, definition, .. } => {
                    // What ends at once is written once.
                    let end = rest.next_if(|next| End::of(next).is_some_and(|end| end.key == *key));
                    let end = end.and_then(End::of);
                    if !self.start(change, end)? {
                        self.remove(*key)?;
                        self.start(change, end)?;
                    }
                    self.count((definition.to_i64(), false), i64::from(end.is_none()));
                }
                InstanceChange::Incidents { key, open } => {
                    if let Some(before) = self.active(*key)? {
                        self.count(before, -1);
                        self.count((before.0, *open > 0), 1);
                    }
                    self.list.set_incidents.execute((key.to_i64(), open))?;
                }
                InstanceChange::Ended { key, state, ended_ms, forget_ms } => {
                    if let Some(before) = self.active(*key)? {
                        self.count(before, -1);
                    }
                    let values = (key.to_i64(), *state as u8, ended_ms, forget_ms);
                    self.list.end.execute(values)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn append(&mut self, row: &NewAudit) -> rusqlite::Result<()> {
        let values = (row.instance.to_i64(), row.sequence.cast_signed(), row.at_ms, &*row.records);
        self.audit.append.execute(values).map(drop)
    }

    pub(super) fn put_incident(
        &mut self,
        key: IncidentKey,
        row: Option<&IncidentRow>,
    ) -> rusqlite::Result<()> {
        let Some(row) = row else {
            return self.incidents.delete.execute([key.to_i64()]).map(drop);
        };
        self.incidents
            .put
            .execute((
                key.to_i64(),
                row.instance.to_i64(),
                row.step.to_i64(),
                row.job.map(engine::ids::JobKey::to_i64),
                &*row.element,
                &*row.process,
                &*row.kind,
                &*row.message,
                row.at_ms,
            ))
            .map(drop)
    }

    /// Removes an instance with its audit records; an active one stays.
    pub(super) fn forget(&mut self, key: InstanceKey) -> rusqlite::Result<bool> {
        if self.list.forget.execute([key.to_i64()])? == 0 && self.active(key)?.is_some() {
            return Ok(false);
        }
        self.audit.forget.execute([key.to_i64()])?;
        Ok(true)
    }

    /// Inserts the row; false if there is one.
    fn start(&mut self, change: &InstanceChange, end: Option<End>) -> rusqlite::Result<bool> {
        let InstanceChange::Started {
            key,
            definition,
            process,
            version,
            parent,
            business_key,
            started_ms,
        } = change
        else {
            return Ok(false);
        };
        let inserted = self.list.start.execute((
            key.to_i64(),
            definition.to_i64(),
            &**process,
            version,
            parent.map(InstanceKey::to_i64),
            business_key.as_deref(),
            started_ms,
            end.map_or(InstanceState::Active, |end| end.state) as u8,
            end.map(|end| end.ended_ms),
            end.map(|end| end.forget_ms),
        ))?;
        Ok(inserted == 1)
    }

    fn remove(&mut self, key: InstanceKey) -> rusqlite::Result<()> {
        if let Some(before) = self.active(key)? {
            self.count(before, -1);
        }
        self.list.remove.execute([key.to_i64()]).map(drop)
    }

    fn active(&mut self, key: InstanceKey) -> rusqlite::Result<Option<Active>> {
        self.list.active.query_row([key.to_i64()], read_active).optional()
    }

    fn count(&mut self, (definition, with_incidents): Active, by: i64) {
        let count = self.counted.entry(definition).or_default();
        count.0 += by;
        count.1 += if with_incidents { by } else { 0 };
    }
}

fn read_active(row: &rusqlite::Row<'_>) -> rusqlite::Result<Active> {
    Ok((row.get(0)?, row.get::<_, i64>(1)? > 0))
}
