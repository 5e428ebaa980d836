//! What a name means: a local, an entry of a filtered item, or a variable of the scope.
//!
//! Boundary: scopes of the expression itself; variables are only collected.
//! Read first: `Parser::resolve`.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::code::{Code, Member, Slot};
use crate::syntax::parser::{Local, Parser};
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
        self.push(Local { name, item: false, used: false });
    }

    pub(super) fn push_item(&mut self) {
        self.push(Local { name: Some("item".into()), item: true, used: false });
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
                self.variables.push(name.into());
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
