//! Once the faults are over, everything becomes quiet: nothing runs that can end, no timer is
//! overdue, no letter waits, nobody holds a job, and every slot is where it should be (MOV-1).
//!
//! Boundary: sees the rows of the store; how long it may take is the caller's business.
//! Read first: [`unrest`].

use engine::ids::{Address, ShardId};
use store::{EntryFilter, EntryState, InstanceFilter, InstanceState, Store, slot_of};

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
    let slots = store.slots().await.unwrap_or_default();
    let shards = store.pulse().await.map(|pulse| pulse.shards).unwrap_or_default();
    for owner in &shards {
        if let Some(found) = of_shard(world, owner.shard, &slots).await {
            return Some(found);
        }
    }
    let wanted = wanted(world).await.unwrap_or(u16::MAX);
    uneven(&slots, wanted.min(u16::try_from(shards.len()).unwrap_or(u16::MAX)))
}

/// How many shards an operator wants, if one said so.
async fn wanted(world: &World) -> Option<u16> {
    let settings = world.store.settings().await.ok()?;
    let (_, row) = settings.into_iter().find(|(name, _)| &**name == "cluster.shards")?;
    row.lines().next()?.parse().ok()
}

/// Slots that are not spread evenly over the first so many shards.
fn uneven(slots: &[ShardId], wanted: u16) -> Option<(String, String)> {
    let about = "slots".to_owned();
    if let Some(slot) = slots.iter().position(|shard| shard.0 > wanted) {
        return Some((format!("slot {slot} is at shard {}", slots[slot].0), about));
    }
    let of = |shard: u16| slots.iter().filter(|of| of.0 == shard).count();
    let (most, least) = ((1..=wanted).map(of).max(), (1..=wanted).map(of).min());
    let is_uneven = most.zip(least).is_some_and(|(most, least)| most - least > 1);
    is_uneven.then(|| (format!("shards have {least:?} to {most:?} slots"), about))
}

async fn of_shard(world: &World, shard: ShardId, slots: &[ShardId]) -> Option<(String, String)> {
    let store: &dyn Store = &*world.store;
    let about = format!("shard {}", shard.0);
    if let Some((key, _)) = store.inbox(shard, 1).await.unwrap_or_default().first() {
        let what = format!(
            "shard {} has not read a letter of shard {}, unit {}",
            shard.0, key.from.0, key.sequence
        );
        return Some((what, about));
    }
    for (address, _) in store.aggregates(shard, None, u32::MAX).await.unwrap_or_default() {
        let is_slotted = matches!(address, Address::Bucket { .. } | Address::Lock { .. });
        if is_slotted && slots.get(usize::from(slot_of(&address.to_bytes()))) != Some(&shard) {
            return Some((format!("shard {} has {address:?} of another shard", shard.0), about));
        }
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
