//! Shards that break here again and again: how long each one rests, and when the server stands
//! aside so that another one has a try.
//!
//! Boundary: times only; what standing aside means is in `life`. Outlives a life, so that a server
//! that joins again does not forget it.
//! Read first: [`Trouble::broke`], then [`Trouble::stand_aside`].

use std::collections::BTreeMap;
use std::time::Duration;

use engine::ids::ShardId;
use tokio::time::Instant;

/// The first rest of a shard that broke; each further one is twice as long.
const REST: Duration = Duration::from_millis(250);
/// How often a rest is doubled.
const DOUBLED_MAX: u32 = 6;
/// A server stands aside for so many leases; each further time twice as long.
const ASIDE_LEASES: u32 = 4;

/// What goes wrong here.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    broken: BTreeMap<ShardId, Broken>,
    aside: Option<Aside>,
}

/// A shard that broke, perhaps several times in a row.
#[derive(Debug)]
struct Broken {
    since: Instant,
    rests_until: Instant,
    times: u32,
}

/// When the server stood aside last.
#[derive(Debug, Clone, Copy)]
struct Aside {
    since: Instant,
    until: Instant,
    times: u32,
}

/// After how long without success it is time for another server.
pub(crate) fn patience(lease: Duration) -> Duration {
    lease * 2
}

/// How long a shard rests that broke so often in a row.
pub(crate) fn rest(times: u32) -> Duration {
    REST * 2_u32.pow(times.min(DOUBLED_MAX))
}

impl Trouble {
    /// A shard broke. Answers whether that has been going on for too long.
    pub(super) fn broke(&mut self, shard: ShardId, now: Instant, lease: Duration) -> bool {
        let known =
            self.broken.entry(shard).or_insert(Broken { since: now, rests_until: now, times: 0 });
        if now.duration_since(known.rests_until.min(now)) >= patience(lease) {
            // It has run well meanwhile.
            *known = Broken { since: now, rests_until: now, times: 0 };
        }
        known.rests_until = now + rest(known.times);
        known.times += 1;
        now.duration_since(known.since) >= patience(lease)
    }

    /// Whether a shard is not to be taken yet.
    pub(super) fn is_resting(&self, shard: ShardId, now: Instant) -> bool {
        self.broken.get(&shard).is_some_and(|known| now < known.rests_until)
    }

    /// Leaves the shards to others for a while; longer, if the last time was not long ago.
    pub(super) fn stand_aside(&mut self, now: Instant, lease: Duration) -> Duration {
        let recent = self.aside.filter(|last| {
            let length = last.until.duration_since(last.since);
            now < last.until + length * 2
        });
        let times = recent.map_or(0, |last| (last.times + 1).min(DOUBLED_MAX));
        let length = lease * ASIDE_LEASES * 2_u32.pow(times);
        self.aside = Some(Aside { since: now, until: now + length, times });
        self.broken.clear();
        length
    }

    /// Since when the server stands aside, if it does.
    pub(super) fn aside_since(&self, now: Instant) -> Option<Instant> {
        self.aside.filter(|aside| now < aside.until).map(|aside| aside.since)
    }

    /// The server is needed, or told to serve.
    pub(super) fn stand_no_longer_aside(&mut self, now: Instant) {
        if let Some(aside) = self.aside.as_mut().filter(|aside| now < aside.until) {
            aside.until = now.max(aside.since);
        }
    }

    /// When something of this ends.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let rests = self.broken.values().map(|known| known.rests_until);
        rests.chain(self.aside.map(|aside| aside.until)).filter(|end| *end > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::{DOUBLED_MAX, REST, Trouble};
    use engine::ids::ShardId;
    use std::time::Duration;

    const LEASE: Duration = Duration::from_secs(1);
    const SHARD: ShardId = ShardId(1);

    #[tokio::test(start_paused = true)]
    async fn a_shard_that_breaks_again_rests_longer_and_then_it_is_too_long() {
        let mut trouble = Trouble::default();
        let begun = crate::clock::instant();
        let mut now = begun;
        let mut rests = Vec::new();
        while !trouble.broke(SHARD, now, LEASE) {
            let end = trouble.next(now).expect("it rests");
            assert!(trouble.is_resting(SHARD, now) && !trouble.is_resting(SHARD, end));
            rests.push(end - now);
            now = end;
        }
        assert_eq!(rests, [REST, REST * 2, REST * 4, REST * 8]);
        assert!(now - begun >= LEASE * 2);
        for _ in 0..20 {
            trouble.broke(SHARD, now, LEASE);
        }
        assert_eq!(trouble.next(now), Some(now + REST * 2_u32.pow(DOUBLED_MAX)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_ran_well_for_long_begins_anew() {
        let mut trouble = Trouble::default();
        let now = crate::clock::instant();
        assert!(!trouble.broke(SHARD, now, LEASE));
        let later = now + LEASE * 3;
        assert!(!trouble.broke(SHARD, later, LEASE));
        assert_eq!(trouble.next(later), Some(later + REST));
    }

    #[tokio::test(start_paused = true)]
    async fn who_stands_aside_again_soon_does_so_longer() {
        let mut trouble = Trouble::default();
        let now = crate::clock::instant();
        assert_eq!(trouble.stand_aside(now, LEASE), LEASE * 4);
        assert_eq!(trouble.aside_since(now + LEASE), Some(now));
        assert_eq!(trouble.aside_since(now + LEASE * 4), None);
        let soon = now + LEASE * 6;
        assert_eq!(trouble.stand_aside(soon, LEASE), LEASE * 8);
        trouble.stand_no_longer_aside(soon + LEASE);
        assert_eq!(trouble.aside_since(soon + LEASE), None);
        let late = soon + LEASE * 100;
        assert_eq!(trouble.stand_aside(late, LEASE), LEASE * 4);
    }
}
