//! One world from its seed to the verdict.
//!
//! Boundary: a runtime of its own on this thread, with simulated time; nothing of it outlives the
//! call.
//! Read first: [`run`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::checker::{Violation, holder, judge, quiet};
use crate::client::operator::{attend, reshard};
use crate::client::wish::{deploy, fulfil};
use crate::client::worker::work;
use crate::faults::Fault;
use crate::log::Log;
use crate::models::JOB_TYPES;
use crate::setup::Setup;
use crate::world::World;

/// How long it may take until everything is quiet, in milliseconds of simulated time.
const QUIET_MAX_MS: u64 = 45_000;
/// How often the world is looked at meanwhile, in milliseconds.
const LOOK_MS: u64 = 25;

/// What became of a world.
#[derive(Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// One line per event.
    pub trace: Vec<String>,
    /// What must not be.
    pub violations: Vec<Violation>,
    /// Units that were committed.
    pub units: usize,
    /// Instances that were started.
    pub instances: usize,
    /// Milliseconds of simulated time.
    pub simulated_ms: u64,
}

impl std::fmt::Display for Report {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, violations, units, instances, simulated_ms, .. } = self;
        write!(
            out,
            "seed {seed}: {units} units, {instances} instances, {simulated_ms} ms simulated, {} \
             violations",
            violations.len()
        )?;
        violations.iter().try_for_each(|found| write!(out, "\n  {}: {}", found.rule, found.what))
    }
}

/// Runs the world of a seed.
///
/// # Panics
/// If this thread cannot have a runtime.
#[must_use]
pub fn run(seed: u64) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime needs nothing but memory");
    let panics = crate::panics::watch();
    let mut report = runtime.block_on(live(Setup::draw(seed)));
    // What is left of it ends here, and may break as well.
    drop(runtime);
    for what in panics.take() {
        report.violations.push(Violation { rule: "panic", what, about: vec!["log".to_owned()] });
    }
    report
}

async fn live(setup: Setup) -> Report {
    let seed = setup.seed;
    let world = Arc::new(World::new(setup));
    let _logging = tracing::subscriber::set_default(Log(world.trace.clone()));
    let setup = &world.setup;
    world.trace.line(
        "world",
        format_args!(
            "seed {seed}: {} servers, {} shards, lease {} ms, {:?}, {} wishes, own clocks {:?}",
            setup.servers,
            setup.shards,
            setup.lease_ms,
            setup.climate,
            setup.wishes.len(),
            setup.own_clocks
        ),
    );
    let mut clients = JoinSet::new();
    clients.spawn(deploy(world.clone(), 1));
    for (at, fault) in &setup.faults {
        match *fault {
            Fault::Deploy(version) => {
                clients.spawn(later(*at, deploy(world.clone(), version)));
            }
            Fault::Reshard(number) => {
                clients.spawn(later(*at, reshard(world.clone(), number)));
            }
            _ => {}
        }
    }
    for (number, (at, wish)) in setup.wishes.iter().enumerate() {
        clients.spawn(later(*at, fulfil(world.clone(), number, wish.clone())));
    }
    let mut workers = JoinSet::new();
    for job_type in JOB_TYPES {
        for number in 0..setup.workers {
            workers.spawn(work(world.clone(), job_type, number));
        }
    }
    workers.spawn(attend(world.clone()));
    workers.spawn(holder::watch(world.clone()));
    world.steer().await;
    let unrest = settle(&world, &mut clients).await;
    let mut violations = judge(&world).await;
    if let Some((what, about)) = unrest {
        let what = format!("{what}, {QUIET_MAX_MS} ms after the faults were over");
        violations.insert(0, Violation { rule: "quiet", what, about: vec![about] });
    }
    for violation in &violations {
        world.trace.line("check", format_args!("{}: {}", violation.rule, violation.what));
    }
    workers.shutdown().await;
    clients.shutdown().await;
    show(&world, &violations).await;
    let all = store::InstanceFilter { limit: u32::MAX, ..store::InstanceFilter::default() };
    let instances = store::Store::instances(&*world.store, &all).await.map_or(0, |rows| rows.len());
    Report {
        seed,
        trace: world.trace.lines(),
        violations,
        units: world.history.writes().len(),
        instances,
        simulated_ms: world.trace.now_ms(),
    }
}

/// Shows the audit logs of instances that violations are about.
async fn show(world: &World, violations: &[Violation]) {
    let all = store::InstanceFilter { limit: u32::MAX, ..store::InstanceFilter::default() };
    let rows = store::Store::instances(&*world.store, &all).await.unwrap_or_default();
    for row in rows {
        let name = row.key.to_string();
        if violations.iter().any(|violation| violation.about.contains(&name)) {
            for event in world.events(row.key).await {
                world.trace.line("audit", format_args!("{name} {event:?}"));
            }
        }
    }
}

async fn later(at_ms: u64, then: impl Future<Output = ()>) {
    tokio::time::sleep(Duration::from_millis(at_ms)).await;
    then.await;
}

/// Waits until every client has what it wants and everything is quiet. Answers what is not.
async fn settle(world: &World, clients: &mut JoinSet<()>) -> Option<(String, String)> {
    let begun_ms = world.trace.now_ms();
    loop {
        world.look_after();
        while clients.try_join_next().is_some() {}
        let unrest = if clients.is_empty() {
            quiet::unrest(world).await
        } else {
            Some((format!("{} clients wait", clients.len()), "ask".to_owned()))
        };
        if unrest.is_none() || world.trace.now_ms() > begun_ms + QUIET_MAX_MS {
            world.trace.line("world", format_args!("it is over"));
            return unrest;
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}

impl World {
    /// Whether the faults are over.
    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }
}
