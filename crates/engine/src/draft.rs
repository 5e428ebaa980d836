//! A decision in the making: it records an event and applies it in the same call, so that the
//! rest of the decision sees it.
//!
//! Boundary: the only way in which deciding changes state; hooks and sibling modules get it as
//! `&mut Draft`.
//! Invariants: DRF-1 nothing changes the state of a decided instance but [`Draft::record`].
//! DRF-2 a decision that finds a broken invariant goes no further, and quarantines the instance.
//! Read first: [`Draft`].

mod warned;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use bpmn::{Element, ElementIndex, Program};
use feel::{Evaluation, Expression, Scope, Value, Warning};

use crate::effect::Effect;
use crate::event::Event;
use crate::ids::{KeyCursor, StepKey};
use crate::instance::{Instance, Rules, Step, apply};
use crate::limits::Stamp;

use warned::Warned;

/// Notes an assumption of the engine that does not hold, with the invariant it breaks: a panic in
/// tests, in production an incident that quarantines the instance.
macro_rules! invariant {
    ($draft:expr, $holds:expr, $($what:tt)+) => {
        if !$holds {
            $draft.doubt(alloc::format!($($what)+));
        }
    };
}
pub(crate) use invariant;

/// What is still to be done in this turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Enter an activated step.
    Enter(StepKey),
    /// See whether a scope has nothing left to do.
    Settle(StepKey),
}

/// A decision in the making.
pub(crate) struct Draft<'a, 's> {
    pub(crate) state: &'a mut Instance,
    pub(crate) program: &'a Program,
    pub(crate) rules: &'a Rules,
    pub(crate) stamp: &'a mut Stamp<'s>,
    pub(crate) events: Vec<Event>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) work: VecDeque<Work>,
    /// Steps entered without waiting.
    pub(crate) run: u32,
    /// Steps completed in this turn.
    pub(crate) completed: u32,
    /// Whether a step limit was reached, or the instance is quarantined: nothing more is entered
    /// until a person says so.
    pub(crate) halted: bool,
    /// The first assumption that did not hold.
    pub(crate) doubt: Option<String>,
    /// Where the next key comes from; goes into the state with [`Event::TurnEnded`].
    pub(crate) keys: KeyCursor,
    /// What expressions tolerated since the last event.
    warned: Warned,
    /// Keys from this one on are new in this decision.
    first_key: u64,
}

impl<'a, 's> Draft<'a, 's> {
    pub(crate) fn new(
        state: &'a mut Instance,
        program: &'a Program,
        rules: &'a Rules,
        stamp: &'a mut Stamp<'s>,
    ) -> Self {
        let counts_on = stamp.now_ms <= state.run_until_ms;
        let (run, keys) = (if counts_on { state.run } else { 0 }, state.keys);
        let halted = state.is_quarantined();
        Self {
            state,
            program,
            rules,
            stamp,
            events: Vec::with_capacity(8),
            effects: Vec::new(),
            work: VecDeque::new(),
            run,
            completed: 0,
            halted,
            doubt: None,
            keys,
            warned: Warned::default(),
            first_key: keys.block.0 + u64::from(keys.next),
        }
    }

    /// An assumption does not hold; see [`invariant!`].
    pub(crate) fn doubt(&mut self, what: String) {
        // There always is a reason, so this always fails where it is compiled in.
        debug_assert!(what.is_empty(), "broken invariant: {what}");
        self.doubt.get_or_insert(what);
    }

    /// Makes an event happen, behind what expressions tolerated on the way to it.
    pub(crate) fn record(&mut self, event: Event) {
        for (step, warnings) in self.warned.take() {
            self.happen(Event::ExpressionWarned { step, warnings });
        }
        self.happen(event);
    }

    fn happen(&mut self, event: Event) {
        apply(self.state, &event);
        self.events.push(event);
    }

    /// Asks the shell for something.
    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Asks the shell to undo something: what this very decision asked for is withdrawn instead,
    /// so that nothing is offered, armed or subscribed that is over already.
    pub(crate) fn undo(&mut self, key: u64, asked: impl Fn(&Effect) -> bool, effect: Effect) {
        let is_new = key >= self.first_key;
        match is_new.then(|| self.effects.iter().rposition(asked)).flatten() {
            Some(position) => {
                self.effects.remove(position);
            }
            None => self.effects.push(effect),
        }
    }

    /// A new key of this instance.
    pub(crate) fn key(&mut self) -> u64 {
        if self.keys.is_exhausted() {
            let block = self.stamp.blocks.take();
            self.record(Event::BlockTaken { block });
            self.effect(Effect::ClaimBlock { block });
            self.keys = self.state.keys;
        }
        let key = self.keys.peek();
        self.keys.next += 1;
        key
    }

    /// The step at `key`.
    pub(crate) fn step(&self, key: StepKey) -> Option<&Step> {
        self.state.steps.get(&key)
    }

    /// The element of a program position; outlives the borrow of the draft.
    pub(crate) fn element(&self, position: u32) -> &'a Element {
        self.program.element(ElementIndex(position))
    }

    /// Evaluates over the variables that `step` sees.
    pub(crate) fn evaluate(&self, expression: &Expression, step: StepKey) -> Evaluation {
        let view = View { instance: self.state, step };
        let evaluation = expression.evaluate(&view, &self.stamp.environment());
        self.warned.note(step, expression.text(), &evaluation.warnings);
        evaluation
    }

    /// Notes what evaluating `text` for a step tolerated.
    pub(crate) fn warn(&self, step: StepKey, text: &str, warnings: &[Warning]) {
        self.warned.note(step, text, warnings);
    }

    /// The value that `step` has over `scope`, or why there is none.
    pub(crate) fn value(
        &self,
        expression: &Expression,
        step: StepKey,
        scope: &dyn Scope,
    ) -> Result<Value, String> {
        let evaluation = expression.evaluate(scope, &self.stamp.environment());
        self.warned.note(step, expression.text(), &evaluation.warnings);
        match evaluation.failure {
            Some(why) => Err(why),
            None => Ok(evaluation.value),
        }
    }
}

/// The variables that a step sees: its own first, then its scopes' upwards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) instance: &'a Instance,
    pub(crate) step: StepKey,
}

impl Scope for View<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.find(name)
    }
}

impl<'a> View<'a> {
    /// The value of the variable `name`.
    pub(crate) fn find(self, name: &str) -> Option<&'a Value> {
        let mut at = Some(self.step);
        while let Some(step) = at.and_then(|key| self.instance.steps.get(&key)) {
            if let Some(value) = step.variables.get(name) {
                return Some(value);
            }
            at = step.scope;
        }
        None
    }
}
