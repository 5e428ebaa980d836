//! The course of a deployment, as the server leads it that has the home shard.
//!
//! Boundary: one at a time; others wait in order. A leader that dies leaves its row to the others.
//! Read first: [`Node::lead`], then [`Lead::run`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use engine::ids::{DefinitionKey, DeploymentKey};
use host::gate::Policy;
use store::{DeploymentChange, DeploymentState, Member, ServerKey};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::cluster::wire;
use crate::cluster::{HOME, Place};
use crate::error::Error;
use crate::handle::Node;
use crate::handle::route::ask;
use crate::input::Input;
use crate::packages::{self, Prepared};

use super::{
    Assignment, Change, DeploymentView, Outcome, Packed, Plan, Running, ServerProgress, Stage,
    Step, Strategy, Terms, Told,
};

/// Deployments that may wait for their turn.
const QUEUE_MAX: usize = 64;
/// Ended deployments that are remembered here; older ones are in the store.
const REMEMBERED: usize = 64;
/// How long a server waits before it tells who is inside, in milliseconds.
const LOOK_MS: u64 = 250;
/// What the way to another server takes beside the waiting.
const WAY: Duration = Duration::from_secs(10);
/// How long start-up services may take on one server.
const ACTIVATING: Duration = Duration::from_secs(330);
/// How long a server may take to prepare: it may have to compile.
const PREPARING: Duration = Duration::from_secs(120);
/// Pause before the row is asked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// The deployments that this server leads or has led.
#[derive(Debug)]
pub(crate) struct Courses {
    turn: Semaphore,
    known: Mutex<BTreeMap<DeploymentKey, Arc<Course>>>,
}

impl Default for Courses {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), known: Mutex::default() }
    }
}

/// One deployment, as it goes.
#[derive(Debug)]
pub(crate) struct Course {
    view: Mutex<DeploymentView>,
    changed: Notify,
    is_cancelled: AtomicBool,
    cancelled: Notify,
    /// Why it did not succeed.
    error: OnceLock<Error>,
}

impl Courses {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeploymentKey, Arc<Course>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: DeploymentKey) -> Option<Arc<Course>> {
        self.lock().get(&key).cloned()
    }

    /// All that are known here.
    pub(crate) fn all(&self) -> Vec<Arc<Course>> {
        self.lock().values().cloned().collect()
    }

    fn add(&self, key: DeploymentKey, course: Arc<Course>) -> Result<(), Error> {
        let mut known = self.lock();
        let is_running = |course: &Arc<Course>| course.view().stage != Stage::Ended;
        if known.values().filter(|course| is_running(course)).count() >= QUEUE_MAX {
            return Err(Error::Overloaded);
        }
        while known.len() >= REMEMBERED {
            let oldest = known.iter().find(|(_, course)| !is_running(course));
            let Some(oldest) = oldest.map(|(key, _)| *key) else { break };
            known.remove(&oldest);
        }
        known.insert(key, course);
        Ok(())
    }
}

impl Course {
    fn new(view: DeploymentView) -> Self {
        Self {
            view: Mutex::new(view),
            changed: Notify::new(),
            is_cancelled: AtomicBool::new(false),
            cancelled: Notify::new(),
            error: OnceLock::new(),
        }
    }

    pub(crate) fn view(&self) -> DeploymentView {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut DeploymentView)) {
        change(&mut self.view.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
    }

    fn stage(&self, stage: Stage) {
        self.change(|view| view.stage = stage);
    }

    /// Asks it to end; only before the commit. Whether it may.
    pub(crate) fn cancel(&self) -> bool {
        let may = self.view().stage < Stage::Committing;
        if may {
            self.is_cancelled.store(true, Ordering::SeqCst);
            self.cancelled.notify_waiters();
        }
        may
    }

    /// Waits for its next change, at most so long.
    pub(crate) async fn next(&self, patience: Duration) -> DeploymentView {
        let changed = self.changed.notified();
        if self.view().stage != Stage::Ended {
            // As it is then, changed or not.
            let _late = tokio::time::timeout(patience, changed).await;
        }
        self.view()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> Result<DeploymentView, Error> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let view = self.view();
            if view.stage == Stage::Ended {
                return self.error.get().map_or(Ok(view), |error| Err(error.clone()));
            }
            changed.await;
        }
    }
}

/// Why a deployment does not happen.
pub(super) struct Stop {
    pub(super) outcome: Outcome,
    pub(super) error: Error,
}

impl Stop {
    /// What stands in the way of a change before anything is blocked.
    fn refused(error: Error) -> Self {
        match error {
            Error::NotFound { .. } | Error::State { .. } => {
                Self { outcome: Outcome::Refused, error }
            }
            error => error.into(),
        }
    }
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        let outcome = match &error {
            Error::Refused { .. } | Error::Maintenance { .. } => Outcome::Refused,
            _ => Outcome::Failed,
        };
        Self { outcome, error }
    }
}

/// One deployment while it is led.
pub(super) struct Lead {
    pub(super) node: Node,
    pub(super) key: DeploymentKey,
    pub(super) course: Arc<Course>,
    pub(super) terms: Terms,
    pub(super) assignment: Assignment,
    pub(super) members: BTreeMap<ServerKey, Arc<Member>>,
    pub(super) told: BTreeMap<ServerKey, Told>,
    pub(super) closed: Option<Instant>,
}

impl Node {
    /// Begins a deployment that this server leads. Answers at once.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the home shard is not here.
    pub(crate) async fn lead(&self, change: Change, terms: Terms) -> Result<Arc<Course>, Error> {
        let me = self.inner.routes.table().me;
        let me = me.ok_or(Error::Unavailable { doing: "recovering" })?;
        let assignment = Assignment {
            leader: me.0,
            set: Vec::new(),
            packages: Vec::new(),
            gone: Vec::new(),
            policy: match terms.policy {
                Policy::Hold => 0,
                Policy::FailFast => 1,
                Policy::RunOnOld => 2,
            },
            waits: terms.strategy == Strategy::BlockAndWait,
        };
        let view = DeploymentView {
            key: DeploymentKey(0),
            action: change.name().into(),
            stage: Stage::Queued,
            outcome: None,
            reason: "".into(),
            plan: Plan::default(),
            servers: Vec::new(),
            begun_ms: self.now_ms(),
            ended_ms: None,
            timeout_ms: u64::try_from(terms.timeout.as_millis()).unwrap_or(u64::MAX),
            blocked_ms: None,
            closed_us: None,
            versions: Vec::new(),
            code: "".into(),
            problems: Vec::new(),
        };
        let key = self.open_row(&assignment, &view).await?;
        let course = Arc::new(Course::new(DeploymentView { key, ..view }));
        self.inner.courses.add(key, course.clone())?;
        let lead = Lead {
            node: Self::of_inner(self.inner.clone()),
            key,
            course: course.clone(),
            terms,
            assignment,
            members: BTreeMap::new(),
            told: BTreeMap::new(),
            closed: None,
        };
        let mut leading = self.inner.leading.lock().unwrap_or_else(PoisonError::into_inner);
        if self.inner.routes.table().is_stopping {
            return Err(Error::Unavailable { doing: "stopping" });
        }
        while leading.try_join_next().is_some() {}
        leading.spawn(lead.run(change));
        Ok(course)
    }

    async fn open_row(
        &self,
        assignment: &Assignment,
        view: &DeploymentView,
    ) -> Result<DeploymentKey, Error> {
        let detail = write_detail(assignment, view);
        self.at_home_shard(|reply| Input::OpenDeployment { detail, reply }).await
    }

    async fn at_home_shard<T>(
        &self,
        input: impl FnOnce(tokio::sync::oneshot::Sender<Result<T, Error>>) -> Input,
    ) -> Result<T, Error> {
        let Place::Here(home) = self.inner.routes.table().place(HOME) else {
            return Err(Error::Unavailable { doing: "moving a shard" });
        };
        ask(&home, input).await
    }

    /// Checks and compiles a change against what is deployed.
    pub(crate) async fn prepare(&self, change: Change, terms: &Terms) -> Result<Prepared, Error> {
        let catalog = self.catalog();
        let change = packages::change::sources(change, &catalog, &**self.store()).await?;
        let allow_downgrade = terms.allow_downgrade;
        let work = move || packages::change::prepare(change, &catalog, allow_downgrade);
        let prepared = crate::blocking::run(work).await;
        prepared.map_err(|error| Error::Internal { detail: format!("preparing broke: {error}") })?
    }

    /// What a change would do, with instances that run.
    pub(crate) async fn plan(&self, prepared: &Prepared) -> Result<Plan, Error> {
        let catalog = self.catalog();
        let mut plan = Plan::of(prepared, &catalog);
        for (key, active, _) in self.counts().await? {
            let Some(definition) = catalog.definitions.get(&key) else { continue };
            if active > 0 && plan.affected.contains(&definition.package) {
                plan.running.push(Running {
                    process: definition.process().clone(),
                    version: definition.version,
                    active,
                });
            }
        }
        Ok(plan)
    }
}

impl Lead {
    /// From the queue to the end.
    async fn run(mut self, change: Change) {
        let node = self.node.clone();
        let turn = tokio::select! {
            turn = node.inner.courses.turn.acquire() => turn.ok(),
            () = self.cancelled() => None,
        };
        let done = match turn {
            Some(_) => self.switch(change).await,
            None => Err(self.cancelled_stop()),
        };
        let ended = match done {
            Ok(versions) => {
                self.end(Outcome::Done, "");
                self.course.change(|view| view.versions = versions);
                self.keep_detail().await;
                Ok(())
            }
            Err(stop) => self.recover(stop).await,
        };
        if let Err(error) = ended {
            // Nobody else writes it.
            let _ = self.course.error.set(error);
        }
        self.course.stage(Stage::Ended);
        drop(turn);
    }

    /// What stops at once when somebody cancels.
    async fn cancelled(&self) {
        loop {
            let cancelled = self.course.cancelled.notified();
            tokio::pin!(cancelled);
            cancelled.as_mut().enable();
            if self.course.is_cancelled.load(Ordering::SeqCst) {
                return;
            }
            cancelled.await;
        }
    }

    fn cancelled_stop(&self) -> Stop {
        let detail = format!("deployment {} was cancelled", self.key);
        Stop { outcome: Outcome::Cancelled, error: Error::State { detail } }
    }

    fn check_cancelled(&self) -> Result<(), Stop> {
        if self.course.is_cancelled.load(Ordering::SeqCst) {
            return Err(self.cancelled_stop());
        }
        Ok(())
    }

    pub(super) fn end(&self, outcome: Outcome, reason: &str) {
        let closed_us = self.closed.map(|closed| {
            let open = crate::clock::instant();
            u64::try_from(open.duration_since(closed).as_micros()).unwrap_or(u64::MAX)
        });
        let now_ms = self.node.now_ms();
        self.course.change(|view| {
            view.outcome = Some(outcome);
            view.reason = reason.into();
            view.ended_ms = Some(now_ms);
            view.closed_us = closed_us;
        });
    }

    async fn switch(&mut self, change: Change) -> Result<Vec<DefinitionKey>, Stop> {
        self.course.stage(Stage::Preparing);
        let prepared = self.node.prepare(change, &self.terms).await;
        let mut prepared = prepared.map_err(Stop::refused)?;
        let plan = self.node.plan(&prepared).await?;
        self.assign(&prepared, &plan);
        self.course.change(|view| view.plan = plan);
        let blobs = std::mem::take(&mut prepared.blobs);
        let change = DeploymentChange::Detail { key: self.key, detail: self.detail() };
        let written = |reply| Input::Deployment { change, blobs, reply };
        self.node.at_home_shard(written).await?;
        // Whoever joins from now on finds the set in the row.
        self.look_at_members().await?;
        let assignment = self.assignment.clone();
        self.tell_all(&Step::Prepare(assignment), PREPARING).await?;
        self.check_cancelled()?;
        self.course.stage(Stage::Blocking);
        let blocked_ms = self.node.now_ms();
        self.course.change(|view| view.blocked_ms = Some(blocked_ms));
        let closed = crate::clock::instant();
        self.closed = Some(closed);
        self.tell_all(&Step::Close, WAY).await?;
        self.course.stage(Stage::Draining);
        self.drain(closed + self.terms.timeout).await?;
        self.course.stage(Stage::Activating);
        self.activate(&mut prepared).await?;
        self.check_cancelled()?;
        self.course.stage(Stage::Committing);
        let (versions, revision) = self.commit(prepared).await?;
        self.course.stage(Stage::Opening);
        self.spread(&Step::Open(revision)).await;
        Ok(versions)
    }

    fn assign(&mut self, prepared: &Prepared, plan: &Plan) {
        self.assignment.set.clone_from(&plan.affected);
        self.assignment.gone.clone_from(&prepared.removed);
        let packed = prepared.packages.iter().map(|new| Packed {
            name: new.package.manifest().name.as_str().into(),
            version: new.package.manifest().version.to_string().into(),
            digest: new.digest.clone(),
            is_disabled: new.is_disabled,
        });
        self.assignment.packages = packed.collect();
    }

    fn detail(&self) -> Bytes {
        write_detail(&self.assignment, &self.course.view())
    }

    /// Who takes part: whose lease runs, by the store. Answers who is new.
    async fn look_at_members(&mut self) -> Result<Vec<ServerKey>, Error> {
        let pulse = self.node.store().pulse().await?;
        let now: BTreeMap<ServerKey, Arc<Member>> =
            pulse.members.into_iter().map(|member| (member.key, Arc::new(member))).collect();
        let new = now.keys().filter(|key| !self.members.contains_key(key)).copied().collect();
        self.members = now;
        self.told.retain(|key, _| self.members.contains_key(key));
        Ok(new)
    }

    /// Waits until nothing is in flight on any server, and seals all of them.
    async fn drain(&mut self, until: Instant) -> Result<(), Stop> {
        loop {
            self.tell_all(&Step::Look(LOOK_MS), WAY).await?;
            self.show();
            self.check_cancelled()?;
            self.take_in_new().await?;
            let is_empty = self.told.values().all(|told| told.inside == 0);
            if is_empty || !self.assignment.waits {
                self.tell_all(&Step::Seal, WAY).await?;
                if self.told.values().all(|told| told.is_sealed) {
                    return Ok(());
                }
                // A tree went from one server to another meanwhile.
                self.tell_all(&Step::Unseal, WAY).await?;
            }
            if crate::clock::instant() >= until {
                let number: u64 = self.told.values().map(|told| told.inside).sum();
                let mut oldest: Vec<_> =
                    self.told.values().flat_map(|told| told.seen.iter()).collect();
                oldest.sort_by_key(|seen| std::cmp::Reverse(seen.age_ms));
                let example = oldest.first().map_or_else(String::new, |seen| {
                    format!(", the oldest is {} `{}` for {} ms", seen.kind, seen.name, seen.age_ms)
                });
                let detail = format!(
                    "{number} call(s) were still in flight after {} ms{example}: the original goes \
                     on; raise the time-out or cancel them",
                    self.terms.timeout.as_millis()
                );
                let error = Error::State { detail };
                return Err(Stop { outcome: Outcome::TimedOut, error });
            }
        }
    }

    /// Servers that joined meanwhile have closed their gates by themselves, and prepare now.
    async fn take_in_new(&mut self) -> Result<(), Stop> {
        if !self.node.inner.routes.has_way() {
            return Ok(());
        }
        let new = self.look_at_members().await?;
        if new.is_empty() {
            return Ok(());
        }
        for step in [Step::Prepare(self.assignment.clone()), Step::Close] {
            self.tell(&new, &step, PREPARING).await?;
        }
        Ok(())
    }

    async fn activate(&mut self, prepared: &mut Prepared) -> Result<(), Stop> {
        let failed = match self.tell_all(&Step::Activate, ACTIVATING).await {
            Ok(()) => return Ok(()),
            Err(stop) => stop,
        };
        let Error::Startup { package, why } = &failed.error else { return Err(failed) };
        if self.terms.auto_recover {
            return Err(failed);
        }
        // Left inactive with its reason, as was asked for.
        for new in &mut prepared.packages {
            if new.package.manifest().name == *package {
                new.is_disabled = true;
                new.note = why.as_str().into();
            }
        }
        Ok(())
    }

    async fn commit(&self, mut prepared: Prepared) -> Result<(Vec<DefinitionKey>, u64), Stop> {
        if self.node.inner.routes.has_way() {
            self.check_members().await?;
        }
        prepared.forgotten = self.node.versions_to_forget(&prepared).await?;
        prepared.deployment = Some((self.key, self.detail()));
        let prepared = Box::new(prepared);
        let committed = self.node.at_home_shard(|reply| Input::Deploy { prepared, reply }).await;
        match committed {
            Ok(committed) => Ok(committed),
            Err(error) => {
                // It may have been written all the same: the row knows.
                let row = self.node.store().deployment(self.key).await?;
                match row.map(|row| row.state) {
                    Some(DeploymentState::Committed) => {
                        let revision = self.node.pulse().await?.catalog;
                        Ok((Vec::new(), revision))
                    }
                    _ => Err(error.into()),
                }
            }
        }
    }

    /// HOT-1: everybody whose lease runs has taken part, or joined behind closed gates.
    async fn check_members(&self) -> Result<(), Error> {
        let pulse = self.node.store().pulse().await?;
        for member in pulse.members {
            if !self.members.contains_key(&member.key) {
                tracing::info!(server = %member.about.name, "joined behind closed gates");
            }
        }
        Ok(())
    }

    /// Puts the original back everywhere.
    async fn recover(&mut self, stop: Stop) -> Result<(), Error> {
        self.course.stage(Stage::Recovering);
        let reason = stop.error.to_string();
        self.end(stop.outcome, &reason);
        self.course.change(|view| view.blame(&stop.error, stop.outcome));
        let aborted = loop {
            let detail = self.detail();
            match self.node.store().abort_deployment(self.key, detail).await {
                Ok(state) => break state,
                // The server ends: others decide.
                Err(error @ store::Error::Closed) => return Err(error.into()),
                Err(error) => {
                    // HOT-2: nobody opens before the row is decided.
                    tracing::warn!(deployment = %self.key, %error, "cannot be aborted yet");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        if aborted == Some(DeploymentState::Committed) {
            self.end(Outcome::Done, "");
            let revision = self.node.pulse().await?.catalog;
            self.spread(&Step::Open(revision)).await;
            return Ok(());
        }
        self.spread(&Step::Restore).await;
        let closed = self.course.view().outcome.unwrap_or(stop.outcome);
        self.end(closed, &reason);
        match stop.outcome {
            Outcome::Done => Ok(()),
            Outcome::Refused => Err(stop.error),
            // Nobody was told anything: it is the caller's own fault.
            Outcome::Failed if self.members.is_empty() => Err(stop.error),
            Outcome::Failed if matches!(stop.error, Error::Startup { .. }) => Err(stop.error),
            Outcome::Failed | Outcome::Cancelled | Outcome::TimedOut => {
                Err(Error::NotDeployed { outcome: stop.outcome.name(), reason })
            }
        }
    }

    async fn keep_detail(&self) {
        let mut view = self.course.view();
        view.stage = Stage::Ended;
        let detail = write_detail(&self.assignment, &view);
        let change = DeploymentChange::Detail { key: self.key, detail };
        let input = |reply| Input::Deployment { change, blobs: Vec::new(), reply };
        if let Err(error) = self.node.at_home_shard(input).await {
            tracing::warn!(deployment = %self.key, %error, "how it ended is not written down");
        }
    }

    fn show(&self) {
        let servers = self.told.iter().filter_map(|(key, told)| {
            Some(ServerProgress {
                name: self.members.get(key)?.about.name.clone(),
                in_flight: told.inside,
                held: told.held,
                held_ms: told.held_ms,
                oldest: told.seen.clone(),
            })
        });
        let servers = servers.collect();
        self.course.change(|view| view.servers = servers);
    }
}

/// A row's detail: what servers have to do, and how it is.
pub(crate) fn write_detail(assignment: &Assignment, view: &DeploymentView) -> Bytes {
    wire::write(&(assignment, view))
}

/// A row's detail; none if it cannot be read.
pub(crate) fn read_detail(detail: &[u8]) -> Option<(Assignment, DeploymentView)> {
    minicbor::decode(detail).ok()
}

/// The detail of a deployment that ended because nobody led it any more.
pub(crate) fn ended(detail: &Bytes, reason: &str, now_ms: i64) -> Bytes {
    let Some((assignment, mut view)) = read_detail(detail) else { return detail.clone() };
    view.stage = Stage::Ended;
    view.outcome = Some(Outcome::Failed);
    view.reason = reason.into();
    view.ended_ms = Some(now_ms);
    write_detail(&assignment, &view)
}
