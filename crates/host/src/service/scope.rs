//! What the expressions of a service see.
//!
//! Boundary: lookups only; values are borrowed from the call.
//! Read first: [`RequestScope`], then [`ResultScope`].

use feel::{Environment, Scope, Value};

/// The most steps that one expression of a service may take.
const STEPS_MAX: u32 = 1_000_000;

/// The environment of a call.
pub(crate) fn environment_of(now_ms: i64) -> Environment {
    Environment { now_ms, steps_max: STEPS_MAX }
}

/// Before the call: the input's variables, `settings`, `server`.
pub(crate) struct RequestScope<'s> {
    pub(crate) input: &'s Value,
    pub(crate) settings: &'s Value,
    pub(crate) server: &'s Value,
}

impl Scope for RequestScope<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        match (name, self.input) {
            ("settings", _) => Some(self.settings),
            ("server", _) => Some(self.server),
            (_, Value::Context(variables)) => variables.get(name),
            _ => None,
        }
    }
}

/// After the call: its answer, `input`, and what was seen before.
pub(crate) struct ResultScope<'s> {
    pub(crate) request: &'s RequestScope<'s>,
    pub(crate) answer: &'s [(&'static str, Value)],
}

impl Scope for ResultScope<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        let answer = self.answer.iter().find(|(known, _)| *known == name);
        match answer {
            Some((_, value)) => Some(value),
            None if name == "input" => Some(self.request.input),
            None => self.request.get(name),
        }
    }
}
