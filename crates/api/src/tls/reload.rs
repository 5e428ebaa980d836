//! A configuration that is made again when its files change, without a restart.
//!
//! Boundary: looks at the files' content at an interval and when asked; who uses the
//! configuration asks for it each time, so that the next connection has the new one.
//! Read first: [`Handle::get`], then [`Handle::follow`].   Tests: `tests.rs`

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use node::Clock;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::files::{self, Error};

const DAY_MS: i64 = 86_400_000;
/// From so many days before its end on, a certificate is worth a warning a day.
const WARN_DAYS: i64 = 14;

/// A configuration and what is worth knowing of it.
#[derive(Debug)]
pub struct Made<C> {
    /// What connections are made with.
    pub config: Arc<C>,
    /// When its certificate ends, milliseconds since 1970 UTC.
    pub ends_ms: Option<i64>,
}

/// What a look at the files found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// They have not changed since the last look.
    Same,
    /// They have changed and are used now.
    Changed,
}

type Make<C> = Box<dyn Fn(&[Vec<u8>]) -> Result<Made<C>, Error> + Send + Sync>;

/// The present configuration, shared by everyone who makes connections.
pub struct Handle<C> {
    inner: Arc<Inner<C>>,
}

struct Inner<C> {
    /// What it is for, for the log.
    what: &'static str,
    paths: Vec<PathBuf>,
    make: Make<C>,
    current: RwLock<Made<C>>,
    /// What the last look saw, usable or not, so that each fault is told once.
    seen: Mutex<Seen>,
}

#[derive(PartialEq, Eq)]
enum Seen {
    Content([u8; 32]),
    Unreadable(String),
}

impl<C> Clone for Handle<C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<C> std::fmt::Debug for Handle<C> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Handle").field("paths", &self.inner.paths).finish_non_exhaustive()
    }
}

impl<C: Send + Sync + 'static> Handle<C> {
    pub(super) fn new(
        what: &'static str,
        paths: Vec<PathBuf>,
        make: impl Fn(&[Vec<u8>]) -> Result<Made<C>, Error> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let texts = files::read(&paths)?;
        let made = make(&texts)?;
        let seen = Mutex::new(Seen::Content(digest(&texts)));
        let (make, current): (Make<C>, _) = (Box::new(make), RwLock::new(made));
        Ok(Self { inner: Arc::new(Inner { what, paths, make, current, seen }) })
    }

    /// The present configuration.
    #[must_use]
    pub fn get(&self) -> Arc<C> {
        let current = self.inner.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current.config)
    }

    /// When the present certificate ends, milliseconds since 1970 UTC.
    #[must_use]
    pub fn ends_ms(&self) -> Option<i64> {
        self.inner.current.read().unwrap_or_else(PoisonError::into_inner).ends_ms
    }

    /// Looks at the files and uses them if they have changed. Blocks on the disk.
    ///
    /// # Errors
    /// They have changed to something that cannot be used, or that has ended while the present
    /// certificate has not. What was in use stays in use (TLS-1), and the next look says the same
    /// only if they have changed again.
    pub fn refresh(&self) -> Result<Refreshed, Error> {
        let texts = files::read(&self.inner.paths);
        let found = match &texts {
            Ok(texts) => Seen::Content(digest(texts)),
            Err(error) => Seen::Unreadable(format!("{error:?}")),
        };
        {
            let mut seen = lock(&self.inner.seen);
            if *seen == found {
                return Ok(Refreshed::Same);
            }
            *seen = found;
        }
        let made = (self.inner.make)(&texts?)?;
        let now_ms = Clock::System.now_ms();
        let is_over = |ends_ms: Option<i64>| ends_ms.is_some_and(|ends_ms| ends_ms <= now_ms);
        if is_over(made.ends_ms) && !is_over(self.ends_ms()) {
            let path = self.inner.paths.first().cloned().unwrap_or_default();
            return Err(Error::Ended { path, ended: shown(made.ends_ms) });
        }
        *self.inner.current.write().unwrap_or_else(PoisonError::into_inner) = made;
        Ok(Refreshed::Changed)
    }

    /// Looks at the files at an interval, and at once each time `asked` changes, for ever. Warns
    /// of a certificate that ends soon once a day. Cancel safe.
    pub async fn follow(&self, every: Duration, mut asked: watch::Receiver<u64>) {
        let mut rounds = tokio::time::interval(every);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = None;
        loop {
            tokio::select! {
                _ = rounds.tick() => {}
                Ok(()) = asked.changed() => {}
            }
            let handle = self.clone();
            match tokio::task::spawn_blocking(move || handle.refresh()).await {
                Ok(Ok(Refreshed::Same)) => {}
                Ok(Ok(Refreshed::Changed)) => {
                    let ends = shown(self.ends_ms());
                    tracing::info!(of = self.inner.what, %ends, "new certificate in use");
                }
                Ok(Err(error)) => {
                    let cause = cause(&error);
                    let hint = error.hint();
                    tracing::error!(
                        of = self.inner.what, code = error.code(), %error, %cause, hint,
                        "new certificate not used; the old one stays"
                    );
                }
                Err(error) => tracing::error!(%error, "looking at the certificates broke"),
            }
            self.warn_of_end(&mut told);
        }
    }

    /// Says once for each number of days left that the certificate ends, or has ended.
    fn warn_of_end(&self, told: &mut Option<i64>) {
        let Some(ends_ms) = self.ends_ms() else { return };
        let days = (ends_ms - Clock::System.now_ms()).div_euclid(DAY_MS);
        if days >= WARN_DAYS {
            *told = None;
        } else if *told != Some(days) {
            *told = Some(days);
            let (of, ends) = (self.inner.what, shown(Some(ends_ms)));
            if days < 0 {
                tracing::error!(of, %ends, "the certificate has ended: clients refuse it");
            } else {
                tracing::warn!(of, %ends, days, "the certificate ends soon");
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The key itself is not kept longer than needed.
fn digest(texts: &[Vec<u8>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// A moment in UTC.
pub(crate) fn shown(at_ms: Option<i64>) -> String {
    let at_ms = at_ms.unwrap_or_default();
    match jiff::Timestamp::from_millisecond(at_ms) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{at_ms} ms"),
    }
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}
