//! Wake-ups: a window of the next ones in memory, the rest as rows.
//!
//! Boundary: an index only; what a wake-up means is the aggregate's business.
//! Invariants: WAK-1 every wake-up due before the horizon is in memory.
//! Read first: [`Wakes`].

use std::collections::BTreeSet;

use engine::ids::{Address, ShardId};
use store::{Store, TimerRow};

/// How far ahead the window reaches, in milliseconds.
const WINDOW_MS: i64 = 60_000;
/// The most wake-ups that one load brings into memory.
const LOAD_MAX: u32 = 50_000;

/// The next wake-ups.
pub(super) struct Wakes {
    near: BTreeSet<(i64, Address, u64)>,
    /// Beyond the horizon and perhaps not yet readable: with the sequence that makes them so.
    far: Vec<(u64, TimerRow)>,
    horizon_ms: i64,
}

impl Wakes {
    pub(super) fn new() -> Self {
        Self { near: BTreeSet::new(), far: Vec::new(), horizon_ms: i64::MIN }
    }

    pub(super) fn arm(&mut self, due_ms: i64, address: Address, id: u64, sequence: u64) {
        if due_ms < self.horizon_ms {
            self.near.insert((due_ms, address, id));
        } else {
            self.far.push((sequence, TimerRow { due_ms, address, id }));
        }
    }

    pub(super) fn disarm(&mut self, due_ms: i64, address: &Address, id: u64) {
        if due_ms < self.horizon_ms {
            self.near.remove(&(due_ms, address.clone(), id));
        } else {
            self.far.retain(|(_, row)| (row.due_ms, row.id, &row.address) != (due_ms, id, address));
        }
    }

    /// Everything up to unit `sequence` is readable in the store.
    pub(super) fn landed(&mut self, sequence: u64) {
        self.far.retain(|(armed_in, _)| *armed_in > sequence);
    }

    /// The next time at which something is to be done.
    pub(super) fn next_ms(&self) -> i64 {
        let first = self.near.first().map_or(i64::MAX, |(due_ms, ..)| *due_ms);
        first.min(self.horizon_ms.saturating_sub(WINDOW_MS / 2))
    }

    /// Takes the next wake-up that is due.
    pub(super) fn pop_due(&mut self, now_ms: i64) -> Option<(i64, Address, u64)> {
        if self.near.first()?.0 > now_ms { None } else { self.near.pop_first() }
    }

    /// Whether the window must be moved on.
    pub(super) fn is_short(&self, now_ms: i64) -> bool {
        now_ms >= self.horizon_ms.saturating_sub(WINDOW_MS / 2)
    }

    /// Moves the window on.
    pub(super) async fn load(
        &mut self,
        store: &dyn Store,
        shard: ShardId,
        now_ms: i64,
    ) -> Result<(), store::Error> {
        let mut until_ms = now_ms.saturating_add(WINDOW_MS);
        let rows = store.timers(shard, None, until_ms, LOAD_MAX).await?;
        if rows.len() >= LOAD_MAX as usize {
            // Only what is due up to the last one is complete; always at least one due time.
            let last = rows.last().map_or(until_ms, |row| row.due_ms);
            until_ms = last.saturating_add(1);
        }
        for row in rows {
            self.near.insert((row.due_ms, row.address, row.id));
        }
        self.horizon_ms = until_ms;
        let (near, far) = self.far.drain(..).partition(|(_, row)| row.due_ms < until_ms);
        self.far = far;
        let near: Vec<(u64, TimerRow)> = near;
        self.near.extend(near.into_iter().map(|(_, row)| (row.due_ms, row.address, row.id)));
        Ok(())
    }
}
