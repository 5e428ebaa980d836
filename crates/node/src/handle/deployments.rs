//! Deployments and processes, as the handle offers them.
//!
//! Boundary: compiled and checked here, off the shard's loop; activated in the shard.
//! Read first: [`Node::deploy`].

use std::time::Duration;

use engine::ids::DefinitionKey;
use host::package::PackageSource;
use tokio::task::JoinSet;

use super::route::ask;
use super::unexpected;
use crate::cluster::wire::{self, Answer, Archive, Request};
use crate::cluster::{HOME, Place};
use crate::error::Error;
use crate::handle::Node;
use crate::input::Input;
use crate::packages::{self, Prepared};

/// What a deployment brought: the versions, and warnings.
type Deployed = (Vec<DefinitionKey>, Vec<host::Diagnostic>);

/// How long the other servers may take to load what was deployed.
const SPREAD: Duration = Duration::from_secs(10);

impl Node {
    /// Checks, compiles and activates a set of packages: all of them or none. When it returns,
    /// every server knows them.
    ///
    /// # Errors
    /// [`Error::Refused`] with all problems at once.
    pub async fn deploy(&self, sources: Vec<PackageSource>) -> Result<Deployed, Error> {
        let archives = || {
            let archive = |source: &PackageSource| {
                let name = source.manifest.name.clone();
                let packed = source.archive().map_err(|error| Error::Internal {
                    detail: format!("package `{name}` cannot be packed: {error}"),
                })?;
                Ok(Archive { name, content: packed })
            };
            let archives: Result<_, Error> = sources.iter().map(archive).collect();
            Ok(Request::Deploy { archives: archives? })
        };
        match self.at_home(archives).await? {
            Some(deployed) => Ok(deployed),
            None => self.deploy_here(sources).await,
        }
    }

    /// Compiles and activates BPMN files that belong to no package: all of them or none.
    ///
    /// # Errors
    /// [`Error::Refused`] with all problems at once.
    pub async fn deploy_resources(
        &self,
        resources: Vec<(String, bytes::Bytes)>,
    ) -> Result<Deployed, Error> {
        let files = || {
            let file = |(name, content): &(String, bytes::Bytes)| Archive {
                name: name.clone(),
                content: content.to_vec(),
            };
            Ok(Request::DeployResources { resources: resources.iter().map(file).collect() })
        };
        match self.at_home(files).await? {
            Some(deployed) => Ok(deployed),
            None => self.deploy_resources_here(resources).await,
        }
    }

    /// Lets the server that owns the home shard do it; none if that is this one.
    async fn at_home(
        &self,
        request: impl Fn() -> Result<Request, Error>,
    ) -> Result<Option<Deployed>, Error> {
        if matches!(self.inner.routes.table().place(HOME), Place::Here(_)) {
            return Ok(None);
        }
        match self.route(HOME, request()?).await? {
            Answer::Deployed(keys, warnings) => {
                Ok(Some((keys, warnings.into_iter().map(host::Diagnostic::from).collect())))
            }
            other => Err(unexpected(&other)),
        }
    }

    pub(crate) async fn deploy_here(&self, sources: Vec<PackageSource>) -> Result<Deployed, Error> {
        let catalog = self.catalog();
        self.activate(move || packages::prepare(sources, &catalog)).await
    }

    pub(crate) async fn deploy_resources_here(
        &self,
        resources: Vec<(String, bytes::Bytes)>,
    ) -> Result<Deployed, Error> {
        let catalog = self.catalog();
        self.activate(move || packages::prepare_resources(&resources, &catalog)).await
    }

    async fn activate(
        &self,
        prepare: impl FnOnce() -> Result<Prepared, Error> + Send + 'static,
    ) -> Result<Deployed, Error> {
        let prepared = crate::blocking::run(prepare).await;
        let mut prepared = prepared
            .map_err(|error| Error::Internal { detail: format!("preparing broke: {error}") })??;
        let warnings = std::mem::take(&mut prepared.warnings);
        let prepared = Box::new(prepared);
        let Place::Here(home) = self.inner.routes.table().place(HOME) else {
            return Err(Error::Unavailable { doing: "moving a shard" });
        };
        let (keys, revision) = ask(&home, |reply| Input::Deploy { prepared, reply }).await?;
        self.spread(revision).await;
        Ok((keys, warnings))
    }

    /// Waits until every server has the catalogue of this revision. One that cannot be reached
    /// learns of it at its next pulse.
    async fn spread(&self, revision: u64) {
        let mut catalogs = self.inner.around.published.catalogs();
        let mut calls = JoinSet::new();
        let table = self.inner.routes.table();
        for (key, member) in &table.members {
            if Some(*key) != table.me {
                let (transport, member) = (self.inner.transport.clone(), member.clone());
                calls.spawn(async move {
                    let request = wire::write(&Request::Refresh { revision });
                    let called = transport.call(&member, request, SPREAD).await;
                    if let Err(error) = called {
                        let server = &member.about.name;
                        tracing::warn!(%server, ?error, "a server has not loaded the catalogue");
                    }
                });
            }
        }
        let published = catalogs.until(|catalog| catalog.revision >= revision);
        // What is published later is seen at a pulse.
        let _late = tokio::time::timeout(SPREAD, published).await;
        while calls.join_next().await.is_some() {}
    }

    /// Enables one version of a process, or none (R19). When it returns, every server knows it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn enable(&self, process: &str, version: Option<u32>) -> Result<(), Error> {
        let process = process.into();
        match self.route(HOME, Request::Enable { process, version }).await? {
            Answer::Number(revision) => {
                self.spread(revision).await;
                Ok(())
            }
            other => Err(unexpected(&other)),
        }
    }

    /// The BPMN text of a process version.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn resource(&self, definition: DefinitionKey) -> Result<bytes::Bytes, Error> {
        let catalog = self.catalog();
        let Some(known) = catalog.definitions.get(&definition) else {
            return Err(Error::not_found("process", &definition.0));
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
}
