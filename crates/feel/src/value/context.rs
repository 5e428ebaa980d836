//! Names and their values, in the order of insertion.
//!
//! Boundary: representation, lookup and changed copies; FEEL's semantics of contexts live in the
//! evaluator.
//! Invariants: names are unique; from [`INDEX_MIN`] entries on an index answers lookups in constant
//! time, and in logarithmic time if somebody chooses names whose hashes collide.
//! Read first: [`Context`], then [`ContextBuilder`].

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::value::{Str, Value};

/// From this number of entries on, a lookup uses the index instead of comparing in order.
const INDEX_MIN: usize = 20;

/// Names and their values, in the order of insertion; looked up by name in constant time.
#[derive(Debug, Clone)]
pub struct Context(Arc<ContextData>);

#[derive(Debug)]
struct ContextData {
    entries: Vec<(Str, Value)>,
    /// Absent for few entries.
    index: Option<Index>,
    depth: u32,
    weight: u64,
}

/// Finds names among many.
#[derive(Debug)]
struct Index {
    /// (hash of the name, position), sorted by hash and then by name.
    sorted: Box<[(u32, u32)]>,
    /// Where the entries of each bucket begin in `sorted`; as many buckets as entries, by the
    /// high bits of the hash, and one end.
    starts: Box<[u32]>,
}

impl Index {
    fn new(sorted: Vec<(u32, u32)>) -> Self {
        let mut starts = alloc::vec![0u32; sorted.len() + 1];
        for (hash, _) in &sorted {
            starts[bucket(*hash, sorted.len()) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        Self { sorted: sorted.into(), starts: starts.into() }
    }

    #[inline]
    fn bucket(&self, hash: u32) -> core::ops::Range<usize> {
        let bucket = bucket(hash, self.sorted.len());
        self.starts[bucket] as usize..self.starts[bucket + 1] as usize
    }
}

/// Which of so many buckets a hash falls into; larger hashes never into earlier ones.
#[inline]
fn bucket(hash: u32, buckets: usize) -> usize {
    ((u64::from(hash) * buckets as u64) >> 32) as usize
}

/// Collects entries for a [`Context`].
#[derive(Debug, Default)]
pub struct ContextBuilder {
    entries: Vec<(Str, Value)>,
}

impl ContextBuilder {
    /// An empty builder with room for `capacity` entries.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity) }
    }

    /// Adds an entry; a later one replaces an earlier one of the same name, in its place.
    pub fn push(&mut self, name: impl Into<Str>, value: impl Into<Value>) {
        self.entries.push((name.into(), value.into()));
    }

    /// The same, in a chain of calls.
    #[must_use]
    pub fn with(mut self, name: impl Into<Str>, value: impl Into<Value>) -> Self {
        self.push(name, value);
        self
    }

    /// The context of all entries.
    #[must_use]
    pub fn build(self) -> Context {
        Context::new(self.entries)
    }
}

impl Context {
    /// A context of these entries; a later entry replaces an earlier one of the same name, in its
    /// place.
    #[must_use]
    pub fn new(entries: Vec<(Str, Value)>) -> Self {
        let (mut depth, mut weight) = (0, 1u64);
        let (entries, index) = unique(entries);
        for (name, value) in &entries {
            depth = depth.max(value.depth());
            weight = weight.saturating_add(value.weight()).saturating_add(name.len() as u64 / 16);
        }
        Self(Arc::new(ContextData { entries, index, depth: depth.saturating_add(1), weight }))
    }

    /// Collects entries.
    #[must_use]
    pub fn builder() -> ContextBuilder {
        ContextBuilder::default()
    }

    /// The value of `name`.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).map(|position| &self.0.entries[position].1)
    }

    /// The entries in order of insertion.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Str, &Value)> + DoubleEndedIterator {
        self.0.entries.iter().map(|(name, value)| (name, value))
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.entries.is_empty()
    }

    /// A changed copy in which `name` has `value`: in its place, or added at the end.
    #[must_use]
    pub fn with(&self, name: &str, value: Value) -> Self {
        let mut entries = self.0.entries.clone();
        match self.position(name) {
            Some(position) => entries[position].1 = value,
            None => entries.push((name.into(), value)),
        }
        Self::new(entries)
    }

    /// A changed copy without `name`.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        match self.position(name) {
            Some(position) => {
                let mut entries = self.0.entries.clone();
                entries.remove(position);
                Self::new(entries)
            }
            None => self.clone(),
        }
    }

    /// A changed copy in which the value at `path` is `value`. Contexts on the way are kept and
    /// merged into; anything else on the way is replaced by a context. An empty path changes
    /// nothing.
    #[must_use]
    pub fn with_path(&self, path: &[Str], value: Value) -> Self {
        let Some((last, way)) = path.split_last() else {
            return self.clone();
        };
        let mut contexts = Vec::with_capacity(path.len());
        let mut current = self.clone();
        for name in way {
            let next = match current.get(name) {
                Some(Value::Context(next)) => next.clone(),
                _ => Self::default(),
            };
            contexts.push(core::mem::replace(&mut current, next));
        }
        let mut changed = current.with(last, value);
        while let Some(outer) = contexts.pop() {
            changed = outer.with(&way[contexts.len()], Value::Context(changed));
        }
        changed
    }

    /// A copy with all entries of `other`; those of `other` win.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        let mut entries = self.0.entries.clone();
        entries.extend_from_slice(&other.0.entries);
        Self::new(entries)
    }

    /// How deep lists and contexts are nested in it; at least 1.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.0.depth
    }

    /// How large it is when written out, in units of about 16 bytes.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.0.weight
    }

    #[inline]
    fn position(&self, name: &str) -> Option<usize> {
        let entries = &self.0.entries;
        let Some(index) = &self.0.index else {
            return entries.iter().position(|(known, _)| **known == *name);
        };
        let wanted = hash(name);
        let bucket = &index.sorted[index.bucket(wanted)];
        if let [(hash, position)] = bucket {
            let position = *position as usize;
            return (*hash == wanted && *entries[position].0 == *name).then_some(position);
        }
        bucket
            .binary_search_by(|(hash, position)| {
                hash.cmp(&wanted).then_with(|| (*entries[*position as usize].0).cmp(name))
            })
            .ok()
            .map(|found| bucket[found].1 as usize)
    }
}

/// Removes replaced entries and builds the index.
fn unique(mut entries: Vec<(Str, Value)>) -> (Vec<(Str, Value)>, Option<Index>) {
    if entries.len() < INDEX_MIN {
        let mut kept = 0;
        while kept < entries.len() {
            let (before, rest) = entries.split_at_mut(kept);
            let entry = &mut rest[0];
            match before.iter_mut().find(|(name, _)| *name == entry.0) {
                Some(earlier) => {
                    earlier.1 = core::mem::take(&mut entry.1);
                    entries.remove(kept);
                }
                None => kept += 1,
            }
        }
        return (entries, None);
    }
    let mut index = sorted_index(&entries);
    let doubled = index.windows(2).any(|pair| same_name(&entries, pair[0], pair[1]));
    if doubled {
        let mut replaced = alloc::vec![false; entries.len()];
        let mut at = 0;
        while at < index.len() {
            let end =
                at + index[at..].iter().take_while(|e| same_name(&entries, index[at], **e)).count();
            if end - at > 1 {
                let last = index[end - 1].1 as usize;
                let value = core::mem::take(&mut entries[last].1);
                entries[index[at].1 as usize].1 = value;
                for (_, position) in &index[at + 1..end] {
                    replaced[*position as usize] = true;
                }
            }
            at = end;
        }
        let mut flags = replaced.iter();
        entries.retain(|_| flags.next() == Some(&false));
        index = sorted_index(&entries);
    }
    if entries.len() < INDEX_MIN {
        return (entries, None);
    }
    (entries, Some(Index::new(index)))
}

fn sorted_index(entries: &[(Str, Value)]) -> Vec<(u32, u32)> {
    let mut index: Vec<(u32, u32)> = entries
        .iter()
        .enumerate()
        .map(|(position, (name, _))| (hash(name), u32::try_from(position).unwrap_or(u32::MAX)))
        .collect();
    index.sort_unstable_by(|(left_hash, left), (right_hash, right)| {
        left_hash
            .cmp(right_hash)
            .then_with(|| entries[*left as usize].0.cmp(&entries[*right as usize].0))
            .then_with(|| left.cmp(right))
    });
    index
}

fn same_name(entries: &[(Str, Value)], left: (u32, u32), right: (u32, u32)) -> bool {
    left.0 == right.0
        && entries[left.1 as usize].0.cmp(&entries[right.1 as usize].0) == Ordering::Equal
}

/// FNV-1a over the bytes; equal hashes are told apart by name, so its quality decides speed only.
#[inline]
fn hash(name: &str) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    for byte in name.bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    // The last bytes have to reach the high bits, which decide the place in the index.
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^ hash >> 13
}

impl Default for Context {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl FromIterator<(Str, Value)> for Context {
    fn from_iter<I: IntoIterator<Item = (Str, Value)>>(entries: I) -> Self {
        Self::new(entries.into_iter().collect())
    }
}

/// Equal when both have the same names with equal values, in any order.
impl PartialEq for Context {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.len() == other.len()
                && self.iter().all(|(name, value)| other.get(name) == Some(value)))
    }
}

#[cfg(test)]
mod tests;
