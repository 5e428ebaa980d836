//! Named locks, as the handle offers them to clients and operators (R49).
//!
//! Boundary: checks names, waits and leases at the edge, and finds the shard of the lock. A client
//! is known by the session it chooses; whoever knows it is that client.
//! Read first: [`Node::acquire_lock`].   Tests: `crates/node/tests/locks.rs`

use std::time::Duration;

use engine::ids::Address;
use feel::Str;
use store::LockRow;

use super::unexpected;
use crate::cluster::HOME;
use crate::cluster::wire::{Answer, Request};
use crate::error::Error;
use crate::handle::Node;
use crate::input::{Grant, LockAct};

/// Bytes that the name of a lock or a session may have.
const NAME_BYTES_MAX: usize = 256;
/// The longest that a client waits with one call.
const WAIT_MAX: Duration = Duration::from_secs(3_600);
/// The longest lease.
const LEASE_MAX: Duration = Duration::from_secs(86_400);
/// How long a lock is looked for while its shard moves, even if the client does not wait.
const PATIENCE: Duration = Duration::from_secs(15);
/// What is left of a wait that is over.
const SHORTEST: Duration = Duration::from_millis(1);
/// Pause before a lock is asked for again.
const PAUSE: Duration = Duration::from_millis(20);

impl Node {
    /// Waits at most `wait` until the session has the lock, which is then its for `lease`.
    /// Repeated by the same session it keeps its place, or answers the same number. Dropping the
    /// future gives the place up, at the latest when `wait` and `lease` are over. Not cancel safe:
    /// the lock may have been granted.
    ///
    /// # Errors
    /// [`Error::Timeout`] if it was not free in time, [`Error::State`] if it is not free and `wait`
    /// is zero, [`Error::Invalid`].
    pub async fn acquire_lock(
        &self,
        name: &str,
        session: &str,
        wait: Duration,
        lease: Duration,
    ) -> Result<Grant, Error> {
        let session = checked("session", session)?;
        let lease_ms = lease_ms(lease)?;
        if wait > WAIT_MAX {
            let most = WAIT_MAX.as_secs();
            return Err(Error::Invalid { detail: format!("a wait has at most {most} s") });
        }
        let until = crate::clock::instant() + wait;
        let patience = until.max(crate::clock::instant() + PATIENCE);
        loop {
            let left = until.saturating_duration_since(crate::clock::instant());
            // Who waited, if only for the shard, is not told that it would not.
            let left = if wait.is_zero() { left } else { left.max(SHORTEST) };
            let wait_ms = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
            let act = LockAct::Acquire { session: session.clone(), wait_ms, lease_ms };
            match self.ask_lock(name, act).await {
                Ok(Answer::Granted(grant)) => return Ok(grant),
                Ok(other) => return Err(unexpected(&other)),
                // Its shard moves, or its server died: the next owner knows who waits.
                Err(error @ (Error::Storage { .. } | Error::Unavailable { .. })) => {
                    let table = self.inner.routes.table();
                    if table.is_stopping || crate::clock::instant() >= patience {
                        return Err(error);
                    }
                }
                Err(Error::Timeout { .. }) => {
                    let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                    return Err(Error::Timeout { what: "the lock", ms });
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The session gives the lock back, or waits no longer.
    ///
    /// # Errors
    /// [`Error::State`] if it neither holds it nor waits for it.
    pub async fn release_lock(&self, name: &str, session: &str) -> Result<(), Error> {
        let session = checked("session", session)?;
        self.change_lock(name, LockAct::Release { session }).await
    }

    /// The session lives: from now on the lock is its for `lease`.
    ///
    /// # Errors
    /// [`Error::State`] if it neither holds it nor waits for it: it was lost.
    pub async fn renew_lock(
        &self,
        name: &str,
        session: &str,
        lease: Duration,
    ) -> Result<(), Error> {
        let session = checked("session", session)?;
        let lease_ms = lease_ms(lease)?;
        self.change_lock(name, LockAct::Renew { session, lease_ms }).await
    }

    /// Takes the lock away from whoever holds it; if a fencing number is given, only from the
    /// holder that has it.
    ///
    /// # Errors
    /// [`Error::State`] if nobody holds it, or somebody else does.
    pub async fn take_lock_away(&self, name: &str, fence: Option<u64>) -> Result<(), Error> {
        self.change_lock(name, LockAct::TakeAway { fence }).await
    }

    /// The locks that somebody holds, in order of their names.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn locks(&self) -> Result<Vec<(Str, LockRow)>, Error> {
        Ok(self.inner.store.locks().await?)
    }

    async fn change_lock(&self, name: &str, act: LockAct) -> Result<(), Error> {
        match self.ask_lock(name, act).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    async fn ask_lock(&self, name: &str, act: LockAct) -> Result<Answer, Error> {
        let name = checked("name", name)?;
        let address = Address::Lock { name: name.clone() };
        let request = Request::Lock { shard: HOME, name, act };
        self.route_by(request, |table, request| {
            let found = table.shard_of(&address);
            if let (Some(found), Request::Lock { shard, .. }) = (found, request) {
                *shard = found;
            }
            Ok(found)
        })
        .await
    }
}

fn checked(what: &str, text: &str) -> Result<Str, Error> {
    if (1..=NAME_BYTES_MAX).contains(&text.len()) {
        return Ok(text.into());
    }
    let bytes = text.len();
    let detail = format!("the {what} has {bytes} bytes; it must have 1 to {NAME_BYTES_MAX}");
    Err(Error::Invalid { detail })
}

fn lease_ms(lease: Duration) -> Result<i64, Error> {
    if lease.as_millis() == 0 || lease > LEASE_MAX {
        let most = LEASE_MAX.as_secs();
        return Err(Error::Invalid { detail: format!("a lease lasts from 1 ms to {most} s") });
    }
    Ok(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
}
