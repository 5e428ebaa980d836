//! A connection that is made again when it is lost.
//!
//! Boundary: one purpose, one connection at a time, which all callers share; who waits for how
//! long is the callers'. Whether something may be sent twice is decided where it is sent.
//! Read first: [`Link::rows`].   Tests: `tests/postgres_faults`, `link/tests.rs`

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row;

use super::Pooling;
use super::failure::{Trouble, failed, text_of, translate};
use super::session::{Driver, Session, Value};
use super::target::Target;
use crate::port::Error;

/// The first pause between two attempts to connect; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest one.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How often something is tried again that others were in the way of.
const TRIES: u32 = 10;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Purpose {
    /// To write units.
    Commit,
    /// To read what the server needs.
    Server,
    /// To read what a person asks for: each question is planned by itself.
    Person,
    /// Leases; hears of changes. Waits for nobody.
    Cluster,
    /// Shards and claims: may wait for the end of a commit.
    Shards,
}

/// How often connections and what was asked on them failed since something succeeded: behind a
/// pool, to connect may work while nothing else does.
#[derive(Clone, Copy, Default)]
struct Pace {
    failures: u32,
    last: Option<Instant>,
}

impl Pace {
    /// When it may be tried again; at once after the first failure.
    fn next(self) -> Option<Instant> {
        let doubled = self.failures.checked_sub(2)?.min(16);
        Some(self.last? + (PAUSE * 2_u32.pow(doubled)).min(PAUSE_MAX))
    }
}

/// A purpose's connection.
pub(super) struct Link {
    target: Arc<Target>,
    purpose: Purpose,
    driver: Driver,
    /// The channel to listen to.
    channel: Option<String>,
    current: tokio::sync::Mutex<Option<Arc<Session>>>,
    /// Why there is none.
    cause: Mutex<Option<String>>,
    pace: Mutex<Pace>,
    wait: Duration,
}

impl Link {
    pub(super) fn new(target: Arc<Target>, purpose: Purpose, wait: Duration) -> Self {
        Self {
            target,
            purpose,
            driver: Driver::default(),
            channel: None,
            current: tokio::sync::Mutex::default(),
            cause: Mutex::default(),
            pace: Mutex::default(),
            wait,
        }
    }

    /// Counts notifications of a channel, and connections, before which some may have been missed.
    pub(super) fn listen(mut self, channel: String, driver: Driver) -> Self {
        (self.driver, self.channel) = (driver, Some(channel));
        self
    }

    pub(super) fn place(&self) -> &str {
        &self.target.place
    }

    /// When a call that begins now gives up.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.wait
    }

    /// The rows of a statement that may be sent twice.
    pub(super) async fn rows(
        &self,
        act: &'static str,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Error> {
        let mut tries = TRIES;
        let asked = async {
            loop {
                let session = self.session().await;
                let error = match session.rows(sql, values).await {
                    Ok(rows) => {
                        self.works();
                        return Ok(rows);
                    }
                    Err(error) => error,
                };
                match session.trouble(error) {
                    Trouble::Lost(cause) => self.discard(&session, cause).await,
                    Trouble::Again(_) if tries > 0 => tries -= 1,
                    Trouble::Again(cause) => return Err(failed(act, self.place(), cause)),
                    Trouble::Decided(_) => return Err(failed(act, self.place(), "it is decided")),
                    Trouble::Fenced => return Err(failed(act, self.place(), "it is fenced")),
                    Trouble::Refused(error) => return Err(translate(act, self.place(), &error)),
                }
            }
        };
        timeout_at(self.deadline(), asked).await.unwrap_or_else(|_| Err(self.is_away(act)))
    }

    /// The connection; waits until there is one.
    pub(super) async fn session(&self) -> Arc<Session> {
        let mut current = self.current.lock().await;
        loop {
            if let Some(session) = current.as_ref().filter(|session| !session.is_closed()) {
                return Arc::clone(session);
            }
            if let Some(next) = { self.pace().next() } {
                tokio::time::sleep_until(next).await;
            }
            match self.connect().await {
                Ok(session) => {
                    *self.cause() = None;
                    return Arc::clone(current.insert(Arc::new(session)));
                }
                Err(error) => self.fails(text_of(&error)),
            }
        }
    }

    /// Something was answered: the next loss is the first one.
    pub(super) fn works(&self) {
        *self.pace() = Pace::default();
    }

    fn fails(&self, cause: String) {
        let failures = self.pace().failures.saturating_add(1);
        *self.pace() = Pace { failures, last: Some(Instant::now()) };
        *self.cause() = Some(cause);
    }

    /// A new connection with the settings of its purpose.
    pub(super) async fn connect(&self) -> Result<Session, tokio_postgres::Error> {
        let session = self.target.connect(self.driver.clone()).await?;
        if self.target.pooling() == Pooling::Session {
            session.batch(settings(self.purpose)).await?;
            if let Some(channel) = &self.channel {
                session.batch(&format!("LISTEN {channel}")).await?;
            }
        }
        if let Some(changes) = &self.driver.changes {
            changes.send_modify(|number| *number += 1);
        }
        Ok(session)
    }

    /// Gives a connection up, unless there is another one already.
    pub(super) async fn discard(&self, session: &Arc<Session>, cause: String) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, session)) {
            *current = None;
            self.fails(cause);
        }
    }

    /// Gives up whatever connection there is; not if one is being made.
    pub(super) fn forget(&self) {
        if let Ok(mut current) = self.current.try_lock() {
            *current = None;
        }
    }

    /// The error for who waited too long.
    pub(super) fn is_away(&self, act: &'static str) -> Error {
        let cause = self.cause().clone().unwrap_or_else(|| "no answer".into());
        let seconds = self.wait.as_secs_f32();
        failed(act, self.place(), format!("the database is away since {seconds} s: {cause}"))
    }

    fn cause(&self) -> MutexGuard<'_, Option<String>> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a connection is told first. Tables are small when plans are made and large later, so plans
/// that read whole tables are avoided where the statements are ours; compiling would cost more
/// than it brings. A transaction whose client is gone must not hold a shard's row.
fn settings(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Commit => {
            "SET jit = off; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
             SET enable_hashjoin = off; SET enable_mergejoin = off; \
             SET idle_in_transaction_session_timeout = '2s'; \
             SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') = 'off'"
        }
        Purpose::Server => {
            "SET jit = off; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off"
        }
        Purpose::Person => "SET jit = off; SET plan_cache_mode = force_custom_plan",
        Purpose::Cluster | Purpose::Shards => {
            "SET jit = off; SET idle_in_transaction_session_timeout = '2s'; \
             SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') = 'off'"
        }
    }
}

/// How a transaction of units begins: where there are no sessions it says itself what it needs.
pub(super) fn begin(pooling: Pooling) -> &'static str {
    match pooling {
        Pooling::Session => "BEGIN",
        Pooling::Transaction => {
            "BEGIN; SET LOCAL jit = off; SET LOCAL enable_seqscan = off; \
             SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; \
             SET LOCAL idle_in_transaction_session_timeout = '2s'; \
             SELECT set_config('synchronous_commit', 'on', true) \
             WHERE current_setting('synchronous_commit') = 'off'"
        }
    }
}

#[cfg(test)]
mod tests;
