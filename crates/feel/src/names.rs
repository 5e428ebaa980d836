//! What is known about names before a text is compiled: names with spaces or operators, their
//! types, named types.
//!
//! Boundary: declarations only; values come with the [`Scope`](crate::Scope) of an evaluation.
//! Read first: [`Names`].

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::syntax::words;
use crate::types::Type;
use crate::value::Str;

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
    type_words: Index,
}

/// Names of several words, by their first word, longest first.
#[derive(Debug, Clone, Default)]
struct Index(BTreeMap<Str, Vec<Words>>);

/// A name and the tokens it is written with.
#[derive(Debug, Clone)]
struct Words {
    tokens: Vec<Str>,
    name: Str,
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
        self.variable_words.insert(name, 2);
        self.variables.insert(name.into(), kind);
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
        self.entry_words.longest(token)
    }

    pub(crate) fn type_at<'t>(&self, token: impl Fn(usize) -> &'t str) -> Option<(&Type, usize)> {
        let (name, count) = self.type_words.longest(token)?;
        self.types.get(name).map(|kind| (kind, count))
    }
}

/// A name and how many tokens it takes.
pub(crate) type Found<'n> = (&'n Str, usize);

impl Index {
    /// Names of fewer tokens than `least` need no help from here.
    fn insert(&mut self, name: &str, least: usize) {
        let tokens = words(name);
        let Some(first) = tokens.first().filter(|_| tokens.len() >= least) else {
            return;
        };
        let known = self.0.entry(first.clone()).or_default();
        if known.iter().all(|words| &*words.name != name) {
            known.push(Words { tokens, name: name.into() });
            known.sort_by_key(|words| core::cmp::Reverse(words.tokens.len()));
        }
    }

    fn longest<'t>(&self, token: impl Fn(usize) -> &'t str) -> Option<Found<'_>> {
        if self.0.is_empty() {
            return None;
        }
        let known = self.0.get(token(0))?;
        let spelled = |words: &&Words| {
            words.tokens.iter().enumerate().all(|(distance, word)| &**word == token(distance))
        };
        known.iter().find(spelled).map(|words| (&words.name, words.tokens.len()))
    }
}
