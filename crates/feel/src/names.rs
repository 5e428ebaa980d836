//! What is known about names before a text is compiled: names with spaces or operators, their
//! types, named types.
//!
//! Boundary: declarations only; values come with the [`Scope`](crate::Scope) of an evaluation.
//! Read first: [`Names`].

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;

use crate::syntax::words;
use crate::types::Type;
use crate::value::Str;

/// Words and signs of a name; what has more is found between back-ticks only.
const WORDS_MAX: usize = 128;

/// Which rules hold where Camunda's FEEL and the standard differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// What Camunda does; what processes use.
    #[default]
    Camunda,
    /// What DMN 1.5 says: types of parameters are enforced.
    Standard,
}

/// Declarations that a text is compiled against.
///
/// Names that are identifiers need no declaration. Others (`Monthly Fee`, `pre-bureau risk`) are
/// found where their words and signs stand in the text, however spaced; the longest name wins.
///
/// ```
/// use feel::{Context, Environment, Expression, Names, Type, Value};
///
/// let mut names = Names::new();
/// names.declare("Monthly Fee", Type::Number);
/// let expression = Expression::compile_with("Monthly   Fee * 12", &names)?;
/// let scope = Context::builder().with("Monthly Fee", 10).build();
/// let environment = Environment { now_ms: 0, steps_max: 1_000 };
/// assert_eq!(expression.evaluate(&scope, &environment).value, Value::from(120));
/// # Ok::<(), feel::Diagnostic>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Names {
    pub(crate) dialect: Dialect,
    variables: BTreeMap<Str, Type>,
    types: BTreeMap<Str, Type>,
    variable_words: Index,
    entry_words: Index,
    shared_entries: Vec<Arc<Entries>>,
    entries_are_names: bool,
    type_words: Index,
}

/// Names of several words, by their first word, then by the tokens that they are written with; with
/// the number of those.
#[derive(Debug, Clone, Default)]
struct Index(BTreeMap<Str, BTreeMap<String, (Str, usize)>>);

/// Names of entries that contexts may have, for several [`Names`] to share.
#[derive(Debug, Default)]
pub struct Entries(Index);

impl Entries {
    /// The entries of these names.
    #[must_use]
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut index = Index::default();
        names.into_iter().for_each(|name| index.insert(name, 2));
        Self(index)
    }
}

impl Names {
    /// No declarations, Camunda's dialect.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No declarations, the rules of a dialect.
    #[must_use]
    pub fn of(dialect: Dialect) -> Self {
        Self { dialect, ..Self::default() }
    }

    /// Declares a variable (or function) and its type; entries of contexts in it become known,
    /// too. A second declaration of a name replaces the first.
    pub fn declare(&mut self, name: &str, kind: Type) -> &mut Self {
        self.entries_of(&kind);
        self.declare_only(name, kind)
    }

    /// As [`Names::declare`], for a type whose entries are declared already.
    pub fn declare_only(&mut self, name: &str, kind: Type) -> &mut Self {
        self.variable_words.insert(name, 2);
        self.variables.insert(name.into(), kind);
        self
    }

    /// Declares entries that contexts of unknown type may have; costs nothing, however many.
    pub fn share_entries(&mut self, entries: &Arc<Entries>) -> &mut Self {
        self.shared_entries.push(entries.clone());
        self
    }

    /// Lets declared entries be names of their own, as in the condition of a filter.
    pub fn read_entries_by_name(&mut self) -> &mut Self {
        self.entries_are_names = true;
        self
    }

    /// Declares the name of an entry that contexts of unknown type may have.
    pub fn declare_entry(&mut self, name: &str) -> &mut Self {
        self.entry_words.insert(name, 2);
        self
    }

    /// Declares a named type for `instance of` and parameters.
    pub fn define_type(&mut self, name: &str, kind: Type) -> &mut Self {
        self.entries_of(&kind);
        self.type_words.insert(name, 1);
        self.types.insert(name.into(), kind);
        self
    }

    /// The declared type of a variable.
    #[must_use]
    pub fn type_of(&self, name: &str) -> Option<&Type> {
        self.variables.get(name)
    }

    /// The type of that name: a declared one, or a built-in one.
    #[must_use]
    pub fn type_named(&self, name: &str) -> Option<Type> {
        self.types.get(name).cloned().or_else(|| Type::named(name))
    }

    /// The names of all declared variables, sorted.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(|name| &**name)
    }

    fn entries_of(&mut self, kind: &Type) {
        match kind {
            Type::List(item) => self.entries_of(item),
            Type::Context(entries) => {
                for (name, kind) in entries.iter() {
                    self.entry_words.insert(name, 2);
                    self.entries_of(kind);
                }
            }
            Type::Function(Some(function)) => self.entries_of(&function.result),
            _ => {}
        }
    }

    /// The longest declared name of a variable that `token` (by distance) spells here.
    pub(crate) fn variable_at<'t>(&self, token: impl Fn(usize) -> &'t str) -> Option<Found<'_>> {
        self.variable_words.longest(token)
    }

    pub(crate) fn entry_at<'t>(&self, token: impl Fn(usize) -> &'t str) -> Option<Found<'_>> {
        let mut longest = self.entry_words.longest(&token);
        for shared in &self.shared_entries {
            let found = shared.0.longest(&token);
            if found.is_some_and(|found| longest.is_none_or(|known| found.1 > known.1)) {
                longest = found;
            }
        }
        longest
    }

    pub(crate) fn entries_are_names(&self) -> bool {
        self.entries_are_names
    }

    pub(crate) fn type_at<'t>(&self, token: impl Fn(usize) -> &'t str) -> Option<(&Type, usize)> {
        let (name, count) = self.type_words.longest(token)?;
        self.types.get(name).map(|kind| (kind, count))
    }
}

/// A name and how many tokens it takes.
pub(crate) type Found<'n> = (&'n Str, usize);

impl Index {
    /// Names of fewer tokens than `least` need no help from here. Of two names that are written
    /// with the same tokens, the first is meant.
    fn insert(&mut self, name: &str, least: usize) {
        let tokens = words(name);
        let Some(first) = tokens.first().filter(|_| (least..=WORDS_MAX).contains(&tokens.len()))
        else {
            return;
        };
        let group = self.0.entry(first.clone()).or_default();
        let mut spelled = String::new();
        for token in &tokens {
            spell(&mut spelled, token);
        }
        group.entry(spelled).or_insert_with(|| (name.into(), tokens.len()));
    }

    fn longest<'t>(&self, token: impl Fn(usize) -> &'t str) -> Option<Found<'_>> {
        if self.0.is_empty() {
            return None;
        }
        let group = self.0.get(token(0))?;
        let mut spelled = String::new();
        let mut longest = None;
        for distance in 0..WORDS_MAX {
            spell(&mut spelled, token(distance));
            let mut on = group.range::<str, _>((Bound::Included(&*spelled), Bound::Unbounded));
            match on.next().filter(|(known, _)| known.starts_with(&spelled)) {
                Some((known, (name, count))) if *known == spelled => longest = Some((name, *count)),
                Some(_) => {}
                None => break,
            }
        }
        longest
    }
}

/// Appends a token, and what no token has.
fn spell(spelled: &mut String, token: &str) {
    spelled.push_str(token);
    spelled.push('\n');
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn found<'n>(names: &'n Names, text: &str) -> Option<(&'n str, usize)> {
        let tokens = words(text);
        let at = |distance: usize| tokens.get(distance).map_or("", |token| &**token);
        names.entry_at(at).map(|(name, count)| (&**name, count))
    }

    #[test]
    fn the_longest_name_wins_own_or_shared() {
        let shared = Arc::new(Entries::new(["monthly fee", "monthly fee - old"]));
        let mut names = Names::new();
        names.share_entries(&shared).declare_entry("monthly  fee").declare_entry("monthly fee cut");
        assert_eq!(found(&names, "monthly fee + 1"), Some(("monthly  fee", 2)));
        assert_eq!(found(&names, "monthly fee - older"), Some(("monthly  fee", 2)));
        assert_eq!(found(&names, "monthly fee - old"), Some(("monthly fee - old", 4)));
        assert_eq!(found(&names, "monthly fee cut"), Some(("monthly fee cut", 3)));
        assert_eq!(found(&names, "monthly"), None);
        assert_eq!(found(&names, ""), None);
    }

    #[test]
    fn names_are_bounded_in_words_and_thousands_of_one_word_cost_little() {
        let mut names = Names::new();
        for number in 0..50_000 {
            names.declare_entry(&format!("fee {number}"));
        }
        assert_eq!(found(&names, "fee 49999"), Some(("fee 49999", 2)));
        let long = "a ".repeat(WORDS_MAX + 1);
        names.declare_entry(&long);
        assert_eq!(found(&names, &long), None);
        names.declare_entry(&long[2..]);
        assert_eq!(found(&names, &long[2..]).map(|(_, count)| count), Some(WORDS_MAX));
    }
}
