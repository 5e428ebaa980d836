//! Which rows of the lists in memory a filter lets through.
//!
//! Boundary: conditions only; order and number of rows are the caller's.
//! Read first: [`is_listed`].   Tests: `conformance`

use engine::ids::{EntryKey, RequestKey, ShardId};

use crate::keys;
use crate::port::{EntryFilter, InstanceFilter, InstanceRow, RequestFilter};
use crate::unit::{EntryRow, RequestRow};

pub(super) fn is_listed(filter: &InstanceFilter, row: &InstanceRow) -> bool {
    filter.before.is_none_or(|before| row.key < before)
        && is_of_shard(filter.shard, row.key.0)
        && filter.process.as_ref().is_none_or(|process| row.process == *process)
        && filter.version.is_none_or(|version| row.version == version)
        && filter.state.is_none_or(|state| row.state == state)
        && (!filter.with_incidents || row.incidents > 0)
        && (filter.business_key.is_none() || row.business_key == filter.business_key)
        && (filter.parent.is_none() || row.parent == filter.parent)
}

pub(super) fn is_entry_listed(filter: &EntryFilter, key: EntryKey, row: &EntryRow) -> bool {
    Some(key) > filter.after
        && is_of_shard(filter.shard, key.0)
        && filter.state.is_none_or(|state| row.state == state)
        && filter.trigger.as_ref().is_none_or(|trigger| row.trigger == *trigger)
}

pub(super) fn is_request_listed(filter: &RequestFilter, key: RequestKey, row: &RequestRow) -> bool {
    filter.before.is_none_or(|before| key < before)
        && filter.key.is_none_or(|only| key == only)
        && filter.state.is_none_or(|state| row.state == state)
        && (filter.shard.is_none() || row.shard == filter.shard)
        && filter.process.as_ref().is_none_or(|process| row.process == *process)
}

fn is_of_shard(shard: Option<ShardId>, key: u64) -> bool {
    shard.is_none_or(|shard| keys::of_shard(shard).contains(&key))
}
