//! `for`, `some` and `every`.
//!
//! Boundary: sources are lists or counted ranges; several sources nest, the last one fastest.
//! Read first: `Machine::for_loop`.

use alloc::format;
use alloc::vec::Vec;

use crate::code::{Code, For, Quantified, Source};
use crate::expression::WarningKind;
use crate::machine::build::within_limits;
use crate::machine::{Machine, NULL, Outcome, Ref};
use crate::temporal::Date;
use crate::value::{List, Number, Range, Value};

/// What one source runs over.
enum Items<'a> {
    Borrowed(&'a [Value]),
    Owned(List),
    Count(i64, i64),
    /// From the first day to the last, as days since 1970.
    Days(i64, i64),
}

/// What is done with each combination of items.
enum Work<'a, 'w> {
    Collect {
        body: &'a Code,
        results: &'w mut Vec<Value>,
    },
    /// The results so far are a local that the body reads.
    Grow {
        body: &'a Code,
        partial: usize,
    },
    Decide {
        condition: &'a Code,
        decisive: bool,
        unknown: &'w mut bool,
        decided: &'w mut bool,
    },
}

impl<'a> Machine<'a> {
    #[inline(never)]
    pub(super) fn for_loop(&mut self, code: &'a For) -> Outcome<Ref<'a>> {
        let bottom = self.locals.len();
        let mut results = Vec::new();
        let mut work = if code.uses_partial {
            self.locals.push(Ref::Owned(Value::from(Vec::new())));
            Work::Grow { body: &code.body, partial: bottom }
        } else {
            self.locals.push(Ref::Borrowed(&NULL));
            Work::Collect { body: &code.body, results: &mut results }
        };
        let done = self.iterate(&code.sources, &mut work);
        self.locals.truncate(bottom + 1);
        let partial = self.locals.pop();
        if !done? {
            return Ok(Ref::Owned(Value::Null));
        }
        match partial {
            Some(partial) if code.uses_partial => self.built(partial.into_value()).map(Ref::Owned),
            _ => self.built(Value::from(results)).map(Ref::Owned),
        }
    }

    #[inline(never)]
    pub(super) fn quantified(&mut self, code: &'a Quantified) -> Outcome<Ref<'a>> {
        let bottom = self.locals.len();
        let (mut unknown, mut decided) = (false, false);
        let decisive = !code.every;
        let mut work = Work::Decide {
            condition: &code.condition,
            decisive,
            unknown: &mut unknown,
            decided: &mut decided,
        };
        let done = self.iterate(&code.sources, &mut work);
        self.locals.truncate(bottom);
        let done = done?;
        Ok(Ref::Owned(match (decided, done && !unknown) {
            (true, _) => Value::Boolean(decisive),
            (false, true) => Value::Boolean(!decisive),
            (false, false) => Value::Null,
        }))
    }

    /// Runs the work for each combination; false if a source is no list.
    fn iterate(&mut self, sources: &'a [Source], work: &mut Work<'a, '_>) -> Outcome<bool> {
        let Some((source, rest)) = sources.split_first() else {
            self.work(work)?;
            return Ok(true);
        };
        let Some(items) = self.items(source)? else {
            return Ok(false);
        };
        let bottom = self.locals.len();
        match items {
            Items::Borrowed(items) => {
                for item in items {
                    if !self.iterate_with(Ref::Borrowed(item), rest, work, bottom)? {
                        return Ok(false);
                    }
                    if work.is_done() {
                        break;
                    }
                }
            }
            Items::Owned(items) => {
                for item in &items {
                    if !self.iterate_with(Ref::Owned(item.clone()), rest, work, bottom)? {
                        return Ok(false);
                    }
                    if work.is_done() {
                        break;
                    }
                }
            }
            Items::Count(first, last) | Items::Days(first, last) => {
                let days = matches!(items, Items::Days(..));
                let mut at = first;
                loop {
                    let item = Ref::Owned(if days {
                        Date::from_epoch_days(at).map_or(Value::Null, Value::Date)
                    } else {
                        Value::Number(Number::from(at))
                    });
                    if !self.iterate_with(item, rest, work, bottom)? {
                        return Ok(false);
                    }
                    if at == last || work.is_done() {
                        break;
                    }
                    at += if first <= last { 1 } else { -1 };
                }
            }
        }
        Ok(true)
    }

    #[inline]
    fn iterate_with(
        &mut self,
        item: Ref<'a>,
        rest: &'a [Source],
        work: &mut Work<'a, '_>,
        bottom: usize,
    ) -> Outcome<bool> {
        self.charge(1)?;
        self.locals.push(item);
        let done = if rest.is_empty() {
            self.work(work)?;
            true
        } else {
            self.iterate(rest, work)?
        };
        self.locals.truncate(bottom);
        Ok(done)
    }

    #[inline]
    fn work(&mut self, work: &mut Work<'a, '_>) -> Outcome<()> {
        match work {
            Work::Collect { body, results } => {
                let value = self.eval(body)?.into_value();
                results.push(value);
            }
            Work::Grow { body, partial } => {
                let value = self.eval(body)?.into_value();
                self.grow(*partial, value)?;
            }
            Work::Decide { condition, decisive, unknown, decided } => {
                let value = self.eval(condition)?;
                match value.value() {
                    Value::Boolean(truth) if truth == decisive => **decided = true,
                    Value::Boolean(_) => {}
                    _ => **unknown = true,
                }
            }
        }
        Ok(())
    }

    /// Adds a result to those that the body can read; a copy is paid for.
    fn grow(&mut self, partial: usize, value: Value) -> Outcome<()> {
        let Some(Ref::Owned(Value::List(results))) = self.locals.get_mut(partial) else {
            return Ok(());
        };
        let alone = results.push(value);
        let (weight, depth, length) = (results.weight(), results.depth(), results.len() as u64);
        within_limits(weight, depth)?;
        if alone { Ok(()) } else { self.charge(length / 4) }
    }

    fn items(&mut self, source: &'a Source) -> Outcome<Option<Items<'a>>> {
        match source {
            Source::Value(code) => match self.eval(code)? {
                Ref::Borrowed(Value::List(list)) => Ok(Some(Items::Borrowed(list))),
                Ref::Owned(Value::List(list)) => Ok(Some(Items::Owned(list))),
                Ref::Owned(Value::Range(range)) => Ok(self.within(&range)),
                Ref::Borrowed(Value::Range(range)) => Ok(self.within(range)),
                other => {
                    let kind = other.value().kind_name();
                    self.warn(WarningKind::InvalidType, || {
                        format!("Expected list but found {kind}")
                    });
                    Ok(None)
                }
            },
            Source::Count(first, last) => {
                let first = self.eval(first)?;
                let last = self.eval(last)?;
                Ok(self.count(first.value(), last.value()))
            }
        }
    }

    /// What lies in a range; open ends are left out.
    fn within(&mut self, range: &Range) -> Option<Items<'a>> {
        let items = self.count(&range.start, &range.end)?;
        let (Items::Count(first, last) | Items::Days(first, last)) = items else {
            return Some(items);
        };
        let step = if first <= last { 1 } else { -1 };
        let from = first.checked_add(if range.start_included { 0 } else { step })?;
        let to = last.checked_sub(if range.end_included { 0 } else { step })?;
        if (step > 0 && from > to) || (step < 0 && from < to) {
            return Some(Items::Borrowed(&[]));
        }
        Some(match items {
            Items::Days(..) => Items::Days(from, to),
            _ => Items::Count(from, to),
        })
    }

    fn count(&mut self, first: &Value, last: &Value) -> Option<Items<'a>> {
        if let (Some(first), Some(last)) = (first.as_i64(), last.as_i64()) {
            return Some(Items::Count(first, last));
        }
        if let (Value::Date(first), Value::Date(last)) = (first, last) {
            return Some(Items::Days(first.epoch_days(), last.epoch_days()));
        }
        let (first, last) = (first.kind_name(), last.kind_name());
        self.warn(WarningKind::InvalidType, || {
            format!("Expected whole numbers or dates but found {first} and {last}")
        });
        None
    }
}

impl Work<'_, '_> {
    /// Whether no further item can change the result.
    fn is_done(&self) -> bool {
        matches!(self, Self::Decide { decided, .. } if **decided)
    }
}
