//! Workers: take jobs of one type from any server; some misbehave while there are faults.
//!
//! Boundary: a worker knows only what it was given. It tries to say what it did until it hears
//! something that is no accident.
//! Read first: [`work`].

use std::sync::Arc;
use std::time::Duration;

use engine::instance::Activation;
use feel::{Context, Value};
use node::{JobFailure, JobStream, WorkerRequest};

use super::{Trouble, ask, pause};
use crate::dice::Dice;
use crate::history::Fact;
use crate::net::Host;
use crate::world::World;

/// How long a worker may keep a job, in milliseconds.
const LEASE_MS: i64 = 600;
/// Pause before a failed job is tried again, in milliseconds.
const BACK_OFF_MS: i64 = 50;
/// How often a worker says what it did.
const TRIES: usize = 40;

/// What a worker does with one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Well,
    Slowly,
    Twice,
    Fails,
    Forgets,
}

/// One worker, which never ends by itself.
pub(crate) struct Worker {
    world: Arc<World>,
    dice: Dice,
    job_type: &'static str,
    name: String,
}

/// Works for ever.
pub(crate) async fn work(world: Arc<World>, job_type: &'static str, number: usize) {
    let name = format!("{job_type}-{number}");
    let dice = Dice::new(world.setup.seed, &format!("worker {name}"));
    let worker = Worker { world, dice, job_type, name };
    loop {
        let hosts = worker.world.net.hosts();
        if hosts.is_empty() {
            pause(50).await;
            continue;
        }
        let host = worker.dice.pick(&hosts).clone();
        // Until then the worker stays with this server.
        let turns = worker.dice.range(1..=6);
        if worker.dice.happens(600) {
            worker.stream(&host, turns).await;
        } else {
            worker.poll(&host, turns).await;
        }
        pause(worker.dice.range(1..=50)).await;
    }
}

impl Worker {
    fn request(&self) -> WorkerRequest {
        WorkerRequest {
            job_type: self.job_type.into(),
            worker: self.name.as_str().into(),
            timeout_ms: LEASE_MS,
            fetch: Vec::new(),
        }
    }

    async fn stream(&self, host: &Host, turns: u64) {
        if host.power.awake().await.is_err() {
            return;
        }
        let Some(Ok(mut stream)) = host.node().map(|node| node.open_stream(self.request())) else {
            return;
        };
        for _ in 0..turns {
            let jobs = self.next(host, &mut stream).await;
            let Some(jobs) = jobs else { return };
            self.deal_with(jobs, host).await;
        }
    }

    /// The next jobs; none if the server is gone.
    async fn next(&self, host: &Host, stream: &mut JobStream) -> Option<Vec<Activation>> {
        let mut jobs = Vec::new();
        let wait = Duration::from_millis(self.dice.range(200..=3_000));
        let next = tokio::time::timeout(wait, stream.next(&mut jobs, 8));
        let is_open = host.power.during(next).await.ok()?.unwrap_or(true);
        host.power.awake().await.ok()?;
        is_open.then_some(jobs)
    }

    async fn poll(&self, host: &Host, turns: u64) {
        for _ in 0..turns {
            if host.power.awake().await.is_err() {
                return;
            }
            let wait = self.dice.range(0..=1_500);
            let patience = (wait > 200).then(|| Duration::from_millis(wait));
            let Some(node) = host.node() else { return };
            let polled = async move { node.activate_jobs(self.request(), 8, patience).await };
            let Ok(Ok(jobs)) = host.power.during(polled).await else { return };
            if host.power.awake().await.is_err() {
                return;
            }
            if jobs.is_empty() && patience.is_none() {
                pause(200).await;
            }
            self.deal_with(jobs, host).await;
        }
    }

    async fn deal_with(&self, jobs: Vec<Activation>, host: &Host) {
        // All of them came now; the last one may be worked long after that.
        let at_ms = self.world.trace.now_ms();
        for job in &jobs {
            self.world.history.note(Fact::Got { job: job.job, at_ms });
        }
        for job in jobs {
            let (key, instance) = (job.job, job.instance);
            let (server, life) = (host.server, host.life);
            let manner = self.manner();
            self.world.trace.line(
                "job",
                format_args!(
                    "{} got {key} of {instance} ({} {}) from server {server}#{life}: {manner:?}",
                    self.name, job.process, job.element
                ),
            );
            match manner {
                Manner::Well => self.finish(&job).await,
                Manner::Slowly => {
                    pause(self.dice.range(100..=1_500)).await;
                    self.finish(&job).await;
                }
                Manner::Twice => {
                    self.finish(&job).await;
                    self.finish(&job).await;
                }
                Manner::Fails => self.fail(&job).await,
                Manner::Forgets => {}
            }
        }
    }

    fn manner(&self) -> Manner {
        if self.world.is_calm() || !self.dice.happens(self.world.setup.mischief) {
            return if self.job_type == "slow" && self.dice.happens(500) {
                Manner::Slowly
            } else {
                Manner::Well
            };
        }
        *self.dice.pick(&[Manner::Slowly, Manner::Twice, Manner::Fails, Manner::Forgets])
    }

    async fn finish(&self, job: &Activation) {
        let (key, instance) = (job.job, job.instance);
        let what = format!("complete {key}");
        for _ in 0..TRIES {
            let done = Context::new(vec![(format!("done-{}", job.element).into(), Value::from(1))]);
            let world = &self.world;
            let asked = ask(world, &self.dice, &what, |node| async move {
                node.complete_job(key, done).await?;
                world.expect_completed(instance, key).await;
                Ok(())
            });
            match asked.await {
                Ok(()) => {
                    let at_ms = world.trace.now_ms();
                    world.trace.line("job", format_args!("{} finished {key}", self.name));
                    return world.history.note(Fact::Finished { job: key, at_ms });
                }
                Err(Trouble::Refused(_)) => return,
                Err(Trouble::NotDone | Trouble::Unknown) => pause(60).await,
            }
        }
    }

    async fn fail(&self, job: &Activation) {
        let key = job.job;
        let retries = job.retries - 1;
        let what = format!("fail {key}, {retries} left");
        for _ in 0..TRIES {
            let failure = JobFailure {
                retries,
                message: "it does not work".into(),
                back_off_ms: BACK_OFF_MS,
                variables: Context::default(),
            };
            let asked = ask(&self.world, &self.dice, &what, |node| async move {
                node.fail_job(key, failure).await
            });
            match asked.await {
                Ok(()) | Err(Trouble::Refused(_)) => return,
                Err(Trouble::NotDone | Trouble::Unknown) => pause(60).await,
            }
        }
    }
}
