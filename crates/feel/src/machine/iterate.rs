//! `for`, `some` and `every`.
//!
//! Boundary: sources are lists or counted ranges; several sources nest, the last one fastest.
//! Read first: `Machine::for_loop`.

use alloc::format;
use alloc::vec::Vec;

use crate::code::{Code, For, Quantified, Source};
use crate::expression::WarningKind;
use crate::machine::{Machine, Outcome, Ref};
use crate::value::{List, Number, Value};

/// What one source runs over.
enum Items<'a> {
    Borrowed(&'a [Value]),
    Owned(List),
    Count(i64, i64),
}

/// What is done with each combination of items.
enum Work<'a, 'w> {
    /// `partial` is the local that holds the results so far, if the body reads it.
    Collect {
        body: &'a Code,
        partial: Option<usize>,
        results: &'w mut Vec<Value>,
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
        self.locals.push(Ref::Owned(Value::from(Vec::new())));
        let mut results = Vec::new();
        let mut work = Work::Collect {
            body: &code.body,
            partial: code.uses_partial.then_some(bottom),
            results: &mut results,
        };
        let done = self.iterate(&code.sources, &mut work);
        self.locals.truncate(bottom);
        if !done? {
            return Ok(Ref::Owned(Value::Null));
        }
        self.built(Value::from(results)).map(Ref::Owned)
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
            Items::Count(first, last) => {
                let mut at = first;
                loop {
                    let item = Ref::Owned(Value::Number(Number::from(at)));
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
            Work::Collect { body, partial, results } => {
                let value = self.eval(body)?.into_value();
                results.push(value);
                if let Some(partial) = *partial {
                    self.update_partial(partial, results)?;
                }
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

    /// Puts the results so far where the body reads them.
    fn update_partial(&mut self, position: usize, results: &[Value]) -> Outcome<()> {
        self.charge(results.len() as u64 / 4)?;
        let partial = self.built(Value::from(results.to_vec()))?;
        if let Some(slot) = self.locals.get_mut(position) {
            *slot = Ref::Owned(partial);
        }
        Ok(())
    }

    fn items(&mut self, source: &'a Source) -> Outcome<Option<Items<'a>>> {
        match source {
            Source::Value(code) => match self.eval(code)? {
                Ref::Borrowed(Value::List(list)) => Ok(Some(Items::Borrowed(list))),
                Ref::Owned(Value::List(list)) => Ok(Some(Items::Owned(list))),
                Ref::Owned(Value::Range(range)) => Ok(self.count(&range.start, &range.end)),
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

    fn count(&mut self, first: &Value, last: &Value) -> Option<Items<'a>> {
        if let (Some(first), Some(last)) = (first.as_i64(), last.as_i64()) {
            return Some(Items::Count(first, last));
        }
        let (first, last) = (first.kind_name(), last.kind_name());
        self.warn(WarningKind::InvalidType, || {
            format!("Expected whole numbers but found {first} and {last}")
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
