//! The handle of a running server: what faces may ask.
//!
//! Boundary: validates at the edge, asks the shards wherever they are, and reads lists from the
//! store.
//! An answer comes only after what it is based on is durable.
//! Read first: [`Node::open`], then [`Node::create`].

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use engine::ids::{IncidentKey, InstanceKey, StepKey};
use engine::instance::Instance;
use engine::{CancelledBy, Command, Reach};
use feel::Context;
use store::{IncidentRow, InstanceFilter, InstanceRow, Member, Pulse, Standing, Store};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::audit::{self, Record};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::cluster::follow::Followers;
use crate::cluster::reach::Sight;
use crate::cluster::wire::{Answer, Request};
use crate::cluster::{
    self, Catalogs, Loader, Me, Membership, Post, Routes, Shared, Transport, WAKES_MAX, Wake,
};
use crate::deployment::course::Courses;
use crate::error::Error;
use crate::hosting::Hosting;
use crate::input::{Created, Ended, Input, Which};
use crate::published::{Condition, Counters, Published};
use crate::shard::{Settings, Surroundings};
use crate::stream::Streams;

mod decisions;
mod deployments;
mod documents;
mod invoke;
mod jobs;
mod locks;
mod logical;
mod packages;
mod reach;
mod requests;
pub(crate) mod route;
mod servers;
mod settings;
mod settled;
mod tokens;

pub use decisions::{Evaluation, WhichDecision};
pub use documents::Publication;
pub use invoke::{Answered, Invocation};
use route::shard_of;
pub use servers::{Here, ServerView, ShardView, Told};
pub use settings::{Seed, SettingView};

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
    /// How the server takes part among others.
    pub cluster: cluster::Options,
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
            cluster: cluster::Options::default(),
        }
    }
}

/// How long a server that stops waits for jobs that go back to their shards.
const RELEASING: Duration = Duration::from_secs(1);

/// Which instances to list.
pub type InstanceQuery = InstanceFilter;

/// A running server. Cheap to clone; the server stops with [`Node::stop`].
#[derive(Clone)]
pub struct Node {
    pub(crate) inner: Arc<Inner>,
    /// Held by those outside: when the last one goes, what the server leads ends with it.
    _outside: Option<Arc<Outside>>,
}

/// Ends what a server leads when nobody holds its handle any more.
struct Outside {
    leading: Leading,
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.leading.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// Tasks that hold the server themselves.
pub(crate) type Leading = Arc<std::sync::Mutex<JoinSet<()>>>;

pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) store: Arc<dyn Store>,
    clock: Clock,
    published: Arc<Published>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) catalogs: Catalogs,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) around: Surroundings,
    pub(crate) followers: Arc<Followers>,
    pub(crate) sight: Sight,
    pub(crate) wakes: mpsc::Sender<Wake>,
    /// Everything that runs for this server; dropping it ends all of it at once.
    running: Mutex<JoinSet<()>>,
    /// Turns for decisions that clients ask for.
    evaluations: Arc<Semaphore>,
    /// What works for logical servers.
    pub(crate) hosting: Hosting,
    /// What brings jobs of other servers, one task for each open stream.
    pub(crate) following: std::sync::Mutex<JoinSet<()>>,
    /// Deployments that this server leads.
    pub(crate) courses: Courses,
    /// One task for each of them, and the one that looks after those of others.
    pub(crate) leading: Leading,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Node").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl Node {
    /// For the server's own tasks: they do not keep it alive when nobody outside does.
    pub(crate) fn of_inner(inner: Arc<Inner>) -> Self {
        Self { inner, _outside: None }
    }

    /// Starts a server on a store. It is ready when [`Node::condition`] says so.
    #[must_use]
    pub fn open(store: Arc<dyn Store>, options: Options) -> Self {
        let published = Arc::new(Published::new());
        let routes = Arc::new(Routes::new(options.cluster.others));
        let services = Arc::new(host::service::Services::new(options.services));
        let transport = options.cluster.transport.clone();
        let gates = host::gate::Gates::default();
        let (unstarted, starting) = mpsc::channel(WAKES_MAX);
        let (catalogs, keeping) = Catalogs::new(Loader {
            store: store.clone(),
            services: services.clone(),
            published: published.clone(),
            clock: options.clock.clone(),
            packages_dir: options.settings.packages_dir.clone(),
            server: options.settings.server.clone(),
            ready: cluster::Ready::default(),
            gates: gates.clone(),
            unstarted,
        });
        let (wakes, waking) = mpsc::channel(WAKES_MAX);
        let (post, carrying) =
            Post::new(routes.clone(), transport.clone(), wakes.clone(), options.clock.clone());
        let around = Surroundings {
            store: store.clone(),
            clock: options.clock.clone(),
            services,
            gates: gates.clone(),
            parts: Arc::default(),
            published: published.clone(),
            routes: routes.clone(),
            post,
            catalogs: catalogs.clone(),
            streams: Arc::new(Streams::default()),
            shared: Arc::new(Shared::new(options.settings, &options.cluster, gates)),
        };
        let hosts = options.cluster.about.hosts.clone();
        let membership = Membership {
            me: Me { name: options.name.clone(), build: env!("CARGO_PKG_VERSION") },
            options: options.cluster,
            around: around.clone(),
            wakes: waking,
        };
        let mut running = JoinSet::new();
        running.spawn(keeping);
        running.spawn(carrying);
        running.spawn(membership.run());
        let followers = Arc::new(Followers::default());
        running.spawn(followers.clone().sweep());
        let inner = Inner {
            name: options.name,
            store,
            clock: options.clock,
            published,
            routes,
            catalogs,
            transport,
            around,
            followers,
            sight: Sight::default(),
            wakes,
            running: Mutex::new(running),
            evaluations: Arc::new(Semaphore::new(decisions::AT_ONCE)),
            hosting: Hosting::new(),
            following: std::sync::Mutex::new(JoinSet::new()),
            courses: Courses::default(),
            leading: Leading::default(),
        };
        let _outside = Some(Arc::new(Outside { leading: inner.leading.clone() }));
        let node = Self { inner: Arc::new(inner), _outside };
        Hosting::begin(&node, &hosts);
        node.begin_watching(starting);
        node
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

    /// Finishes what is decided, gives the shards to other servers, and ends. Idempotent.
    pub async fn stop(&self) {
        let patience =
            u64::try_from(self.inner.around.shared.in_force().settings.stop_calls_ms).unwrap_or(0);
        self.cancel_all().await;
        self.inner.hosting.finish(Duration::from_millis(patience)).await;
        self.shut_down_packages().await;
        self.inner.followers.end();
        // While the shards are still here.
        self.inner.around.post.released(RELEASING).await;
        let (reply, stopped) = oneshot::channel();
        if self.inner.wakes.send(Wake::Stop(reply)).await.is_ok() {
            // The membership may have ended by itself.
            let _ = stopped.await;
        }
        self.stop_leading().await;
        self.inner.running.lock().await.shutdown().await;
    }

    /// Ends at once, as if the process was killed: nothing is written or given back any more.
    pub async fn kill(&self) {
        self.inner.hosting.end().await;
        // From here on nothing is begun that would hold the server.
        self.inner.routes.update(|table| table.is_stopping = true);
        self.stop_leading().await;
        self.inner.running.lock().await.shutdown().await;
    }

    /// Gives all shards to other servers; calls are forwarded from then on. Returns when none is
    /// left here, or there is nobody to take them.
    pub async fn drain(&self) {
        let (reply, drained) = oneshot::channel();
        if self.inner.wakes.send(Wake::Drain(reply)).await.is_ok() {
            // A membership that has ended has no shards.
            let _ = drained.await;
        }
    }

    /// Stands by, or serves.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the server ends.
    pub async fn stand(&self, standing: Standing) -> Result<(), Error> {
        let sent = self.inner.wakes.send(Wake::Stand(standing)).await;
        sent.map_err(|_| Error::Unavailable { doing: "stopping" })
    }

    /// The servers whose leases run, as this one knows them.
    #[must_use]
    pub fn members(&self) -> Vec<Arc<Member>> {
        self.inner.routes.table().members.values().cloned().collect()
    }

    /// How the cluster is, as the store sees it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn pulse(&self) -> Result<Pulse, Error> {
        Ok(self.inner.store.pulse().await?)
    }

    /// Waits until the server takes requests, at most `patience`.
    ///
    /// # Errors
    /// [`Error::Timeout`], or [`Error::Format`] if the server will never be ready.
    pub async fn ready(&self, patience: Duration) -> Result<(), Error> {
        let ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let waiting = async {
            while self.condition() != Condition::Ready {
                if let Some(refusal) = self.inner.published.refusal() {
                    return Err(refusal);
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Ok(())
        };
        tokio::time::timeout(patience, waiting)
            .await
            .unwrap_or(Err(Error::Timeout { what: "getting ready", ms }))
    }

    /// Starts an instance.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`] if no version is enabled or it has no none start.
    pub async fn create(&self, which: Which, variables: Context) -> Result<Created, Error> {
        let (process, package) = self.package_of(&which);
        let request = || {
            let (which, variables) = (which.clone(), variables.clone());
            let shard = self.any_shard()?;
            Ok((shard, Request::Create { shard, which, variables, wait_ms: None }))
        };
        match self.start(&process, package, request).await? {
            Answer::Created(created) => Ok(created),
            other => Err(unexpected(&other)),
        }
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
        let wait_ms = Some(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
        let (process, package) = self.package_of(&which);
        let request = || {
            let (which, variables) = (which.clone(), variables.clone());
            let shard = self.any_shard()?;
            Ok((shard, Request::Create { shard, which, variables, wait_ms }))
        };
        match self.start(&process, package, request).await? {
            Answer::Ended(ended) => Ok(ended),
            other => Err(unexpected(&other)),
        }
    }

    /// A shard for what may go anywhere.
    pub(crate) fn any_shard(&self) -> Result<engine::ids::ShardId, Error> {
        let doing = match self.condition() {
            Condition::Stopping => "stopping",
            _ => "recovering",
        };
        self.inner.routes.any().ok_or(Error::Unavailable { doing })
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
        let order = cluster::wire::order_of(command)
            .ok_or_else(|| Error::Internal { detail: "no client gives this command".to_owned() })?;
        let request = Request::Command { instance, order };
        let shard = self.inner.routes.table().shard_of_key(instance.0);
        match self.route(shard, request).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
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
        let shard = shard_of(key.0);
        let found = self.inner.store.load(shard, &address).await?.into_iter().next().flatten();
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

    /// The audit log of an instance with what its services printed, in order.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn log(&self, key: InstanceKey) -> Result<Vec<audit::Entry>, Error> {
        let mut entries = Vec::new();
        for row in self.inner.store.audit(key).await? {
            audit::read_all(&row.records, &mut entries).map_err(|error| Error::Internal {
                detail: format!("an audit record cannot be read: {error}"),
            })?;
        }
        Ok(entries)
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

    /// Forgets finished instances of the shards that are served here whose time has come. Answers
    /// how many of them were found.
    ///
    /// # Errors
    /// Those of the shards.
    pub async fn purge(&self) -> Result<u64, Error> {
        let mut number = 0;
        for shard in self.inner.routes.table().local.values() {
            number += route::ask(shard, |reply| Input::Purge { reply }).await?;
        }
        Ok(number)
    }
}

/// An answer of another kind than the request's.
fn unexpected(answer: &Answer) -> Error {
    Error::Internal { detail: format!("an answer does not fit its request: {answer:?}") }
}
