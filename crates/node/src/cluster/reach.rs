//! Whether the other servers can be reached, as far as this one knows.
//!
//! Boundary: remembers what was found and says what follows from it; who looks, and how often, is
//! told from outside. Liveness is the store's: a server that nobody reaches keeps its lease.
//! Invariants: RCH-1 where servers that own shards do not reach each other, some of them stay
//! ready: those on the side of the majority, and the oldest one wherever it is.
//! Read first: [`Sight::note`], then [`is_cut_off`].   Tests: at the end of this file

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use store::{Member, ServerKey};

/// So often in a row a server is not reached before that counts: one that has just ended is no
/// member soon.
const TIMES: u32 = 2;

/// What a look around has changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Looked {
    /// Servers that cannot be reached from now on, as far as is known.
    pub lost: Vec<Arc<Member>>,
    /// Servers that can be reached again.
    pub found: Vec<Arc<Member>>,
}

/// How often in a row each server was not reached.
#[derive(Debug, Default)]
pub(crate) struct Sight(Mutex<BTreeMap<ServerKey, u32>>);

impl Sight {
    /// Each of the other members was reached, or was not; those that are not named are no members.
    pub(crate) fn note(&self, seen: Vec<(Arc<Member>, bool)>) -> Looked {
        let mut looked = Looked::default();
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|key, _| seen.iter().any(|(member, _)| member.key == *key));
        for (member, is_reached) in seen {
            let times = failed.entry(member.key).or_default();
            if is_reached {
                if std::mem::take(times) >= TIMES {
                    looked.found.push(member);
                }
                continue;
            }
            *times = times.saturating_add(1);
            if *times == TIMES {
                looked.lost.push(member);
            }
        }
        looked
    }

    /// Those that cannot be reached.
    pub(crate) fn lost(&self) -> BTreeSet<ServerKey> {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.iter().filter(|(_, times)| **times >= TIMES).map(|(key, _)| *key).collect()
    }
}

/// Whether `me` is so cut off from those that own shards that others are to take the calls (RCH-1):
/// it reaches the smaller part of them, or the half without the oldest, and is not the oldest.
pub(crate) fn is_cut_off(
    me: ServerKey,
    owners: &BTreeSet<ServerKey>,
    lost: &BTreeSet<ServerKey>,
) -> bool {
    let mut all = owners.clone();
    all.insert(me);
    let reached = all.difference(lost).count();
    let Some(oldest) = all.first() else { return false };
    let is_half = reached * 2 == all.len() && lost.contains(oldest);
    *oldest != me && (reached * 2 < all.len() || is_half)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[u64]) -> BTreeSet<ServerKey> {
        keys.iter().map(|key| ServerKey(*key)).collect()
    }

    /// Those that are ready if the servers fall apart into these groups.
    fn ready(groups: &[&[u64]]) -> Vec<u64> {
        let all = keys(&groups.concat());
        let mut ready = Vec::new();
        for group in groups {
            let lost = all.difference(&keys(group)).copied().collect();
            let is_ready = |key: &&u64| !is_cut_off(ServerKey(**key), &all, &lost);
            ready.extend(group.iter().filter(is_ready));
        }
        ready.sort_unstable();
        ready
    }

    #[test]
    fn whoever_is_cut_off_from_most_is_not_ready_and_some_always_are() {
        for (groups, expected) in [
            (&[&[1_u64, 2, 3][..]][..], &[1_u64, 2, 3][..]),
            (&[&[1, 2], &[3]], &[1, 2]),
            // The oldest cannot know whether the others reach each other.
            (&[&[1], &[2, 3]], &[1, 2, 3]),
            (&[&[1], &[2]], &[1]),
            (&[&[1, 2], &[3, 4]], &[1, 2]),
            (&[&[1], &[2], &[3]], &[1]),
            (&[&[1], &[2, 3], &[4, 5]], &[1]),
        ] {
            assert_eq!(ready(groups), expected, "RCH-1 {groups:?}");
        }
    }

    #[test]
    fn one_that_nobody_reaches_takes_no_other_out() {
        let all = keys(&[1, 2, 3]);
        assert!(!is_cut_off(ServerKey(2), &all, &keys(&[1])));
        assert!(!is_cut_off(ServerKey(3), &all, &keys(&[1])));
        // One that owns nothing counts itself, too.
        assert!(is_cut_off(ServerKey(9), &all, &keys(&[1, 2, 3])));
        assert!(!is_cut_off(ServerKey(9), &keys(&[]), &keys(&[])));
    }
}
