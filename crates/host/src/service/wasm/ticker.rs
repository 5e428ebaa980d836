//! What stops components in the middle: a thread that counts time while any of them runs.
//!
//! Boundary: gives each call its turns; how long it may take is decided by whoever waits for it.
//! Invariants: WSM-5 calls that have used up a turn share half of the processors, whatever their
//! number, so that endless loops leave room for the server.
//! Read first: [`Ticker`], then [`Turns`].

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::{EngineWeak, UpdateDeadline};

/// How long a turn takes.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// Counts the calls that run, and ticks while there is one.
#[derive(Debug)]
pub(super) struct Ticker {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    counted: Mutex<Counted>,
    changed: Condvar,
    /// Calls that have used up a turn.
    long: AtomicU32,
}

#[derive(Debug, Default)]
struct Counted {
    running: u32,
    has_ended: bool,
}

impl Ticker {
    pub(super) fn start(engine: EngineWeak) -> Result<Self, String> {
        let shared = Arc::new(Shared::default());
        let ticking = shared.clone();
        let thread = std::thread::Builder::new().name("wasm-ticker".to_owned());
        let started = thread.spawn(move || tick(&ticking, &engine));
        started.map_err(|error| format!("no thread can be started: {error}"))?;
        Ok(Self { shared })
    }

    /// A call begins; it has ended when the answer is dropped.
    pub(super) fn turns(&self) -> Turns {
        self.shared.count(1);
        Turns { shared: self.shared.clone(), is_long: false }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.counted.lock().unwrap_or_else(PoisonError::into_inner).has_ended = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn count(&self, change: i32) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.running = counted.running.saturating_add_signed(change);
        if counted.running == 1 && change > 0 {
            self.changed.notify_all();
        }
    }
}

/// Ends by itself with the ticker, at the next tick at the latest.
fn tick(shared: &Shared, engine: &EngineWeak) {
    loop {
        let counted = shared.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |counted: &mut Counted| counted.running == 0 && !counted.has_ended;
        let counted = shared.changed.wait_while(counted, idle);
        if counted.unwrap_or_else(PoisonError::into_inner).has_ended {
            return;
        }
        std::thread::sleep(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}

/// The turns of one call.
#[derive(Debug)]
pub(super) struct Turns {
    shared: Arc<Shared>,
    is_long: bool,
}

impl Turns {
    /// A turn is over: the thread is free for others now, and whoever waits can stop it (WSM-3).
    pub(super) fn next(&mut self) -> UpdateDeadline {
        if !self.is_long {
            self.is_long = true;
            self.shared.long.fetch_add(1, Ordering::Relaxed);
        }
        let long = self.shared.long.load(Ordering::Relaxed).max(1);
        let pause = TICK * (long.div_ceil(half_of_processors()) - 1);
        let others: Pin<Box<dyn Future<Output = ()> + Send>> = if pause.is_zero() {
            Box::pin(tokio::task::yield_now())
        } else {
            // WSM-5: this many turns belong to the others.
            Box::pin(tokio::time::sleep(pause))
        };
        UpdateDeadline::YieldCustom(1, others)
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        if self.is_long {
            self.shared.long.fetch_sub(1, Ordering::Relaxed);
        }
        self.shared.count(-1);
    }
}

fn half_of_processors() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(processors / 2).unwrap_or(1).max(1)
}
