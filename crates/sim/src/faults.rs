//! What goes wrong in a world, and when: values drawn from the seed.
//!
//! Boundary: a plan; who carries it out is the world.
//! Read first: [`Fault`], then [`plan`].

use std::fmt;

use crate::dice::Dice;
use crate::link::Trap;

/// What an operator, or bad luck, does to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It dies; it starts again after a while.
    Kill(usize),
    /// It is told to stop; it starts again after a while.
    Stop(usize),
    /// It gives its shards away, then stops, then starts again.
    Drain(usize),
    /// It stands by.
    StandBy(usize),
    /// It serves again.
    Serve(usize),
    /// It stands still.
    Pause(usize),
    /// It goes on.
    Resume(usize),
    /// It does not reach the database.
    CutDatabase(usize),
    /// It does again.
    MendDatabase(usize),
    /// Its way to the database is so much longer, in milliseconds.
    SlowDatabase(usize, u64),
    /// Two servers do not reach each other.
    CutPeers(usize, usize),
    /// They do again.
    MendPeers(usize, usize),
    /// Something happens to one of its next writes.
    Set(usize, u64, Trap),
    /// Its clock is set, by so many milliseconds.
    SetClock(usize, i64),
    /// Another version of the package is deployed.
    Deploy(u32),
    /// The number of shards is changed.
    Reshard(u16),
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(server) => write!(out, "server {server} is killed"),
            Self::Stop(server) => write!(out, "server {server} is told to stop"),
            Self::Drain(server) => write!(out, "server {server} is drained"),
            Self::StandBy(server) => write!(out, "server {server} stands by"),
            Self::Serve(server) => write!(out, "server {server} serves"),
            Self::Pause(server) => write!(out, "server {server} stands still"),
            Self::Resume(server) => write!(out, "server {server} goes on"),
            Self::CutDatabase(server) => write!(out, "server {server} loses the database"),
            Self::MendDatabase(server) => write!(out, "server {server} has the database again"),
            Self::SlowDatabase(server, ms) => {
                write!(out, "server {server} has a database that is {ms} ms away")
            }
            Self::CutPeers(one, other) => write!(out, "servers {one} and {other} lose each other"),
            Self::MendPeers(one, other) => write!(out, "servers {one} and {other} meet again"),
            Self::Set(server, writes, trap) => {
                write!(out, "server {server} in {writes} writes: {trap:?}")
            }
            Self::SetClock(server, ms) => {
                write!(out, "server {server} has its clock set by {ms} ms")
            }
            Self::Reshard(number) => write!(out, "there are to be {number} shards"),
            Self::Deploy(version) => write!(out, "version {version} is deployed"),
        }
    }
}

/// Draws when the number of shards is changed, and to what: dice of its own, so that older seeds
/// stay what they were otherwise.
#[must_use]
pub(crate) fn reshardings(seed: u64, (from_ms, to_ms): (u64, u64)) -> Vec<(u64, Fault)> {
    let dice = Dice::new(seed, "shards");
    let changes = *dice.pick(&[0, 0, 0, 1, 1, 2, 3]);
    let change = |_| {
        let number = *dice.pick(&[1, 2, 3, 4, 6, 9, 13]);
        (dice.range(from_ms..=to_ms), Fault::Reshard(number))
    };
    (0..changes).map(change).collect()
}

/// Draws what happens between two times, in order.
#[must_use]
pub(crate) fn plan(
    dice: &Dice,
    servers: usize,
    number: u64,
    (from_ms, to_ms): (u64, u64),
) -> Vec<(u64, Fault)> {
    let mut plan = Vec::new();
    let mut version = 1;
    for _ in 0..number {
        let at = dice.range(from_ms..=to_ms);
        let until = at + dice.range(50..=3_000);
        let server = dice.below(servers);
        let other = dice.below(servers);
        match dice.below(15) {
            0 | 1 => plan.push((at, Fault::Kill(server))),
            2 => plan.push((at, Fault::Stop(server))),
            3 => plan.push((at, Fault::Drain(server))),
            4 => plan.extend([(at, Fault::StandBy(server)), (until, Fault::Serve(server))]),
            5 | 6 => plan.extend([(at, Fault::Pause(server)), (until, Fault::Resume(server))]),
            7 => {
                plan.extend([
                    (at, Fault::CutDatabase(server)),
                    (until, Fault::MendDatabase(server)),
                ]);
            }
            8 => {
                let by = dice.range(20..=400);
                plan.extend([
                    (at, Fault::SlowDatabase(server, by)),
                    (until, Fault::SlowDatabase(server, 0)),
                ]);
            }
            9 if server != other => {
                plan.extend([
                    (at, Fault::CutPeers(server, other)),
                    (until, Fault::MendPeers(server, other)),
                ]);
            }
            10..=12 => {
                let traps = [Trap::DieBefore, Trap::DieAfter, Trap::FailBefore, Trap::FailAfter];
                plan.push((at, Fault::Set(server, dice.range(0..=12), *dice.pick(&traps))));
            }
            13 => {
                let by = i64::try_from(dice.range(0..=3_000)).unwrap_or(0) - 1_500;
                plan.push((at, Fault::SetClock(server, by)));
            }
            _ => {
                version += 1;
                plan.push((at, Fault::Deploy(version)));
            }
        }
    }
    plan.sort_by_key(|(at, _)| *at);
    plan
}
