//! The core: commands in, events and effects out, as a deterministic function.
//!
//! Boundary: pure. Time, keys and limits come in with each command; nothing here knows stores,
//! sockets or threads.
#![no_std]

extern crate alloc;

pub mod ids;
