//! What a name means: a local, an entry of a filtered item, or a variable of the scope.
//!
//! Boundary: scopes of the expression itself; variables are only collected.
//! Read first: `Parser::resolve`.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::code::{Code, Member, Slot};
use crate::syntax::parser::{FreeName, Local, Parser};
use crate::syntax::words;
use crate::types::Type;
use crate::value::Str;

/// Words that are never names.
pub(super) fn is_reserved(word: &str) -> bool {
    matches!(
        word,
        "null"
            | "true"
            | "false"
            | "function"
            | "in"
            | "return"
            | "then"
            | "else"
            | "satisfies"
            | "and"
            | "or"
            | "some"
            | "every"
            | "if"
            | "for"
            | "between"
            | "instance"
            | "of"
            | "not"
    )
}

/// What was found on the way outwards.
struct Found {
    /// Items of filters that were passed, innermost first.
    items: Vec<Slot>,
    slot: Option<Slot>,
}

impl Parser<'_> {
    pub(super) fn push_local(&mut self, name: Option<Str>) {
        let words = name.as_deref().map(several_words).unwrap_or_default();
        self.push(Local { name, words, item: false, used: false });
    }

    pub(super) fn push_item(&mut self) {
        let words = Vec::new();
        self.push(Local { name: Some("item".into()), words, item: true, used: false });
    }

    fn push(&mut self, local: Local) {
        if let Some(frame) = self.frames.last_mut() {
            frame.locals.push(local);
        }
    }

    /// Ends the scope of the newest local; says whether it was used.
    pub(super) fn pop_local(&mut self) -> bool {
        self.frames.last_mut().and_then(|frame| frame.locals.pop()).is_some_and(|local| local.used)
    }

    /// The code that reads `name`.
    pub(super) fn resolve(&mut self, name: &str) -> Code {
        let found = self.find(self.frames.len() - 1, name);
        let outside = match found.slot {
            Some(slot) => Code::Slot(slot),
            None => {
                self.variables.push(FreeName {
                    name: name.into(),
                    perhaps_entry: !found.items.is_empty(),
                    offset: self.name_start,
                });
                for frame in self.frames.iter_mut().skip(1) {
                    if frame.variables.iter().all(|known| &**known != name) {
                        frame.variables.push(name.into());
                    }
                }
                Code::Variable(name.into())
            }
        };
        if found.items.is_empty() {
            return outside;
        }
        Code::Member(Box::new(Member {
            name: name.into(),
            items: found.items.into(),
            otherwise: outside,
        }))
    }

    /// The name of several words that stands here and is declared (or introduced by the text
    /// itself), and how many tokens it takes; the longest there is.
    pub(super) fn name_here(&self) -> Option<(Str, usize)> {
        let token = |distance| self.source_after(distance);
        let mut longest: Option<(&Str, usize)> =
            self.names.and_then(|names| names.variable_at(token));
        let in_filter = self.frames.iter().flat_map(|frame| &frame.locals).any(|local| local.item);
        let entry = self
            .names
            .filter(|names| in_filter || names.entries_are_names())
            .and_then(|names| names.entry_at(token));
        let locals = self.frames.iter().flat_map(|frame| &frame.locals).filter_map(|local| {
            let spelled = !local.words.is_empty()
                && local.words.iter().enumerate().all(|(at, word)| &**word == token(at));
            local.name.as_ref().filter(|_| spelled).map(|name| (name, local.words.len()))
        });
        for found in entry.into_iter().chain(locals) {
            if longest.is_none_or(|known| found.1 > known.1) {
                longest = Some(found);
            }
        }
        longest.map(|(name, count)| (name.clone(), count))
    }

    /// The name of several words that stands here and may follow `base.`.
    pub(super) fn entry_here(&self, base: &Code, before: &[Str]) -> Option<(Str, usize)> {
        let token = |distance| self.source_after(distance);
        let (name, count) = self.names?.entry_at(token)?;
        let kind = self
            .type_of(base)
            .and_then(|kind| before.iter().try_fold(kind, |kind, name| kind.entry(name)));
        let fits = kind.is_none_or(|kind| !kind.lists_entries() || kind.entry(name).is_some());
        fits.then(|| (name.clone(), count))
    }

    /// The declared type of what `code` reads.
    fn type_of(&self, code: &Code) -> Option<&Type> {
        match code {
            Code::Variable(name) => self.names?.type_of(name),
            Code::Path(path) => {
                path.1.iter().try_fold(self.type_of(&path.0)?, |kind, name| kind.entry(name))
            }
            Code::Filter(filter) => self.type_of(&filter.0),
            _ => None,
        }
    }

    /// Whether `name` is a local (so that it hides a function of that name).
    pub(super) fn is_local(&self, name: &str) -> bool {
        self.frames.iter().any(|frame| {
            frame.own_name.as_deref() == Some(name)
                || frame.locals.iter().any(|local| local.name.as_deref() == Some(name))
        })
    }

    fn find(&mut self, frame: usize, name: &str) -> Found {
        let mut found = Found { items: Vec::new(), slot: None };
        for (position, local) in self.frames[frame].locals.iter_mut().enumerate().rev() {
            let slot = Slot::Local(u32::try_from(position).unwrap_or(u32::MAX));
            if local.item {
                found.items.push(slot);
            }
            if local.name.as_deref() == Some(name) {
                local.used = true;
                found.slot = Some(slot);
                return found;
            }
        }
        if self.frames[frame].own_name.as_deref() == Some(name) {
            found.slot = Some(Slot::Itself);
            return found;
        }
        if frame > 0 {
            let outer = self.find(frame - 1, name);
            for item in outer.items {
                let item = self.capture(frame, item);
                found.items.push(item);
            }
            found.slot = outer.slot.map(|slot| self.capture(frame, slot));
        }
        found
    }

    /// Makes a slot of the frame around available inside `frame`.
    fn capture(&mut self, frame: usize, slot: Slot) -> Slot {
        let captures = &mut self.frames[frame].captures;
        let position = captures.iter().position(|known| *known == slot).unwrap_or_else(|| {
            captures.push(slot);
            captures.len() - 1
        });
        Slot::Captured(u32::try_from(position).unwrap_or(u32::MAX))
    }
}

/// What a name is written with, if that is more than one word.
fn several_words(name: &str) -> Vec<Str> {
    let simple = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let tokens = if simple { Vec::new() } else { words(name) };
    if tokens.len() > 1 { tokens } else { Vec::new() }
}
