//! Whether a server runs, stands still or is dead.
//!
//! Boundary: what a server does is its own; everything that reaches it or leaves it asks here
//! first. A server that stands still computes on, but nothing comes in or goes out.
//! Read first: [`Power`].

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// The server is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dead;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    On,
    Paused,
    Off,
}

/// Whether one life of a server runs.
#[derive(Debug)]
pub(crate) struct Power {
    state: Mutex<State>,
    changes: Notify,
}

impl Power {
    /// It runs.
    #[must_use]
    pub(crate) fn on() -> Self {
        Self { state: Mutex::new(State::On), changes: Notify::new() }
    }

    fn get(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, to: State) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state != State::Off {
            *state = to;
        }
        drop(state);
        self.changes.notify_waiters();
    }

    /// Stops the world around it.
    pub(crate) fn pause(&self) {
        self.set(State::Paused);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.set(State::On);
    }

    /// Ends it for ever.
    pub(crate) fn kill(&self) {
        self.set(State::Off);
    }

    /// Whether it is dead.
    #[must_use]
    pub(crate) fn is_off(&self) -> bool {
        self.get() == State::Off
    }

    /// Waits until it runs.
    pub(crate) async fn awake(&self) -> Result<(), Dead> {
        loop {
            let notified = self.changes.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            match self.get() {
                State::On => return Ok(()),
                State::Off => return Err(Dead),
                State::Paused => notified.await,
            }
        }
    }

    /// Waits until it is dead.
    pub(crate) async fn died(&self) {
        loop {
            let notified = self.changes.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.is_off() {
                return;
            }
            notified.await;
        }
    }

    /// Lets time pass, unless it dies before.
    pub(crate) async fn sleep(&self, ms: u64) -> Result<(), Dead> {
        tokio::select! {
            biased;
            () = self.died() => Err(Dead),
            () = tokio::time::sleep(Duration::from_millis(ms)) => Ok(()),
        }
    }

    /// Does something, unless it dies before that is done.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> Result<T, Dead> {
        tokio::select! {
            biased;
            () = self.died() => Err(Dead),
            done = work => Ok(done),
        }
    }
}
