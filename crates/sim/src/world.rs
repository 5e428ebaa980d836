//! A world: servers on one store, a network between them, and what goes wrong.
//!
//! Boundary: starts and ends servers and carries out the faults; clients and checkers stand
//! beside it.
//! Read first: [`World`], then [`World::steer`].

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use node::Node;
use store::Standing;
use store::memory::Memory;
use tokio::task::JoinSet;

use crate::clock::store_clock;
use crate::dice::Dice;
use crate::faults::Fault;
use crate::gate::Gated;
use crate::history::{Fact, History};
use crate::link::Link;
use crate::net::{Host, Net};
use crate::power::Power;
use crate::setup::Setup;
use crate::trace::Trace;
use crate::weather::{Way, Weather};

mod open;

/// How often the world looks at its servers, in milliseconds.
const LOOK_MS: u64 = 25;
/// How long a server that is told to stop may take, in milliseconds.
const STOP_MAX_MS: u64 = 25_000;
/// How long what is left of a dropped server may live, in milliseconds.
const REMAINS_MAX_MS: u64 = 5_000;

/// A place for a server: its present life, or when the next one begins.
#[derive(Default)]
pub(crate) struct Place {
    host: Option<Host>,
    link: Option<Arc<Gated<Link>>>,
    /// When it starts again.
    begin_ms: Option<u64>,
    /// Whether it is ending in order.
    is_leaving: bool,
    is_standby: bool,
}

/// What is left of a server that was dropped.
struct Remains {
    life: u64,
    since_ms: u64,
    link: Weak<Gated<Link>>,
}

/// A world.
pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) store: Arc<Memory>,
    pub(crate) trace: Arc<Trace>,
    pub(crate) history: Arc<History>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) net: Arc<Net>,
    pub(crate) dice: Dice,
    pub(crate) is_calm: AtomicBool,
    /// How far the clocks of servers that have their own are off, in milliseconds.
    offsets: Vec<Arc<AtomicI64>>,
    places: Mutex<Vec<Place>>,
    lives: AtomicU64,
    remains: Mutex<Vec<Remains>>,
    /// Servers on their way out.
    leaving: Mutex<JoinSet<()>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// A world without servers.
    #[must_use]
    pub(crate) fn new(setup: Setup) -> Self {
        let trace = Arc::new(Trace::begin());
        let history = Arc::new(History::default());
        let weather = Arc::new(Weather::new(setup.climate));
        let seed = setup.seed;
        let dice = Dice::new(seed, "net");
        let net = Net::new(weather.clone(), history.clone(), trace.clone(), dice);
        let mut places = Vec::new();
        places.resize_with(setup.servers, Place::default);
        let dice = Dice::new(seed, "world");
        for place in &mut places {
            place.begin_ms = Some(dice.range(0..=100));
        }
        Self {
            store: Arc::new(Memory::with_clock(store_clock())),
            trace,
            history,
            weather,
            net: Arc::new(net),
            dice,
            is_calm: AtomicBool::new(false),
            offsets: (0..setup.servers).map(|_| Arc::default()).collect(),
            places: Mutex::new(places),
            lives: AtomicU64::new(0),
            remains: Mutex::default(),
            leaving: Mutex::default(),
            setup,
        }
    }

    /// Carries out the plan, and then lets everything be well.
    pub(crate) async fn steer(&self) {
        let mut plan = self.setup.faults.iter().peekable();
        loop {
            let now_ms = self.trace.now_ms();
            while let Some((_, fault)) = plan.next_if(|(at, _)| *at <= now_ms) {
                self.trace.line("fault", format_args!("{fault}"));
                self.carry_out(*fault);
            }
            self.look_after();
            if now_ms >= self.setup.calm_from_ms() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
        self.calm();
    }

    /// Ends what goes wrong: everybody serves, every way is open.
    fn calm(&self) {
        self.trace.line("world", format_args!("the faults are over"));
        self.is_calm.store(true, Ordering::Relaxed);
        self.weather.calm();
        let mut places = lock(&self.places);
        for (server, place) in places.iter_mut().enumerate() {
            if let Some(host) = &place.host {
                host.power.resume();
            }
            if let Some(link) = &place.link {
                link.gate.disarm();
            }
            if std::mem::take(&mut place.is_standby) {
                self.stand(server, place, Standing::Serving);
            }
        }
    }

    /// Buries dead servers and begins new lives. To be called again and again.
    pub(crate) fn look_after(&self) {
        let now_ms = self.trace.now_ms();
        let mut places = lock(&self.places);
        for (server, place) in places.iter_mut().enumerate() {
            let is_dead = place.host.as_ref().is_some_and(|host| host.power.is_off());
            if is_dead {
                let pause = if self.is_calm.load(Ordering::Relaxed) { 100 } else { 2_000 };
                self.bury(server, place);
                place.begin_ms = Some(now_ms + self.dice.range(20..=pause));
            }
            if place.begin_ms.is_some_and(|at| at <= now_ms) {
                place.begin_ms = None;
                self.begin(server, place);
            }
        }
        drop(places);
        lock(&self.remains).retain(|remains| self.is_alive(remains, now_ms));
    }

    /// Whether something is left of a dropped server that must be looked at again.
    fn is_alive(&self, remains: &Remains, now_ms: u64) -> bool {
        if remains.link.strong_count() == 0 {
            return false;
        }
        let is_over = now_ms > remains.since_ms + REMAINS_MAX_MS;
        if is_over {
            let what = format!(
                "server #{} was dropped, but {} of its tasks still hold its way to the database",
                remains.life,
                remains.link.strong_count()
            );
            self.history.note(Fact::Unfounded { what, about: format!("#{}", remains.life) });
        }
        !is_over
    }

    fn begin(&self, server: usize, place: &mut Place) {
        let life = self.lives.fetch_add(1, Ordering::Relaxed) + 1;
        let power = Arc::new(Power::on());
        let link = self.link(server, life, power.clone());
        let options = self.options(server, life, &power);
        let node = Node::open(link.clone(), options);
        self.trace.line("server", format_args!("server {server}#{life} begins"));
        let host = Host::new((server, life), node, power);
        self.net.plug(host.clone());
        *place = Place { host: Some(host), link: Some(link), ..Place::default() };
    }

    /// Forgets a dead server; its tasks end with it.
    fn bury(&self, server: usize, place: &mut Place) {
        self.net.unplug(server);
        let Some(host) = place.host.take() else { return };
        host.clear();
        let life = host.life;
        if let Some(link) = place.link.take() {
            let since_ms = self.trace.now_ms();
            let link = Arc::downgrade(&link);
            lock(&self.remains).push(Remains { life, since_ms, link });
        }
        self.trace.line("server", format_args!("server {server}#{life} is gone"));
        *place = Place::default();
    }

    fn carry_out(&self, fault: Fault) {
        let mut places = lock(&self.places);
        let power = |server: usize| places.get(server)?.host.as_ref().map(|host| &host.power);
        match fault {
            Fault::Kill(server) => power(server).into_iter().for_each(|power| power.kill()),
            Fault::Pause(server) => power(server).into_iter().for_each(|power| power.pause()),
            Fault::Resume(server) => power(server).into_iter().for_each(|power| power.resume()),
            Fault::CutDatabase(server) => self.weather.cut_database(server, Way::Cut),
            Fault::MendDatabase(server) => self.weather.cut_database(server, Way::Open),
            Fault::SlowDatabase(server, ms) => self.weather.slow_database(server, ms),
            Fault::CutPeers(one, other) => self.weather.cut_peers(one, other, Way::Cut),
            Fault::MendPeers(one, other) => self.weather.cut_peers(one, other, Way::Open),
            Fault::Set(server, writes, trap) => {
                if let Some(link) = &places[server].link {
                    link.gate.set_trap(writes, trap);
                }
            }
            Fault::SetClock(server, ms) => {
                self.offsets[server].store(ms, Ordering::Relaxed);
            }
            Fault::Stop(server) => self.leave(&mut places[server], Leaving::AtOnce),
            Fault::Drain(server) => self.leave(&mut places[server], Leaving::Drained),
            Fault::StandBy(server) => self.stand(server, &mut places[server], Standing::Standby),
            Fault::Serve(server) => self.stand(server, &mut places[server], Standing::Serving),
            // Clients do that.
            Fault::Deploy(_) | Fault::Reshard(_) => {}
        }
    }

    fn stand(&self, server: usize, place: &mut Place, standing: Standing) {
        let Some(host) = place.host.clone().filter(|_| !place.is_leaving) else { return };
        place.is_standby = standing == Standing::Standby;
        let trace = self.trace.clone();
        lock(&self.leaving).spawn(async move {
            let Some(node) = host.node() else { return };
            let stood = host.power.during(node.stand(standing)).await;
            let life = host.life;
            trace.line("server", format_args!("server {server}#{life} {standing:?}: {stood:?}"));
        });
    }

    fn leave(&self, place: &mut Place, how: Leaving) {
        let Some(host) = place.host.clone().filter(|_| !place.is_leaving) else { return };
        place.is_leaving = true;
        let trace = self.trace.clone();
        let history = self.history.clone();
        lock(&self.leaving).spawn(async move {
            let Some(node) = host.node() else { return };
            let (server, life, power) = (host.server, host.life, host.power);
            let leaving = async {
                if how == Leaving::Drained {
                    node.drain().await;
                    trace.line("server", format_args!("server {server}#{life} is drained"));
                }
                node.stop().await;
            };
            let limit = Duration::from_millis(STOP_MAX_MS);
            let left = tokio::time::timeout(limit, power.during(leaving)).await;
            if left.is_err() {
                let what = format!("server #{life} did not stop within {STOP_MAX_MS} ms");
                history.note(Fact::Unfounded { what, about: format!("server {server}#{life}") });
            }
            trace.line("server", format_args!("server {server}#{life} has stopped"));
            power.kill();
        });
    }
}

/// How a server ends in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    AtOnce,
    Drained,
}
