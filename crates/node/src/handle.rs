//! The handle of a running server: what faces may ask.
//!
//! Boundary: validates at the edge, sends inputs to the shard, and reads lists from the store.
//! An answer comes only after what it is based on is durable.
//! Read first: [`Node::open`], then [`Node::publish`].

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::ids::{DefinitionKey, EntryKey, IncidentKey, InstanceKey, JobKey, ShardId, StepKey};
use engine::instance::{Activation, Instance};
use engine::{CancelledBy, Command, Reach};
use feel::{Context, Str, Value};
use host::package::PackageSource;
use store::{DocumentRow, EntryRow, EntryState, IncidentRow, InstanceFilter, InstanceRow, Store};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::audit::{self, Record};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::error::Error;
use crate::input::{Accepted, Created, Ended, Input, NewDocument, NewMessage, Which};
use crate::packages::{self, Prepared};
use crate::published::{Condition, Counters, Published};
use crate::shard::{self, Settings, Surroundings};
use crate::stream::{JobStream, WorkerRequest};

/// The only shard of a server on SQLite.
const SHARD: ShardId = ShardId(1);
/// Inputs that may wait; more are refused, so that latency stays flat under overload.
const INPUTS_MAX: usize = 16_384;
/// Jobs on their way to one stream.
const STREAM_CAPACITY: usize = 512;

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
    pub fn new(name: &str, scratch: PathBuf) -> Self {
        let settings = Settings { packages_dir: scratch.join("packages"), ..Settings::default() };
        Self {
            name: name.to_owned(),
            clock: Clock::System,
            settings,
            services: host::service::Options::new(scratch.join("services")),
        }
    }
}

/// A document to publish.
#[derive(Debug, Clone)]
pub struct Publication {
    /// CloudEvents `source`, if the publisher gave one.
    pub source: Option<String>,
    /// CloudEvents `id`, if the publisher gave one.
    pub id: Option<String>,
    /// The data: an object.
    pub data: Value,
}

/// Which instances to list.
pub type InstanceQuery = InstanceFilter;

/// A running server. Cheap to clone; the server stops with [`Node::stop`].
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    store: Arc<dyn Store>,
    clock: Clock,
    published: Arc<Published>,
    shard: mpsc::Sender<Input>,
    streams: AtomicU64,
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
        if let Some(running) = self.inner.running.lock().await.take() {
            if let Err(error) = running.await {
                tracing::error!(%error, "the shard broke");
            }
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

    async fn ask<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Input,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(make(reply))?;
        answer.await.unwrap_or(Err(Error::Unavailable { doing: "recovering" }))
    }

    fn send(&self, input: Input) -> Result<(), Error> {
        self.inner.shard.try_send(input).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Error::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Error::Unavailable { doing: "stopping" },
        })
    }

    // ---- documents and messages ----

    /// Accepts documents of one type; each is durable when this returns (R17). A bad one refuses
    /// only itself.
    ///
    /// # Errors
    /// [`Error::UnknownType`] for all; per document [`Error::Schema`] or [`Error::Invalid`].
    pub async fn publish(
        &self,
        document_type: &str,
        publications: Vec<Publication>,
    ) -> Result<Vec<Result<Accepted, Error>>, Error> {
        let catalog = self.catalog();
        let Some(known) = catalog.document_type(document_type) else {
            return Err(unknown_type(&catalog, document_type));
        };
        let mut results: Vec<Option<Error>> = Vec::with_capacity(publications.len());
        let mut documents = Vec::with_capacity(publications.len());
        for publication in publications {
            match self.check_document(known, publication) {
                Ok(document) => {
                    documents.push(document);
                    results.push(None);
                }
                Err(error) => results.push(Some(error)),
            }
        }
        let accepted = if documents.is_empty() {
            Vec::new()
        } else {
            self.ask(|reply| Input::Publish { documents, reply }).await?
        };
        let mut accepted = accepted.into_iter();
        let merged = results.into_iter().map(|refused| match refused {
            Some(error) => Err(error),
            None => {
                accepted.next().ok_or(Error::Internal { detail: "an answer is missing".into() })
            }
        });
        Ok(merged.collect())
    }

    fn check_document(
        &self,
        known: &crate::catalog::Type,
        publication: Publication,
    ) -> Result<NewDocument, Error> {
        let Value::Context(content) = publication.data else {
            let detail = format!("a document is an object, found {}", publication.data.kind_name());
            return Err(Error::Invalid { detail });
        };
        let data = Value::Context(content);
        known.schema().validate(&data).map_err(|violations| Error::Schema {
            name: known.name.to_string(),
            detail: violations
                .first()
                .map(|first| format!("at `{}`: {}", first.pointer, first.message))
                .unwrap_or_default(),
            violations: violations.into_iter().map(|v| (v.pointer, v.message)).collect(),
        })?;
        let Value::Context(content) = data else { unreachable!("it was a context above") };
        let source = publication.source.unwrap_or_else(|| format!("/{}", self.inner.name));
        Ok(NewDocument {
            document_type: known.name.clone(),
            source: source.into(),
            id: publication.id.filter(|id| !id.is_empty()).map(Str::from),
            content,
        })
    }

    /// Publishes a message to waiting instances and message start events. Answers its key.
    ///
    /// # Errors
    /// [`Error::Exists`] if one of the same id is still buffered.
    pub async fn publish_message(
        &self,
        name: &str,
        correlation_key: &str,
        id: &str,
        time_to_live_ms: i64,
        variables: Context,
    ) -> Result<u64, Error> {
        if name.is_empty() {
            return Err(Error::Invalid { detail: "a message needs a name".into() });
        }
        let message = NewMessage {
            name: name.into(),
            key: correlation_key.into(),
            id: id.into(),
            time_to_live_ms,
            variables,
        };
        self.ask(|reply| Input::Message { message, reply }).await
    }

    /// Entries of trigger queues in a state.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn entries(
        &self,
        state: EntryState,
        trigger: Option<&str>,
        after: Option<EntryKey>,
        limit: u32,
    ) -> Result<Vec<(EntryKey, EntryRow)>, Error> {
        Ok(self.inner.store.entries(state, trigger, after, limit).await?)
    }

    /// One entry with its document.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn entry(&self, key: EntryKey) -> Result<(EntryRow, Option<DocumentRow>), Error> {
        let store = &self.inner.store;
        let Some(row) = store.entry(key).await? else {
            return Err(Error::not_found("entry", key.0));
        };
        let document = store.document(row.document).await?;
        Ok((row, document))
    }

    /// Queues dead or parked entries again. Answers how many there were.
    ///
    /// # Errors
    /// Those of the shard.
    pub async fn replay(&self, entries: Vec<EntryKey>) -> Result<u64, Error> {
        self.ask(|reply| Input::Replay { entries, reply }).await
    }

    /// Throws entries away that are not in process. Answers how many there were.
    ///
    /// # Errors
    /// Those of the shard.
    pub async fn discard(&self, entries: Vec<EntryKey>) -> Result<u64, Error> {
        self.ask(|reply| Input::Discard { entries, reply }).await
    }

    // ---- deployments and processes ----

    /// Checks, compiles and activates a set of packages: all of them or none.
    ///
    /// # Errors
    /// [`Error::Refused`] with all problems at once.
    pub async fn deploy(
        &self,
        sources: Vec<PackageSource>,
    ) -> Result<(Vec<DefinitionKey>, Vec<host::Diagnostic>), Error> {
        let catalog = self.catalog();
        self.activate(move || packages::prepare(sources, &catalog)).await
    }

    /// Compiles and activates BPMN files that belong to no package: all of them or none.
    ///
    /// # Errors
    /// [`Error::Refused`] with all problems at once.
    pub async fn deploy_resources(
        &self,
        resources: Vec<(String, bytes::Bytes)>,
    ) -> Result<(Vec<DefinitionKey>, Vec<host::Diagnostic>), Error> {
        let catalog = self.catalog();
        self.activate(move || packages::prepare_resources(&resources, &catalog)).await
    }

    async fn activate(
        &self,
        prepare: impl FnOnce() -> Result<Prepared, Error> + Send + 'static,
    ) -> Result<(Vec<DefinitionKey>, Vec<host::Diagnostic>), Error> {
        let prepared = tokio::task::spawn_blocking(prepare).await;
        let mut prepared = prepared
            .map_err(|error| Error::Internal { detail: format!("preparing broke: {error}") })??;
        let warnings = std::mem::take(&mut prepared.warnings);
        let prepared = Box::new(prepared);
        let keys = self.ask(|reply| Input::Deploy { prepared, reply }).await?;
        Ok((keys, warnings))
    }

    /// Enables one version of a process, or none (R19).
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn enable(&self, process: &str, version: Option<u32>) -> Result<(), Error> {
        let process = process.into();
        self.ask(|reply| Input::Enable { process, version, reply }).await
    }

    /// The BPMN text of a process version.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn resource(&self, definition: DefinitionKey) -> Result<bytes::Bytes, Error> {
        let catalog = self.catalog();
        let Some(known) = catalog.definitions.get(&definition) else {
            return Err(Error::not_found("process", definition.0));
        };
        let found = self.inner.store.blob(&known.digest).await?;
        found.ok_or_else(|| Error::not_found("resource", &known.resource))
    }

    /// Active instances and those with incidents, by process version.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn counts(&self) -> Result<Vec<(DefinitionKey, u64, u64)>, Error> {
        Ok(self.inner.store.counts().await?)
    }

    // ---- instances ----

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
            let Some(row) = row else { return Err(Error::not_found("incident", incident.0)) };
            if let Some(job) = row.job {
                self.command(row.instance, Command::UpdateRetries { job, retries }).await?;
            }
        }
        let instance = InstanceKey(incident.0);
        self.command(instance, Command::ResolveIncident { incident }).await
    }

    async fn command(&self, instance: InstanceKey, command: Command) -> Result<(), Error> {
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
        row.ok_or_else(|| Error::not_found("instance", key.0))
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

    // ---- jobs ----

    /// Opens a stream of jobs that become ready, and of those that already are.
    ///
    /// # Errors
    /// [`Error::Overloaded`], [`Error::Unavailable`].
    pub fn open_stream(&self, request: WorkerRequest) -> Result<JobStream, Error> {
        let id = self.inner.streams.fetch_add(1, Ordering::Relaxed);
        let (end, stream) = JobStream::open(id, request, STREAM_CAPACITY, self.inner.shard.clone());
        self.send(Input::OpenStream(end))?;
        Ok(stream)
    }

    /// Leases up to `most` ready jobs; waits at most `patience` for the first one.
    ///
    /// # Errors
    /// [`Error::Overloaded`], [`Error::Unavailable`].
    pub async fn activate_jobs(
        &self,
        request: WorkerRequest,
        most: usize,
        patience: Option<Duration>,
    ) -> Result<Vec<Activation>, Error> {
        let (reply, jobs) = oneshot::channel();
        let wait = patience.is_some();
        self.send(Input::Activate { request, most, wait, reply })?;
        let answer = match patience {
            // Giving up drops the receiver; jobs leased in that moment are given back.
            Some(patience) => tokio::time::timeout(patience, jobs).await.unwrap_or(Ok(Vec::new())),
            None => jobs.await,
        };
        // A dropped reply says that there were none.
        Ok(answer.unwrap_or_default())
    }

    /// The worker is done.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the job is gone, [`Error::State`] if it has failed.
    pub async fn complete_job(&self, job: JobKey, variables: Context) -> Result<(), Error> {
        self.command(InstanceKey(job.0), Command::CompleteJob { job, variables }).await
    }

    /// The worker failed.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`].
    pub async fn fail_job(
        &self,
        job: JobKey,
        retries: i32,
        message: &str,
        back_off_ms: i64,
        variables: Context,
    ) -> Result<(), Error> {
        let message = message.into();
        let command = Command::FailJob { job, retries, message, back_off_ms, variables };
        self.command(InstanceKey(job.0), command).await
    }

    /// The worker found a business error.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`].
    pub async fn throw_error(
        &self,
        job: JobKey,
        code: &str,
        message: &str,
        variables: Context,
    ) -> Result<(), Error> {
        let (code, message) = (code.into(), message.into());
        let command = Command::ThrowError { job, code, message, variables };
        self.command(InstanceKey(job.0), command).await
    }

    /// Sets the tries left of a job.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`].
    pub async fn update_retries(&self, job: JobKey, retries: i32) -> Result<(), Error> {
        self.command(InstanceKey(job.0), Command::UpdateRetries { job, retries }).await
    }

    /// Gives a leased job `timeout_ms` from now.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`].
    pub async fn update_timeout(&self, job: JobKey, timeout_ms: i64) -> Result<(), Error> {
        let deadline_ms = self.now_ms().saturating_add(timeout_ms);
        self.command(InstanceKey(job.0), Command::UpdateDeadline { job, deadline_ms }).await
    }
}

fn unknown_type(catalog: &Catalog, name: &str) -> Error {
    let nearest = catalog
        .document_types
        .keys()
        .min_by_key(|known| distance(known.rsplit('/').next().unwrap_or(known), name))
        .map(ToString::to_string);
    Error::UnknownType { name: name.to_owned(), nearest }
}

/// Edit distance, for a hint.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
