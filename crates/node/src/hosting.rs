//! Working for logical servers that this server hosts (R20).
//!
//! For each of them a stream brings jobs of all servers. A job comes with the snapshot of its
//! instance; from there on this server finds out by itself which step comes next, calls it too if
//! it is bound to the same logical server, and sends the verdicts back together.
//!
//! Boundary: the owner decides; what is worked here and does not come back before its lease runs
//! out is worked again by another server, under the same idempotency keys.
//! Invariants: HST-1 a lease is renewed only while its job is worked.
//! Read first: [`host`], then [`Work::steps`].   Tests: `crates/node/tests/hosting.rs`

use std::sync::{Arc, Weak};
use std::time::Duration;

use engine::ids::Block;
use engine::instance::{Activation, Instance, JobState};
use engine::transition::{Next, StepVerdict, Transition, Verdict};
use feel::Str;
use host::gate::{Chain, Kind, What};
use host::service::Printed;
use store::Standing;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::catalog::Definition;
use crate::cluster::wire::Request;
use crate::cluster::{Routes, Table};
use crate::error::Error;
use crate::handle::{Inner, Node};
use crate::logical;
use crate::onward::Gated;
use crate::shard::gates::SWITCHING;
use crate::shard::services::{answer, call_of};
use crate::stream::{JobLease, JobStream, WorkerRequest};

/// Jobs on their way here from one server: more would wait while their leases run.
const CAPACITY: usize = 4;
/// Steps that are worked before their verdicts go back.
const STEPS_MAX: usize = 100;
/// How long steps are worked before their verdicts go back.
const RUN_MAX: Duration = Duration::from_secs(60);
/// How long a step waits while the packages that it needs are switched.
const HELD_MAX: Duration = Duration::from_secs(600);
/// Pause before a stream is opened again.
const PAUSE: Duration = Duration::from_millis(200);

/// What works for logical servers.
#[derive(Debug)]
pub(crate) struct Hosting {
    quit: watch::Sender<bool>,
    tasks: tokio::sync::Mutex<JoinSet<()>>,
}

impl Hosting {
    pub(crate) fn new() -> Self {
        let tasks = tokio::sync::Mutex::new(JoinSet::new());
        Self { quit: watch::Sender::new(false), tasks }
    }

    /// Begins to work for these logical servers.
    pub(crate) fn begin(node: &Node, names: &[Str]) {
        let hosting = &node.inner.hosting;
        let most = node.inner.around.shared.in_force().settings.service_calls_max;
        let permits = Arc::new(Semaphore::new(most.max(1)));
        if let Ok(mut tasks) = hosting.tasks.try_lock() {
            for name in names {
                let worker = Host {
                    node: Arc::downgrade(&node.inner),
                    name: name.clone(),
                    routes: node.inner.routes.clone(),
                    permits: permits.clone(),
                };
                tasks.spawn(host(worker, hosting.quit.subscribe()));
            }
        }
    }

    /// Takes no more, and waits so long for what is worked.
    pub(crate) async fn finish(&self, patience: Duration) {
        self.quit.send_replace(true);
        let mut tasks = self.tasks.lock().await;
        let all = async { while tasks.join_next().await.is_some() {} };
        // What is not done by then is worked again by another server.
        let _late = tokio::time::timeout(patience, all).await;
        tasks.shutdown().await;
    }

    /// Ends at once.
    pub(crate) async fn end(&self) {
        self.tasks.lock().await.shutdown().await;
    }
}

/// One that works for one logical server. It holds nothing of the handle: dropping that ends it.
struct Host {
    node: Weak<Inner>,
    name: Str,
    routes: Arc<Routes>,
    permits: Arc<Semaphore>,
}

/// Works for one logical server while this server serves, until it is told to end.
async fn host(host: Host, mut quit: watch::Receiver<bool>) {
    let mut runs = JoinSet::new();
    let mut changes = host.routes.changes();
    loop {
        tokio::select! {
            biased;
            _ = quit.wait_for(|quit| *quit) => break,
            () = changes.until(serves) => {}
        }
        let Some(stream) = host.open() else { return };
        let Ok(mut stream) = stream else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        loop {
            tokio::select! {
                biased;
                _ = quit.wait_for(|quit| *quit) => break,
                () = changes.until(|table| !serves(table)) => break,
                Some(_) = runs.join_next() => {}
                next = next(&mut stream, &host.permits) => {
                    let Some((job, permit)) = next else { break };
                    let Some(inner) = host.node.upgrade() else { return };
                    let work = Work { node: Node::of_inner(inner) };
                    runs.spawn(async move {
                        work.run(job).await;
                        drop(permit);
                    });
                }
            }
        }
    }
    while runs.join_next().await.is_some() {}
}

/// Whether this server takes part: one that stands by does nothing.
fn serves(table: &Table) -> bool {
    let me = table.me.and_then(|me| table.members.get(&me));
    me.is_some_and(|me| me.about.standing == Standing::Serving)
}

/// The next job, as soon as it can be worked. Cancel safe.
async fn next(
    stream: &mut JobStream,
    permits: &Arc<Semaphore>,
) -> Option<(Activation, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    let mut jobs = Vec::with_capacity(1);
    stream.next(&mut jobs, 1).await;
    jobs.pop().map(|job| (job, permit))
}

impl Host {
    /// Opens the stream; none if the server is gone.
    fn open(&self) -> Option<Result<JobStream, Error>> {
        let node = Node::of_inner(self.node.upgrade()?);
        let Some(me) = self.routes.table().me else {
            return Some(Err(Error::Unavailable { doing: "recovering" }));
        };
        let request = WorkerRequest {
            job_type: logical::queue(&self.name),
            worker: logical::worker(node.name(), me),
            timeout_ms: node.inner.around.shared.in_force().settings.hosted_lease_ms,
            fetch: Vec::new(),
        };
        Some(node.open_with(request, CAPACITY))
    }
}

/// One run of steps.
struct Work {
    node: Node,
}

impl Work {
    /// Works a job and what follows it here, and tells its owner.
    async fn run(&self, first: Activation) {
        let (job, instance) = (first.job, first.instance);
        let verdicts = tokio::select! {
            biased;
            verdicts = self.steps(&first) => verdicts,
            () = self.renew(&first) => return,
        };
        let told = match verdicts {
            Ok(Some(verdicts)) => {
                let worker = first.worker.clone();
                let request = Request::Verdicts { instance, job, worker, verdicts };
                let shard = Block::of(instance.0).shard();
                self.node.route(shard, request).await.map(|_| ())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                // Another server may have what is missing here. The lease was renewed until now.
                let lease = JobLease { deadline_ms: i64::MAX, ..JobLease::of(&first) };
                self.node.inner.around.post.release([lease]);
                Err(error)
            }
        };
        if let Err(error) = told {
            tracing::debug!(job = job.0, %error, "what was worked for a logical server is dropped");
        }
    }

    /// Keeps the lease while the job is worked (HST-1); returns when the job is not ours any more.
    async fn renew(&self, first: &Activation) {
        let lease_ms = self.node.inner.around.shared.in_force().settings.hosted_lease_ms;
        let third = Duration::from_millis(u64::try_from(lease_ms / 3).unwrap_or(1).max(1));
        loop {
            tokio::time::sleep(third).await;
            let renewed = self.node.update_timeout(first.job, lease_ms).await;
            // Other errors say that its shard moves, perhaps: the lease stays as it was.
            if let Err(Error::NotFound { .. } | Error::State { .. }) = renewed {
                return;
            }
        }
    }

    /// Calls the job's service, and those that follow here. None: the job is not ours any more.
    async fn steps(&self, first: &Activation) -> Result<Option<Vec<StepVerdict>>, Error> {
        let definition = self.definition(first).await?;
        if definition.quality.volatile_tracking {
            // There is no snapshot, so that this step goes alone.
            return self.alone(first, &definition).await.map(Some);
        }
        let state = self.node.state(first.instance).await?;
        let Some(state) = state.filter(|state| is_ours(state, first)) else { return Ok(None) };
        let in_force = self.node.inner.around.shared.in_force();
        let limits = &in_force.settings.limits;
        let (program, rules) = (&definition.program, &definition.rules);
        let begun = Transition::begin(state, program, rules, limits, first.job);
        let Some(mut transition) = begun else { return Ok(None) };
        let until = crate::clock::instant() + RUN_MAX;
        loop {
            let current = transition.current().clone();
            let verdict = self.call(&current, &definition).await?;
            let next = transition.conclude(verdict, self.node.now_ms());
            let is_long = transition.verdicts().len() >= STEPS_MAX;
            if next == Next::Return || is_long || crate::clock::instant() >= until {
                return Ok(Some(transition.into_verdicts()));
            }
        }
    }

    async fn alone(
        &self,
        first: &Activation,
        definition: &Definition,
    ) -> Result<Vec<StepVerdict>, Error> {
        let elements = definition.program.elements.iter();
        let element = elements.map(|known| &known.id).position(|id| *id == first.element);
        let element = element.and_then(|element| u32::try_from(element).ok());
        let element = element.ok_or_else(|| Error::not_found("step", &first.step.0))?;
        Ok(vec![StepVerdict { element, verdict: self.call(first, definition).await? }])
    }

    async fn call(&self, step: &Activation, definition: &Definition) -> Result<Verdict, Error> {
        // The same for each try, also after a lease that ran out. Jobs on a copy may have keys of
        // other jobs at the owner: the element tells them apart.
        let key = format!("{}.{}", step.job, step.element);
        let mut call = call_of(step, &definition.package, key, self.node.now_ms());
        let around = &self.node.inner.around;
        let what = What {
            kind: Kind::Step,
            name: format!("{}/{}", call.package, call.service).into(),
            owner: step.instance.0,
            since: crate::clock::instant(),
        };
        let (own, target) = (&definition.package, Str::from(call.package.as_str()));
        let chain = Chain::default();
        let entering = around.gates.enter([own, &target], &chain, what, HELD_MAX);
        let admission = entering.await.map_err(|_| SWITCHING)?;
        call.chain = admission.chain();
        let (services, gates) = (around.services.clone(), around.gates.clone());
        let tree = Gated { services, gates, kind: Kind::Step, owner: step.instance.0 };
        let result = tree.run(call, &Printed::default()).await;
        drop(admission);
        Verdict::of(&answer(step, result))
            .ok_or_else(|| Error::Internal { detail: "a call has no verdict".to_owned() })
    }

    /// The process version, which may be newer than what is known here.
    async fn definition(&self, job: &Activation) -> Result<Arc<Definition>, Error> {
        if !self.node.catalog().definitions.contains_key(&job.definition) {
            let revision = self.node.pulse().await?.catalog;
            self.node.inner.catalogs.refresh(revision).await?;
        }
        let known = self.node.catalog().definitions.get(&job.definition).cloned();
        known.ok_or_else(|| Error::not_found("process", &job.process))
    }
}

/// Whether the job is still leased as it was when it was sent.
fn is_ours(state: &Instance, first: &Activation) -> bool {
    state.job(first.job).is_some_and(|(_, job)| match &job.state {
        JobState::Leased { worker, deadline_ms } => {
            *worker == first.worker && *deadline_ms >= first.deadline_ms
        }
        JobState::Ready | JobState::BackingOff { .. } | JobState::Failed => false,
    })
}
