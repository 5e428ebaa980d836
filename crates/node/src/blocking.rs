//! Work that would hold up others: done on another thread.
//!
//! Boundary: a runtime of one thread does it in place, so that a simulation, where nothing
//! happens beside, repeats.
//! Read first: [`run`].

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

/// Does the work. Dropping the future does not stop it once it has begun.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => Ok(work()),
        _ => tokio::task::spawn_blocking(work).await,
    }
}
