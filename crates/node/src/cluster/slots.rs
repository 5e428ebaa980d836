//! Which slot should belong to which shard: as few moves as an even spread needs.
//!
//! Boundary: a plain function of who has what; every server computes the same. How a slot moves is
//! `shard/moves.rs`'s business.
//! Invariants: SLT-1 every wanted shard gets its even share of all slots, rounded up or down, and
//! no slot moves that could stay.
//! Read first: [`targets`].

use std::collections::BTreeMap;

use engine::ids::ShardId;

/// The shard that each slot should belong to, in order of the slots. Where nobody is wanted,
/// everything stays.
pub(crate) fn targets(slots: &[ShardId], wanted: &[ShardId]) -> Vec<ShardId> {
    let mut targets = slots.to_vec();
    let shares = shares(slots, wanted);
    if shares.is_empty() {
        return targets;
    }
    let mut room = shares;
    let mut homeless = Vec::new();
    for (slot, shard) in slots.iter().enumerate() {
        match room.get_mut(shard) {
            Some(left) if *left > 0 => *left -= 1,
            Some(_) | None => homeless.push(slot),
        }
    }
    // The emptiest shard first, so that all grow together.
    for slot in homeless {
        let emptiest =
            room.iter_mut().max_by_key(|(shard, left)| (**left, std::cmp::Reverse(**shard)));
        let Some((shard, left)) = emptiest else { break };
        targets[slot] = *shard;
        *left = left.saturating_sub(1);
    }
    targets
}

/// How many slots each wanted shard should have: those that have most get what is left over.
fn shares(slots: &[ShardId], wanted: &[ShardId]) -> BTreeMap<ShardId, usize> {
    let mut has: BTreeMap<ShardId, usize> = wanted.iter().map(|shard| (*shard, 0)).collect();
    for shard in slots {
        if let Some(number) = has.get_mut(shard) {
            *number += 1;
        }
    }
    let Some(even) = slots.len().checked_div(has.len()) else { return has };
    let mut over = slots.len() % has.len();
    let mut by_number: Vec<(usize, ShardId)> = has.iter().map(|(s, n)| (*n, *s)).collect();
    by_number.sort_unstable_by_key(|(number, shard)| (std::cmp::Reverse(*number), *shard));
    for (_, shard) in by_number {
        let more = usize::from(over > 0);
        over -= more;
        has.insert(shard, even + more);
    }
    has
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use engine::ids::ShardId;
    use proptest::prelude::*;
    use store::SLOTS;

    use super::targets;

    fn shards(number: u16) -> Vec<ShardId> {
        (1..=number).map(ShardId).collect()
    }

    fn founded(number: u16) -> Vec<ShardId> {
        (0..SLOTS).map(|slot| ShardId(slot % number + 1)).collect()
    }

    fn loads(slots: &[ShardId]) -> BTreeMap<ShardId, usize> {
        let mut loads = BTreeMap::new();
        for shard in slots {
            *loads.entry(*shard).or_default() += 1;
        }
        loads
    }

    fn moved(before: &[ShardId], after: &[ShardId]) -> usize {
        before.iter().zip(after).filter(|(before, after)| before != after).count()
    }

    /// The fewest moves that lead to an even spread: what each shard has beyond its share, where
    /// those that have most may have one more.
    fn fewest(before: &[ShardId], wanted: u16) -> usize {
        let loads = loads(before);
        let mut has: Vec<usize> =
            shards(wanted).iter().map(|shard| loads.get(shard).copied().unwrap_or(0)).collect();
        has.sort_unstable_by(|one, next| next.cmp(one));
        let (even, over) = (before.len() / has.len(), before.len() % has.len());
        let stays = has.iter().enumerate().map(|(n, has)| (*has).min(even + usize::from(n < over)));
        before.len() - stays.sum::<usize>()
    }

    proptest! {
        #[test]
        fn slots_are_spread_evenly_with_the_fewest_moves(
            has in proptest::collection::vec(1_u16..=20, usize::from(SLOTS)),
            wanted in 1_u16..=20,
        ) {
            let before: Vec<ShardId> = has.into_iter().map(ShardId).collect();
            let after = targets(&before, &shards(wanted));
            let loads = loads(&after);
            let (least, most) = (loads.values().min(), loads.values().max());
            prop_assert_eq!(loads.len(), usize::from(wanted), "SLT-1");
            prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "SLT-1");
            prop_assert_eq!(moved(&before, &after), fewest(&before, wanted), "SLT-1");
            prop_assert_eq!(targets(&after, &shards(wanted)), after, "SLT-1: it stays so");
        }

        #[test]
        fn whoever_moves_a_part_of_it_comes_to_the_same_end(
            from in 1_u16..=16,
            to in 1_u16..=16,
            done in proptest::collection::vec(any::<bool>(), usize::from(SLOTS)),
        ) {
            let before = founded(from);
            let planned = targets(&before, &shards(to));
            let mut halfway = before.clone();
            for (slot, done) in done.into_iter().enumerate() {
                if done {
                    halfway[slot] = planned[slot];
                }
            }
            let after = targets(&halfway, &shards(to));
            let all = moved(&before, &halfway) + moved(&halfway, &after);
            prop_assert_eq!(all, fewest(&before, to), "SLT-1: no slot moves twice");
        }
    }

    #[test]
    fn where_nobody_is_wanted_everything_stays() {
        assert_eq!(targets(&founded(4), &[]), founded(4));
        assert_eq!(targets(&[], &shards(3)), []);
        assert_eq!(targets(&founded(4), &shards(4)), founded(4), "SLT-1: as founded is even");
    }
}
