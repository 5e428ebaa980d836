//! The tokens that are in force, in memory, and the check of a request against them.
//!
//! Boundary: whoever keeps the tokens says which there are ([`Tokens::replace`]); this only looks
//! them up by their digests.
//! Read first: [`Tokens::check`], then [`Pass::withdrawn`].   Tests: `tests.rs`

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, header};
use node::Clock;
use tokio::sync::watch;

use super::refusal::Denied;
use super::secret::{digest, from_hexadecimal};
use super::{Role, TokenRow};

/// The name of the token that stands in the server's own configuration.
const BOOTSTRAP: &str = "bootstrap";
/// A token's end is looked at again after this time at the latest, because clocks are set.
const LOOK_AGAIN: Duration = Duration::from_secs(3_600);

type Digest = [u8; 32];

/// The tokens that are in force; cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    known: watch::Sender<Known>,
    /// Requests that were refused for want of a good token.
    refused: AtomicU64,
}

#[derive(Default)]
struct Known {
    bootstrap: Option<(Digest, Holder)>,
    /// None until they are read for the first time.
    stored: Option<HashMap<Digest, Holder>>,
}

/// Who has a token.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    name: Arc<str>,
    role: Role,
    expires_ms: Option<i64>,
}

/// A request that may be served.
pub(crate) struct Pass {
    tokens: Tokens,
    digest: Digest,
    need: Role,
}

/// A token ended or was revoked while its request went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Withdrawn;

impl Tokens {
    /// No tokens yet: until [`Tokens::replace`] is called for the first time, callers with a
    /// token that is not known are told to come back.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let (known, _) = watch::channel(Known::default());
        Self { inner: Arc::new(Inner { clock, known, refused: AtomicU64::new(0) }) }
    }

    /// The same with a token of the greatest role that is in force whatever the store says, so
    /// that a fresh cluster can be administered.
    #[must_use]
    pub fn with_bootstrap(self, token: &str) -> Self {
        let holder = Holder { name: BOOTSTRAP.into(), role: Role::Admin, expires_ms: None };
        self.inner.known.send_modify(|known| known.bootstrap = Some((digest(token), holder)));
        self
    }

    /// From now on these stored tokens are in force, and no others.
    pub fn replace<N: AsRef<str>>(&self, rows: impl IntoIterator<Item = (N, TokenRow)>) {
        let rows = rows.into_iter().filter_map(|(name, row)| {
            let name: Arc<str> = name.as_ref().into();
            let Some(digest) = from_hexadecimal(&row.hash) else {
                tracing::error!(%name, "the stored digest of a token is damaged; it is not used");
                return None;
            };
            Some((digest, Holder { name, role: row.role, expires_ms: row.expires_ms }))
        });
        let rows = rows.collect();
        self.inner.known.send_modify(|known| known.stored = Some(rows));
    }

    /// Keeps in force what `rows` says, until nobody can say any more. Cancel safe.
    pub async fn follow<N: AsRef<str> + Clone>(
        &self,
        mut rows: watch::Receiver<Arc<Vec<(N, TokenRow)>>>,
    ) {
        loop {
            let present = Arc::clone(&rows.borrow_and_update());
            self.replace(present.iter().cloned());
            if rows.changed().await.is_err() {
                return;
            }
        }
    }

    /// Requests that were refused for want of a good token.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.inner.refused.load(Ordering::Relaxed)
    }

    /// Whether a request with these headers may do what needs this role.
    pub(crate) fn check(&self, headers: &HeaderMap, need: Role) -> Result<Pass, Denied> {
        let pass = presented(headers).and_then(|token| {
            let digest = digest(token);
            self.look_up(&digest, need)?;
            Ok(Pass { tokens: self.clone(), digest, need })
        });
        if pass.is_err() {
            self.inner.refused.fetch_add(1, Ordering::Relaxed);
        }
        pass
    }

    /// Whose token this is.
    fn name_of(&self, digest: &Digest) -> Option<Arc<str>> {
        let known = self.inner.known.borrow();
        let bootstrap = known.bootstrap.as_ref().filter(|(own, _)| own == digest);
        let stored = known.stored.as_ref().and_then(|stored| stored.get(digest));
        bootstrap.map(|(_, holder)| holder).or(stored).map(|holder| holder.name.clone())
    }

    /// When the token ends, if it may do this now.
    fn look_up(&self, digest: &Digest, need: Role) -> Result<Option<i64>, Denied> {
        let known = self.inner.known.borrow();
        let bootstrap = known.bootstrap.as_ref().filter(|(own, _)| own == digest);
        let stored = known.stored.as_ref().and_then(|stored| stored.get(digest));
        let Some(holder) = bootstrap.map(|(_, holder)| holder).or(stored) else {
            return Err(if known.stored.is_some() { Denied::Unknown } else { Denied::NotYet });
        };
        let now_ms = self.inner.clock.now_ms();
        if holder.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
            tracing::debug!(token = &*holder.name, "a token that has expired was shown");
            return Err(Denied::Unknown);
        }
        if holder.role < need {
            return Err(Denied::TooSmall { need });
        }
        Ok(holder.expires_ms)
    }
}

impl Pass {
    /// The name of the token.
    pub(crate) fn name(&self) -> Option<Arc<str>> {
        self.tokens.name_of(&self.digest)
    }

    /// Waits until the token is not good for this any more, for work that goes on for long.
    /// Cancel safe.
    pub(crate) async fn withdrawn(self) -> Withdrawn {
        let mut changes = self.tokens.inner.known.subscribe();
        loop {
            changes.borrow_and_update();
            let Ok(expires_ms) = self.tokens.look_up(&self.digest, self.need) else {
                return Withdrawn;
            };
            let now_ms = self.tokens.inner.clock.now_ms();
            let left = expires_ms.map_or(LOOK_AGAIN, |expires_ms| {
                let left = u64::try_from(expires_ms - now_ms).unwrap_or(0);
                Duration::from_millis(left.max(1)).min(LOOK_AGAIN)
            });
            tokio::select! {
                // The sender lives in what this value holds.
                _ = changes.changed() => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pass").field("need", &self.need).finish_non_exhaustive()
    }
}

/// The one token that a request shows.
fn presented(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let Some(only) = shown.next() else { return Err(Denied::Missing) };
    if shown.next().is_some() {
        return Err(Denied::Unknown);
    }
    let text = only.to_str().map_err(|_| Denied::Unknown)?;
    let (scheme, token) = text.trim().split_once(' ').ok_or(Denied::Unknown)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim_start())
    } else {
        Err(Denied::Unknown)
    }
}
