//! What a server is opened with in a world.
//!
//! Boundary: options only; when a server begins and ends is the world's business.
//! Read first: [`World::options`].

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use node::cluster::Others;
use node::{Clock, Dial, Options};
use tokio::time::Instant;

use super::World;
use crate::clock::START_MS;
use crate::dice::Dice;
use crate::gate::Gated;
use crate::link::Link;
use crate::net::{Wire, address};
use crate::power::Power;

/// A machine's clock, which somebody sets now and then.
#[derive(Debug)]
struct OwnClock {
    begun: Instant,
    base_ms: i64,
    offset_ms: Arc<AtomicI64>,
}

impl Dial for OwnClock {
    fn now_ms(&self) -> i64 {
        let passed = i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.base_ms + passed + self.offset_ms.load(Ordering::Relaxed)
    }
}

impl World {
    pub(super) fn link(&self, server: usize, life: u64, power: Arc<Power>) -> Arc<Gated<Link>> {
        let link = Link {
            server,
            life,
            power,
            weather: self.weather.clone(),
            history: self.history.clone(),
            trace: self.trace.clone(),
            dice: Dice::new(self.setup.seed, &format!("link {life}")),
            trap: Mutex::default(),
        };
        Arc::new(Gated::new(self.store.clone(), link))
    }

    pub(super) fn options(&self, server: usize, life: u64, power: &Arc<Power>) -> Options {
        // Nothing is written there: the package has no services.
        let mut options = Options::new(&format!("server-{server}"), PathBuf::from("/nonexistent"));
        let now_ms = START_MS + i64::try_from(self.trace.now_ms()).unwrap_or(0);
        options.clock = if self.setup.own_clocks.contains(&server) {
            let offset_ms = self.offsets[server].clone();
            let clock = OwnClock { begun: Instant::now(), base_ms: now_ms, offset_ms };
            Clock::Other(Arc::new(clock))
        } else {
            Clock::shared_from(now_ms)
        };
        let cluster = &mut options.cluster;
        cluster.shards = self.setup.shards;
        cluster.lease_ms = self.setup.lease_ms;
        let beat = u64::try_from(self.setup.lease_ms / 5).unwrap_or(100);
        cluster.beat = Duration::from_millis(beat);
        cluster.about.peer = address(server).as_str().into();
        cluster.others = Others::Possible;
        let (net, power) = (self.net.clone(), power.clone());
        cluster.transport = Arc::new(Wire { net, server, life, power });
        options
    }
}
