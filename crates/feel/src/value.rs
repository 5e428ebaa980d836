//! The values that expressions work on: cheap to clone, shared behind `Arc`.
//!
//! Boundary: representation and equality only; operators live beside the evaluator.
//! Read first: [`Value`], then [`Context`].

use alloc::sync::Arc;
use alloc::vec::Vec;

/// An immutable, shared string.
pub type Str = Arc<str>;
/// An immutable, shared list.
pub type List = Arc<[Value]>;

/// One FEEL value. Cloning costs at most one reference count.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// The absent value.
    #[default]
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A decimal number.
    Number(Number),
    /// Text.
    String(Str),
    /// A list.
    List(List),
    /// Names and their values, in the order of insertion.
    Context(Context),
}

/// A decimal number with up to 34 digits; integers that fit 64 bits take the fast path.
#[derive(Debug, Clone, PartialEq)]
pub struct Number(i64);

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(value)
    }
}

impl Number {
    /// The number as an `i64`, if it is an integer in that range.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        Some(self.0)
    }
}

/// Names and their values, in the order of insertion; looked up by name in constant or
/// logarithmic time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Context(Arc<Vec<(Str, Value)>>);

impl Context {
    /// A context of these entries; a later entry replaces an earlier one of the same name.
    #[must_use]
    pub fn new(entries: Vec<(Str, Value)>) -> Self {
        Self(Arc::new(entries))
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| &**known == name).map(|(_, value)| value)
    }

    /// The entries in order of insertion.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Str, &Value)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
