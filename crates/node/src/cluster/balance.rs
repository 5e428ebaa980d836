//! Which server should own which shard: rendezvous hashing with a fair share for each.
//!
//! Boundary: a plain function of who is there; every server computes the same.
//! Invariants: BAL-1 no server gets more than its share, rounded up. BAL-2 a server that comes or
//! goes moves no more shards than its share and those that the shares of others grow or shrink by.
//! Read first: [`targets`].

use std::collections::BTreeMap;

use engine::ids::ShardId;
use store::ServerKey;

/// The owner that each shard should have; none if nobody serves. `servers` go by their names, so
/// that a server that starts again gets back what it had.
pub(crate) fn targets(
    shards: &[ShardId],
    servers: &[(ServerKey, &str)],
) -> BTreeMap<ShardId, ServerKey> {
    let mut targets = BTreeMap::new();
    if servers.is_empty() {
        return targets;
    }
    let share = shards.len().div_ceil(servers.len());
    let mut load: BTreeMap<ServerKey, usize> = BTreeMap::new();
    // The strongest wish of all is granted first, so that a change moves little.
    let mut wishes: Vec<(u64, ShardId, ServerKey)> = Vec::new();
    for shard in shards {
        for (server, name) in servers {
            wishes.push((weight(*shard, name, *server), *shard, *server));
        }
    }
    wishes.sort_unstable_by(|left, right| right.cmp(left));
    for (_, shard, server) in wishes {
        let taken = load.entry(server).or_default();
        if *taken < share && !targets.contains_key(&shard) {
            *taken += 1;
            targets.insert(shard, server);
        }
    }
    targets
}

/// How much a server wants a shard: two servers of one name differ by their keys.
fn weight(shard: ShardId, name: &str, server: ServerKey) -> u64 {
    let mut hash = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(shard.0);
    for byte in name.bytes() {
        hash = mix(hash ^ u64::from(byte));
    }
    // The name decides; the key only where names are equal.
    (mix(hash) & !0xffff) | (server.0 & 0xffff)
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use engine::ids::ShardId;
    use store::ServerKey;

    use super::targets;

    fn shards(number: u16) -> Vec<ShardId> {
        (1..=number).map(ShardId).collect()
    }

    fn loads(targets: &BTreeMap<ShardId, ServerKey>) -> BTreeMap<ServerKey, usize> {
        let mut loads = BTreeMap::new();
        for server in targets.values() {
            *loads.entry(*server).or_default() += 1;
        }
        loads
    }

    #[test]
    fn every_shard_has_an_owner_and_no_server_more_than_its_share() {
        let names = ["a", "b", "c", "d", "e"];
        for number in 1..=names.len() {
            let servers: Vec<_> =
                (1..).map(ServerKey).zip(names.iter().take(number).copied()).collect();
            let targets = targets(&shards(16), &servers);
            assert_eq!(targets.len(), 16);
            let most = loads(&targets).into_values().max();
            assert!(most <= Some(16_usize.div_ceil(number)), "BAL-1: {targets:?}");
        }
    }

    #[test]
    fn a_server_that_goes_leaves_the_others_most_of_what_they_had() {
        let three = [(ServerKey(1), "a"), (ServerKey(2), "b"), (ServerKey(3), "c")];
        let before = targets(&shards(12), &three);
        let after = targets(&shards(12), &three[..2]);
        let moved = before
            .iter()
            .filter(|(shard, owner)| **owner != ServerKey(3) && after[*shard] != **owner)
            .count();
        assert!(moved <= 2, "BAL-2: {moved} shards of servers that stay were moved");
    }

    #[test]
    fn a_server_that_starts_again_under_its_name_gets_the_same_shards() {
        let before = targets(&shards(12), &[(ServerKey(1), "a"), (ServerKey(2), "b")]);
        let after = targets(&shards(12), &[(ServerKey(1), "a"), (ServerKey(9), "b")]);
        for (shard, owner) in before {
            let same = if owner == ServerKey(2) { ServerKey(9) } else { owner };
            assert_eq!(after[&shard], same);
        }
    }

    #[test]
    fn nobody_gets_anything_where_nobody_serves() {
        assert!(targets(&shards(4), &[]).is_empty());
    }
}
