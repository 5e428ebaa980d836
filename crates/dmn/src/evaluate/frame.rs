//! The names that a text can read while it is evaluated.
//!
//! Boundary: a stack; whoever pushes also truncates.
//! Read first: [`Frame`].

use feel::{Context, Scope, Str, Value};

/// Names and values, the newest last; then what is readable without being declared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    names: Vec<(Str, Value)>,
    free: Option<Context>,
}

impl Frame {
    pub(crate) fn new(free: Option<Context>) -> Self {
        Self { names: Vec::new(), free }
    }

    pub(crate) fn push(&mut self, name: Str, value: Value) {
        self.names.push((name, value));
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn truncate(&mut self, length: usize) {
        self.names.truncate(length);
    }
}

impl Scope for Frame {
    fn get(&self, name: &str) -> Option<&Value> {
        let own = self.names.iter().rev().find(|(known, _)| &**known == name);
        own.map(|(_, value)| value).or_else(|| self.free.as_ref()?.get(name))
    }
}
