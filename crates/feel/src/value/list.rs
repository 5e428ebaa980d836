//! The immutable list, with its depth and weight computed once.
//!
//! Boundary: representation only.
//! Invariants: `depth` and `weight` agree with the items, so that limits cost nothing to check.
//! Read first: [`List`].

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;

use crate::value::Value;

/// An immutable, shared list; dereferences to a slice.
#[derive(Debug, Clone, Default)]
pub struct List(Arc<ListData>);

#[derive(Debug, Clone, Default)]
struct ListData {
    items: Vec<Value>,
    depth: u32,
    weight: u64,
}

impl List {
    /// How deep lists and contexts are nested in it; at least 1.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.0.depth.max(1)
    }

    /// Adds an item at the end; false if that took a copy, because somebody else has the list.
    pub(crate) fn push(&mut self, item: Value) -> bool {
        match Arc::get_mut(&mut self.0) {
            Some(data) => {
                data.push(item);
                true
            }
            None => {
                Arc::make_mut(&mut self.0).push(item);
                false
            }
        }
    }

    /// How large it is when written out, in units of about 16 bytes.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.0.weight.max(1)
    }
}

impl ListData {
    fn push(&mut self, item: Value) {
        self.depth = self.depth.max(item.depth().saturating_add(1));
        self.weight = self.weight.max(1).saturating_add(item.weight());
        self.items.push(item);
    }
}

impl Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0.items
    }
}

impl From<Vec<Value>> for List {
    fn from(items: Vec<Value>) -> Self {
        let (mut depth, mut weight) = (0, 1u64);
        for item in &items {
            depth = depth.max(item.depth());
            weight = weight.saturating_add(item.weight());
        }
        Self(Arc::new(ListData { items, depth: depth.saturating_add(1), weight }))
    }
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        items.into_iter().collect::<Vec<_>>().into()
    }
}

impl<'a> IntoIterator for &'a List {
    type Item = &'a Value;
    type IntoIter = core::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.items.iter()
    }
}

impl PartialEq for List {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.items == other.0.items
    }
}
