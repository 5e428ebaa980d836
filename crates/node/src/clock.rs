//! The only place that reads a clock.
//!
//! Boundary: everything else takes the time from a [`Clock`], so that tests and the simulation
//! can set it.
//! Invariants: CLK-1 a shared clock does not follow the machine's: it runs on from the store's
//! time at the machine's pace, so that a clock that is set moves no timer.
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
                shared.base_ms.load(Ordering::Relaxed).saturating_add(shared.since_ms())
            }
        }
    }

    /// Takes over what the store's clock showed a moment ago. Other clocks do not follow it.
    pub(crate) fn follow(&self, store_ms: i64) {
        if let Self::Shared(shared) = self {
            shared.base_ms.store(store_ms.saturating_sub(shared.since_ms()), Ordering::Relaxed);
        }
    }
}

impl Shared {
    fn since_ms(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX)
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
