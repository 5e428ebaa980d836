//! Which rules can match, without testing each: per column, the rules that hold for each stretch
//! between two constants that the column mentions.
//!
//! Boundary: answers only where the input is of the kind of the column's constants, since only
//! there is a test that fails silent and free of surprises; elsewhere every rule is tested.
//! Invariants: IDX-1 with and without the index the same rules match.
//! Read first: [`Index`], then [`Index::candidates`].   Tests: `tests/index.rs`

use std::cmp::Ordering;

use feel::{CellTest, Comparison, Expression, Value};

use crate::model::Rule;

/// Tables with fewer rules are tested rule by rule.
const RULES_MIN: usize = 8;
/// Rule numbers that one column may hold in all.
const ENTRIES_MAX: usize = 1 << 20;

/// What a cell needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// It holds for everything.
    Open,
    /// It compares with constants.
    Constant,
    /// It has to be evaluated in any case.
    Computed,
}

/// The index over the rules of one table.
#[derive(Debug)]
pub(crate) struct Index {
    columns: Vec<Column>,
    rules: u32,
}

#[derive(Debug)]
struct Column {
    classes: Vec<Class>,
    stretches: Option<Stretches>,
    /// The rules whose cell is not constant, ascending.
    others: Vec<u32>,
}

/// The rules with constant cells, by stretches of the values of one kind.
#[derive(Debug)]
struct Stretches {
    kind: &'static str,
    /// Ascending.
    points: Vec<Value>,
    /// Before the first point, at it, between it and the second one, ... Each ascending.
    rules: Vec<Box<[u32]>>,
}

/// Rules that a column leaves over.
#[derive(Debug, Clone, Copy)]
struct Left<'i> {
    column: usize,
    constant: &'i [u32],
    others: &'i [u32],
}

/// What is left to do for a table.
pub(crate) struct Candidates {
    /// Rules in order.
    pub(crate) rules: Vec<u32>,
    /// Whether the constant cells of a column have been dealt with.
    pub(crate) settled: Vec<bool>,
}

/// A set of values, as an interval: bounds and whether they belong to it.
#[derive(Debug, Clone)]
struct Interval<'v> {
    low: Option<(&'v Value, bool)>,
    high: Option<(&'v Value, bool)>,
}

impl Index {
    pub(crate) fn new(columns: usize, rules: &[Rule]) -> Self {
        let column = |number: usize| Column::new(rules.iter().map(|rule| &rule.tests[number]));
        let rules = u32::try_from(rules.len()).unwrap_or(u32::MAX);
        Self { columns: (0..columns).map(column).collect(), rules }
    }

    pub(crate) fn class(&self, column: usize, rule: u32) -> Class {
        let known = self.columns.get(column).and_then(|column| column.classes.get(rule as usize));
        known.copied().unwrap_or(Class::Computed)
    }

    /// Every rule, nothing settled.
    pub(crate) fn all(&self) -> Candidates {
        Candidates { rules: (0..self.rules).collect(), settled: vec![false; self.columns.len()] }
    }

    /// The rules that can match these inputs, one for each column.
    pub(crate) fn candidates(&self, inputs: &[Value]) -> Candidates {
        let left: Vec<Left<'_>> = self
            .columns
            .iter()
            .zip(inputs)
            .enumerate()
            .filter_map(|(number, (column, input))| column.left(number, input))
            .collect();
        let size = |left: &&Left<'_>| left.constant.len() + left.others.len();
        let Some(fewest) = left.iter().min_by_key(size) else { return self.all() };
        let mut settled = vec![false; self.columns.len()];
        for one in &left {
            settled[one.column] = true;
        }
        let passes = |rule: u32| {
            left.iter().filter(|one| one.column != fewest.column).all(|one| {
                self.class(one.column, rule) != Class::Constant
                    || one.constant.binary_search(&rule).is_ok()
            })
        };
        let rules = merged(fewest.constant, fewest.others).filter(|rule| passes(*rule)).collect();
        Candidates { rules, settled }
    }
}

/// Two ascending lists without common numbers as one.
fn merged<'i>(left: &'i [u32], right: &'i [u32]) -> impl Iterator<Item = u32> + 'i {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(one), Some(other)) if one < other => left.next().copied(),
        (Some(_), None) => left.next().copied(),
        _ => right.next().copied(),
    })
}

impl Column {
    fn new<'r>(cells: impl Iterator<Item = &'r Expression>) -> Self {
        let cells: Vec<_> = cells.map(classify).collect();
        let mut classes: Vec<Class> = cells.iter().map(|(class, _)| *class).collect();
        let stretches = if cells.len() < RULES_MIN { None } else { Stretches::new(&cells) };
        if stretches.is_none() {
            for class in classes.iter_mut().filter(|class| **class == Class::Constant) {
                *class = Class::Computed;
            }
        }
        let others = (0u32..).zip(&classes).filter(|(_, class)| **class != Class::Constant);
        let others = others.map(|(rule, _)| rule).collect();
        Self { classes, stretches, others }
    }

    fn left(&self, column: usize, input: &Value) -> Option<Left<'_>> {
        let stretches = self.stretches.as_ref()?;
        if input.kind_name() != stretches.kind {
            return None;
        }
        let constant = stretches.rules.get(stretches.at(input))?;
        Some(Left { column, constant, others: &self.others })
    }
}

impl Stretches {
    /// Nothing if there are no constants, or of several kinds, or too many overlaps.
    fn new(cells: &[(Class, Vec<Interval<'_>>)]) -> Option<Self> {
        let bounds = || {
            let intervals = cells.iter().flat_map(|(_, intervals)| intervals);
            intervals.flat_map(|interval| [interval.low, interval.high]).flatten()
        };
        let kind = bounds().next()?.0.kind_name();
        if !bounds().all(|(value, _)| value.kind_name() == kind) {
            return None;
        }
        let mut points: Vec<Value> = bounds().map(|(value, _)| value.clone()).collect();
        points.sort_by(order);
        points.dedup_by(|one, other| order(one, other) == Ordering::Equal);
        let mut stretches = Self { kind, points, rules: Vec::new() };
        let mut rules: Vec<Vec<u32>> = vec![Vec::new(); 2 * stretches.points.len() + 1];
        let mut entries = 0;
        for (rule, (_, intervals)) in (0u32..).zip(cells) {
            for interval in intervals {
                for stretch in &mut rules[stretches.span(interval)] {
                    if stretch.last() != Some(&rule) {
                        stretch.push(rule);
                        entries += 1;
                    }
                }
                if entries > ENTRIES_MAX {
                    return None;
                }
            }
        }
        stretches.rules = rules.into_iter().map(Vec::into_boxed_slice).collect();
        Some(stretches)
    }

    /// The stretch that a value is in.
    fn at(&self, value: &Value) -> usize {
        match self.points.binary_search_by(|point| order(point, value)) {
            Ok(point) => 2 * point + 1,
            Err(before) => 2 * before,
        }
    }

    /// The stretches that an interval covers.
    fn span(&self, interval: &Interval<'_>) -> std::ops::Range<usize> {
        let first = match interval.low {
            None => 0,
            Some((value, included)) => self.at(value) + usize::from(!included),
        };
        let last = match interval.high {
            None => 2 * self.points.len(),
            Some((value, included)) => self.at(value).saturating_sub(usize::from(!included)),
        };
        first..(last + 1).max(first)
    }
}

/// The order of values of one kind that can be indexed.
fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.cmp(right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Date(left), Value::Date(right)) => left.cmp(right),
        (Value::DaysDuration(left), Value::DaysDuration(right)) => left.cmp(right),
        (Value::MonthsDuration(left), Value::MonthsDuration(right)) => left.cmp(right),
        _ => Ordering::Equal,
    }
}

/// What a cell needs, and the values it holds for if they are constant.
fn classify(cell: &Expression) -> (Class, Vec<Interval<'_>>) {
    let computed = (Class::Computed, Vec::new());
    let Some((negated, tests)) = cell.tests() else { return computed };
    if !negated && tests.contains(&CellTest::Anything) {
        return (Class::Open, Vec::new());
    }
    let intervals: Option<Vec<_>> = tests.iter().map(interval).collect();
    match intervals.filter(|intervals| !negated && !intervals.is_empty()) {
        Some(intervals) => (Class::Constant, intervals),
        None => computed,
    }
}

fn interval<'v>(test: &CellTest<'v>) -> Option<Interval<'v>> {
    let interval = match *test {
        CellTest::Anything | CellTest::Computed => return None,
        CellTest::Value(Value::Range(range)) => {
            let bound = |value, included| match value {
                &Value::Null => None,
                value => Some((value, included)),
            };
            let interval = Interval {
                low: bound(&range.start, range.start_included),
                high: bound(&range.end, range.end_included),
            };
            // An interval that ends before it starts, or without ends, is left to its evaluation.
            match (interval.low, interval.high) {
                (Some((low, _)), Some((high, _)))
                    if order(low, high) != Ordering::Greater
                        && low.kind_name() == high.kind_name() => {}
                (Some(_), None) | (None, Some(_)) => {}
                _ => return None,
            }
            interval
        }
        CellTest::Value(value) | CellTest::Compare(Comparison::Equal, value) => {
            Interval { low: Some((value, true)), high: Some((value, true)) }
        }
        CellTest::Compare(Comparison::Less, value) => {
            Interval { low: None, high: Some((value, false)) }
        }
        CellTest::Compare(Comparison::LessOrEqual, value) => {
            Interval { low: None, high: Some((value, true)) }
        }
        CellTest::Compare(Comparison::Greater, value) => {
            Interval { low: Some((value, false)), high: None }
        }
        CellTest::Compare(Comparison::GreaterOrEqual, value) => {
            Interval { low: Some((value, true)), high: None }
        }
        CellTest::Compare(Comparison::NotEqual, _) => return None,
    };
    let is_point = interval.low.is_some_and(|low| Some(low) == interval.high);
    let can_be_indexed = |value: &Value| match value {
        Value::Number(_) | Value::Date(_) | Value::DaysDuration(_) | Value::MonthsDuration(_) => {
            true
        }
        // Texts have an order of their own in FEEL; here they are only compared for equality.
        Value::String(_) => is_point,
        _ => false,
    };
    let mut bounds = [interval.low, interval.high].into_iter().flatten();
    bounds.all(|(value, _)| can_be_indexed(value)).then_some(interval)
}
