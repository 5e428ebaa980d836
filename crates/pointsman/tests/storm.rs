//! The storm: clients call services and publish documents at full speed while packages are
//! deployed again and again, and every second deployment is refused, fails in a start-up service,
//! is late behind a slow call, or is cancelled. No call fails, every reply comes from exactly one
//! version that was deployed at that time, and every document is handled once.
//!
//! Boundary: the built program from outside; what is checked are replies, and what the outside
//! world was asked for. `POINTSMAN_TEST_STORM_SECONDS`, `_CLIENTS`, `_DEPLOYMENTS` and `_KILLS`
//! make it longer.
//! Read first: the tests at the end, then `storm/history.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "a storm is also a measurement")]

#[path = "storm/balancer.rs"]
mod balancer;
#[path = "storm/clients.rs"]
mod clients;
#[path = "storm/deployer.rs"]
mod deployer;
#[path = "storm/history.rs"]
mod history;
#[path = "storm/http.rs"]
mod http;
#[path = "cluster/links.rs"]
#[expect(dead_code, reason = "no way is cut here")]
mod links;
#[path = "storm/package.rs"]
mod package;
#[path = "support/server.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod server;
#[path = "cluster/servers.rs"]
#[expect(dead_code, reason = "the tests of the cluster use more of it")]
mod servers;
#[path = "storm/world.rs"]
mod world;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use balancer::Balancer;
use clients::{Connections, Storm};
use deployer::Deployer;
use serde_json::Value;
use server::{Server, Start};
use servers::Servers;
use store::conformance::postgres::Server as Postgres;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use world::World;

/// How long it may take until every document is handled.
const QUIET: Duration = Duration::from_secs(120);

/// How long a server stands still.
const PAUSED: Duration = Duration::from_secs(3);

/// One storm at a time: each takes the whole machine.
static TURN: Mutex<()> = Mutex::const_new(());

#[expect(clippy::disallowed_methods, reason = "a longer run is asked for by the environment")]
fn asked(name: &str, otherwise: u64) -> u64 {
    let asked = std::env::var(name).ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[expect(clippy::disallowed_methods, reason = "a test measures time")]
fn now() -> Instant {
    Instant::now()
}

fn address(server: &Server) -> String {
    format!("http://{}", server.http)
}

fn start(data: &Path) -> Server {
    tokio::task::block_in_place(|| Start::on(data).ready())
}

/// Clients and deployments, until both are through.
struct Running {
    storm: Arc<Storm>,
    clients: JoinSet<()>,
    deployments: JoinSet<Deployer>,
}

impl Running {
    async fn begin(storm: Arc<Storm>, servers: &[String]) -> Self {
        let mut deployer = Deployer::new(storm.clone());
        deployer.first(servers).await;
        let (mut clients, mut deployments) = (JoinSet::new(), JoinSet::new());
        for number in 0..asked("POINTSMAN_TEST_STORM_CLIENTS", 16) {
            clients.spawn(storm.clone().client(number));
        }
        deployments.spawn(deploy(deployer));
        Self { storm, clients, deployments }
    }

    /// Waits for the last deployment and the last document, and looks at all of it.
    async fn end(mut self) {
        let deployer = self.deployments.join_next().await.unwrap().unwrap();
        self.storm.stop();
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        all_handled(&self.storm).await;
        report(&self.storm, &deployer);
        let failures = self.storm.failures.lock().unwrap().clone();
        assert!(failures.is_empty(), "{failures:#?}");
        let calls = self.storm.calls.lock().unwrap();
        let changes = self.storm.changes.lock().unwrap();
        let mut found = history::contradictions(&calls, &changes);
        found.extend(history::strangers(&self.storm.world.versions(), &changes));
        found.truncate(20);
        assert!(found.is_empty(), "{found:#?}\n{changes:#?}");
    }
}

fn seconds() -> Duration {
    Duration::from_secs(asked("POINTSMAN_TEST_STORM_SECONDS", 8))
}

/// Deployments at a pace, and then until the time is up.
async fn deploy(mut deployer: Deployer) -> Deployer {
    let number = asked("POINTSMAN_TEST_STORM_DEPLOYMENTS", 12);
    let mut pace = tokio::time::interval(seconds() / u32::try_from(number).unwrap());
    for turn in 0..number {
        pace.tick().await;
        deployer.deploy(usize::try_from(turn).unwrap()).await;
    }
    pace.tick().await;
    deployer
}

/// Each document was handled by both processes, under one job each, and nothing else was.
async fn all_handled(storm: &Storm) {
    let published = storm.published.lock().unwrap().clone();
    let end = now() + QUIET;
    while storm.world.handled_number() < 2 * published.len() && now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let handled = storm.world.handled();
    for who in ["front", "storm"] {
        let lost: Vec<&String> = published
            .iter()
            .filter(|order| !handled.contains_key(&(who.to_owned(), (*order).clone())))
            .take(10)
            .collect();
        assert!(lost.is_empty(), "`{who}` never handled {lost:?}");
    }
    let twice: Vec<_> = handled.iter().filter(|(_, keys)| keys.len() > 1).take(10).collect();
    assert!(twice.is_empty(), "handled more than once: {twice:?}");
    assert_eq!(handled.len(), 2 * published.len(), "somebody handled what nobody published");
    ended_instances(storm, 2 * published.len(), end).await;
}

/// As many instances as were wanted, all of them completed.
async fn ended_instances(storm: &Storm, wanted: usize, end: Instant) {
    let http = http::Http::new();
    let count = async |state: &str| {
        let (mut number, mut next) = (0, String::new());
        loop {
            let path = format!("/api/instances?state={state}&limit=500{next}");
            let page = http.get(&storm.url(&path)).await.unwrap().body;
            number += page["items"].as_array().map_or(0, Vec::len);
            match &page["next"] {
                Value::String(before) => next = format!("&before={before}"),
                _ => return number,
            }
        }
    };
    while count("active").await > 0 && now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let [active, failed, cancelled] =
        [count("active").await, count("failed").await, count("cancelled").await];
    assert_eq!([active, failed, cancelled], [0; 3], "active, failed, cancelled");
    assert_eq!(count("completed").await, wanted, "two instances for each document");
}

fn report(storm: &Storm, deployer: &Deployer) {
    let mut closed = deployer.closed_us.clone();
    closed.sort_unstable();
    let within = |percent: usize| closed[(closed.len() * percent).div_ceil(100) - 1];
    println!(
        "{} calls, {} documents, {} tried again, {} elsewhere; deployments {:?}; gates closed for {} µs (half), \
         {} µs (99 %), {:?} µs; the longest call took {:?}; versions that handled {}",
        storm.calls.lock().unwrap().len(),
        storm.published.lock().unwrap().len(),
        storm.cut.load(Ordering::SeqCst),
        storm.away.load(Ordering::SeqCst),
        deployer.ends,
        within(50),
        within(99),
        closed.last(),
        storm.longest.lock().unwrap(),
        storm.world.versions().len(),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_and_no_document_is_lost_while_packages_are_deployed() {
    let _turn = TURN.lock().await;
    let directory = tempfile::tempdir().unwrap();
    let (world, _driver) = World::open().await;
    let server = start(&directory.path().join("data"));
    let storm = Storm::new(world, address(&server), Connections::Hold);
    Running::begin(storm, &[]).await.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_started_again_meanwhile_loses_nothing() {
    let _turn = TURN.lock().await;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let (world, _driver) = World::open().await;
    let mut server = start(&data);
    let storm = Storm::new(world, address(&server), Connections::Break);
    let running = Running::begin(storm.clone(), &[]).await;
    let kills = u32::try_from(asked("POINTSMAN_TEST_STORM_KILLS", 2)).unwrap();
    for _ in 0..kills {
        tokio::time::sleep(seconds() / (kills + 1)).await;
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        server = start(&data);
        storm.moved(address(&server));
    }
    running.end().await;
}

const CLUSTER: &str = "three_servers_of_which_one_is_killed_and_one_paused_lose_nothing";

/// One server is killed and comes back, then another one stands still for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_of_which_one_is_killed_and_one_paused_lose_nothing() {
    let _turn = TURN.lock().await;
    let Some(postgres) = Postgres::own(CLUSTER) else { return };
    let directory = tempfile::tempdir().unwrap();
    let (world, _driver) = World::open().await;
    let database = postgres.schema().await;
    let servers = Servers::start(directory.path(), &database, postgres.directory()).await;
    let balancer = Balancer::open().await;
    // Who is in turn; a paused one is taken out as a balancer does that asks for health.
    let without = |away: Option<usize>| {
        let here = (0..servers.count()).filter(|number| Some(*number) != away);
        let hosts = here.map(|number| servers.http(number).replace("http://", ""));
        balancer.set(hosts.collect());
    };
    without(None);
    let address = format!("http://127.0.0.1:{}", balancer.port);
    let storm = Storm::new(world, address, Connections::Expire);
    let running = Running::begin(storm, &[]).await;
    let third = seconds() / 3;
    tokio::time::sleep(third).await;
    without(Some(1));
    servers.kill(1);
    tokio::task::block_in_place(|| servers.start_one(1));
    without(None);
    tokio::time::sleep(third).await;
    without(Some(2));
    servers.pause(2);
    tokio::time::sleep(PAUSED).await;
    servers.resume(2);
    without(None);
    running.end().await;
}
