//! Removes large values that nothing refers to any more, now and then.
//!
//! Boundary: what is removed is decided in `store::transfer`. Every server does it: what one has
//! removed the next does not find.
//! Read first: [`run`].   Tests: `tests/store.rs`

use std::time::Duration;

use store::blobs::Blobs;
use store::transfer::{Location, Mode, clean};
use tokio::runtime::Handle;

/// Between two times; the first is after a while, too.
const EVERY: Duration = Duration::from_secs(2 * 3600);
/// How old a value is at least, in milliseconds: longer than a backup takes.
const AGE_MS: i64 = 24 * 3_600_000;

/// Cleans until it is dropped.
pub(super) async fn run(location: Location, blobs: Blobs) {
    loop {
        tokio::time::sleep(EVERY).await;
        let (location, blobs) = (location.clone(), blobs.clone());
        let runtime = Handle::current();
        // Reading rows blocks.
        let cleaned = tokio::task::spawn_blocking(move || {
            runtime.block_on(clean(&location, &blobs, (AGE_MS, Mode::Remove), &mut |_| ()))
        });
        match cleaned.await {
            Ok(Ok(cleaned)) => tracing::info!(
                removed = cleaned.unused,
                bytes = cleaned.bytes,
                used = cleaned.used,
                "large values that nothing refers to are removed"
            ),
            Ok(Err(error)) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "large values of no use are not removed");
            }
            Err(error) => tracing::warn!(%error, "removing large values broke"),
        }
    }
}
