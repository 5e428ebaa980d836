//! The only place that reads a clock.
//!
//! Boundary: everything else takes the time from a [`Clock`], so that tests and the simulation
//! can set it.
//! Invariants: CLK-1 a shared clock does not follow the machine's: it runs on from the store's
//! time at the machine's pace, so that a clock that is set moves no timer. CLK-2 an answer of the
//! store that took long moves it no further than is certain: a server that was stopped meanwhile
//! would otherwise be behind by as much, and its leases would end early for everybody else.
//! Read first: [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Where the time comes from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// A clock that stands until it is set; milliseconds since 1970 UTC.
    Manual(Arc<AtomicI64>),
    /// The store's clock, as several servers share it.
    Shared(Arc<Shared>),
    /// Somebody else's.
    Other(Arc<dyn Dial>),
}

/// A clock as somebody else keeps it.
pub trait Dial: std::fmt::Debug + Send + Sync + 'static {
    /// Milliseconds since 1970 UTC.
    fn now_ms(&self) -> i64;
}

/// The store's time, carried on by a clock that nobody can set (CLK-1).
#[derive(Debug)]
pub struct Shared {
    begun: Instant,
    /// The store's time when `begun` was, as far as is known.
    base_ms: AtomicI64,
}

impl Clock {
    /// A clock that follows a store's; until it is told that one, it follows the system's.
    #[must_use]
    pub fn shared() -> Self {
        Self::shared_from(system_now_ms())
    }

    /// A clock that follows a store's; until it is told that one, it runs on from `now_ms`.
    #[must_use]
    pub fn shared_from(now_ms: i64) -> Self {
        let base_ms = AtomicI64::new(now_ms);
        Self::Shared(Arc::new(Shared { begun: instant(), base_ms }))
    }

    /// Milliseconds since 1970 UTC.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => system_now_ms(),
            Self::Manual(now) => now.load(Ordering::Relaxed),
            Self::Other(dial) => dial.now_ms(),
            Self::Shared(shared) => {
                shared.base_ms.load(Ordering::Relaxed).saturating_add(shared.at_ms(instant()))
            }
        }
    }

    /// Takes over what the store's clock showed between when it was `asked` and now (CLK-2). Other
    /// clocks do not follow it.
    pub(crate) fn follow(&self, store_ms: i64, asked: Instant) {
        if let Self::Shared(shared) = self {
            let least = store_ms.saturating_sub(shared.at_ms(instant()));
            let most = store_ms.saturating_sub(shared.at_ms(asked)).max(least);
            let base_ms = shared.base_ms.load(Ordering::Relaxed).clamp(least, most);
            shared.base_ms.store(base_ms, Ordering::Relaxed);
        }
    }
}

impl Shared {
    fn at_ms(&self, moment: Instant) -> i64 {
        let since = moment.saturating_duration_since(self.begun);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Now, by the clock that nobody can set: for lengths of time only.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn system_now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Clock, instant};

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_does_not_set_a_shared_clock_back() {
        let clock = Clock::shared_from(1_000);
        let asked = instant();
        clock.follow(50_000, asked);
        assert_eq!(clock.now_ms(), 50_000);
        let asked = instant();
        // The store answered at once, and the server was stopped before it heard.
        tokio::time::advance(Duration::from_millis(3_800)).await;
        clock.follow(50_000, asked);
        assert_eq!(clock.now_ms(), 53_800, "CLK-2");
        // Or the store answered late, which agrees as well.
        clock.follow(53_800, asked);
        assert_eq!(clock.now_ms(), 53_800, "CLK-2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_shared_clock_follows_a_store_that_is_certainly_earlier_or_later() {
        let clock = Clock::shared_from(1_000);
        let asked = instant();
        tokio::time::advance(Duration::from_millis(100)).await;
        // Read between 100 ms ago and now: it is 5,000 at least.
        clock.follow(5_000, asked);
        assert_eq!(clock.now_ms(), 5_000);
        clock.follow(400, asked);
        assert_eq!(clock.now_ms(), 500, "it is 500 at most");
        tokio::time::advance(Duration::from_millis(10)).await;
        assert_eq!(clock.now_ms(), 510, "CLK-1");
        clock.follow(505, instant());
        assert_eq!(clock.now_ms(), 505);
    }
}
