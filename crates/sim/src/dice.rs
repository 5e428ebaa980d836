//! Chance, drawn from a seed.
//!
//! Boundary: the only source of randomness in a simulation; everybody who draws has dice of their
//! own, so that one draw more in one place changes nothing in another.
//! Read first: [`Dice`].

use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

/// Numbers that look random and repeat with their seed.
#[derive(Debug)]
pub(crate) struct Dice {
    state: Mutex<u64>,
}

impl Dice {
    /// Dice that depend on nothing but the seed and what they are for.
    #[must_use]
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let mut state = seed ^ 0x5851_f42d_4c95_7f2d;
        for byte in purpose.bytes() {
            state = mix(state ^ u64::from(byte));
        }
        Self { state: Mutex::new(state) }
    }

    /// Any number.
    pub(crate) fn draw(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(*state)
    }

    /// A number of the range.
    pub(crate) fn range(&self, range: RangeInclusive<u64>) -> u64 {
        let width = range.end().saturating_sub(*range.start()).saturating_add(1);
        range.start() + self.draw() % width.max(1)
    }

    /// A position in something of this length, which is not empty.
    pub(crate) fn below(&self, length: usize) -> usize {
        let length = u64::try_from(length.max(1)).unwrap_or(1);
        usize::try_from(self.draw() % length).unwrap_or(0)
    }

    /// Whether something happens that happens so often in a thousand.
    pub(crate) fn happens(&self, per_mille: u64) -> bool {
        self.draw() % 1_000 < per_mille
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
