//! Relations between points and ranges (Allen's interval algebra, as DMN defines it).
//!
//! Boundary: both ends have to be given and comparable, otherwise the result is null.
//! Read first: `TABLE`, then `relation`.

use core::cmp::Ordering::{self, Equal, Greater, Less};

use crate::builtin::{Arguments, Builtin, Work};
use crate::machine::order;
use crate::value::{Range, Value};

const BOTH: &[&str] = &["point1|range1|point|range", "point2|range2|range|point"];

macro_rules! relation {
    ($name:literal, $work:expr) => {
        Builtin { name: $name, parameters: BOTH, work: Work::Plain(|a| relation(a, $work)) }
    };
}

pub(super) const TABLE: &[Builtin] = &[
    relation!("before", |a, b| a.ends_before(b)),
    relation!("after", |a, b| b.ends_before(a)),
    relation!("meets", |a, b| a.meets(b)),
    relation!("met by", |a, b| b.meets(a)),
    relation!("overlaps", |a, b| Some(!a.ends_before(b)? && !b.ends_before(a)?)),
    relation!("overlaps before", |a, b| a.overlaps_before(b)),
    relation!("overlaps after", |a, b| a.overlaps_after(b)),
    relation!("finishes", |a, b| a.finishes(b)),
    relation!("finished by", |a, b| b.finishes(a)),
    relation!("includes", |a, b| a.includes(b)),
    relation!("during", |a, b| b.includes(a)),
    relation!("starts", |a, b| a.starts(b)),
    relation!("started by", |a, b| b.starts(a)),
    relation!("coincides", |a, b| Some(
        a.compare_starts(b)? == Equal && a.compare_ends(b)? == Equal
    )),
];

/// A point or a range, as a pair of ends.
struct Span<'v> {
    start: &'v Value,
    start_included: bool,
    end: &'v Value,
    end_included: bool,
}

fn relation(
    arguments: &Arguments<'_>,
    holds: fn(&Span<'_>, &Span<'_>) -> Option<bool>,
) -> Option<Value> {
    let (left, right) = (Span::of(arguments.get(0))?, Span::of(arguments.get(1))?);
    holds(&left, &right).map(Value::Boolean)
}

impl<'v> Span<'v> {
    fn of(value: &'v Value) -> Option<Self> {
        let span = match value {
            Value::Range(range) => {
                let Range { start, start_included, end, end_included } = &**range;
                Self { start, start_included: *start_included, end, end_included: *end_included }
            }
            point => Self { start: point, start_included: true, end: point, end_included: true },
        };
        // Strings have an order, but points on a line are numbers and times.
        let is_point =
            |value: &Value| !matches!(value, Value::String(_)) && order(value, value).is_some();
        (is_point(span.start) && is_point(span.end)).then_some(span)
    }

    /// Where this one starts relative to the other; an open start is later than a closed one.
    fn compare_starts(&self, other: &Self) -> Option<Ordering> {
        Some(order(self.start, other.start)?.then(other.start_included.cmp(&self.start_included)))
    }

    /// Where this one ends relative to the other; an open end is earlier than a closed one.
    fn compare_ends(&self, other: &Self) -> Option<Ordering> {
        Some(order(self.end, other.end)?.then(self.end_included.cmp(&other.end_included)))
    }

    fn ends_before(&self, other: &Self) -> Option<bool> {
        Some(match order(self.end, other.start)? {
            Less => true,
            Equal => !(self.end_included && other.start_included),
            Greater => false,
        })
    }

    fn meets(&self, other: &Self) -> Option<bool> {
        let touches = order(self.end, other.start)? == Equal;
        Some(touches && self.end_included && other.start_included)
    }

    fn overlaps_before(&self, other: &Self) -> Option<bool> {
        Some(
            self.compare_starts(other)? == Less
                && !self.ends_before(other)?
                && self.compare_ends(other)? != Greater,
        )
    }

    fn overlaps_after(&self, other: &Self) -> Option<bool> {
        Some(
            self.compare_starts(other)? == Greater
                && !other.ends_before(self)?
                && self.compare_ends(other)? != Less,
        )
    }

    fn finishes(&self, other: &Self) -> Option<bool> {
        Some(self.compare_ends(other)? == Equal && self.compare_starts(other)? != Less)
    }

    fn starts(&self, other: &Self) -> Option<bool> {
        Some(self.compare_starts(other)? == Equal && self.compare_ends(other)? != Greater)
    }

    fn includes(&self, other: &Self) -> Option<bool> {
        Some(self.compare_starts(other)? != Greater && self.compare_ends(other)? != Less)
    }
}
