//! `list[condition]`: by position or by condition.
//!
//! Boundary: whether a filter is a position is decided by its first result: a number is one.
//! Read first: `Machine::filter`.

use alloc::format;
use alloc::vec::Vec;

use crate::code::Code;
use crate::expression::WarningKind;
use crate::machine::{Machine, NULL, Outcome, Ref};
use crate::value::{Number, Value};

impl<'a> Machine<'a> {
    #[inline(never)]
    pub(super) fn filter(&mut self, list: &'a Code, condition: &'a Code) -> Outcome<Ref<'a>> {
        if let Code::Constant(Value::Number(position)) = condition {
            if let Some(items) = self.local_list(list) {
                // Nobody else needs to share the list for one of its items.
                let item = index(position, items.len()).map(|index| items[index].clone());
                self.charge(2)?;
                return Ok(Ref::Owned(item.unwrap_or_default()));
            }
            let base = self.eval(list)?;
            return Ok(at_position(base, position));
        }
        let base = self.eval(list)?;
        match base {
            Ref::Borrowed(Value::List(items)) => {
                self.filter_items(base.clone(), items.iter().map(Ref::Borrowed), condition)
            }
            Ref::Owned(Value::List(ref items)) => {
                let items = items.clone();
                self.filter_items(base, items.iter().cloned().map(Ref::Owned), condition)
            }
            single => {
                let items = (!single.value().is_null()).then(|| single.clone());
                self.filter_items(single, items.into_iter(), condition)
            }
        }
    }

    fn filter_items(
        &mut self,
        base: Ref<'a>,
        items: impl Iterator<Item = Ref<'a>>,
        condition: &'a Code,
    ) -> Outcome<Ref<'a>> {
        let bottom = self.locals.len();
        let mut kept = Vec::new();
        let mut any = false;
        for item in items {
            self.locals.push(item);
            let result = self.eval(condition);
            let item = self.locals.pop();
            self.locals.truncate(bottom);
            match (result?.value(), item) {
                (Value::Boolean(true), Some(item)) => kept.push(item.into_value()),
                (Value::Number(position), _) if !any => return Ok(at_position(base, position)),
                (Value::Null | Value::Boolean(_) | Value::Number(_), _) => {}
                (other, _) => {
                    let kind = other.kind_name();
                    self.warn(WarningKind::InvalidType, || {
                        format!("Expected boolean filter or number but found {kind}")
                    });
                    return Ok(Ref::Borrowed(&NULL));
                }
            }
            any = true;
        }
        if !any {
            // Nothing to try the condition on; a position in an empty list is still null.
            self.locals.push(Ref::Borrowed(&NULL));
            let count = self.warnings_count();
            let result = self.eval(condition);
            self.forget_warnings(count);
            self.locals.truncate(bottom);
            if base.value().is_null() || matches!(result?.value(), Value::Number(_)) {
                return Ok(Ref::Borrowed(&NULL));
            }
        }
        self.built(Value::from(kept)).map(Ref::Owned)
    }
}

/// The index of a position in a list of that length.
fn index(position: &Number, length: usize) -> Option<usize> {
    let position = position.to_i64()?;
    let length = i64::try_from(length).ok()?;
    let index = if position < 0 { length.checked_add(position)? } else { position - 1 };
    (0..length).contains(&index).then_some(index as usize)
}

/// The item at a position: from 1, or from the end if negative. A single value is a list of one.
fn at_position<'a>(base: Ref<'a>, position: &Number) -> Ref<'a> {
    let index = |length: usize| index(position, length);
    match base {
        Ref::Borrowed(Value::List(items)) => {
            Ref::Borrowed(index(items.len()).map_or(&NULL, |index| &items[index]))
        }
        Ref::Owned(Value::List(items)) => {
            Ref::Owned(index(items.len()).map_or(Value::Null, |index| items[index].clone()))
        }
        single if index(1).is_some() => single,
        _ => Ref::Borrowed(&NULL),
    }
}
