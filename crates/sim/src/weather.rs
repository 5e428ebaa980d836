//! How the ways between servers, database and clients are at the moment.
//!
//! Boundary: conditions only; who suffers from them draws what happens.
//! Read first: [`Weather`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What goes wrong on ordinary days, in calls of a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Climate {
    /// The longest delay of one way to the database or between servers, in milliseconds.
    pub delay_max_ms: u64,
    /// Database calls that fail before they take effect.
    pub db_errors: u64,
    /// Database calls whose answer is lost.
    pub db_lost: u64,
    /// Calls between servers of which the request or the answer is lost.
    pub peer_lost: u64,
    /// Calls between servers that arrive twice.
    pub peer_doubled: u64,
    /// Answers to clients that are lost.
    pub client_lost: u64,
}

/// How the ways are.
#[derive(Debug)]
pub(crate) struct Weather {
    climate: Climate,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_calm: bool,
    db_cut: BTreeSet<usize>,
    db_slow: BTreeMap<usize, u64>,
    peers_cut: BTreeSet<(usize, usize)>,
}

impl Weather {
    /// Ordinary weather.
    #[must_use]
    pub(crate) fn new(climate: Climate) -> Self {
        Self { climate, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes wrong now.
    pub(crate) fn climate(&self) -> Climate {
        let delay_max_ms = self.climate.delay_max_ms;
        let calm = Climate { delay_max_ms, ..Climate::default() };
        if self.state().is_calm { calm } else { self.climate }
    }

    /// Nothing goes wrong from now on.
    pub(crate) fn calm(&self) {
        *self.state() = State { is_calm: true, ..State::default() };
    }

    /// Cuts or mends a server's way to the database.
    pub(crate) fn cut_database(&self, server: usize, how: Way) {
        match how {
            Way::Cut => self.state().db_cut.insert(server),
            Way::Open => self.state().db_cut.remove(&server),
        };
    }

    /// Whether a server reaches the database.
    pub(crate) fn is_database_cut(&self, server: usize) -> bool {
        self.state().db_cut.contains(&server)
    }

    /// Makes a server's way to the database so much longer.
    pub(crate) fn slow_database(&self, server: usize, by_ms: u64) {
        self.state().db_slow.insert(server, by_ms);
    }

    /// How much longer a server's way to the database is.
    pub(crate) fn slowness(&self, server: usize) -> u64 {
        self.state().db_slow.get(&server).copied().unwrap_or(0)
    }

    /// Cuts or mends the way between two servers.
    pub(crate) fn cut_peers(&self, one: usize, other: usize, how: Way) {
        let pair = (one.min(other), one.max(other));
        match how {
            Way::Cut => self.state().peers_cut.insert(pair),
            Way::Open => self.state().peers_cut.remove(&pair),
        };
    }

    /// Whether two servers do not reach each other.
    pub(crate) fn are_peers_cut(&self, one: usize, other: usize) -> bool {
        self.state().peers_cut.contains(&(one.min(other), one.max(other)))
    }
}

/// Whether a way can be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It can.
    Open,
    /// It cannot.
    Cut,
}
