//! Once the faults are over, everything becomes quiet: nothing runs that can end, no timer is
//! overdue, no letter waits, nobody holds a job.
//!
//! Boundary: sees the rows of the store; how long it may take is the caller's business.
//! Read first: [`unrest`].

use engine::ids::{Address, ShardId};
use store::{EntryFilter, EntryState, InstanceFilter, InstanceState, Store};

use crate::clock::START_MS;
use crate::world::World;

/// How late a timer may be, in milliseconds: clocks differ, and take-over takes time.
const LATE_MAX_MS: i64 = 3_000;

/// What is not quiet yet: what it is, and what it is about; none if all is.
pub(crate) async fn unrest(world: &World) -> Option<(String, String)> {
    let store: &dyn Store = &*world.store;
    let filter = InstanceFilter {
        state: Some(InstanceState::Active),
        limit: 1,
        ..InstanceFilter::default()
    };
    if let Some(row) = store.instances(&filter).await.unwrap_or_default().first() {
        let (key, process) = (row.key, &row.process);
        return Some((format!("{key} of `{process}` is still running"), key.to_string()));
    }
    for state in [EntryState::Queued, EntryState::InProcess, EntryState::Parked, EntryState::Dead] {
        let filter = EntryFilter { state: Some(state), limit: 1, ..EntryFilter::default() };
        if let Some((key, row)) = store.entries(&filter).await.unwrap_or_default().first() {
            return Some((format!("{key} of {} is {state:?}", row.trigger), key.to_string()));
        }
    }
    if let Some((key, _)) = store.incidents(None, None, 1).await.unwrap_or_default().first() {
        return Some((format!("{key} is open"), key.to_string()));
    }
    for shard in 1..=world.setup.shards {
        if let Some(found) = of_shard(world, ShardId(shard)).await {
            return Some(found);
        }
    }
    None
}

async fn of_shard(world: &World, shard: ShardId) -> Option<(String, String)> {
    let store: &dyn Store = &*world.store;
    let about = format!("shard {}", shard.0);
    if let Some((key, _)) = store.inbox(shard, 1).await.unwrap_or_default().first() {
        let what = format!(
            "shard {} has not read a letter of shard {}, unit {}",
            shard.0, key.from.0, key.sequence
        );
        return Some((what, about));
    }
    if let Some((job_type, _)) = store.job_types(shard).await.unwrap_or_default().first() {
        return Some((format!("shard {} has a ready job `{job_type}`", shard.0), about));
    }
    if let Some(leased) = store.jobs_leased(shard, None, 1).await.unwrap_or_default().first() {
        return Some((format!("{} is leased", leased.job), leased.job.to_string()));
    }
    let now_ms = START_MS + i64::try_from(world.trace.now_ms()).unwrap_or(0);
    for row in store.timers(shard, None, i64::MAX, 1_000).await.unwrap_or_default() {
        let is_overdue = row.due_ms < now_ms - LATE_MAX_MS;
        if is_overdue || !matches!(row.address, Address::Bucket { .. }) {
            let late_ms = now_ms - row.due_ms;
            let what =
                format!("shard {}: the timer of {:?} is {late_ms} ms late", shard.0, row.address);
            return Some((what, about));
        }
    }
    None
}
