//! What is deployed, as this server knows it: loaded from the store, or handed over by the home
//! shard when that is here; services are callable before anybody sees the new catalogue.
//!
//! Boundary: one task owns the loading; shards and faces read what was published.
//! Invariants: CTL-1 the published catalogue never goes back to an earlier revision.
//! Read first: [`Catalogs`].

use std::path::PathBuf;
use std::sync::Arc;

use host::service::Services;
use store::Store;
use tokio::sync::{mpsc, oneshot};

use crate::catalog::{ActivePackage, Catalog};
use crate::clock::Clock;
use crate::error::Error;
use crate::published::Published;

/// Wishes that may wait.
const WISHES_MAX: usize = 64;

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
}

impl Catalogs {
    /// The catalogue and the task that keeps it, to be run by whoever runs the server.
    pub(crate) fn new(loader: Loader) -> (Self, impl Future<Output = ()> + Send) {
        let (wishes, receiver) = mpsc::channel(WISHES_MAX);
        (Self { wishes }, keep(loader, receiver))
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

async fn keep(loader: Loader, mut wishes: mpsc::Receiver<Wish>) {
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
        let catalog = crate::catalog::load(&*self.store).await?;
        self.publish(Arc::new(catalog)).await;
        Ok(())
    }

    async fn publish(&self, catalog: Arc<Catalog>) {
        let before = self.published.catalog();
        if before.revision > catalog.revision {
            // CTL-1: a slow load was overtaken.
            return;
        }
        for (name, active) in &catalog.packages {
            let same = before.packages.get(name).is_some_and(|known| known.digest == active.digest);
            if !same || before.revision == 0 {
                self.install(name, active).await;
            }
        }
        self.published.publish(catalog);
    }

    /// Makes the services of an active package callable. A package that cannot be unpacked
    /// leaves its services uncallable, which jobs say as their cause.
    async fn install(&self, name: &str, active: &Arc<ActivePackage>) {
        let directory = self.packages_dir.join(active.digest.replace(':', "-"));
        let activation = host::service::Activation {
            directory: Some(directory.clone()),
            server: self.server.clone(),
            settings: std::collections::BTreeMap::new(),
            now_ms: self.clock.now_ms(),
        };
        let has_commands = !active.package.manifest().services.is_empty();
        if has_commands {
            let source = active.clone();
            let unpacked = crate::blocking::run(move || {
                if directory.exists() { Ok(()) } else { source.package.source.unpack(&directory) }
            });
            let failed = match unpacked.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = failed {
                tracing::error!(package = name, %error, "a package is not unpacked");
            }
        }
        self.services.install(&active.package.source, activation);
    }
}
