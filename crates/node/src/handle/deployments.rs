//! Deployments and processes, as the handle offers them.
//!
//! Boundary: compiled and checked here, off the shard's loop; activated in the shard.
//! Read first: [`Node::deploy`].

use engine::ids::DefinitionKey;
use host::package::PackageSource;

use crate::error::Error;
use crate::handle::Node;
use crate::input::Input;
use crate::packages::{self, Prepared};

impl Node {
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
