//! The values that expressions work on: cheap to clone, shared behind `Arc`.
//!
//! Boundary: representation and structural equality; operators live beside the evaluator.
//! Invariants: a clone costs at most one reference count; a value is at most 24 bytes.
//! Read first: [`Value`], then [`Context`] and [`List`].

mod context;
mod list;
mod number;
mod number_math;
mod number_text;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::function::Function;
use crate::temporal::{Date, DateTime, DaysDuration, MonthsDuration, Time};

pub use context::{Context, ContextBuilder};
pub use list::List;
pub use number::{Number, Rounding};

/// An immutable, shared string.
pub type Str = Arc<str>;

/// One FEEL value. Cloning costs at most one reference count.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// The absent value.
    #[default]
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A decimal number.
    Number(Number),
    /// Text.
    String(Str),
    /// A list.
    List(List),
    /// Names and their values, in the order of insertion.
    Context(Context),
    /// A day of the calendar.
    Date(Date),
    /// A time of day, with or without an offset or zone.
    Time(Time),
    /// A day and a time of that day.
    DateTime(Arc<DateTime>),
    /// A duration of days, hours, minutes and seconds.
    DaysDuration(DaysDuration),
    /// A duration of years and months.
    MonthsDuration(MonthsDuration),
    /// An interval, or a comparison such as `> 5`.
    Range(Arc<Range>),
    /// A function; it exists only while an expression is evaluated.
    Function(Function),
}

const _: () = assert!(size_of::<Value>() <= 24, "a value is at most 24 bytes");

/// An interval between two values. A missing end is unbounded and open.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// The lower end; [`Value::Null`] where there is none.
    pub start: Value,
    /// Whether the lower end belongs to the interval.
    pub start_included: bool,
    /// The upper end; [`Value::Null`] where there is none.
    pub end: Value,
    /// Whether the upper end belongs to the interval.
    pub end_included: bool,
}

impl Value {
    /// What kind of value it is, as FEEL names the type: `number`, `string`, ...
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Context(_) => "context",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::DateTime(_) => "date and time",
            Self::DaysDuration(_) => "days and time duration",
            Self::MonthsDuration(_) => "years and months duration",
            Self::Range(_) => "range",
            Self::Function(_) => "function",
        }
    }

    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The truth value of a boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Boolean(truth) = self { Some(*truth) } else { None }
    }

    /// The number.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// The number as an `i64`, if it is an integer in that range.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number().and_then(Number::to_i64)
    }

    /// The list.
    #[must_use]
    pub fn as_list(&self) -> Option<&List> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The context.
    #[must_use]
    pub fn as_context(&self) -> Option<&Context> {
        if let Self::Context(context) = self { Some(context) } else { None }
    }

    /// How deep lists and contexts are nested in it: 0 for anything else.
    #[must_use]
    pub fn depth(&self) -> u32 {
        match self {
            Self::List(list) => list.depth(),
            Self::Context(context) => context.depth(),
            Self::Range(range) => 1 + range.start.depth().max(range.end.depth()),
            Self::Function(function) => function.depth(),
            _ => 0,
        }
    }

    /// How large it is when written out, in units of about 16 bytes; computed when it was built.
    #[must_use]
    pub fn weight(&self) -> u64 {
        match self {
            Self::String(text) => 1 + text.len() as u64 / 16,
            Self::List(list) => list.weight(),
            Self::Context(context) => context.weight(),
            Self::Range(range) => {
                1u64.saturating_add(range.start.weight()).saturating_add(range.end.weight())
            }
            Self::Function(function) => function.weight(),
            _ => 1,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(Number::from(value))
    }
}

impl From<Number> for Value {
    fn from(value: Number) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

impl From<Str> for Value {
    fn from(value: Str) -> Self {
        Self::String(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::List(List::from(items))
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

impl From<Context> for Value {
    fn from(context: Context) -> Self {
        Self::Context(context)
    }
}

impl From<DateTime> for Value {
    fn from(value: DateTime) -> Self {
        Self::DateTime(Arc::new(value))
    }
}

impl From<Range> for Value {
    fn from(range: Range) -> Self {
        Self::Range(Arc::new(range))
    }
}
