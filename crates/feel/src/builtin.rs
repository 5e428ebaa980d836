//! The built-in functions: one table per kind of value, found by name when an expression is
//! compiled.
//!
//! Boundary: functions see values only; those that loop or call back get the machine, to pay for
//! it.
//! Read first: [`Builtin`], then [`bind`].

mod context;
mod conversion;
mod general;
mod list;
mod list_order;
mod number;
mod pattern;
mod range;
mod show;
mod string;
mod temporal;
mod text;
mod value;
mod xpath;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::code::{Call, Code};
use crate::machine::{Machine, Outcome, refused_by_standard};
use crate::names::Dialect;
use crate::temporal::{Date, DateTime, Time};
use crate::value::{Context, List, Number, Str, Value};

pub(crate) use pattern::Pattern;
pub(crate) use value::value;

/// Larger values are not computed when an expression is compiled, in units of `Value::weight`.
const FOLDED_WEIGHT_MAX: u64 = 256;

/// A built-in function.
#[derive(Debug)]
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    /// Its parameters: other names after `|`, `?` marks optional ones, `...` a list that may also
    /// be given item by item.
    pub(crate) parameters: &'static [&'static str],
    pub(crate) work: Work,
}

/// How a function is run. `None` as result means that the arguments do not fit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// In constant time.
    Plain(fn(&Arguments<'_>) -> Option<Value>),
    /// In time that grows with the size of the arguments.
    Linear(fn(&Arguments<'_>) -> Option<Value>),
    /// In constant time that is many times that of a node.
    Costly(fn(&Arguments<'_>) -> Option<Value>),
    /// As it needs; it pays steps itself.
    Machine(fn(&mut Machine<'_>, &Arguments<'_>) -> Outcome<Option<Value>>),
}

/// The arguments of a call, in the order of the parameters; optional ones may be absent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments<'v> {
    pub(crate) values: &'v [Value],
    pub(crate) pattern: Option<&'v Pattern>,
}

impl Builtin {
    /// Whether names that do not exist are expected in its arguments.
    pub(crate) fn tolerates_missing(&self) -> bool {
        matches!(self.name, "is defined" | "get or else")
    }

    fn is_variadic(&self) -> bool {
        self.parameters.last().is_some_and(|parameter| parameter.ends_with("..."))
    }

    fn required(&self) -> usize {
        self.parameters.iter().take_while(|parameter| !parameter.ends_with('?')).count()
    }
}

impl PartialEq for Builtin {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self, other)
    }
}

impl<'v> Arguments<'v> {
    pub(crate) fn get(&self, position: usize) -> &'v Value {
        self.values.get(position).unwrap_or(&crate::machine::NULL)
    }

    pub(crate) fn is_given(&self, position: usize) -> bool {
        position < self.values.len()
    }

    fn string(&self, position: usize) -> Option<&'v Str> {
        if let Value::String(text) = self.get(position) { Some(text) } else { None }
    }

    fn number(&self, position: usize) -> Option<Number> {
        self.get(position).as_number().copied()
    }

    fn integer(&self, position: usize) -> Option<i64> {
        self.get(position).as_i64()
    }

    fn boolean(&self, position: usize) -> Option<bool> {
        self.get(position).as_bool()
    }

    /// A list; any other value than null counts as a list of itself.
    fn list(&self, position: usize) -> Option<List> {
        match self.get(position) {
            Value::Null => None,
            Value::List(list) => Some(list.clone()),
            other => Some(List::from(Vec::from([other.clone()]))),
        }
    }

    fn context(&self, position: usize) -> Option<&'v Context> {
        self.get(position).as_context()
    }

    fn date(&self, position: usize) -> Option<Date> {
        match self.get(position) {
            Value::Date(date) => Some(*date),
            Value::DateTime(moment) => Some(moment.date()),
            _ => None,
        }
    }

    fn time(&self, position: usize) -> Option<&'v Time> {
        match self.get(position) {
            Value::Time(time) => Some(time),
            Value::DateTime(moment) => Some(moment.time()),
            _ => None,
        }
    }

    fn moment(&self, position: usize) -> Option<DateTime> {
        match self.get(position) {
            Value::DateTime(moment) => Some((**moment).clone()),
            Value::Date(date) => {
                Some(DateTime::new(*date, Time::new(0, 0, 0, 0, crate::temporal::Zone::local())?))
            }
            _ => None,
        }
    }
}

const TABLES: [&[Builtin]; 10] = [
    general::TABLE,
    string::TABLE,
    text::TABLE,
    number::TABLE,
    list::TABLE,
    list_order::TABLE,
    context::TABLE,
    conversion::TABLE,
    temporal::TABLE,
    range::TABLE,
];

fn all() -> impl Iterator<Item = &'static Builtin> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    all().find(|builtin| builtin.name == name)
}

/// The names of all built-in functions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|builtin| builtin.name)
}

/// The built-in function that is most like `name`, if any is alike.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    crate::nearest::nearest(name, names())
}

/// Puts arguments into the places of the parameters.
///
/// A wrong number of arguments, or an unknown name, is an error in the text and says what the
/// function takes.
pub(crate) fn bind(
    builtin: &'static Builtin,
    arguments: Vec<(Option<Str>, Code)>,
    dialect: Dialect,
) -> Result<Code, String> {
    let named = arguments.iter().any(|(name, _)| name.is_some());
    let codes = if named {
        place_named(builtin, arguments)?
    } else if builtin.is_variadic() {
        place_variadic(builtin, arguments)?
    } else {
        let count = arguments.len();
        if count < builtin.required() || count > builtin.parameters.len() {
            return Err(usage(builtin));
        }
        arguments.into_iter().map(|(_, code)| code).collect()
    };
    if let Some(value) = constant(builtin, &codes, dialect) {
        return Ok(Code::Constant(value));
    }
    let pattern = pattern::of_call(builtin, &codes, dialect);
    Ok(Code::Call(Box::new(Call { builtin, arguments: codes.into(), pattern })))
}

/// The value of a call whose arguments are constants, such as `duration("P10D")`; computed now
/// if it is small and not null (a call that yields null has to warn whenever it is evaluated).
fn constant(builtin: &Builtin, codes: &[Code], dialect: Dialect) -> Option<Value> {
    let (Work::Plain(work) | Work::Linear(work)) = builtin.work else {
        return None;
    };
    let mut values = Vec::with_capacity(codes.len());
    for code in codes {
        match code {
            Code::Constant(value) if value.weight() <= FOLDED_WEIGHT_MAX => {
                values.push(value.clone());
            }
            _ => return None,
        }
    }
    if dialect == Dialect::Standard && refused_by_standard(builtin.name, &values) {
        return None;
    }
    work(&Arguments { values: &values, pattern: None })
        .filter(|value| !value.is_null() && value.weight() <= FOLDED_WEIGHT_MAX)
}

fn place_variadic(
    builtin: &'static Builtin,
    arguments: Vec<(Option<Str>, Code)>,
) -> Result<Vec<Code>, String> {
    let mut codes: Vec<Code> = arguments.into_iter().map(|(_, code)| code).collect();
    let before = builtin.parameters.len() - 1;
    if codes.len() <= before {
        return Err(usage(builtin));
    }
    // One argument is the list itself; several are its items.
    if codes.len() > before + 1 || builtin.parameters[before].starts_with('*') {
        let items = codes.split_off(before);
        codes.push(Code::list(items));
    }
    Ok(codes)
}

fn place_named(
    builtin: &'static Builtin,
    arguments: Vec<(Option<Str>, Code)>,
) -> Result<Vec<Code>, String> {
    let mut places: Vec<Option<Code>> = builtin.parameters.iter().map(|_| None).collect();
    for (name, code) in arguments {
        let place = builtin.parameters.iter().zip(&places).position(|(parameter, taken)| {
            taken.is_none()
                && name.as_deref().is_none_or(|name| {
                    parameter.trim_matches(['?', '.', '*']).split('|').any(|known| known == name)
                })
        });
        match place {
            Some(place) => places[place] = Some(code),
            None => return Err(usage(builtin)),
        }
    }
    let given = places.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    let length = given.max(builtin.required());
    places.truncate(length);
    Ok(places.into_iter().map(|code| code.unwrap_or(Code::Constant(Value::Null))).collect())
}

/// What the function takes.
fn usage(builtin: &Builtin) -> String {
    let mut shown = String::new();
    for parameter in builtin.parameters {
        if !shown.is_empty() {
            shown.push_str(", ");
        }
        let name = parameter.trim_matches(['?', '.', '*']).split('|').next().unwrap_or_default();
        shown.push_str(name);
        shown.push_str(if parameter.ends_with('?') { "?" } else { "" });
        shown.push_str(if parameter.ends_with("...") { ", ..." } else { "" });
    }
    format!("`{}` takes ({shown})", builtin.name)
}
