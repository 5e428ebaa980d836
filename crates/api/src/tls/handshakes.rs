//! How many connections may be in the middle of their handshake.
//!
//! When there are too many, the oldest gives way: somebody who means it is through in
//! milliseconds, so that those who never finish only push out each other.
//!
//! Boundary: counts and tells; the handshake itself stands in `door.rs`.
//! Read first: [`Handshakes::begin`].   Tests: at the end of this file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The handshakes of one listener.
#[derive(Debug)]
pub(super) struct Handshakes {
    most: usize,
    begun: Arc<Mutex<Begun>>,
}

#[derive(Debug, Default)]
struct Begun {
    next: u64,
    /// In the order in which they began.
    places: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A handshake under way; it gives its place back when it is dropped.
pub(super) struct Place {
    number: u64,
    begun: Arc<Mutex<Begun>>,
    lost: oneshot::Receiver<()>,
}

impl Handshakes {
    pub(super) fn new(most: usize) -> Self {
        Self { most, begun: Arc::default() }
    }

    /// Takes a place, if need be that of the oldest (TLS-2).
    pub(super) fn begin(&self) -> Place {
        let (tell, lost) = oneshot::channel();
        let mut begun = lock(&self.begun);
        while begun.places.len() >= self.most {
            let Some((_, oldest)) = begun.places.pop_first() else { break };
            // It may have ended in this moment.
            let _ = oldest.send(());
        }
        let number = begun.next;
        begun.next += 1;
        begun.places.insert(number, tell);
        Place { number, begun: Arc::clone(&self.begun), lost }
    }
}

impl Place {
    /// Waits until a younger handshake has taken the place. Cancel safe.
    pub(super) async fn lost(&mut self) {
        // The sender is kept until the place is lost or given back.
        let _ = (&mut self.lost).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.begun).places.remove(&self.number);
    }
}

fn lock(begun: &Mutex<Begun>) -> MutexGuard<'_, Begun> {
    begun.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::{Handshakes, lock};

    #[test]
    fn the_oldest_gives_way_and_ended_ones_do_not_count() {
        let handshakes = Handshakes::new(2);
        let mut first = handshakes.begin();
        drop(handshakes.begin());
        let mut second = handshakes.begin();
        assert!(first.lost().now_or_never().is_none());
        let mut third = handshakes.begin();
        assert!(first.lost().now_or_never().is_some());
        assert!(second.lost().now_or_never().is_none());
        drop(first);
        assert!(third.lost().now_or_never().is_none());
        drop((second, third));
        assert!(lock(&handshakes.begun).places.is_empty());
    }
}
