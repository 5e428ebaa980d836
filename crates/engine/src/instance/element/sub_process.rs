//! Embedded subprocesses: a scope of their own that begins at its none start event.
//!
//! Boundary: completion is found by `scope::settle`; interruption by `boundary`.
//! Read first: [`enter`].   Tests: tests/scenarios/subprocess/

use bpmn::ElementIndex;

use crate::draft::Draft;
use crate::event::Event;
use crate::ids::StepKey;

use super::super::{incident, scope, subscription};

/// Opens the boundary events and begins inside.
pub(crate) fn enter(draft: &mut Draft<'_, '_>, step: StepKey, start: ElementIndex) {
    match subscription::prepare(draft, step) {
        Ok(openings) => {
            draft.record(Event::ScopeEntered { step });
            subscription::open(draft, step, openings);
            scope::activate(draft, step, start);
        }
        Err(trouble) => incident::trouble(draft, step, &trouble),
    }
}
