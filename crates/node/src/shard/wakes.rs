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
    /// When the window is moved on.
    reload_ms: i64,
    /// Whether the last load left rows before the usual horizon in the store.
    is_cut: bool,
}

impl Wakes {
    pub(super) fn new() -> Self {
        Self {
            near: BTreeSet::new(),
            far: Vec::new(),
            horizon_ms: i64::MIN,
            reload_ms: i64::MIN,
            is_cut: false,
        }
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
        first.min(self.reload_ms)
    }

    /// Takes the next wake-up that is due.
    pub(super) fn pop_due(&mut self, now_ms: i64) -> Option<(i64, Address, u64)> {
        if self.near.first()?.0 > now_ms { None } else { self.near.pop_first() }
    }

    /// Whether the window must be moved on. A cut one is used up first: rows are not read again
    /// and again while there are many.
    pub(super) fn is_short(&self, now_ms: i64) -> bool {
        let has_due = self.near.first().is_some_and(|(due_ms, ..)| *due_ms <= now_ms);
        now_ms >= self.reload_ms && !(self.is_cut && has_due)
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
        self.is_cut = rows.len() >= LOAD_MAX as usize;
        self.reload_ms = until_ms.saturating_sub(WINDOW_MS / 2);
        if self.is_cut {
            // Only what is due up to the last one is complete; always at least one due time.
            let last = rows.last().map_or(until_ms, |row| row.due_ms);
            until_ms = last.saturating_add(1);
            self.reload_ms = last;
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

#[cfg(test)]
mod tests {
    use engine::ids::{Address, InstanceKey, ShardId};
    use store::memory::Memory;
    use store::{Acquired, Cluster, Lease, NewMember, Standing, Store, TimerChange, Unit};

    use super::{LOAD_MAX, WINDOW_MS, Wakes};

    const SHARD: ShardId = ShardId(1);

    fn address() -> Address {
        Address::Instance(InstanceKey(1))
    }

    /// The ids of all that is due by `now_ms`.
    fn due(wakes: &mut Wakes, now_ms: i64) -> Vec<u64> {
        std::iter::from_fn(|| wakes.pop_due(now_ms)).map(|(_, _, id)| id).collect()
    }

    async fn lease(store: &Memory) -> Lease {
        store.found(1).await.expect("founded");
        let member = NewMember {
            name: "test".into(),
            peer: "".into(),
            http: "".into(),
            grpc: "".into(),
            hosts: Vec::new(),
            build: "".into(),
            format_max: 1,
            standing: Standing::Serving,
        };
        let server = store.join(&member, 1_000).await.expect("joined");
        match store.acquire(SHARD, server).await.expect("an answer") {
            Acquired::Leased { lease, .. } => lease,
            other => panic!("no lease: {other:?}"),
        }
    }

    #[tokio::test]
    async fn stored_ones_and_ones_on_their_way_to_the_store_are_found_when_due() {
        let store = Memory::new();
        let lease = lease(&store).await;
        let arm = |due_ms, id| TimerChange::Arm { due_ms, address: address(), id };
        let unit = Unit {
            shard: Some(SHARD),
            epoch: lease.epoch,
            sequence: 1,
            timers: vec![arm(10, 1), arm(2 * WINDOW_MS, 2)],
            ..Unit::default()
        };
        store.commit(unit.clone()).await.expect("committed");
        let mut wakes = Wakes::new();
        wakes.load(&store, SHARD, 0).await.expect("loaded");
        // Of the unit behind, which is not in the store: one near, two far, one of them taken back.
        wakes.arm(20, address(), 3, 2);
        wakes.arm(2 * WINDOW_MS, address(), 4, 2);
        wakes.arm(2 * WINDOW_MS + 1, address(), 5, 2);
        wakes.disarm(2 * WINDOW_MS + 1, &address(), 5);
        assert_eq!(due(&mut wakes, 20), [1, 3], "WAK-1");
        assert!(wakes.next_ms() < 2 * WINDOW_MS, "the window moves on before they are due");
        let disarm = TimerChange::Disarm { due_ms: 10, address: address(), id: 1 };
        store.commit(Unit { sequence: 2, timers: vec![disarm], ..unit }).await.expect("committed");
        wakes.load(&store, SHARD, 2 * WINDOW_MS).await.expect("loaded");
        assert_eq!(due(&mut wakes, 2 * WINDOW_MS), [2, 4], "WAK-1");
    }

    #[tokio::test]
    async fn a_cut_window_is_used_up_before_the_next_is_read() {
        let store = Memory::new();
        let lease = lease(&store).await;
        let many = u64::from(LOAD_MAX);
        let timers =
            (0..=many).map(|id| TimerChange::Arm { due_ms: 10, address: address(), id }).collect();
        let unit =
            Unit { shard: Some(SHARD), epoch: lease.epoch, sequence: 1, timers, ..Unit::default() };
        store.commit(unit).await.expect("committed");
        let mut wakes = Wakes::new();
        wakes.load(&store, SHARD, 0).await.expect("loaded");
        assert!(!wakes.is_short(9), "nothing is due");
        assert!(!wakes.is_short(10), "there is enough to do");
        assert_eq!(due(&mut wakes, 10).len() as u64, many);
        assert!(wakes.is_short(10), "WAK-1: the rest is due as well");
    }

    #[test]
    fn once_the_store_has_them_they_are_not_kept_twice() {
        let mut wakes = Wakes::new();
        wakes.arm(WINDOW_MS, address(), 1, 7);
        wakes.landed(6);
        assert_eq!(wakes.far.len(), 1, "WAK-1: the store does not have it yet");
        wakes.landed(7);
        assert_eq!(wakes.far.len(), 0);
    }
}
