//! Which keys belong to a shard: what stores use to find the rows of one.
//!
//! Boundary: the layout of keys is `engine`'s (IDS-1); here it becomes bounds for queries.
//! Read first: [`of_shard`].

use std::ops::RangeInclusive;

use engine::ids::{Block, ShardId};

use crate::cluster::SHARDS_MAX;

/// All keys of a shard; none for a number that no shard can have.
pub(crate) fn of_shard(shard: ShardId) -> RangeInclusive<u64> {
    if shard.0 > SHARDS_MAX {
        return RangeInclusive::new(1, 0);
    }
    let first = Block::new(shard, 0).first();
    let width = Block::new(ShardId(1), 0).first();
    first..=first + (width - 1)
}

/// The keys of a shard, or all keys, as bounds of stored numbers.
pub(crate) fn bounds(shard: Option<ShardId>) -> (i64, i64) {
    let Some(shard) = shard else { return (0, i64::MAX) };
    let keys = of_shard(shard);
    (keys.start().cast_signed(), keys.end().cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_the_bounds_of_its_shard_alone() {
        let key = Block::new(ShardId(7), 3).first();
        assert!(of_shard(ShardId(7)).contains(&key), "IDS-1");
        assert!(!of_shard(ShardId(6)).contains(&key) && !of_shard(ShardId(8)).contains(&key));
        assert!(of_shard(ShardId(u16::MAX)).is_empty());
        assert_eq!(bounds(Some(ShardId(SHARDS_MAX))).1, i64::MAX);
    }
}
