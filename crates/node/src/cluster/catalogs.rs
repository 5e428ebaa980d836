//! What is deployed, as this server knows it: loaded from the store, or handed over by the home
//! shard when that is here; services are callable before anybody sees the new catalogue.
//!
//! Boundary: one task owns the loading; shards and faces read what was published.
//! Invariants: CTL-1 the published catalogue never goes back to an earlier revision.
//! Read first: [`Catalogs`].

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use feel::Str;
use host::gate::{Gates, Policy};
use host::service::Services;
use store::Store;
use tokio::sync::{mpsc, oneshot};

use crate::catalog::{ActivePackage, Catalog};
use crate::clock::Clock;
use crate::deployment::Packed;
use crate::error::Error;
use crate::published::Published;

/// Wishes that may wait.
const WISHES_MAX: usize = 64;
/// Prepared packages that are kept; a set that is larger is prepared again.
const READY_MAX: usize = 1_000;

/// What the task is asked for.
enum Wish {
    /// Be at this revision, or tell why not.
    Refresh { revision: u64, reply: Option<oneshot::Sender<Result<(), Error>>> },
    /// The home shard made this one durable.
    Adopt(Arc<Catalog>),
}

/// The catalogue of this server.
#[derive(Debug, Clone)]
pub(crate) struct Catalogs {
    wishes: mpsc::Sender<Wish>,
    loader: Arc<Loader>,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Loader").finish_non_exhaustive()
    }
}

/// What loading needs.
pub(crate) struct Loader {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) services: Arc<Services>,
    pub(crate) published: Arc<Published>,
    pub(crate) clock: Clock,
    /// Where packages are unpacked for their services.
    pub(crate) packages_dir: PathBuf,
    /// What expressions of services see as `server`.
    pub(crate) server: feel::Value,
    pub(crate) ready: Ready,
    pub(crate) gates: Gates,
    /// Packages that no deployment has started on this server.
    pub(crate) unstarted: mpsc::Sender<Unstarted>,
}

/// A package whose start-up services are to run before it is offered here.
#[derive(Debug)]
pub(crate) struct Unstarted {
    /// What its gate is closed by, until they have run.
    pub(crate) closed_by: u64,
    pub(crate) package: Arc<ActivePackage>,
}

/// Packages that are unpacked and checked before they are in the catalogue.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    state: Mutex<ReadyState>,
}

#[derive(Debug, Default)]
struct ReadyState {
    /// By digest.
    packages: HashMap<Str, Arc<ActivePackage>>,
    /// Their components, until their services are offered. By digest.
    compiled: HashMap<Str, host::service::Compiled>,
    /// Whose services are callable before their catalogue is published: name and digest.
    offered: HashMap<Str, Str>,
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, ReadyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalogs {
    /// The catalogue and the task that keeps it, to be run by whoever runs the server.
    pub(crate) fn new(loader: Loader) -> (Self, impl Future<Output = ()> + Send) {
        let (wishes, receiver) = mpsc::channel(WISHES_MAX);
        let loader = Arc::new(loader);
        (Self { wishes, loader: loader.clone() }, keep(loader, receiver))
    }

    /// What prepares packages.
    pub(crate) fn loader(&self) -> &Loader {
        &self.loader
    }

    /// Waits until the published catalogue has this revision.
    pub(crate) async fn refresh(&self, revision: u64) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let wish = Wish::Refresh { revision, reply: Some(reply) };
        let stopping = || Error::Unavailable { doing: "stopping" };
        self.wishes.send(wish).await.map_err(|_| stopping())?;
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// The store has this revision. Nobody waits.
    pub(crate) fn hint(&self, revision: u64) {
        // A full queue is full of the same wish; the next pulse repeats it.
        let _ = self.wishes.try_send(Wish::Refresh { revision, reply: None });
    }

    /// Takes over what the home shard made durable.
    pub(crate) fn adopt(&self, catalog: Arc<Catalog>) {
        // If there is no room, the next pulse tells that there is a newer one.
        let _ = self.wishes.try_send(Wish::Adopt(catalog));
    }
}

/// What closes the gate of a package until it was started here: no key of a deployment.
fn closed_by(active: &ActivePackage) -> u64 {
    let mut id = u64::MAX;
    for byte in active.name().bytes() {
        id = id.rotate_left(5) ^ u64::from(byte);
    }
    id | (1 << 63)
}

async fn keep(loader: Arc<Loader>, mut wishes: mpsc::Receiver<Wish>) {
    while let Some(wish) = wishes.recv().await {
        match wish {
            Wish::Adopt(catalog) => loader.publish(catalog).await,
            Wish::Refresh { revision, reply } => {
                let loaded = loader.refresh(revision).await;
                match (reply, loaded) {
                    // Whoever asked may have given up waiting.
                    (Some(reply), loaded) => drop(reply.send(loaded)),
                    (None, Ok(())) => {}
                    (None, Err(error)) => {
                        tracing::warn!(%error, "the catalogue cannot be loaded; it is tried again");
                    }
                }
            }
        }
    }
}

impl Loader {
    async fn refresh(&self, revision: u64) -> Result<(), Error> {
        let known = self.published.catalog().revision;
        if known >= revision && known > 0 {
            return Ok(());
        }
        let known = self.published.catalog();
        let ready = self.ready.lock().packages.clone();
        let catalog = crate::catalog::load(&*self.store, &known, &ready).await?;
        self.publish(Arc::new(catalog)).await;
        Ok(())
    }

    async fn publish(&self, catalog: Arc<Catalog>) {
        let before = self.published.catalog();
        if before.revision > catalog.revision {
            // CTL-1: a slow load was overtaken.
            return;
        }
        let mut unstarted = Vec::new();
        for (name, active) in &catalog.packages {
            let same = before.packages.get(name).is_some_and(|known| {
                known.digest == active.digest && known.is_disabled == active.is_disabled
            });
            let is_offered =
                self.ready.lock().offered.remove(name).as_ref() == Some(&active.digest);
            if active.is_disabled {
                self.services.remove(name);
            } else if (!same && !is_offered) || before.revision == 0 {
                if !is_offered && !active.package.manifest().startup.is_empty() {
                    self.close(active);
                    unstarted.push(active.clone());
                }
                self.install(name, active).await;
            }
            self.ready.lock().packages.remove(&active.digest);
        }
        for name in before.packages.keys().filter(|name| !catalog.packages.contains_key(*name)) {
            self.services.remove(name);
        }
        self.published.publish(catalog);
        for active in unstarted {
            let closed_by = closed_by(&active);
            let told = self.unstarted.send(Unstarted { closed_by, package: active }).await;
            if told.is_err() {
                // The server ends.
                self.gates.open(closed_by);
            }
        }
    }

    /// Nobody calls a package before its start-up services have run here.
    fn close(&self, active: &ActivePackage) {
        let id = closed_by(active);
        if self.gates.close(id, &[active.name().into()], Policy::Hold) {
            // Nobody is inside of what was not there.
            let _sealed = self.gates.seal(id, true);
        }
    }

    /// Fetches, checks and unpacks a package that may become active; it serves nothing yet.
    pub(crate) async fn prepare(&self, packed: &Packed) -> Result<Arc<ActivePackage>, Error> {
        let known = self.ready.lock().packages.get(&packed.digest).cloned();
        if let Some(known) = known.filter(|known| known.is_disabled == packed.is_disabled) {
            return Ok(known);
        }
        let package = crate::catalog::read_package(&*self.store, &packed.digest).await?;
        let active = Arc::new(ActivePackage {
            package,
            digest: packed.digest.clone(),
            at_ms: self.clock.now_ms(),
            is_disabled: packed.is_disabled,
            note: "".into(),
        });
        self.unpack(&active).await.map_err(|detail| Error::State { detail })?;
        let compiled = self.services.prepare(&active.package.source).await;
        let compiled = compiled.map_err(|problems| Error::Refused { problems })?;
        let mut ready = self.ready.lock();
        if ready.packages.len() >= READY_MAX {
            ready.packages.clear();
            ready.compiled.clear();
        }
        ready.compiled.insert(packed.digest.clone(), compiled);
        ready.packages.insert(packed.digest.clone(), active.clone());
        Ok(active)
    }

    /// Makes the services of a prepared package callable, before its catalogue is published.
    pub(crate) fn offer(&self, active: &Arc<ActivePackage>) {
        self.services.install(&active.package.source, self.activation(active));
        let mut ready = self.ready.lock();
        // From here on what is installed keeps it.
        ready.compiled.remove(&active.digest);
        ready.offered.insert(active.name().into(), active.digest.clone());
    }

    /// What was offered was taken back.
    pub(crate) fn withdraw(&self, name: &str) {
        self.ready.lock().offered.remove(name);
    }

    fn directory(&self, active: &ActivePackage) -> PathBuf {
        self.packages_dir.join(active.digest.replace(':', "-"))
    }

    fn activation(&self, active: &ActivePackage) -> host::service::Activation {
        host::service::Activation {
            directory: Some(self.directory(active)),
            server: self.server.clone(),
            settings: std::collections::BTreeMap::new(),
            now_ms: self.clock.now_ms(),
        }
    }

    /// Unpacks a package whose services may need its files.
    async fn unpack(&self, active: &Arc<ActivePackage>) -> Result<(), String> {
        if active.package.manifest().services.is_empty() {
            return Ok(());
        }
        let (source, directory) = (active.clone(), self.directory(active));
        let unpacked = crate::blocking::run(move || {
            if directory.exists() {
                return Ok(());
            }
            let unpacked = source.package.source.unpack(&directory);
            // Somebody else was faster, with the same files: the digest is theirs.
            if directory.exists() { Ok(()) } else { unpacked }
        });
        match unpacked.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("package `{}` is not unpacked: {error}", active.name())),
            Err(error) => Err(format!("unpacking package `{}` broke: {error}", active.name())),
        }
    }

    /// Makes the services of an active package callable. A package that cannot be unpacked
    /// leaves its services uncallable, which jobs say as their cause.
    async fn install(&self, name: &str, active: &Arc<ActivePackage>) {
        if let Err(error) = self.unpack(active).await {
            tracing::error!(package = name, %error, "its programs cannot be called");
        }
        // Compiled ahead of the first call; what cannot be compiled here says so in each call.
        let compiled = self.services.prepare(&active.package.source).await;
        for problem in compiled.as_ref().err().into_iter().flatten() {
            tracing::error!(package = name, %problem, "a component cannot run");
        }
        self.services.install(&active.package.source, self.activation(active));
    }
}
