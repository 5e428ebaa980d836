//! Faults for whole servers: stores that die at a chosen moment.
//!
//! Boundary: dev only; nothing depends on it. What is tested is the real node on a real store.
//! Read first: [`Mortal`].   Tests: tests/crash_enumeration.rs

mod mortal;

pub use mortal::{Death, Mortal};
