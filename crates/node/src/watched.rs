//! A value that changes, and tasks that wait for its changes: woken in the order in which they
//! began to wait, so that a simulation of many servers repeats.
//!
//! Boundary: tokio's own `watch` wakes its receivers in a random order.
//! Read first: [`Watched`], then [`Follower::changed`].

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

/// A value that changes.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    shared: Arc<Shared<T>>,
}

/// Somebody who waits for changes.
#[derive(Debug)]
pub(crate) struct Follower<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

#[derive(Debug)]
struct Shared<T> {
    /// How often it was changed, and what it is.
    state: RwLock<(u64, Arc<T>)>,
    changes: Notify,
}

impl<T> Shared<T> {
    fn get(&self) -> (u64, Arc<T>) {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<T> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        let state = RwLock::new((0, Arc::new(value)));
        Self { shared: Arc::new(Shared { state, changes: Notify::new() }) }
    }

    /// As it is.
    pub(crate) fn get(&self) -> Arc<T> {
        self.shared.get().1
    }

    /// Replaces it.
    pub(crate) fn set(&self, value: Arc<T>) {
        self.change(|shown| *shown = value);
    }

    /// Changes it where it is.
    pub(crate) fn update(&self, change: impl FnOnce(&mut T))
    where
        T: Clone,
    {
        self.change(|shown| change(Arc::make_mut(shown)));
    }

    fn change(&self, change: impl FnOnce(&mut Arc<T>)) {
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut state.1);
        state.0 += 1;
        drop(state);
        self.shared.changes.notify_waiters();
    }

    /// Follows it from now on.
    pub(crate) fn follow(&self) -> Follower<T> {
        Follower { shared: self.shared.clone(), seen: self.shared.get().0 }
    }
}

impl<T> Follower<T> {
    /// As it is; later changes are news.
    pub(crate) fn latest(&mut self) -> Arc<T> {
        let (seen, value) = self.shared.get();
        self.seen = seen;
        value
    }

    /// Waits for a change that is news. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        loop {
            let notified = self.shared.changes.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let (now, _) = self.shared.get();
            if now != self.seen {
                self.seen = now;
                return;
            }
            notified.await;
        }
    }

    /// Waits until it is as wanted. Cancel safe.
    pub(crate) async fn until(&mut self, is_wanted: impl Fn(&T) -> bool) {
        while !is_wanted(&self.latest()) {
            self.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::{Arc, Watched};

    #[tokio::test]
    async fn followers_are_woken_in_the_order_in_which_they_came() {
        let watched = Arc::new(Watched::new(0));
        let woken = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..20 {
            let (mut follower, woken) = (watched.follow(), woken.clone());
            tasks.spawn(async move {
                follower.changed().await;
                woken.lock().expect("no panic").push(number);
            });
        }
        tokio::task::yield_now().await;
        watched.set(Arc::new(1));
        tasks.join_all().await;
        assert_eq!(*woken.lock().expect("no panic"), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_change_before_the_wait_is_news() {
        let watched = Watched::new(0);
        let mut follower = watched.follow();
        watched.update(|value| *value = 7);
        follower.changed().await;
        assert_eq!(*follower.latest(), 7);
        follower.until(|value| *value == 7).await;
    }
}
