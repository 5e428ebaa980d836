//! Time for simulations: the runtime's own, which stands still unless everybody waits.
//!
//! Boundary: the runtime must have been started with its time paused.
//! Read first: [`store_clock`].

use std::sync::Arc;

use tokio::time::Instant;

/// When every simulation begins, milliseconds since 1970 UTC.
pub const START_MS: i64 = 1_700_000_000_000;

/// A clock for a store: [`START_MS`] now, and on at the runtime's pace.
#[must_use]
pub fn store_clock() -> store::memory::Clock {
    let begun = Instant::now();
    Arc::new(move || {
        let passed = begun.elapsed().as_millis();
        START_MS.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    })
}
