//! One life of a server's way to the database.
//!
//! Boundary: a gate before the store that all servers share. What was sent takes effect even if
//! its sender stands still or dies meanwhile; what was not sent does not.
//! Read first: [`Link`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::ids::ShardId;
use store::{Acquired, Committed, Error, ServerKey};

use crate::dice::Dice;
use crate::gate::{Call, Gate, Sealed};
use crate::history::{History, Write};
use crate::power::Power;
use crate::trace::Trace;
use crate::weather::Weather;

/// The longest that a call waits on a way that is cut, in milliseconds.
const CUT_MAX_MS: u64 = 2_000;

/// What becomes of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trap {
    /// The server dies before it takes effect.
    DieBefore,
    /// The server dies after it took effect.
    DieAfter,
    /// It fails.
    FailBefore,
    /// It takes effect, and the server is told that it failed.
    FailAfter,
}

/// One life of a server's way to the database.
pub(crate) struct Link {
    pub(crate) server: usize,
    pub(crate) life: u64,
    pub(crate) power: Arc<Power>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) history: Arc<History>,
    pub(crate) trace: Arc<Trace>,
    pub(crate) dice: Dice,
    /// What becomes of the write that many writes from now.
    pub(crate) trap: Mutex<Option<(u64, Trap)>>,
}

impl Link {
    /// Sets a trap for the write that many writes from now.
    pub(crate) fn set_trap(&self, writes: u64, trap: Trap) {
        *self.trap.lock().unwrap_or_else(PoisonError::into_inner) = Some((writes, trap));
    }

    /// Takes the trap away.
    pub(crate) fn disarm(&self) {
        *self.trap.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn trapped(&self, call: Call) -> Option<Trap> {
        if !call.is_write || call.name == "beat" {
            return None;
        }
        let mut trap = self.trap.lock().unwrap_or_else(PoisonError::into_inner);
        let (writes, kind) = trap.as_mut()?;
        if *writes > 0 {
            *writes -= 1;
            return None;
        }
        let kind = *kind;
        *trap = None;
        Some(kind)
    }

    fn line(&self, sign: char, call: Call) {
        let Self { server, life, .. } = self;
        self.trace.line("db", format_args!("{sign} server {server}#{life} {}", call.name));
    }

    fn failed(&self, call: Call, sign: char, why: &str) -> Error {
        let Self { server, life, .. } = self;
        self.trace.line("db", format_args!("{sign} server {server}#{life} {}: {why}", call.name));
        Error::Failed { act: call.name, place: "database".to_owned(), source: why.into() }
    }

    fn die(&self, call: Call, when: &str) -> Error {
        let Self { server, life, .. } = self;
        let name = call.name;
        self.trace.line("fault", format_args!("server {server}#{life} dies {when} {name}"));
        self.power.kill();
        Error::Closed
    }

    /// How long one way takes.
    fn way_ms(&self) -> u64 {
        let max = self.weather.climate().delay_max_ms;
        let slowness = self.weather.slowness(self.server);
        self.dice.range(0..=max) + self.dice.range(0..=slowness)
    }
}

impl Gate for Link {
    type Pass = Option<Trap>;

    async fn enter(&self, call: Call) -> Result<Option<Trap>, Error> {
        self.power.awake().await.map_err(|_| Error::Closed)?;
        let trap = self.trapped(call);
        if trap == Some(Trap::DieBefore) {
            return Err(self.die(call, "before"));
        }
        tokio::time::sleep(Duration::from_millis(self.way_ms())).await;
        if self.power.is_off() && self.dice.happens(500) {
            return Err(Error::Closed);
        }
        if self.weather.is_database_cut(self.server) {
            let wait = self.dice.range(1..=CUT_MAX_MS);
            self.power.sleep(wait).await.map_err(|_| Error::Closed)?;
            return Err(self.failed(call, '!', "the way is cut"));
        }
        if trap == Some(Trap::FailBefore) || self.dice.happens(self.weather.climate().db_errors) {
            return Err(self.failed(call, '!', "it failed"));
        }
        if call.is_write {
            self.line('>', call);
        }
        Ok(trap)
    }

    async fn leave(&self, call: Call, trap: Option<Trap>) -> Result<(), Error> {
        if trap == Some(Trap::DieAfter) {
            return Err(self.die(call, "after"));
        }
        if self.dice.happens(250) {
            self.power.sleep(self.way_ms()).await.map_err(|_| Error::Closed)?;
        }
        self.power.awake().await.map_err(|_| Error::Closed)?;
        let is_lost = trap == Some(Trap::FailAfter)
            || self.weather.is_database_cut(self.server)
            || self.dice.happens(self.weather.climate().db_lost);
        if is_lost { Err(self.failed(call, '?', "the answer is lost")) } else { Ok(()) }
    }

    fn acquired(&self, shard: ShardId, server: ServerKey, answer: &Acquired) {
        if let Acquired::Leased { lease, .. } = answer {
            let (life, epoch) = (self.life, lease.epoch);
            self.history.wrote(Write::Acquired { life, server, shard, epoch });
            let number = self.server;
            self.trace.line(
                "own",
                format_args!(
                    "server {number}#{life} ({server}) has shard {} epoch {epoch}",
                    shard.0
                ),
            );
        }
    }

    fn committed(&self, unit: &Sealed, answer: &Committed) {
        let Self { server, life, .. } = self;
        let Sealed { shard, epoch, sequence } = *unit;
        let which = format_args!("shard {} epoch {epoch} sequence {sequence}", shard.0);
        match answer {
            Committed::Done => {
                self.history.wrote(Write::Committed { life: *life, unit: *unit });
                self.trace.line("unit", format_args!("server {server}#{life} {which}"));
            }
            Committed::Conflict { stored } => self.trace.line(
                "unit",
                format_args!("server {server}#{life} {which} refused: stored is {stored}"),
            ),
            Committed::NotOwner { epoch } => self.trace.line(
                "unit",
                format_args!("server {server}#{life} {which} refused: epoch {epoch} is in force"),
            ),
            Committed::Decided { deployment } => self.trace.line(
                "unit",
                format_args!("server {server}#{life} {which} refused: {deployment} is not open"),
            ),
        }
    }
}
