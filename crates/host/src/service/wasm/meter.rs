//! What one call may take of memory and tables.
//!
//! Boundary: counts over all memories of the component; wasmtime asks before it grows one.
//! Read first: [`Meter`].

use wasmtime::ResourceLimiter;

/// Elements of all tables of a component.
const TABLE_ELEMENTS_MAX: usize = 200_000;
/// Core instances, memories and tables of a component.
const PARTS_MAX: usize = 64;

/// Counts what one call has taken.
#[derive(Debug)]
pub(super) struct Meter {
    memory_bytes_left: usize,
    table_elements_left: usize,
    /// Whether it wanted more than there was.
    pub(super) has_refused: bool,
}

impl Meter {
    pub(super) fn new(memory_bytes_max: u64) -> Self {
        Self {
            memory_bytes_left: usize::try_from(memory_bytes_max).unwrap_or(usize::MAX),
            table_elements_left: TABLE_ELEMENTS_MAX,
            has_refused: false,
        }
    }
}

/// Takes what is wanted, or nothing.
fn take(left: &mut usize, current: usize, desired: usize) -> bool {
    match left.checked_sub(desired.saturating_sub(current)) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let taken = take(&mut self.memory_bytes_left, current, desired);
        self.has_refused |= !taken;
        Ok(taken)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let taken = take(&mut self.table_elements_left, current, desired);
        self.has_refused |= !taken;
        Ok(taken)
    }

    fn instances(&self) -> usize {
        PARTS_MAX
    }

    fn tables(&self) -> usize {
        PARTS_MAX
    }

    fn memories(&self) -> usize {
        PARTS_MAX
    }
}
