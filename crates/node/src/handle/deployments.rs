//! Deployments and processes, as the handle offers them.
//!
//! Boundary: compiled and checked here, off the shard's loop; activated in the shard.
//! Read first: [`Node::deploy`].

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use engine::ids::{DefinitionKey, DeploymentKey};
use feel::Str;
use host::gate::Policy;
use host::package::PackageSource;
use store::{DeploymentFilter, DeploymentRow, DeploymentState, ServerKey};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::route::ask;
use super::unexpected;
use crate::cluster::serve::sources;
use crate::cluster::wire::{self, Answer, Archive, Request};
use crate::cluster::{HOME, Place, Unstarted};
use crate::deployment::{
    Change, DeploymentView, Outcome, Plan, Stage, Strategy, Terms, course, part,
};
use crate::error::Error;
use crate::handle::Node;
use crate::input::Input;
use crate::packages::{self, Prepared};

/// What a deployment brought: the versions, and warnings.
type Deployed = (Vec<DefinitionKey>, Vec<host::Diagnostic>);

/// How long the other servers may take to load what was deployed.
const SPREAD: Duration = Duration::from_secs(10);
/// How long the end of a deployment is waited for before it is asked again.
const LOOK: Duration = Duration::from_secs(5);
/// Pause before a change is begun again that could not be.
const PAUSE: Duration = Duration::from_millis(50);

impl Node {
    /// Deploys a set of packages with the usual terms, and waits for the end: all of them serve on
    /// every server, or none.
    ///
    /// # Errors
    /// [`Error::Refused`] with all problems at once, and those of [`Node::change`].
    pub async fn deploy(&self, sources: Vec<PackageSource>) -> Result<Deployed, Error> {
        let begun = self.change(Change::Deploy(sources), self.terms()).await?;
        let view = self.deployment_ended(begun.key).await?;
        let warnings = view.plan.warnings();
        Ok((view.versions, warnings))
    }

    /// Begins to change packages on all servers. Answers at once; [`Node::deployment`] tells how
    /// it goes.
    ///
    /// # Errors
    /// [`Error::Overloaded`] if too many wait, [`Error::Unavailable`], [`Error::Maintenance`].
    pub async fn change(&self, change: Change, terms: Terms) -> Result<DeploymentView, Error> {
        let until = crate::clock::instant() + super::route::PATIENCE;
        loop {
            // Nothing was begun: the home shard moves.
            let begun = if matches!(self.inner.routes.table().place(HOME), Place::Here(_)) {
                self.lead(change.clone(), terms.clone()).await.map(|course| course.view())
            } else {
                let request =
                    Request::Change { change: packed(&change)?, terms: conditions(&terms, false) };
                match self.route(HOME, request).await {
                    Ok(Answer::Deployment(view)) => Ok(*view),
                    Ok(other) => Err(unexpected(&other)),
                    Err(error) => Err(error),
                }
            };
            match begun {
                Err(Error::Unavailable { .. }) if crate::clock::instant() < until => {
                    tokio::time::sleep(PAUSE).await;
                }
                begun => return begun,
            }
        }
    }

    /// What a change would do; nothing is done.
    ///
    /// # Errors
    /// As [`Node::change`], and what would refuse it.
    pub async fn dry_run(&self, change: Change, terms: Terms) -> Result<Plan, Error> {
        let prepared = self.prepare(change, &terms).await?;
        self.plan(&prepared).await
    }

    /// How a deployment is, as soon as it changes or after `wait`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn deployment(
        &self,
        key: DeploymentKey,
        wait: Duration,
    ) -> Result<DeploymentView, Error> {
        self.ask_deployment(key, wait, false).await
    }

    /// Cancels a deployment that is not committed.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`] if it is too late.
    pub async fn cancel_deployment(&self, key: DeploymentKey) -> Result<DeploymentView, Error> {
        self.ask_deployment(key, Duration::ZERO, true).await
    }

    /// Waits for the end of a deployment.
    ///
    /// # Errors
    /// Why it did not happen.
    pub async fn deployment_ended(&self, key: DeploymentKey) -> Result<DeploymentView, Error> {
        if let Some(course) = self.inner.courses.get(key) {
            return course.ended().await;
        }
        loop {
            let view = self.deployment(key, LOOK).await?;
            if view.stage == Stage::Ended {
                return outcome_of(view);
            }
        }
    }

    /// Deployments, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn deployments(
        &self,
        before: Option<DeploymentKey>,
        limit: u32,
    ) -> Result<Vec<DeploymentView>, Error> {
        let filter = DeploymentFilter { state: None, before, limit };
        let rows = self.inner.store.deployments(&filter).await?;
        let views = rows.into_iter().filter_map(|(key, row)| self.view_of(key, &row));
        Ok(views.collect())
    }

    fn view_of(&self, key: DeploymentKey, row: &DeploymentRow) -> Option<DeploymentView> {
        if let Some(course) = self.inner.courses.get(key) {
            return Some(course.view());
        }
        let (assignment, mut view) = course::read_detail(&row.detail)?;
        view.key = key;
        let members = &self.inner.routes.table().members;
        let is_led = members.contains_key(&ServerKey(assignment.leader));
        match row.state {
            DeploymentState::Open => {}
            // It is over when every server has heard of it, which its leader writes down.
            DeploymentState::Committed if is_led && view.stage != Stage::Ended => {
                view.stage = Stage::Opening;
            }
            DeploymentState::Committed => {
                view.stage = Stage::Ended;
                view.outcome = Some(Outcome::Done);
            }
            DeploymentState::Aborted => view.stage = Stage::Ended,
        }
        Some(view)
    }

    async fn ask_deployment(
        &self,
        key: DeploymentKey,
        wait: Duration,
        cancel: bool,
    ) -> Result<DeploymentView, Error> {
        if self.inner.courses.get(key).is_some() {
            return self.deployment_here(key, wait, cancel).await;
        }
        let row = self.inner.store.deployment(key).await?;
        let row = row.ok_or_else(|| Error::not_found("deployment", &key))?;
        let missing = || Error::Internal { detail: format!("{key} has no detail") };
        let view = self.view_of(key, &row).ok_or_else(missing)?;
        if view.stage == Stage::Ended {
            return if cancel { Err(too_late(&view)) } else { Ok(view) };
        }
        let (assignment, _) = course::read_detail(&row.detail).ok_or_else(missing)?;
        let table = self.inner.routes.table();
        let leader = table.members.get(&ServerKey(assignment.leader)).cloned();
        let Some(leader) = leader.filter(|leader| Some(leader.key) != table.me) else {
            // Whoever led it is gone; it is decided before long.
            tokio::time::sleep(wait.min(LOOK)).await;
            return self.view_of(key, &row).ok_or_else(missing);
        };
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(0);
        let request = wire::write(&Request::Deployment { deployment: key, wait_ms, cancel });
        let called = self.inner.transport.call(&leader, request, wait + SPREAD).await;
        let answer = called.map_err(|_| Error::Unavailable { doing: "out of reach" })?;
        match wire::read::<Answer>(&answer)? {
            Answer::Deployment(view) => Ok(*view),
            Answer::Failed(trouble) => Err(Error::from(trouble)),
            Answer::Elsewhere => Err(Error::Unavailable { doing: "recovering" }),
            other => Err(unexpected(&other)),
        }
    }

    /// How a deployment is that this server leads.
    pub(crate) async fn deployment_here(
        &self,
        key: DeploymentKey,
        wait: Duration,
        cancel: bool,
    ) -> Result<DeploymentView, Error> {
        let course = self.inner.courses.get(key);
        let course = course.ok_or_else(|| Error::not_found("deployment", &key))?;
        if cancel && !course.cancel() {
            return Err(too_late(&course.view()));
        }
        Ok(if wait.is_zero() { course.view() } else { course.next(wait).await })
    }

    /// Begins a change that another server was asked for.
    pub(crate) async fn change_for_peer(
        &self,
        change: wire::PackageChange,
        terms: wire::Conditions,
    ) -> Result<Answer, Error> {
        let course = self.lead(unpacked(change)?, terms_of(&terms)).await?;
        Ok(Answer::Deployment(Box::new(course.view())))
    }

    /// Cancels what this server leads and has not committed, and waits for its end.
    pub(super) async fn cancel_all(&self) {
        for course in self.inner.courses.all() {
            // What is committed comes to its end.
            let _may = course.cancel();
            // Whoever deploys is told why.
            let _ended = tokio::time::timeout(SPREAD, course.ended()).await;
        }
    }

    /// Ends what is led at once; others find its row.
    pub(super) async fn stop_leading(&self) {
        let mut leading = {
            let mut all = self.inner.leading.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *all)
        };
        leading.shutdown().await;
    }

    pub(crate) fn begin_watching(&self, starting: mpsc::Receiver<Unstarted>) {
        let watching = part::watch(Arc::downgrade(&self.inner));
        let starting = part::start_up(Arc::downgrade(&self.inner), starting);
        let mut leading = self.inner.leading.lock().unwrap_or_else(PoisonError::into_inner);
        leading.spawn(watching);
        leading.spawn(starting);
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
                // The other server may not yet know of this one.
                self.catch_up().await?;
                Ok(Some((keys, warnings.into_iter().map(host::Diagnostic::from).collect())))
            }
            other => Err(unexpected(&other)),
        }
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

    /// Waits until this server has the catalogue that the store has.
    pub(super) async fn catch_up(&self) -> Result<(), Error> {
        let revision = self.inner.store.pulse().await?.catalog;
        self.inner.catalogs.refresh(revision).await
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

fn too_late(view: &DeploymentView) -> Error {
    Error::State {
        detail: format!("deployment {} is {} and cannot be cancelled", view.key, view.stage.name()),
    }
}

/// The end of a deployment, as whoever waited for it is told.
fn outcome_of(view: DeploymentView) -> Result<DeploymentView, Error> {
    let outcome = view.outcome.unwrap_or(Outcome::Failed);
    if outcome == Outcome::Done {
        return Ok(view);
    }
    if !view.problems.is_empty() {
        return Err(Error::Refused { problems: view.problems() });
    }
    Err(Error::NotDeployed { outcome: outcome.name(), reason: view.reason.to_string() })
}

fn packed(change: &Change) -> Result<wire::PackageChange, Error> {
    let (mut archives, mut names, mut of_version) = (Vec::new(), Vec::new(), None);
    let action = match change {
        Change::Deploy(sources) => {
            for source in sources {
                let name = source.manifest.name.clone();
                let content = source.archive().map_err(|error| Error::Internal {
                    detail: format!("package `{name}` cannot be packed: {error}"),
                })?;
                archives.push(Archive { name, content });
            }
            0
        }
        Change::Reload(all) => {
            names.clone_from(all);
            1
        }
        Change::Rollback(name, version) => {
            names.push(name.clone());
            of_version.clone_from(version);
            2
        }
        Change::Recover(name) => {
            names.push(name.clone());
            3
        }
        Change::Enable(name) => {
            names.push(name.clone());
            4
        }
        Change::Disable(name) => {
            names.push(name.clone());
            5
        }
        Change::Remove(name) => {
            names.push(name.clone());
            6
        }
    };
    Ok(wire::PackageChange { action, archives, names, version: of_version })
}

fn unpacked(packed: wire::PackageChange) -> Result<Change, Error> {
    let wire::PackageChange { action, archives, names, version } = packed;
    let first = || -> Result<Str, Error> {
        let missing = || Error::Internal { detail: "a change names no package".to_owned() };
        names.first().cloned().ok_or_else(missing)
    };
    Ok(match action {
        0 => Change::Deploy(sources(archives)?),
        1 => Change::Reload(names),
        2 => Change::Rollback(first()?, version),
        3 => Change::Recover(first()?),
        4 => Change::Enable(first()?),
        5 => Change::Disable(first()?),
        6 => Change::Remove(first()?),
        other => return Err(Error::Internal { detail: format!("change {other} is not known") }),
    })
}

fn conditions(terms: &Terms, dry_run: bool) -> wire::Conditions {
    wire::Conditions {
        timeout_ms: u64::try_from(terms.timeout.as_millis()).unwrap_or(u64::MAX),
        auto_recover: terms.auto_recover,
        policy: match terms.policy {
            Policy::Hold => 0,
            Policy::FailFast => 1,
            Policy::RunOnOld => 2,
        },
        side_by_side: terms.strategy == Strategy::SideBySide,
        allow_downgrade: terms.allow_downgrade,
        dry_run,
    }
}

fn terms_of(conditions: &wire::Conditions) -> Terms {
    Terms {
        timeout: Duration::from_millis(conditions.timeout_ms),
        auto_recover: conditions.auto_recover,
        policy: match conditions.policy {
            1 => Policy::FailFast,
            2 => Policy::RunOnOld,
            _ => Policy::Hold,
        },
        strategy: if conditions.side_by_side {
            Strategy::SideBySide
        } else {
            Strategy::BlockAndWait
        },
        allow_downgrade: conditions.allow_downgrade,
    }
}
