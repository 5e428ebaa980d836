//! Three real servers on one real PostgreSQL, real workers and publishers, and what can go wrong:
//! servers are killed, paused, cut off and told to stop, and the database is crashed. Every
//! document is processed once, every instance ends, every step is recorded once, what a killed
//! server had goes on at another one, and one order explains what clients were told, and when.
//!
//! Boundary: the built program from outside; what is checked at the end are rows.
//! `POINTSMAN_TEST_CLUSTER_SECONDS` makes the first test longer, `_KILLS` and `_WAITING` the
//! second; `_RATE` is the number of documents that each of three publishers publishes in a second,
//! `_WORKERS` the number of workers at each server. `POINTSMAN_TEST_PROGRAM` names another program
//! than the one that was just built, `POINTSMAN_TEST_PREVIOUS` one of an earlier version.
//! Read first: the test at the end, then `cluster/faults.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "a failure must say what happened before")]

#[path = "cluster/check.rs"]
mod check;
#[path = "cluster/clients.rs"]
mod clients;
#[path = "cluster/faults.rs"]
mod faults;
#[path = "cluster/history.rs"]
mod history;
#[path = "cluster/http.rs"]
mod http;
#[path = "cluster/links.rs"]
mod links;
#[path = "cluster/servers.rs"]
mod servers;
#[path = "cluster/workers.rs"]
mod workers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use clients::Clients;
use faults::Dice;
use servers::Servers;
use store::conformance::postgres::Server as Postgres;
use tokio::sync::Mutex;

const TEST: &str = "servers_come_and_go_and_nothing_is_lost_or_done_twice";

/// One cluster at a time: how long things take is part of what is tested.
static TURN: Mutex<()> = Mutex::const_new(());

#[expect(clippy::disallowed_methods, reason = "a longer run is asked for by the environment")]
fn asked(name: &str, otherwise: usize) -> usize {
    let asked = std::env::var(name).ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[expect(clippy::disallowed_methods, reason = "a test measures time")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_come_and_go_and_nothing_is_lost_or_done_twice() {
    let _turn = TURN.lock().await;
    let Some(postgres) = Postgres::own(TEST) else { return };
    let directory = tempfile::tempdir().unwrap();
    clients::write_package(directory.path());
    let servers = Arc::new(
        Servers::start(directory.path(), &postgres.schema().await, postgres.directory()).await,
    );
    servers.deploy("killing");
    let clients = Clients::start(servers.clone());
    let mut dice = Dice::new();
    let end = now() + Duration::from_secs(asked("POINTSMAN_TEST_CLUSTER_SECONDS", 15) as u64);
    while now() < end {
        faults::next(&mut dice, &servers, &clients, &postgres).await;
    }
    servers.all_run();
    clients.stop_publishing().await;
    println!("{:?} instances were accepted, and may have been", clients.accepted());
    check::all_ended(&servers.database).await;
    let done = clients.stop_working().await;
    servers.stop();
    check::rows(&servers.database, clients.accepted(), &done).await;
    report(&clients);
    one_order_explains(&clients);
}

fn one_order_explains(clients: &Clients) {
    let (contradictions, events) = clients.history().contradictions();
    println!("{events} events of clients, {} of their calls failed", clients.failures().len());
    assert!(contradictions.is_empty(), "{contradictions:#?}");
}

/// How long take-overs took; the bound leaves room for machines that are busy with other tests.
fn report(clients: &Clients) {
    let all = clients.take_overs();
    let Some(longest) = all.last() else { return };
    let within = |percent: usize| all[(all.len() * percent).div_ceil(100) - 1];
    let (middle, most, nearly) = (within(50), within(90), within(99));
    let number = all.len();
    println!(
        "{number} take-overs: half within {middle:?}, 90 % {most:?}, 99 % {nearly:?}, all {longest:?}"
    );
    assert!(*longest < Duration::from_secs(15), "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_had_goes_on_at_another_while_many_instances_wait() {
    let _turn = TURN.lock().await;
    let name = "what_a_killed_server_had_goes_on_at_another_while_many_instances_wait";
    let Some(postgres) = Postgres::own(name) else { return };
    let directory = tempfile::tempdir().unwrap();
    clients::write_package(directory.path());
    let servers = Arc::new(
        Servers::start(directory.path(), &postgres.schema().await, postgres.directory()).await,
    );
    servers.deploy("killing");
    clients::let_wait(&servers, directory.path(), asked("POINTSMAN_TEST_CLUSTER_WAITING", 2_000));
    let clients = Clients::start(servers.clone());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut dice = Dice::new();
    for _ in 0..asked("POINTSMAN_TEST_CLUSTER_KILLS", 3) {
        faults::kill(&mut dice, &servers, &clients).await;
    }
    clients.stop_publishing().await;
    clients.stop_working().await;
    report(&clients);
    one_order_explains(&clients);
}

/// One after the other is replaced by its next version and, as long as the format is not raised, by
/// the earlier one again. Without an earlier program it is the same, and this a rolling restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_are_upgraded_and_downgraded_one_by_one_while_clients_see_nothing() {
    let _turn = TURN.lock().await;
    let name = "servers_are_upgraded_and_downgraded_one_by_one_while_clients_see_nothing";
    let Some(postgres) = Postgres::own(name) else { return };
    let directory = tempfile::tempdir().unwrap();
    clients::write_package(directory.path());
    let database = postgres.schema().await;
    let servers = Arc::new(Servers::new(directory.path(), &database, postgres.directory()).await);
    let (earlier, later) = (servers::previous(), servers::program());
    println!("{} to {} and back", earlier.display(), later.display());
    (0..servers.count()).for_each(|number| servers.set_program(number, &earlier));
    servers.all_run();
    servers.deploy("killing");
    let clients = Clients::start(servers.clone());
    for program in [&later, &earlier, &later] {
        for number in 0..servers.count() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let before = clients.failures().len();
            servers.end(number);
            servers.set_program(number, program);
            servers.start_one(number);
            faults::spared(&clients, before, number);
        }
    }
    clients.stop_publishing().await;
    println!("{:?} instances were accepted, and may have been", clients.accepted());
    check::all_ended(&servers.database).await;
    let done = clients.stop_working().await;
    servers.stop();
    check::rows(&servers.database, clients.accepted(), &done).await;
    one_order_explains(&clients);
}
