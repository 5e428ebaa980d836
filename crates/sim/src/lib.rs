//! Faults for whole servers and whole clusters, on simulated time: stores that die at a chosen
//! moment, and worlds of servers, clients and workers that repeat byte for byte with their seed.
//!
//! Boundary: dev only; nothing depends on it. What is tested is the real node on a real store;
//! what judges it sees only what is public.
//! Read first: [`run()`], then `world.rs`, then [`Gate`].   Tests: tests/worlds.rs

mod checker;
mod client;
mod clock;
mod dice;
mod faults;
mod gate;
mod history;
mod link;
mod log;
mod many;
mod models;
mod mortal;
mod net;
mod panics;
mod power;
mod reference;
mod run;
mod setup;
mod trace;
mod weather;
mod world;

pub use checker::Violation;
pub use clock::{START_MS, store_clock};
pub use gate::{Call, Gate, Gated, Sealed};
pub use many::{Next, Summary, explain, is_repeated, run_many};
pub use mortal::{Death, Fate, Mortal};
pub use run::{Report, run};
pub use trace::LEGEND;
