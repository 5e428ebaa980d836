//! Entries of trigger queues that wait for another delivery.
//!
//! Boundary: an index in memory of queued entries; parked and dead ones are rows only.
//! Read first: [`EntryQueue`].

use std::collections::BTreeSet;

use engine::ids::EntryKey;
use hashbrown::HashMap;
use store::EntryRow;

/// Entries that wait for another delivery, by the time they are due.
#[derive(Default)]
pub(super) struct EntryQueue {
    due: BTreeSet<(i64, EntryKey)>,
    rows: HashMap<EntryKey, EntryRow>,
}

impl EntryQueue {
    pub(super) fn add(&mut self, entry: EntryKey, row: EntryRow) {
        let due_ms = row.due_ms;
        self.due.insert((due_ms, entry));
        if let Some(earlier) = self.rows.insert(entry, row)
            && earlier.due_ms != due_ms
        {
            self.due.remove(&(earlier.due_ms, entry));
        }
    }

    pub(super) fn remove(&mut self, entry: EntryKey) -> Option<EntryRow> {
        let row = self.rows.remove(&entry)?;
        self.due.remove(&(row.due_ms, entry));
        Some(row)
    }

    pub(super) fn next_ms(&self) -> i64 {
        self.due.first().map_or(i64::MAX, |(due_ms, _)| *due_ms)
    }

    pub(super) fn pop_due(&mut self, now_ms: i64) -> Option<(EntryKey, EntryRow)> {
        let (due_ms, entry) = *self.due.first()?;
        if due_ms > now_ms {
            return None;
        }
        let row = self.remove(entry)?;
        Some((entry, row))
    }
}
