//! Taking a shard over: its lease, what is deployed, and the indexes of what waits.
//!
//! Boundary: reads index rows in pages and compiles definitions; instances stay rows until they
//! are needed, so that a start does not grow with the number that wait.
//! Read first: [`Shard::restore`].

use std::sync::Arc;

use engine::Command;
use engine::ids::{Address, InstanceKey};
use engine::instance::Rules;
use feel::Str;
use hashbrown::HashMap;
use host::package::{Limits, Manifest, Package, PackageSource, QualityOfService};
use store::{DefinitionRow, EntryState};

use crate::catalog::{ActivePackage, Catalog, Definition, SERVICE_PREFIX, is_straight_through};
use crate::error::Error;
use crate::input::Input;

use super::Shard;

/// Rows of one page.
const PAGE: u32 = 5_000;

impl Shard {
    /// Loads what a new owner needs. What is in memory must have been dropped before.
    pub(super) async fn restore(&mut self) -> Result<(), Error> {
        self.catalog = Arc::new(self.read_catalog().await?);
        self.published.publish(self.catalog.clone());
        let names: Vec<Str> = self.catalog.packages.keys().cloned().collect();
        for name in names {
            self.install_services(&name).await;
        }
        self.wakes.load(&*self.store, self.lease.shard, self.now_ms).await?;
        self.restore_leases().await?;
        self.restore_entries().await?;
        for (job_type, _) in self.store.job_types(self.lease.shard).await? {
            if job_type.starts_with(SERVICE_PREFIX) {
                self.dispatcher.queue(&job_type);
            }
        }
        self.backlog.push_back(Input::ServiceDone);
        // Workers that stayed through a failure wait for what is ready in the store.
        let wanted = self.dispatcher.wanted();
        self.backlog.extend(wanted.into_iter().map(|job_type| Input::StreamReady { job_type }));
        Ok(())
    }

    async fn restore_leases(&mut self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.store.jobs_leased(self.lease.shard, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.job);
            for leased in page {
                self.dispatcher.keep_lease(leased.job, leased.deadline_ms);
                if leased.job_type.starts_with(SERVICE_PREFIX) {
                    // The call died with the server that made it.
                    let command = Command::ReleaseJob { job: leased.job };
                    let instance = InstanceKey(leased.job.0);
                    self.backlog.push_back(Input::Command { instance, command, reply: None });
                }
            }
        }
    }

    async fn restore_entries(&mut self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.store.entries(EntryState::Queued, None, after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (entry, row) in page {
                self.entries.add(entry, row);
            }
        }
        let mut after = None;
        loop {
            let page = self.store.entries(EntryState::InProcess, None, after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            for (entry, row) in page {
                if !self.survives(row.instance).await? {
                    // Volatile tracking, or a service call that died with its server: again.
                    self.entries.add(entry, store::EntryRow { instance: None, ..row });
                }
            }
        }
    }

    async fn survives(&self, instance: Option<InstanceKey>) -> Result<bool, Error> {
        let Some(instance) = instance else { return Ok(false) };
        let found = self.store.load(self.lease.shard, &[Address::Instance(instance)]).await?;
        Ok(found.into_iter().next().flatten().is_some())
    }

    async fn read_catalog(&self) -> Result<Catalog, Error> {
        let mut catalog = Catalog::default();
        let mut manifests: HashMap<(Str, Str), Manifest> = HashMap::new();
        for row in self.store.packages().await? {
            let package = match self.read_package(&row.digest).await {
                // An earlier version that cannot be read leaves its processes the defaults.
                Err(error) if !row.active => {
                    let (package, version) = (&row.name, &row.version);
                    tracing::warn!(%package, %version, %error, "a package cannot be read");
                    continue;
                }
                read => read?,
            };
            manifests.insert((row.name, row.version), package.manifest().clone());
            if !row.active {
                continue;
            }
            let active = ActivePackage { package, digest: row.digest, at_ms: row.at_ms };
            catalog.put_package(Arc::new(active));
        }
        let mut models: HashMap<Str, bpmn::Model> = HashMap::new();
        for row in self.store.definitions().await? {
            if !models.contains_key(&row.digest) {
                let content = self.blob(&row.digest).await?;
                let model = bpmn::read(&content, &bpmn::Limits::default()).map_err(|_| {
                    let detail = format!("stored resource `{}` does not compile", row.resource);
                    Error::Internal { detail }
                })?;
                models.insert(row.digest.clone(), model);
            }
            let quality = quality_of(&manifests, &row);
            let model = models.get(&row.digest);
            let program =
                model.and_then(|model| model.programs.iter().find(|known| known.id == row.process));
            let Some(program) = program else {
                let detail = format!("stored resource `{}` lost its process", row.resource);
                return Err(Error::Internal { detail });
            };
            catalog.add(definition_of(&row, program, quality));
        }
        Ok(catalog)
    }

    async fn read_package(&self, digest: &str) -> Result<Package, Error> {
        let archive = self.blob(digest).await?;
        PackageSource::read_archive(&archive, &Limits::default())
            .and_then(Package::check)
            .map_err(|problems| Error::Refused { problems })
    }

    async fn blob(&self, digest: &str) -> Result<bytes::Bytes, Error> {
        self.store
            .blob(digest)
            .await?
            .ok_or_else(|| Error::Internal { detail: format!("blob `{digest}` is missing") })
    }
}

/// The quality of service that the version's own package declares.
fn quality_of(manifests: &HashMap<(Str, Str), Manifest>, row: &DefinitionRow) -> QualityOfService {
    let own = (row.package.clone(), row.package_version.clone());
    manifests.get(&own).map(|known| known.quality_of_service(&row.process)).unwrap_or_default()
}

fn definition_of(
    row: &DefinitionRow,
    program: &bpmn::Program,
    quality: QualityOfService,
) -> Definition {
    Definition {
        key: row.key,
        version: row.version,
        straight_through: is_straight_through(program),
        program: Arc::new(program.clone()),
        rules: Rules {
            definition: row.key,
            version: row.version,
            optimize_locally: quality.optimize_locally,
        },
        quality,
        package: row.package.clone(),
        package_version: row.package_version.clone(),
        resource: row.resource.clone(),
        digest: row.digest.clone(),
        deployment: row.deployment,
        enabled: row.enabled,
        at_ms: row.at_ms,
    }
}
