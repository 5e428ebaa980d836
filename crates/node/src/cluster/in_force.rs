//! What all servers share beside the catalogue: settings and tokens, as last read.
//!
//! Boundary: read again when a pulse tells that they changed, or when somebody here changed them;
//! what a setting means stands in `settings.rs`.
//! Read first: [`Shared`].

use std::sync::Arc;

use feel::Str;
use host::gate::Gates;
use store::{Store, TokenRow};
use tokio::sync::{Mutex, watch};

use crate::error::Error;
use crate::shard::Settings;
use crate::watched::{Follower, Watched};

use super::Options;
use super::settings::{InForce, Values};

/// Shared settings and tokens.
#[derive(Debug)]
pub(crate) struct Shared {
    /// What this server was opened with.
    base: Values,
    local: Settings,
    in_force: Watched<InForce>,
    /// They are told how many calls may wait.
    gates: Gates,
    tokens: watch::Sender<Arc<Vec<(Str, TokenRow)>>>,
    /// One reads at a time, so that an older reading never replaces a newer one.
    reading: Mutex<()>,
}

impl Shared {
    pub(crate) fn new(local: Settings, cluster: &Options, gates: Gates) -> Self {
        let base = Values::of(&local, cluster);
        let in_force = InForce::new(&base, &local, Vec::new());
        gates.hold_at_most(in_force.values.held_max);
        Self {
            base,
            local,
            in_force: Watched::new(in_force),
            gates,
            tokens: watch::Sender::new(Arc::new(Vec::new())),
            reading: Mutex::new(()),
        }
    }

    /// Reads everything again.
    pub(crate) async fn reload(&self, store: &dyn Store) -> Result<(), Error> {
        let _reading = self.reading.lock().await;
        let rows = store.settings().await?;
        let tokens = store.tokens().await?;
        let in_force = self.understand(rows);
        let known = self.in_force.get();
        if known.stored != in_force.stored {
            self.gates.hold_at_most(in_force.values.held_max);
            self.in_force.set(Arc::new(in_force));
        }
        self.tokens.send_replace(Arc::new(tokens));
        Ok(())
    }

    /// What follows from these rows.
    pub(crate) fn understand(&self, rows: Vec<(Str, Str)>) -> InForce {
        InForce::new(&self.base, &self.local, rows)
    }

    /// The settings in force.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        self.in_force.get()
    }

    /// The settings in force, and their changes.
    pub(crate) fn changes(&self) -> Follower<InForce> {
        self.in_force.follow()
    }

    /// The tokens, and their changes.
    pub(crate) fn tokens(&self) -> watch::Receiver<Arc<Vec<(Str, TokenRow)>>> {
        self.tokens.subscribe()
    }
}
