//! Activating a prepared set: versions, the enabled one, triggers, schedules.
//!
//! Boundary: everything here was compiled and checked before; the switch happens between two
//! inputs and is one unit.
//! Invariants: DPL-1 all of a set is active or nothing. DPL-2 a resource that is the same as the
//! latest version's gives no new version, unless it has to come together with one that does.
//! Read first: [`Shard::deploy`].

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::ids::{Address, DefinitionKey, DeploymentKey, EntryKey};
use engine::instance::Rules;
use engine::time;
use engine::{Repeat, Start};
use feel::{Context, Environment, NoVariables, Str};
use store::{DefinitionRow, DeploymentChange, EntryFilter, EntryRow, EntryState, PackageRow};

use crate::catalog::{ActivePackage, Catalog, Definition, is_straight_through, timer_starts};
use crate::error::Error;
use crate::packages::{Prepared, PreparedProcess, together};

use super::Shard;
use super::decisions::Coming;

/// Entries looked at at once when a process is enabled.
const PAGE: u32 = 1_000;

impl Shard {
    /// What is deployed by this shard's newest decision.
    pub(super) fn planned(&self) -> Result<Arc<Catalog>, Error> {
        self.plan.clone().ok_or_else(|| Error::Internal {
            detail: format!("shard {} decides on no deployment", self.lease.shard.0),
        })
    }

    /// Activates a prepared set. Answers the version of each of its processes, in order, then of
    /// each of its decisions and of the files of those, and the revision of the catalogue that has
    /// them.
    pub(super) async fn deploy(
        &mut self,
        prepared: Prepared,
    ) -> Result<(Vec<DefinitionKey>, u64), Error> {
        let mut catalog = (*self.planned()?).clone();
        let deployment = self.loose_key();
        let renewed = together::renewed(&prepared, &catalog);
        let mut keys = Vec::new();
        let mut changed = BTreeSet::new();
        let is_offered = |package: &Str| {
            let mut all = prepared.packages.iter();
            !all.any(|new| new.is_disabled && *new.package.manifest().name == **package)
        };
        let processes: Vec<PreparedProcess> =
            prepared.processes.iter().filter(|one| is_offered(&one.package)).cloned().collect();
        for process in &processes {
            let same = together::same_process(&catalog, process).cloned();
            let key = match same.filter(|_| !renewed.contains(&process.package)) {
                Some(same) => {
                    if process.auto_enable && !same.enabled {
                        changed.extend(catalog.enable(same.process(), Some(same.key)));
                    }
                    same.key
                }
                None => self.add_version(&mut catalog, process, deployment, &mut changed),
            };
            keys.push(key);
        }
        let coming = Coming { deployment, renewed: &renewed };
        keys.extend(self.add_decisions(&mut catalog, prepared.decisions, coming));
        for package in prepared.packages {
            self.add_package(&mut catalog, package, &processes, &mut changed);
        }
        for name in &prepared.removed {
            self.remove_package(&mut catalog, name, &mut changed);
        }
        if let Some((key, detail)) = prepared.deployment {
            self.batch.unit.deployments.push(DeploymentChange::Commit { key, detail });
        }
        self.batch.unit.blobs.extend(prepared.blobs);
        self.batch.unit.packages_forgotten.extend(prepared.forgotten);
        let changed: Vec<DefinitionKey> = changed.into_iter().collect();
        let revision = self.switch(catalog, &changed);
        self.reschedule(&changed).await?;
        Ok((keys, revision))
    }

    fn add_version(
        &mut self,
        catalog: &mut Catalog,
        process: &PreparedProcess,
        deployment: u64,
        changed: &mut BTreeSet<DefinitionKey>,
    ) -> DefinitionKey {
        let id = process.program.id.clone();
        let key = DefinitionKey(self.loose_key());
        let version = catalog.latest(&id).map_or(1, |latest| latest.version + 1);
        let straight_through = is_straight_through(&process.program);
        let before = catalog.enabled(&id).map(|known| known.key);
        catalog.add(Definition {
            key,
            version,
            program: process.program.clone(),
            rules: Rules {
                definition: key,
                version,
                optimize_locally: process.quality.optimize_locally,
            },
            quality: process.quality,
            package: process.package.clone(),
            package_version: process.package_version.clone(),
            resource: process.resource.clone(),
            digest: process.digest.clone(),
            deployment,
            enabled: process.auto_enable,
            at_ms: self.now_ms,
            straight_through,
        });
        changed.insert(key);
        if process.auto_enable {
            changed.extend(before);
        }
        key
    }

    fn add_package(
        &mut self,
        catalog: &mut Catalog,
        new: crate::packages::PreparedPackage,
        processes: &[PreparedProcess],
        changed: &mut BTreeSet<DefinitionKey>,
    ) {
        let manifest = new.package.manifest();
        let name: Str = manifest.name.as_str().into();
        let version: Str = manifest.version.to_string().into();
        // A process that the new version of the package does not have starts no more instances.
        disable_all(catalog, &name, changed, |process| {
            processes.iter().any(|kept| *kept.program.id == *process)
        });
        if let Some(earlier) = catalog.packages.get(&name)
            && *earlier.package.manifest().version.to_string() != *version
        {
            self.batch.unit.packages.push(package_row(earlier, false));
        }
        let active = Arc::new(ActivePackage {
            package: new.package,
            digest: new.digest,
            at_ms: self.now_ms,
            is_disabled: new.is_disabled,
            note: new.note,
        });
        self.batch.unit.packages.push(package_row(&active, true));
        catalog.put_package(active);
    }

    /// Takes a package out; its row stays, so that it can be recovered.
    fn remove_package(
        &mut self,
        catalog: &mut Catalog,
        name: &Str,
        changed: &mut BTreeSet<DefinitionKey>,
    ) {
        disable_all(catalog, name, changed, |_| false);
        if let Some(active) = catalog.packages.get(name).cloned() {
            self.batch.unit.packages.push(package_row(&active, false));
        }
        catalog.remove_package(name);
    }

    /// Writes down a change of a deployment's row, with content that it will need.
    pub(super) fn note_deployment(
        &mut self,
        change: DeploymentChange,
        blobs: Vec<(Str, bytes::Bytes)>,
    ) {
        self.batch.changes += 1;
        self.batch.unit.deployments.push(change);
        self.batch.unit.blobs.extend(blobs);
    }

    /// Opens the row of a deployment.
    pub(super) fn open_deployment(&mut self, detail: bytes::Bytes) -> DeploymentKey {
        let key = DeploymentKey(self.loose_key());
        let at_ms = self.now_ms;
        self.note_deployment(DeploymentChange::Open { key, detail, at_ms }, Vec::new());
        key
    }

    /// Plans a changed catalogue; everybody sees it after the commit. Answers its revision, which
    /// grows once per unit, as the store counts it.
    pub(super) fn switch(&mut self, mut catalog: Catalog, changed: &[DefinitionKey]) -> u64 {
        let is_first = self.batch.after.catalog.is_none();
        let has_rows = !changed.is_empty()
            || !self.batch.unit.packages.is_empty()
            || !self.batch.unit.definitions.is_empty();
        if is_first && has_rows {
            catalog.revision += 1;
        }
        self.batch.changes += 1;
        for key in changed {
            if let Some(definition) = catalog.definitions.get(key) {
                self.batch.unit.definitions.push(row_of(definition));
            }
        }
        let revision = catalog.revision;
        let catalog = Arc::new(catalog);
        self.plan = Some(catalog.clone());
        if has_rows {
            self.batch.after.catalog = Some(catalog);
        }
        revision
    }

    /// Takes over what the server has published, and delivers what waited for it.
    pub(super) async fn adopt_catalog(&mut self) -> Result<(), Error> {
        self.take_catalog();
        self.unpark_enabled().await
    }

    /// Takes over what the server has published; what waited for it is delivered before the next
    /// inputs.
    pub(super) fn take_catalog(&mut self) {
        let catalog = self.catalog_changes.latest();
        let before = std::mem::replace(&mut self.catalog, catalog.clone());
        // Letters may wait for it (LTR-3).
        self.inbox_ms = self.now_ms;
        let mut enabled: Vec<Str> = catalog
            .enabled
            .iter()
            .filter(|(process, key)| before.enabled.get(*process) != Some(key))
            .map(|(process, _)| process.clone())
            .collect();
        enabled.sort_unstable();
        self.held_up.enabled.append(&mut enabled);
    }

    /// Delivers what waited for processes that became enabled.
    pub(super) async fn unpark_enabled(&mut self) -> Result<(), Error> {
        if self.held_up.enabled.is_empty() {
            return Ok(());
        }
        for process in std::mem::take(&mut self.held_up.enabled) {
            self.unpark(&process).await?;
        }
        self.settle().await
    }

    /// Arms the timer start events of versions that became enabled, disarms the others'.
    pub(super) async fn reschedule(&mut self, changed: &[DefinitionKey]) -> Result<(), Error> {
        let plan = self.planned()?;
        for key in changed {
            let Some(definition) = plan.definitions.get(key) else { continue };
            for (element, timer) in timer_starts(&definition.program) {
                let address = Address::Schedule { definition: *key, element: element.0 };
                if !definition.enabled {
                    self.unschedule(address).await?;
                    continue;
                }
                let environment = Environment { now_ms: self.now_ms, steps_max: 100_000 };
                let value = timer.expression.evaluate(&NoVariables, &environment).value;
                match time::schedule(timer.text, &value, self.now_ms) {
                    Ok(first) => self.schedule(address, first.due_ms, first.repeat),
                    Err(why) => {
                        let process = definition.process();
                        tracing::warn!(%process, %why, "a timer start event cannot be scheduled");
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn schedule(&mut self, address: Address, due_ms: i64, repeat: Repeat) {
        let mut snapshot = Vec::with_capacity(16);
        let encoded = minicbor::encode((due_ms, repeat), &mut snapshot);
        debug_assert!(encoded.is_ok(), "writing to memory cannot fail");
        let sequence = self.lease.sequence + 1;
        self.wakes.arm(due_ms, address.clone(), 1, sequence);
        self.batch.arm(due_ms, address.clone(), 1);
        let snapshot = Some(snapshot.into());
        self.batch.unit.aggregates.push(store::AggregateChange { address, snapshot });
    }

    async fn unschedule(&mut self, address: Address) -> Result<(), Error> {
        let Some((due_ms, _)) = self.scheduled(&address).await? else { return Ok(()) };
        self.wakes.disarm(due_ms, &address, 1);
        self.batch.disarm(due_ms, address.clone(), 1);
        self.batch.unit.aggregates.push(store::AggregateChange { address, snapshot: None });
        Ok(())
    }

    /// When a schedule fires next; what is not yet durable knows better than the store.
    pub(super) async fn scheduled(
        &self,
        address: &Address,
    ) -> Result<Option<(i64, Repeat)>, Error> {
        let in_batch = self.batch.unit.aggregates.iter().rev().find(|c| c.address == *address);
        let unwritten = in_batch
            .map(|change| &change.snapshot)
            .or_else(|| self.schedules_in_flight.get(address));
        let snapshot = match unwritten {
            Some(snapshot) => snapshot.clone(),
            None => {
                let wanted = [address.clone()];
                self.store.load(self.lease.shard, &wanted).await?.into_iter().next().flatten()
            }
        };
        let Some(snapshot) = snapshot else { return Ok(None) };
        minicbor::decode(&snapshot).map(Some).map_err(|error| Error::Internal {
            detail: format!("a schedule's snapshot cannot be read: {error}"),
        })
    }

    /// A timer start event fires.
    pub(super) async fn fire_schedule(
        &mut self,
        definition: DefinitionKey,
        element: u32,
        due_ms: i64,
    ) -> Result<(), Error> {
        let address = Address::Schedule { definition, element };
        self.batch.disarm(due_ms, address.clone(), 1);
        let Some((armed_ms, repeat)) = self.scheduled(&address).await? else { return Ok(()) };
        if armed_ms != due_ms {
            return Ok(());
        }
        match time::next(due_ms, repeat) {
            Some((next_ms, repeat)) => self.schedule(address, next_ms, repeat),
            None => {
                let change = store::AggregateChange { address, snapshot: None };
                self.batch.unit.aggregates.push(change);
            }
        }
        let definition = self.definition(definition)?;
        let start = Start {
            element: Some(element),
            variables: Context::default(),
            caller: None,
            origin: None,
            holds: None,
            business_key: None,
        };
        // The start event is in the program, so the start cannot be refused.
        let _started = self.begin_and_settle(&definition, start).await?;
        Ok(())
    }

    /// Queues the parked entries of the triggers that start a process.
    pub(super) async fn unpark(&mut self, process: &Str) -> Result<(), Error> {
        let wanted = crate::catalog::Target::Process(process.clone());
        let mut triggers: Vec<Str> = self
            .catalog
            .triggers
            .values()
            .flatten()
            .filter(|trigger| trigger.target == wanted)
            .map(|trigger| trigger.name.clone())
            .collect();
        triggers.sort_unstable();
        for trigger in triggers {
            let open = self.batch.entries.iter().filter_map(|(key, (_, row))| {
                Some((*key, row.as_ref()?)).filter(|(_, row)| is_parked_for(row, &trigger))
            });
            let flying = self.entries_in_flight.iter().filter_map(|(key, row)| {
                Some((*key, row.as_ref()?)).filter(|(_, row)| is_parked_for(row, &trigger))
            });
            let mut unwritten: Vec<EntryKey> = open.chain(flying).map(|(key, _)| key).collect();
            unwritten.sort_unstable();
            unwritten.dedup();
            self.replay(unwritten).await?;
            let mut filter = EntryFilter {
                state: Some(EntryState::Parked),
                trigger: Some(trigger.clone()),
                shard: Some(self.lease.shard),
                limit: PAGE,
                ..EntryFilter::default()
            };
            loop {
                let page = self.store.entries(&filter).await?;
                let Some((last, _)) = page.last() else { break };
                filter.after = Some(*last);
                self.replay(page.into_iter().map(|(entry, _)| entry).collect()).await?;
            }
        }
        Ok(())
    }
}

/// Starts no more instances of a package's processes, but for those that are kept.
fn disable_all(
    catalog: &mut Catalog,
    package: &Str,
    changed: &mut BTreeSet<DefinitionKey>,
    is_kept: impl Fn(&str) -> bool,
) {
    let dropped: Vec<Str> = catalog
        .enabled
        .iter()
        .filter(|(process, key)| {
            let owner = catalog.definitions.get(*key).map(|known| &known.package);
            owner == Some(package) && !is_kept(process)
        })
        .map(|(process, _)| process.clone())
        .collect();
    for process in dropped {
        changed.extend(catalog.enable(&process, None));
    }
}

fn package_row(package: &ActivePackage, is_active: bool) -> PackageRow {
    PackageRow {
        name: package.name().into(),
        version: package.version(),
        digest: package.digest.clone(),
        active: is_active,
        disabled: package.is_disabled,
        note: package.note.clone(),
        at_ms: package.at_ms,
    }
}

fn is_parked_for(row: &EntryRow, trigger: &str) -> bool {
    row.state == EntryState::Parked && *row.trigger == *trigger
}

fn row_of(definition: &Definition) -> DefinitionRow {
    DefinitionRow {
        key: definition.key,
        process: definition.process().clone(),
        version: definition.version,
        package: definition.package.clone(),
        package_version: definition.package_version.clone(),
        resource: definition.resource.clone(),
        digest: definition.digest.clone(),
        deployment: definition.deployment,
        enabled: definition.enabled,
        at_ms: definition.at_ms,
    }
}
