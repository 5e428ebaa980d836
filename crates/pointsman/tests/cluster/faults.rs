//! What goes wrong, one thing at a time, drawn from a seed that is printed.
//!
//! Boundary: does it and waits a moment; whether the cluster stands it is seen elsewhere.
//! Read first: [`next`].

use std::time::Duration;

use store::conformance::postgres::Server as Postgres;

use super::clients::Clients;
use super::links::How;
use super::servers::Servers;

/// Numbers that differ from run to run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let seed = u64::from(std::process::id());
        println!("faults from seed {seed}");
        Self::of(seed)
    }

    pub(crate) fn of(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// A kill, and the start of the same server after everything was taken over. Clients of the other
/// servers see no error.
pub(crate) async fn kill(dice: &mut Dice, servers: &Servers, clients: &Clients) {
    let victim = usize::try_from(dice.below(servers.count() as u64)).unwrap();
    let before = clients.failures().len();
    clients.expect_take_over();
    servers.kill(victim);
    clients.taken_over().await;
    spared(clients, before, victim);
    servers.start_one(victim);
    // Until it has its share again, and a moment that differs.
    tokio::time::sleep(Duration::from_millis(1_500 + dice.below(300))).await;
}

/// No call at another server than the victim failed since there were so many failures.
pub(crate) fn spared(clients: &Clients, before: usize, victim: usize) {
    let mut failures = clients.failures().split_off(before);
    failures.retain(|failed| failed.server != victim);
    let elsewhere: Vec<&str> = failures.iter().map(|failed| &*failed.why).collect();
    assert!(elsewhere.is_empty(), "server {victim} was away: {elsewhere:?}");
}

/// The next thing that goes wrong; ends when it is right again.
pub(crate) async fn next(
    dice: &mut Dice,
    servers: &Servers,
    clients: &Clients,
    postgres: &Postgres,
) {
    let victim = usize::try_from(dice.below(servers.count() as u64)).unwrap();
    let name = servers.name(victim);
    let moment = Duration::from_millis(200 + dice.below(1_500));
    match dice.below(16) {
        0..=4 => {
            println!("kill {name}, again after {moment:?}");
            clients.expect_take_over();
            servers.kill(victim);
            clients.taken_over().await;
            tokio::time::sleep(moment).await;
            servers.start_one(victim);
        }
        5 | 6 => {
            println!("pause {name}");
            servers.pause(victim);
            tokio::time::sleep(Duration::from_secs(3) + moment).await;
            servers.resume(victim);
        }
        7 | 8 => {
            println!("stop {name} in order");
            servers.end(victim);
            tokio::time::sleep(moment).await;
            servers.start_one(victim);
        }
        9..=12 => {
            let how = if dice.below(2) == 0 { How::Cut } else { How::Silent };
            // Shorter and longer than a lease.
            let time = Duration::from_millis(dice.below(4_000));
            println!("{name} and the database: {how:?} for {time:?}");
            servers.to_database(victim, how);
            tokio::time::sleep(time).await;
            servers.to_database(victim, How::Open);
        }
        13 | 14 => {
            let how = if dice.below(2) == 0 { How::Cut } else { How::Silent };
            let time = Duration::from_millis(dice.below(6_000));
            println!("others to {name}: {how:?} for {time:?}");
            servers.to_peer(victim, how);
            tokio::time::sleep(time).await;
            servers.to_peer(victim, How::Open);
        }
        _ => {
            println!("crash the database");
            postgres.crash();
            tokio::time::sleep(moment).await;
            postgres.start_again();
        }
    }
    tokio::time::sleep(moment).await;
}
