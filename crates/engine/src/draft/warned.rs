//! What expressions tolerated while a decision is made: kept until the next event, before which it
//! is told to the audit log.
//!
//! Boundary: texts only, without any value of a variable; bounded in number and size. Costs nothing
//! where nothing was tolerated.
//! Invariants: WRN-1 a decision tells at most `WARNINGS_MAX` warnings, each of at most `TEXT_MAX`
//! characters and what surrounds them.
//! Read first: [`Warned::note`].   Tests: tests/scenarios/variables/warnings.scn

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use feel::{Str, Warning};

use crate::ids::StepKey;

/// Warnings of one decision; later ones are dropped.
const WARNINGS_MAX: u32 = 32;
/// Characters of an expression, and of what was tolerated in it.
const TEXT_MAX: usize = 200;

/// Warnings that no event tells yet.
#[derive(Debug, Default)]
pub(super) struct Warned {
    pending: RefCell<Vec<(StepKey, Vec<Str>)>>,
    noted: Cell<u32>,
}

impl Warned {
    /// Notes what evaluating `text` for a step tolerated; what is the same is noted once.
    #[inline]
    pub(super) fn note(&self, step: StepKey, text: &str, warnings: &[Warning]) {
        if !warnings.is_empty() {
            self.keep(step, text, warnings);
        }
    }

    #[cold]
    fn keep(&self, step: StepKey, text: &str, warnings: &[Warning]) {
        let mut pending = self.pending.borrow_mut();
        if pending.last().is_none_or(|(last, _)| *last != step) {
            pending.push((step, Vec::new()));
        }
        let Some((_, texts)) = pending.last_mut() else { return };
        for warning in warnings {
            let shown: Str = format!("`{}`: {}", cut(text), cut(&warning.message)).into();
            if self.noted.get() < WARNINGS_MAX && !texts.contains(&shown) {
                self.noted.set(self.noted.get() + 1);
                texts.push(shown);
            }
        }
        if texts.is_empty() {
            pending.pop();
        }
    }

    /// What no event tells yet, by step; then there is nothing left.
    #[inline]
    pub(super) fn take(&mut self) -> Vec<(StepKey, Vec<Str>)> {
        core::mem::take(self.pending.get_mut())
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use feel::WarningKind;

    use super::*;

    fn warning(message: &str) -> Warning {
        Warning { kind: WarningKind::NoVariableFound, message: message.to_string() }
    }

    /// Shows WRN-1.
    #[test]
    fn warnings_are_told_once_and_bounded() {
        let mut warned = Warned::default();
        let (one, other) = (StepKey(1), StepKey(2));
        warned.note(one, "x", &[]);
        assert!(warned.take().is_empty());
        warned.note(one, "x", &[warning("gone"), warning("gone")]);
        warned.note(other, "y", &[warning("gone")]);
        warned.note(other, "y", &[warning("gone")]);
        let told = warned.take();
        assert_eq!(
            told,
            [(one, vec!["`x`: gone".into()]), (other, vec!["`y`: gone".into()])] as [_; 2]
        );
        for number in 0..100 {
            warned.note(one, &"é".repeat(1_000), &[warning(&format!("{number}{:1$}", "", 5_000))]);
        }
        let told = warned.take();
        assert_eq!(told[0].1.len(), WARNINGS_MAX as usize - 2);
        assert!(told[0].1.iter().all(|text| text.chars().count() <= 2 * TEXT_MAX + 6));
        warned.note(one, "x", &[warning("more")]);
        assert!(warned.take().is_empty());
    }
}
