//! A store that dies at a chosen commit, before or after it took effect, or takes its time.
//!
//! Boundary: a gate before any store. After its death every call fails, as for a server that was
//! killed; the inner store lives on and is opened again by the next server.
//! Read first: [`Mortal::new`].

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use store::{Error, Store};
use tokio::sync::{Mutex, MutexGuard};

use crate::gate::{Call, Gate, Gated};

/// When the store dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Commit number `n` (from 1) is lost.
    Before(u64),
    /// Commit number `n` (from 1) is durable, but nobody hears of it.
    After(u64),
    /// Commit number `n` (from 1) is lost; later ones are not.
    Hiccup(u64),
    /// It does not die.
    Never,
}

/// A store that dies at a chosen commit.
pub type Mortal = Gated<Fate>;

/// What becomes of a mortal store.
pub struct Fate {
    death: Death,
    commits: AtomicU64,
    dead: AtomicBool,
    slow: Mutex<()>,
}

impl Mortal {
    /// A store that works as `inner` until its death.
    #[must_use]
    pub fn mortal(inner: Arc<dyn Store>, death: Death) -> Self {
        let fate = Fate {
            death,
            commits: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            slow: Mutex::new(()),
        };
        Self::new(inner, fate)
    }
}

impl Deref for Mortal {
    type Target = Fate;

    fn deref(&self) -> &Fate {
        &self.gate
    }
}

impl Fate {
    /// Commits take no effect and do not answer while the guard lives.
    pub async fn hold(&self) -> MutexGuard<'_, ()> {
        self.slow.lock().await
    }

    /// Commits that were asked for.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Whether it has died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    fn die(&self) -> Error {
        self.dead.store(true, Ordering::Release);
        Error::Closed
    }

    fn alive(&self) -> Result<(), Error> {
        if self.is_dead() { Err(Error::Closed) } else { Ok(()) }
    }
}

impl Gate for Fate {
    type Pass = ();

    async fn enter(&self, call: Call) -> Result<(), Error> {
        self.alive()?;
        if call.name != "commit" {
            return Ok(());
        }
        let number = self.commits.fetch_add(1, Ordering::AcqRel) + 1;
        if self.death == Death::Before(number) {
            return Err(self.die());
        }
        if self.death == Death::Hiccup(number) {
            let source = "it was told to".into();
            return Err(Error::Failed { act: "commit to", place: "store".into(), source });
        }
        drop(self.slow.lock().await);
        Ok(())
    }

    async fn leave(&self, call: Call, (): ()) -> Result<(), Error> {
        if call.name == "commit" && self.death == Death::After(self.commits()) {
            return Err(self.die());
        }
        self.alive()
    }
}
