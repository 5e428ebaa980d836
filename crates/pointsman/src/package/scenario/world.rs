//! The server that a scenario plays on.
//!
//! Boundary: a real node on a store in memory. It is *at rest* when nothing can go on without time
//! passing, which is found out by asking the store, because the node works on its own.
//! Read first: [`World::new`], then [`World::act`] and [`World::rest`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use engine::ids::{EntryKey, ShardId};
use feel::{Context, Value};
use host::package::PackageSource;
use host::package::scenario::{Action, Answer, Scenario};
use node::{Clock, JobFailure, Node, Publication, SERVICE_PREFIX, Which, WorkerRequest};
use store::memory::Memory;
use store::{EntryRow, EntryState};

/// When every scenario begins: 2026-01-01, midnight UTC.
const BEGIN_MS: i64 = 1_767_225_600_000;
/// How long services may take in all before a step.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rows that are looked at.
const ROWS: u32 = 10_000;
/// The only shard.
const SHARD: ShardId = ShardId(1);
/// Moments of one `clock` step at which something fires.
const MOMENTS_MAX: u32 = 10_000;

/// A server with one scenario on it.
pub(super) struct World {
    package: String,
    pub(super) node: Node,
    clock: Arc<AtomicI64>,
    scratch: std::path::PathBuf,
}

impl World {
    /// A server with the packages loaded.
    pub(super) async fn new(
        package: &str,
        packages: Vec<PackageSource>,
        scenario: &Scenario,
    ) -> Result<Self, String> {
        let clock = Arc::new(AtomicI64::new(BEGIN_MS));
        let name = format!("pointsman-scenario-{}-{}", std::process::id(), scenario.name);
        let scratch = std::env::temp_dir().join(name);
        let mut options = node::Options::new("scenario", scratch.clone());
        options.clock = Clock::Manual(clock.clone());
        options.settings.server = Value::Context(
            Context::builder()
                .with("url", "http://scenario.invalid")
                .with("name", "scenario")
                .build(),
        );
        options.services.stand_ins = scenario
            .services
            .iter()
            .map(|(name, answer)| (in_package(name, package), answer.clone()))
            .collect();
        let node = Node::open(Arc::new(Memory::new()), options);
        let world = Self { package: package.to_owned(), node, clock, scratch };
        world.node.ready(PATIENCE).await.map_err(|error| error.to_string())?;
        world.node.deploy(packages).await.map_err(|error| error.to_string())?;
        world.rest().await?;
        Ok(world)
    }

    /// Stops the server and removes its files.
    pub(super) async fn end(self) {
        self.node.stop().await;
        // It is in the system's temporary directory; a leftover harms nobody.
        let _ = std::fs::remove_dir_all(&self.scratch);
    }

    /// Does one step and waits for what follows from it.
    pub(super) async fn act(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Publish { document, data } => {
                let package = document.package.as_ref().unwrap_or(&self.package);
                let full = format!("{package}/{}", document.name);
                let publication = Publication { source: None, id: None, data: data.clone() };
                let results = self.node.publish(&full, vec![publication]).await;
                for result in results.map_err(|error| error.to_string())? {
                    result.map_err(|error| error.to_string())?;
                }
            }
            Action::Start { process, variables } => {
                let which = Which::Enabled(process.as_str().into());
                let created = self.node.create(which, context(variables)).await;
                created.map_err(|error| error.to_string())?;
            }
            Action::Job { job_type, count, answer } => {
                self.work(job_type, *count, answer).await?;
            }
            Action::Clock { advance_ms } => {
                self.advance(i64::try_from(*advance_ms).unwrap_or(i64::MAX)).await?;
            }
            Action::Expect(_) => {}
        }
        self.rest().await
    }

    async fn work(&self, job_type: &str, count: u32, answer: &Answer) -> Result<(), String> {
        let request = WorkerRequest {
            job_type: job_type.into(),
            worker: "scenario".into(),
            timeout_ms: i64::from(u32::MAX),
            fetch: Vec::new(),
        };
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let jobs = self.node.activate_jobs(request, most, None).await;
        let jobs = jobs.map_err(|error| error.to_string())?;
        if jobs.len() < most {
            return Err(format!(
                "{count} jobs of type `{job_type}` are expected, {} wait",
                jobs.len()
            ));
        }
        for job in jobs {
            let done = match answer {
                Answer::Complete { variables } => {
                    self.node.complete_job(job.job, context(variables)).await
                }
                Answer::Fail { message, retries, variables } => {
                    let retries = i32::try_from(*retries).unwrap_or(i32::MAX);
                    let (message, variables) = (message.as_str().into(), context(variables));
                    let failure = JobFailure { retries, message, back_off_ms: 0, variables };
                    self.node.fail_job(job.job, failure).await
                }
                Answer::Error { code, message, variables } => {
                    self.node.throw_error(job.job, code, message, context(variables)).await
                }
            };
            done.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Lets time pass from one moment at which something is due to the next.
    async fn advance(&self, ms: i64) -> Result<(), String> {
        let end = self.clock.load(Ordering::Relaxed).saturating_add(ms);
        for _ in 0..MOMENTS_MAX {
            let next = self.next_due().await?.filter(|due| *due <= end);
            let now = self.clock.load(Ordering::Relaxed);
            self.clock.store(next.unwrap_or(end).max(now), Ordering::Relaxed);
            self.rest().await?;
            if next.is_none() {
                return Ok(());
            }
        }
        Err(format!("more than {MOMENTS_MAX} moments in one step at which something fires"))
    }

    /// The next moment at which something fires.
    async fn next_due(&self) -> Result<Option<i64>, String> {
        let store = self.node.store();
        let failed = |error: store::Error| error.to_string();
        let timers = store.timers(SHARD, None, i64::MAX, 1).await.map_err(failed)?;
        let entries = self.entries(EntryState::Queued).await?;
        let timer = timers.first().map(|timer| timer.due_ms);
        let entry = entries.iter().map(|(_, entry)| entry.due_ms).min();
        Ok(timer.into_iter().chain(entry).min())
    }

    /// Waits until nothing can go on without time passing.
    pub(super) async fn rest(&self) -> Result<(), String> {
        let resting = async {
            let mut still = 0;
            let mut last = None;
            while still < 2 {
                self.knock().await?;
                let busy = self.busy().await?;
                let progress = self.progress();
                still = if busy || last != Some(progress) { 0 } else { still + 1 };
                last = Some(progress);
                if busy {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            Ok(())
        };
        let rested = tokio::time::timeout(PATIENCE, resting).await;
        rested.unwrap_or_else(|_| Err(format!("it is not at rest after {} s", PATIENCE.as_secs())))
    }

    /// Wakes the shard, which reads the clock, and waits until it has dealt with what came before.
    async fn knock(&self) -> Result<(), String> {
        let request = WorkerRequest {
            job_type: "".into(),
            worker: "scenario".into(),
            timeout_ms: 1,
            fetch: Vec::new(),
        };
        let none = self.node.activate_jobs(request, 1, None).await;
        none.map(|_| ()).map_err(|error| error.to_string())
    }

    async fn entries(&self, state: EntryState) -> Result<Vec<(EntryKey, EntryRow)>, String> {
        let listed = self.node.entries(state, None, None, ROWS).await;
        listed.map_err(|error| error.to_string())
    }

    /// Whether the store knows of something that goes on by itself.
    async fn busy(&self) -> Result<bool, String> {
        let store = self.node.store();
        let failed = |error: store::Error| error.to_string();
        let now = self.clock.load(Ordering::Relaxed);
        let is_service = |job_type: &str| job_type.starts_with(SERVICE_PREFIX);
        let ready = store.job_types(SHARD).await.map_err(failed)?;
        let leased = store.jobs_leased(SHARD, None, ROWS).await.map_err(failed)?;
        let due = store.timers(SHARD, None, now.saturating_add(1), 1).await.map_err(failed)?;
        let entries = self.entries(EntryState::Queued).await?;
        let called = self.entries(EntryState::InProcess).await?;
        Ok(ready.iter().any(|(job_type, count)| *count > 0 && is_service(job_type))
            || leased.iter().any(|job| is_service(&job.job_type))
            || !due.is_empty()
            || entries.iter().any(|(_, entry)| entry.due_ms <= now)
            || called.iter().any(|(_, entry)| entry.instance.is_none()))
    }

    /// A number that grows with everything that happens.
    fn progress(&self) -> u64 {
        let counters = self.node.counters();
        let all = [
            &counters.started,
            &counters.completed,
            &counters.cancelled,
            &counters.jobs_completed,
            &counters.steps_completed,
            &counters.incidents_raised,
            &counters.documents,
            &counters.dead_letters,
        ];
        all.into_iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }
}

/// `package/name` of what the scenario calls `name`.
fn in_package(name: &str, package: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("{package}/{name}") }
}

fn context(value: &Value) -> Context {
    match value {
        Value::Context(context) => context.clone(),
        _ => Context::default(),
    }
}
