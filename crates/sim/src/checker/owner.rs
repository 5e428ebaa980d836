//! One committing owner per epoch and shard; epochs and sequences never go back (UNI-2, STO-2).
//!
//! Boundary: sees acquisitions and commits in the order in which they took effect.
//! Read first: [`check`].

use std::collections::BTreeMap;

use engine::ids::ShardId;

use super::{End, Violation};
use crate::history::Write;

#[derive(Default)]
struct Shard {
    epoch: u64,
    life: u64,
    sequence: u64,
}

pub(super) fn check(end: &End) -> Vec<Violation> {
    let mut shards: BTreeMap<ShardId, Shard> = BTreeMap::new();
    let mut found = Vec::new();
    for write in &end.writes {
        match *write {
            Write::Acquired { life, shard, epoch, .. } => {
                let known = shards.entry(shard).or_default();
                if epoch <= known.epoch {
                    let what = format!("epoch {epoch} follows {}", known.epoch);
                    found.push(violation(shard, epoch, &what));
                }
                (known.epoch, known.life) = (epoch, life);
            }
            Write::Committed { life, unit } => {
                let known = shards.entry(unit.shard).or_default();
                if (unit.epoch, life) != (known.epoch, known.life) {
                    let what = format!(
                        "server #{life} wrote under epoch {}, but epoch {} is in force, of #{}",
                        unit.epoch, known.epoch, known.life
                    );
                    found.push(violation(unit.shard, unit.epoch, &what));
                }
                if unit.sequence != known.sequence + 1 {
                    let what = format!("unit {} follows {}", unit.sequence, known.sequence);
                    found.push(violation(unit.shard, unit.epoch, &what));
                }
                known.sequence = unit.sequence;
            }
        }
    }
    found
}

fn violation(shard: ShardId, epoch: u64, what: &str) -> Violation {
    let about = vec![format!("shard {} epoch {epoch}", shard.0)];
    Violation { rule: "owner", what: format!("shard {}: {what}", shard.0), about }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use engine::ids::ShardId;
    use store::ServerKey;

    use super::check;
    use crate::checker::End;
    use crate::gate::Sealed;
    use crate::history::Write;

    const SHARD: ShardId = ShardId(1);

    fn acquired(life: u64, epoch: u64) -> Write {
        Write::Acquired { life, server: ServerKey(life), shard: SHARD, epoch }
    }

    fn committed(life: u64, epoch: u64, sequence: u64) -> Write {
        Write::Committed { life, unit: Sealed { shard: SHARD, epoch, sequence } }
    }

    fn found(writes: Vec<Write>) -> Vec<String> {
        let end = End {
            writes,
            facts: Vec::new(),
            doubled: 0,
            rows: Vec::new(),
            events: BTreeMap::new(),
            references: BTreeMap::new(),
        };
        check(&end).into_iter().map(|violation| violation.what).collect()
    }

    #[test]
    fn owners_that_follow_each_other_are_fine() {
        let writes = vec![acquired(1, 1), committed(1, 1, 1), acquired(2, 2), committed(2, 2, 2)];
        assert!(found(writes).is_empty());
    }

    #[test]
    fn an_owner_that_lost_its_shard_must_not_write() {
        let writes = vec![acquired(1, 1), acquired(2, 2), committed(1, 1, 1)];
        let what = "shard 1: server #1 wrote under epoch 1, but epoch 2 is in force, of #2";
        assert_eq!(found(writes), [what]);
    }

    #[test]
    fn sequences_have_no_gaps() {
        let writes = vec![acquired(1, 1), committed(1, 1, 1), committed(1, 1, 3)];
        assert_eq!(found(writes), ["shard 1: unit 3 follows 1"]);
    }
}
