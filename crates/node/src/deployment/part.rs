//! What one server does in a deployment: prepares, closes its gates, drains, switches, opens.
//!
//! Boundary: does what the leader says, step by step; each step may come twice. A leader that is
//! not heard of is replaced by the row (HOT-3).
//! Read first: [`Node::take_part`], then [`watch`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use engine::ids::DeploymentKey;
use feel::{Context, Str, Value};
use host::gate::{Chain, Gates, Kind};
use host::service::{Call, Failure, Picture, Printed};
use store::{DeploymentFilter, DeploymentState, ServerKey};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::catalog::ActivePackage;
use crate::cluster::Unstarted;
use crate::error::Error;
use crate::handle::{Inner, Node};
use crate::onward::Gated;
use crate::shard::Surroundings;

use super::{Assignment, InFlight, Step, Told, course};

/// A leader that was not heard of for so long is asked for in the row.
const SILENT: Duration = Duration::from_secs(2);
/// A leader that lives but was not heard of for so long has forgotten the deployment.
const FORGOTTEN: Duration = Duration::from_secs(400);
/// How long gates are waited for that a dead leader has left closed.
const LEFT_CLOSED: Duration = Duration::from_secs(8);
/// How often it is looked whether a leader is silent.
const WATCH: Duration = Duration::from_millis(500);
/// How long a start-up or shutdown service may take, whatever it says, in milliseconds.
const LIFECYCLE_MS: u64 = 300_000;
/// Calls in flight that a server names.
const SEEN_MAX: usize = 20;

/// The deployments that this server takes part in.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    parts: Mutex<BTreeMap<DeploymentKey, Arc<Part>>>,
}

/// This server's part in one deployment.
#[derive(Debug)]
struct Part {
    assignment: Assignment,
    work: Mutex<Work>,
}

#[derive(Debug)]
struct Work {
    heard: Instant,
    /// What comes, unpacked.
    coming: Vec<Arc<ActivePackage>>,
    /// What was callable before it was switched.
    before: Option<Picture>,
    /// Packages whose shutdown services have run.
    shut: Vec<Arc<ActivePackage>>,
}

impl Parts {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeploymentKey, Arc<Part>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: DeploymentKey) -> Option<Arc<Part>> {
        self.lock().get(&key).cloned()
    }

    fn begin(&self, key: DeploymentKey, assignment: Assignment, coming: Vec<Arc<ActivePackage>>) {
        let heard = crate::clock::instant();
        let work = Work { heard, coming, before: None, shut: Vec::new() };
        self.lock().insert(key, Arc::new(Part { assignment, work: Mutex::new(work) }));
    }

    /// Those whose leaders are silent, and the leaders.
    fn silent(&self) -> Vec<(DeploymentKey, ServerKey, Duration)> {
        let now = crate::clock::instant();
        let parts = self.lock();
        let all = parts.iter().map(|(key, part)| {
            let leader = ServerKey(part.assignment.leader);
            (*key, leader, now.duration_since(part.work().heard))
        });
        all.filter(|(_, _, since)| *since >= SILENT).collect()
    }
}

impl Part {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Surroundings {
    /// The part is over, and its gates are open: both at once, so that nothing closes them again.
    fn leave(&self, key: DeploymentKey) {
        let mut parts = self.parts.lock();
        parts.remove(&key);
        self.gates.open(key.0);
    }
}

/// Closes the gates of what is being deployed at this moment: for a server that has just joined
/// and serves nothing yet. It opens them by the row.
pub(crate) async fn join(around: &Surroundings) -> Result<(), Error> {
    for (key, row) in open_rows(&*around.store).await? {
        let Some((assignment, _)) = course::read_detail(&row.detail) else { continue };
        let is_closed = around.gates.close(key.0, &assignment.set, assignment.policy());
        if is_closed && around.parts.get(key).is_none() {
            // Nothing is in flight here.
            let _sealed = around.gates.seal(key.0, true);
            around.parts.begin(key, assignment, Vec::new());
        }
    }
    Ok(())
}

async fn open_rows(
    store: &dyn store::Store,
) -> Result<Vec<(DeploymentKey, store::DeploymentRow)>, Error> {
    let state = Some(DeploymentState::Open);
    Ok(store.deployments(&DeploymentFilter { state, before: None, limit: 100 }).await?)
}

/// Looks after deployments whose leaders are silent, while the server lives.
pub(crate) async fn watch(node: Weak<Inner>) {
    let mut members = Vec::new();
    loop {
        tokio::time::sleep(WATCH).await;
        let Some(inner) = node.upgrade() else { return };
        let node = Node::of_inner(inner);
        for (key, leader, since) in node.inner.around.parts.silent() {
            if let Err(error) = node.decide_by_row(key, leader, since).await {
                tracing::warn!(deployment = %key, %error, "its leader is silent");
            }
        }
        let now: Vec<ServerKey> = node.inner.routes.table().members.keys().copied().collect();
        if now != members && !now.is_empty() && node.abort_orphans().await.is_ok() {
            members = now;
        }
    }
}

/// Runs the start-up services of packages that are new on this server without a deployment: when
/// it starts, or was away. They are offered then.
pub(crate) async fn start_up(node: Weak<Inner>, mut unstarted: mpsc::Receiver<Unstarted>) {
    while let Some(Unstarted { closed_by, package }) = unstarted.recv().await {
        let Some(inner) = node.upgrade() else { return };
        let node = Node::of_inner(inner);
        let services = &package.package.manifest().startup;
        let key = DeploymentKey(closed_by);
        if let Err(why) = node.lifecycle(key, &package, services, "startup").await {
            let package = package.name();
            tracing::error!(package, %why, "it is offered although it did not start well");
        }
        node.inner.around.gates.open(closed_by);
    }
}

impl Node {
    /// Runs the shutdown services of all packages, because the server ends.
    pub(crate) async fn shut_down_packages(&self) {
        if self.inner.routes.table().is_stopping {
            return;
        }
        let catalog = self.catalog();
        let names: Vec<Str> = catalog.packages.keys().cloned().collect();
        let all = in_order(&catalog.packages, &names);
        for package in all.iter().rev().filter(|package| !package.is_disabled) {
            let services = &package.package.manifest().shutdown;
            let ended = self.lifecycle(DeploymentKey(0), package, services, "shutdown");
            if let Err(why) = ended.await {
                tracing::warn!(package = package.name(), %why, "a shutdown service failed");
            }
        }
    }

    /// Does one step of a deployment.
    pub(crate) async fn take_part(&self, key: DeploymentKey, step: Step) -> Result<Told, Error> {
        let around = &self.inner.around;
        if let Step::Prepare(assignment) = step {
            let mut coming = Vec::new();
            for packed in &assignment.packages {
                coming.push(around.catalogs.loader().prepare(packed).await?);
            }
            around.parts.begin(key, assignment, coming);
            return Ok(Told::default());
        }
        let part = around.parts.get(key);
        let missing = || Error::not_found("deployment", &key.0);
        let Some(part) = part else {
            // It is over here.
            return match step {
                Step::Open(revision) => {
                    around.catalogs.refresh(revision).await?;
                    Ok(Told::default())
                }
                Step::Restore => Ok(Told::default()),
                _ => Err(missing()),
            };
        };
        part.work().heard = crate::clock::instant();
        match step {
            Step::Prepare(_) => {}
            Step::Close => self.close_part(key, &part).await?,
            Step::Look(wait_ms) => {
                if part.assignment.waits {
                    let drained = around.gates.drained(key.0);
                    // Who is still inside is told.
                    let _late = tokio::time::timeout(Duration::from_millis(wait_ms), drained).await;
                }
            }
            Step::Seal => {
                let is_sealed = around.gates.seal(key.0, !part.assignment.waits);
                return Ok(Told { is_sealed, ..told(&around.gates, key) });
            }
            Step::Unseal => around.gates.unseal(key.0),
            Step::Activate => self.activate_part(key, &part).await?,
            Step::Open(revision) => {
                // SGT-1: shards adopt it when they see that the gates are open.
                around.catalogs.refresh(revision).await?;
                around.leave(key);
            }
            Step::Restore => self.restore_part(key, &part).await,
        }
        part.work().heard = crate::clock::instant();
        Ok(told(&around.gates, key))
    }

    /// Closes the gates. What a dead leader has left closed is opened before long: that is waited
    /// for.
    async fn close_part(&self, key: DeploymentKey, part: &Arc<Part>) -> Result<(), Error> {
        let gates = &self.inner.around.gates;
        let until = crate::clock::instant() + LEFT_CLOSED;
        loop {
            let opened = gates.opened();
            {
                // Whoever waited for another one may be over by now: nobody would open again.
                let parts = self.inner.around.parts.lock();
                if !parts.get(&key).is_some_and(|known| Arc::ptr_eq(known, part)) {
                    return Err(Error::not_found("deployment", &key.0));
                }
                if gates.close(key.0, &part.assignment.set, part.assignment.policy()) {
                    return Ok(());
                }
            }
            if crate::clock::instant() >= until {
                let detail = "another deployment has closed a gate of the set".to_owned();
                return Err(Error::State { detail });
            }
            // Asked again in any case.
            let _late = tokio::time::timeout(WATCH, gates.opened_since(opened)).await;
        }
    }

    /// Switches services behind the closed gates; start-up services see the new ones.
    async fn activate_part(&self, key: DeploymentKey, part: &Part) -> Result<(), Error> {
        if part.work().before.is_some() {
            return Ok(());
        }
        let around = &self.inner.around;
        let catalog = self.catalog();
        let Assignment { set, packages, gone, .. } = &part.assignment;
        let changed: Vec<Str> = packages.iter().map(|new| &new.name).chain(gone).cloned().collect();
        let is_relinked = |package: &ActivePackage| {
            let manifest = package.package.manifest();
            !package.is_disabled
                && (manifest.settings.reload_with_dependencies
                    || changed.iter().any(|name| **name == *manifest.name))
        };
        // Those that depend on others go first.
        let mut leaving: Vec<Arc<ActivePackage>> = in_order(&catalog.packages, set);
        leaving.retain(|package| is_relinked(package));
        for package in leaving.iter().rev() {
            let services = &package.package.manifest().shutdown;
            self.lifecycle(key, package, services, "shutdown").await.unwrap_or_else(|why| {
                // It goes all the same.
                tracing::warn!(package = package.name(), %why, "a shutdown service failed");
            });
        }
        let (coming, picture) = {
            let mut work = part.work();
            work.shut.clone_from(&leaving);
            let picture = around.services.picture(&changed);
            work.before = Some(picture);
            (work.coming.clone(), ())
        };
        let () = picture;
        for package in &coming {
            around.catalogs.loader().offer(package);
        }
        for name in gone {
            around.services.remove(name);
        }
        let is_new = |name: &str| changed.iter().any(|new| **new == *name);
        let relinked = leaving.into_iter().filter(|package| !is_new(package.name()));
        let mut all: BTreeMap<Str, Arc<ActivePackage>> =
            relinked.map(|package| (package.name().into(), package)).collect();
        all.extend(coming.into_iter().map(|package| (Str::from(package.name()), package)));
        let names: Vec<Str> = all.keys().cloned().collect();
        for package in in_order(&all, &names) {
            if package.is_disabled {
                around.services.remove(package.name());
                continue;
            }
            let services = &package.package.manifest().startup;
            let started = self.lifecycle(key, &package, services, "startup").await;
            started.map_err(|why| Error::Startup { package: package.name().to_owned(), why })?;
        }
        Ok(())
    }

    /// Puts back what there was, and opens.
    async fn restore_part(&self, key: DeploymentKey, part: &Part) {
        let around = &self.inner.around;
        let (before, shut) = {
            let mut work = part.work();
            (work.before.take(), std::mem::take(&mut work.shut))
        };
        if let Some(before) = before {
            around.services.put_back(&before);
            for package in &part.assignment.packages {
                around.catalogs.loader().withdraw(&package.name);
            }
            for package in shut {
                let services = &package.package.manifest().startup;
                if let Err(why) = self.lifecycle(key, &package, services, "startup").await {
                    let package = package.name();
                    tracing::error!(package, %why, "put back, but a start-up service failed");
                }
            }
        }
        around.leave(key);
    }

    /// Runs start-up or shutdown services of a package, one after the other.
    pub(crate) async fn lifecycle(
        &self,
        key: DeploymentKey,
        package: &ActivePackage,
        services: &[String],
        event: &str,
    ) -> Result<(), String> {
        let around = &self.inner.around;
        for service in services {
            let input = Context::new(vec![
                ("event".into(), Value::from(event)),
                ("package".into(), Value::from(package.name())),
                ("version".into(), Value::from(package.version())),
                ("server".into(), Value::from(self.name())),
            ]);
            let call = Call {
                package: package.name().to_owned(),
                service: service.clone(),
                input: Value::Context(input),
                idempotency_key: format!("{key}-{}-{event}-{service}", self.name()),
                deadline_ms: LIFECYCLE_MS,
                now_ms: self.now_ms(),
                attempt: 1,
                chain: Chain::of(&[Gates::pass(key.0), package.name().into()]),
                depth: 0,
            };
            let (services, gates) = (around.services.clone(), around.gates.clone());
            let tree = Gated { services, gates, kind: Kind::Lifecycle, owner: 0 };
            tree.run(call, &Printed::default()).await.map_err(|failure| {
                let why = match failure {
                    Failure::Error { code, message } => format!("error `{code}`: {message}"),
                    Failure::Transient { message, .. } | Failure::Permanent { message } => message,
                };
                format!("{event} service `{service}`: {why}")
            })?;
        }
        Ok(())
    }

    /// A silent leader: does as the row says, and decides if nobody has (HOT-3).
    async fn decide_by_row(
        &self,
        key: DeploymentKey,
        leader: ServerKey,
        since: Duration,
    ) -> Result<(), Error> {
        let around = &self.inner.around;
        let row = around.store.deployment(key).await?;
        let mut state = row.as_ref().map(|row| row.state);
        if let (Some(row), Some(DeploymentState::Open)) = (&row, state) {
            let is_there = self.inner.routes.table().members.contains_key(&leader);
            if is_there && since < FORGOTTEN {
                return Ok(());
            }
            let reason = "the server that led it died or was cut off";
            let detail = course::ended(&row.detail, reason, self.now_ms());
            state = around.store.abort_deployment(key, detail).await?;
        }
        let step = match state {
            Some(DeploymentState::Committed) => Step::Open(self.pulse().await?.catalog),
            Some(DeploymentState::Aborted) | None => Step::Restore,
            Some(DeploymentState::Open) => return Ok(()),
        };
        self.take_part(key, step).await.map(|_| ())
    }

    /// Aborts what a dead server has left open without anybody taking part.
    async fn abort_orphans(&self) -> Result<(), Error> {
        for (key, row) in open_rows(&**self.store()).await? {
            let Some((assignment, _)) = course::read_detail(&row.detail) else { continue };
            let members = &self.inner.routes.table().members;
            if members.contains_key(&ServerKey(assignment.leader)) {
                continue;
            }
            let reason = "the server that led it died or was cut off";
            let detail = course::ended(&row.detail, reason, self.now_ms());
            self.store().abort_deployment(key, detail).await?;
        }
        Ok(())
    }
}

/// Packages of these names, each after those that it depends on.
fn in_order(
    packages: &BTreeMap<Str, Arc<ActivePackage>>,
    names: &[Str],
) -> Vec<Arc<ActivePackage>> {
    let mut done: Vec<Arc<ActivePackage>> = Vec::new();
    let mut left: Vec<&Arc<ActivePackage>> =
        names.iter().filter_map(|name| packages.get(name)).collect();
    while !left.is_empty() {
        let is_free = |package: &Arc<ActivePackage>, left: &[&Arc<ActivePackage>]| {
            let mut needs = package.package.manifest().dependencies.iter();
            !needs.any(|need| left.iter().any(|other| other.name() == need.name))
        };
        // A cycle was refused when it was checked; should there be one, its order is any.
        let next = left.iter().position(|package| is_free(package, &left)).unwrap_or(0);
        done.push(left.remove(next).clone());
    }
    done
}

fn told(gates: &Gates, key: DeploymentKey) -> Told {
    let seen = gates.seen(key.0, SEEN_MAX);
    let now = crate::clock::instant();
    let age = |since: Instant| u64::try_from(now.duration_since(since).as_millis()).unwrap_or(0);
    Told {
        is_sealed: false,
        inside: seen.number as u64,
        held: seen.held as u64,
        held_ms: seen.held_since.map_or(0, age),
        seen: seen
            .inside
            .into_iter()
            .map(|what| InFlight {
                kind: what.kind.name().into(),
                name: what.name,
                owner: what.owner,
                age_ms: age(what.since),
            })
            .collect(),
    }
}
