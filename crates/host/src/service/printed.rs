//! What a service printed besides its result: the log of a step.
//!
//! Boundary: bytes, bounded; who keeps them is the caller's business. It belongs to the caller, so
//! that a call that was cut off leaves what it printed until then.
//! Read first: [`Printed`].   Tests: `tests/service_command.rs`

use std::sync::{Mutex, PoisonError};

/// The end of what was printed is kept, up to so many bytes.
pub const PRINTED_BYTES_MAX: usize = 65_536;

/// Takes what a call prints.
#[derive(Debug, Default)]
pub struct Printed(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    lost: u64,
}

impl Kept {
    fn cut(&mut self) {
        let surplus = self.bytes.len().saturating_sub(PRINTED_BYTES_MAX);
        self.bytes.drain(..surplus);
        self.lost += surplus as u64;
    }
}

impl Printed {
    /// Takes more.
    pub(crate) fn append(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes.extend_from_slice(bytes);
        // Not for each line: what is cut off is moved.
        if kept.bytes.len() > 2 * PRINTED_BYTES_MAX {
            kept.cut();
        }
    }

    /// What was printed, and how many bytes before it are lost; none if nothing was.
    #[must_use]
    pub fn take(&self) -> Option<(String, u64)> {
        let mut kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        kept.cut();
        let text = String::from_utf8_lossy(&kept.bytes).into_owned();
        (!kept.bytes.is_empty()).then_some((text, kept.lost))
    }
}
