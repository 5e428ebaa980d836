//! Functions that compare or compute over the items of a list.
//!
//! Boundary: see `builtin`; comparisons pay steps by the size of what they compare.
//! Read first: `TABLE`.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::builtin::{Arguments, Builtin, Work};
use crate::function::Function;
use crate::machine::{Machine, Outcome, order};
use crate::value::{List, Number, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin {
        name: "list contains",
        parameters: &["list", "element"],
        work: Work::Machine(list_contains),
    },
    Builtin { name: "min", parameters: &["list..."], work: Work::Linear(min) },
    Builtin { name: "max", parameters: &["list..."], work: Work::Linear(max) },
    Builtin { name: "sum", parameters: &["list..."], work: Work::Linear(sum) },
    Builtin { name: "product", parameters: &["list..."], work: Work::Linear(product) },
    Builtin { name: "mean", parameters: &["list..."], work: Work::Linear(mean) },
    Builtin { name: "median", parameters: &["list..."], work: Work::Linear(median) },
    Builtin { name: "stddev", parameters: &["list..."], work: Work::Linear(stddev) },
    Builtin { name: "mode", parameters: &["list..."], work: Work::Linear(mode) },
    Builtin { name: "all", parameters: &["list..."], work: Work::Linear(all) },
    Builtin { name: "and", parameters: &["list..."], work: Work::Linear(all) },
    Builtin { name: "any", parameters: &["list..."], work: Work::Linear(any) },
    Builtin { name: "or", parameters: &["list..."], work: Work::Linear(any) },
    Builtin { name: "index of", parameters: &["list", "match"], work: Work::Machine(index_of) },
    Builtin { name: "union", parameters: &["*lists..."], work: Work::Machine(union) },
    Builtin { name: "distinct values", parameters: &["list"], work: Work::Machine(distinct) },
    Builtin { name: "duplicate values", parameters: &["list"], work: Work::Machine(duplicates) },
    Builtin { name: "sort", parameters: &["list", "precedes?"], work: Work::Machine(sort) },
];

fn list_contains(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    let Some(list) = arguments.list(0) else {
        return Ok(None);
    };
    let found = contains(machine, &list, arguments.get(1))?;
    Ok(Some(Value::Boolean(found)))
}

fn contains(machine: &mut Machine<'_>, items: &[Value], wanted: &Value) -> Outcome<bool> {
    for item in items {
        machine.charge(1)?;
        if same(machine, item, wanted)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Equality of items: a list of one is not its item.
fn same(machine: &mut Machine<'_>, left: &Value, right: &Value) -> Outcome<bool> {
    if matches!(left, Value::List(_)) != matches!(right, Value::List(_)) {
        return Ok(false);
    }
    Ok(machine.equal(left, right)? == Some(true))
}

fn extreme(arguments: &Arguments<'_>, wanted: Ordering) -> Option<Value> {
    let list = arguments.list(0)?;
    let Some((first, rest)) = list.split_first() else {
        return Some(Value::Null);
    };
    order(first, first)?;
    let mut best = first;
    for item in rest {
        if order(item, best)? == wanted {
            best = item;
        }
    }
    Some(best.clone())
}

fn min(arguments: &Arguments<'_>) -> Option<Value> {
    extreme(arguments, Ordering::Less)
}

fn max(arguments: &Arguments<'_>) -> Option<Value> {
    extreme(arguments, Ordering::Greater)
}

/// The numbers of a list that holds nothing else.
fn numbers(arguments: &Arguments<'_>) -> Option<Vec<Number>> {
    arguments.list(0)?.iter().map(|item| item.as_number().copied()).collect()
}

fn total(numbers: &[Number]) -> Option<Number> {
    numbers.iter().try_fold(Number::ZERO, |sum, number| sum.add(number))
}

fn number(number: Option<Number>) -> Option<Value> {
    number.map(Value::Number)
}

fn count(numbers: &[Number]) -> Number {
    Number::from(numbers.len() as u64)
}

fn sum(arguments: &Arguments<'_>) -> Option<Value> {
    let numbers = numbers(arguments)?;
    if numbers.is_empty() { Some(Value::Null) } else { number(total(&numbers)) }
}

fn product(arguments: &Arguments<'_>) -> Option<Value> {
    let numbers = numbers(arguments)?;
    if numbers.is_empty() {
        return Some(Value::Null);
    }
    number(numbers.iter().try_fold(Number::ONE, |product, number| product.mul(number)))
}

fn mean(arguments: &Arguments<'_>) -> Option<Value> {
    let numbers = numbers(arguments)?;
    if numbers.is_empty() { Some(Value::Null) } else { number(average(&numbers)) }
}

fn average(numbers: &[Number]) -> Option<Number> {
    total(numbers)?.div(&count(numbers))
}

fn median(arguments: &Arguments<'_>) -> Option<Value> {
    let mut numbers = numbers(arguments)?;
    numbers.sort_unstable();
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => Some(Value::Null),
        length if length % 2 == 1 => Some(Value::Number(numbers[middle])),
        _ => number(average(&numbers[middle - 1..=middle])),
    }
}

/// The standard deviation of a sample.
fn stddev(arguments: &Arguments<'_>) -> Option<Value> {
    let numbers = numbers(arguments)?;
    if numbers.len() < 2 {
        return Some(Value::Null);
    }
    let mean = average(&numbers)?;
    let mut squares = Number::ZERO;
    for number in &numbers {
        let difference = number.sub(&mean)?;
        squares = squares.add(&difference.mul(&difference)?)?;
    }
    number(squares.div(&count(&numbers).sub(&Number::ONE)?)?.sqrt())
}

/// The most frequent numbers, in ascending order.
fn mode(arguments: &Arguments<'_>) -> Option<Value> {
    let mut numbers = numbers(arguments)?;
    numbers.sort_unstable();
    let groups = || numbers.chunk_by(|left, right| left == right);
    let most = groups().map(<[Number]>::len).max().unwrap_or(0);
    let found = groups().filter(|group| group.len() == most).map(|group| Value::Number(group[0]));
    Some(Value::from(found.collect::<Vec<_>>()))
}

fn decide(arguments: &Arguments<'_>, decisive: bool) -> Option<Value> {
    let list = arguments.list(0)?;
    let mut unknown = false;
    for item in &list {
        match item {
            Value::Boolean(truth) if *truth == decisive => return Some(Value::Boolean(decisive)),
            Value::Boolean(_) => {}
            _ => unknown = true,
        }
    }
    if unknown { None } else { Some(Value::Boolean(!decisive)) }
}

fn all(arguments: &Arguments<'_>) -> Option<Value> {
    decide(arguments, false)
}

fn any(arguments: &Arguments<'_>) -> Option<Value> {
    decide(arguments, true)
}

fn index_of(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    let Some(list) = arguments.list(0) else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for (position, item) in (1i64..).zip(&list) {
        machine.charge(1)?;
        if same(machine, item, arguments.get(1))? {
            found.push(Value::from(position));
        }
    }
    Ok(Some(Value::from(found)))
}

fn unique(machine: &mut Machine<'_>, lists: &[List]) -> Outcome<Vec<Value>> {
    let mut kept: Vec<Value> = Vec::new();
    for item in lists.iter().flat_map(|list| list.iter()) {
        if !contains(machine, &kept, item)? {
            kept.push(item.clone());
        }
    }
    Ok(kept)
}

fn union(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    let Some(lists) = arguments.list(0) else {
        return Ok(None);
    };
    let lists = lists.iter().map(|list| match list {
        Value::List(list) => Some(list.clone()),
        Value::Null => None,
        other => Some(List::from(Vec::from([other.clone()]))),
    });
    match lists.collect::<Option<Vec<_>>>() {
        Some(lists) => Ok(Some(Value::from(unique(machine, &lists)?))),
        None => Ok(None),
    }
}

fn distinct(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    match arguments.list(0) {
        Some(list) => Ok(Some(Value::from(unique(machine, &[list])?))),
        None => Ok(None),
    }
}

fn duplicates(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    let Some(list) = arguments.list(0) else {
        return Ok(None);
    };
    let mut found: Vec<Value> = Vec::new();
    for (position, item) in list.iter().enumerate() {
        if contains(machine, &list[position + 1..], item)? && !contains(machine, &found, item)? {
            found.push(item.clone());
        }
    }
    Ok(Some(Value::from(found)))
}

fn sort(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    let Some(list) = arguments.list(0) else {
        return Ok(None);
    };
    machine.charge(list.len() as u64)?;
    match arguments.get(1) {
        Value::Function(precedes) if precedes.parameters().len() == 2 => {
            Ok(Some(Value::from(merge_sort(machine, precedes, list.to_vec())?)))
        }
        Value::Null if !arguments.is_given(1) => {
            let comparable = list.windows(2).all(|pair| order(&pair[0], &pair[1]).is_some());
            let mut items = list.to_vec();
            items.sort_by(|left, right| order(left, right).unwrap_or(Ordering::Equal));
            Ok(comparable.then(|| Value::from(items)))
        }
        _ => Ok(None),
    }
}

/// A stable merge sort: the order comes from a function that may be inconsistent or fail.
fn merge_sort(
    machine: &mut Machine<'_>,
    precedes: &Function,
    items: Vec<Value>,
) -> Outcome<Vec<Value>> {
    let mut runs: Vec<Vec<Value>> = items.into_iter().map(|item| Vec::from([item])).collect();
    while runs.len() > 1 {
        let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
        let mut pairs = runs.into_iter();
        while let Some(left) = pairs.next() {
            match pairs.next() {
                Some(right) => merged.push(merge(machine, precedes, left, right)?),
                None => merged.push(left),
            }
        }
        runs = merged;
    }
    Ok(runs.pop().unwrap_or_default())
}

fn merge(
    machine: &mut Machine<'_>,
    precedes: &Function,
    left: Vec<Value>,
    right: Vec<Value>,
) -> Outcome<Vec<Value>> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        let swap = machine.apply(precedes, Vec::from([second.clone(), first.clone()]))?;
        let next = if swap == Value::Boolean(true) { right.next() } else { left.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}
