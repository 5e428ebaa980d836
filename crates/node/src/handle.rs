//! The handle of a running server: what faces may ask.
//!
//! Boundary: validates at the edge, sends inputs to the shard, and reads lists from the store.
//! An answer comes only after what it is based on is durable.
//! Read first: [`Node::open`], then [`Node::create`].

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use engine::ids::{IncidentKey, InstanceKey, ShardId, StepKey};
use engine::instance::Instance;
use engine::{CancelledBy, Command, Reach};
use feel::Context;
use store::{IncidentRow, InstanceFilter, InstanceRow, Store};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::audit::{self, Record};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::error::Error;
use crate::input::{Created, Ended, Input, Which};
use crate::published::{Condition, Counters, Published};
use crate::shard::{self, Settings, Surroundings};

mod deployments;
mod documents;
mod jobs;

pub use documents::Publication;

/// The only shard of a server on SQLite.
const SHARD: ShardId = ShardId(1);
/// Inputs that may wait; more are refused, so that latency stays flat under overload.
const INPUTS_MAX: usize = 16_384;

/// What a server is opened with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name.
    pub name: String,
    /// Where the time comes from.
    pub clock: Clock,
    /// Bounds and periods.
    pub settings: Settings,
    /// How services run.
    pub services: host::service::Options,
}

impl Options {
    /// The defaults, with working files below `scratch`.
    #[must_use]
    pub fn new(name: &str, mut scratch: PathBuf) -> Self {
        let settings = Settings { packages_dir: scratch.join("packages"), ..Settings::default() };
        scratch.push("services");
        Self {
            name: name.to_owned(),
            clock: Clock::System,
            settings,
            services: host::service::Options::new(scratch),
        }
    }
}

/// Which instances to list.
pub type InstanceQuery = InstanceFilter;

/// A running server. Cheap to clone; the server stops with [`Node::stop`].
#[derive(Clone)]
pub struct Node {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) store: Arc<dyn Store>,
    clock: Clock,
    published: Arc<Published>,
    pub(crate) shard: mpsc::Sender<Input>,
    pub(crate) streams: AtomicU64,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Node").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl Node {
    /// Starts a server on a store. It is ready when [`Node::condition`] says so.
    #[must_use]
    pub fn open(store: Arc<dyn Store>, options: Options) -> Self {
        let (sender, receiver) = mpsc::channel(INPUTS_MAX);
        let published = Arc::new(Published::new());
        let surroundings = Surroundings {
            store: store.clone(),
            clock: options.clock.clone(),
            settings: options.settings,
            services: Arc::new(host::service::Services::new(options.services)),
            published: published.clone(),
            server: options.name.clone(),
        };
        let running = shard::start(SHARD, surroundings, receiver);
        let inner = Inner {
            name: options.name,
            store,
            clock: options.clock,
            published,
            shard: sender,
            streams: AtomicU64::new(1),
            running: Mutex::new(Some(running)),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The server's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// How the server is.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.inner.published.condition()
    }

    /// Counters since the server started.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.inner.published.counters
    }

    /// What is deployed, as committed.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.inner.published.catalog()
    }

    /// Milliseconds since 1970 UTC by the server's clock.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.inner.clock.now_ms()
    }

    /// The store, for health and size.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Finishes what is decided, makes it durable, and ends. Idempotent.
    pub async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        if self.inner.shard.send(Input::Stop { reply }).await.is_ok() {
            // The shard may have ended by itself.
            let _ = stopped.await;
        }
        if let Some(running) = self.inner.running.lock().await.take()
            && let Err(error) = running.await
        {
            tracing::error!(%error, "the shard broke");
        }
    }

    /// Waits until the server takes requests, at most `patience`.
    ///
    /// # Errors
    /// [`Error::Timeout`].
    pub async fn ready(&self, patience: Duration) -> Result<(), Error> {
        let ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let waiting = async {
            while self.condition() != Condition::Ready {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(patience, waiting)
            .await
            .map_err(|_| Error::Timeout { what: "getting ready", ms })
    }

    pub(crate) async fn ask<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Input,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(make(reply))?;
        answer.await.unwrap_or(Err(Error::Unavailable { doing: "recovering" }))
    }

    pub(crate) fn send(&self, input: Input) -> Result<(), Error> {
        self.inner.shard.try_send(input).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Error::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Error::Unavailable { doing: "stopping" },
        })
    }

    /// Starts an instance.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`] if no version is enabled or it has no none start.
    pub async fn create(&self, which: Which, variables: Context) -> Result<Created, Error> {
        self.ask(|reply| Input::Create { which, variables, reply, ended: None }).await
    }

    /// Starts an instance and waits for its end.
    ///
    /// # Errors
    /// As [`Node::create`], and [`Error::Timeout`]; the instance then goes on.
    pub async fn create_and_wait(
        &self,
        which: Which,
        variables: Context,
        patience: Duration,
    ) -> Result<Ended, Error> {
        let (ended, end) = oneshot::channel();
        let ended = Some(ended);
        self.ask(|reply| Input::Create { which, variables, reply, ended }).await?;
        let ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        match tokio::time::timeout(patience, end).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::Unavailable { doing: "recovering" }),
            Err(_) => Err(Error::Timeout { what: "the instance", ms }),
        }
    }

    /// Cancels an instance.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::State`] if another instance called it.
    pub async fn cancel(&self, instance: InstanceKey) -> Result<(), Error> {
        self.command(instance, Command::Cancel { by: CancelledBy::Client }).await
    }

    /// Sets variables.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn set_variables(
        &self,
        step: StepKey,
        variables: Context,
        reach: Reach,
    ) -> Result<(), Error> {
        let instance = InstanceKey(step.0);
        self.command(instance, Command::SetVariables { step, variables, reach }).await
    }

    /// Tries again what failed. `retries` are given to its job first, if it has one.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::State`] if its job has no retries left.
    pub async fn resolve(&self, incident: IncidentKey, retries: Option<i32>) -> Result<(), Error> {
        if let Some(retries) = retries {
            let row = self.inner.store.incident(incident).await?;
            let Some(row) = row else { return Err(Error::not_found("incident", &incident.0)) };
            if let Some(job) = row.job {
                self.command(row.instance, Command::UpdateRetries { job, retries }).await?;
            }
        }
        let instance = InstanceKey(incident.0);
        self.command(instance, Command::ResolveIncident { incident }).await
    }

    pub(crate) async fn command(
        &self,
        instance: InstanceKey,
        command: Command,
    ) -> Result<(), Error> {
        self.ask(|reply| Input::Command { instance, command, reply: Some(reply) }).await
    }

    /// Instances, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn instances(&self, query: &InstanceQuery) -> Result<Vec<InstanceRow>, Error> {
        Ok(self.inner.store.instances(query).await?)
    }

    /// One instance's row.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn instance(&self, key: InstanceKey) -> Result<InstanceRow, Error> {
        let row = self.inner.store.instance(key).await?;
        row.ok_or_else(|| Error::not_found("instance", &key.0))
    }

    /// The committed state of a running instance; none if it has ended.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn state(&self, key: InstanceKey) -> Result<Option<Instance>, Error> {
        let address = [engine::ids::Address::Instance(key)];
        let found = self.inner.store.load(SHARD, &address).await?.into_iter().next().flatten();
        let Some(snapshot) = found else { return Ok(None) };
        Instance::decode(&snapshot).map(Some).map_err(|error| Error::Internal {
            detail: format!("a snapshot cannot be read: {error}"),
        })
    }

    /// The audit log of an instance, in order.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn audit(&self, key: InstanceKey) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        for row in self.inner.store.audit(key).await? {
            audit::read(&row.records, &mut records).map_err(|error| Error::Internal {
                detail: format!("an audit record cannot be read: {error}"),
            })?;
        }
        Ok(records)
    }

    /// Open incidents.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn incidents(
        &self,
        instance: Option<InstanceKey>,
        after: Option<IncidentKey>,
        limit: u32,
    ) -> Result<Vec<(IncidentKey, IncidentRow)>, Error> {
        Ok(self.inner.store.incidents(instance, after, limit).await?)
    }

    /// Forgets finished instances whose time has come. Answers how many of them were found.
    ///
    /// # Errors
    /// Those of the shard.
    pub async fn purge(&self) -> Result<u64, Error> {
        self.ask(|reply| Input::Purge { reply }).await
    }
}
