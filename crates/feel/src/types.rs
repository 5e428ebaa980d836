//! Types: what `instance of` names, what a function's parameter may demand, what a model declares
//! for a name.
//!
//! Boundary: structural; restrictions of values (`allowedValues` of DMN) live in `dmn`.
//! Read first: [`Type`], then [`Type::coerce`].

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::temporal::{DateTime, Time, Zone};
use crate::value::{List, Str, Value};

/// A type. Cloning costs at most one reference count.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Type {
    /// Every value.
    #[default]
    Any,
    /// Only null.
    Null,
    /// `true` and `false`.
    Boolean,
    /// Decimal numbers.
    Number,
    /// Texts.
    String,
    /// Days of the calendar.
    Date,
    /// Times of day.
    Time,
    /// A day and a time of that day.
    DateTime,
    /// Durations of days and smaller units.
    DaysDuration,
    /// Durations of years and months.
    MonthsDuration,
    /// Lists whose items are of a type.
    List(Arc<Type>),
    /// Intervals whose ends are of a type.
    Range(Arc<Type>),
    /// Contexts that have at least these entries.
    Context(Arc<[(Str, Type)]>),
    /// Functions, with the types of their parameters and result if they are known.
    Function(Option<Arc<FunctionType>>),
}

/// What a function takes and gives.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionType {
    /// The types of its parameters.
    pub parameters: Vec<Type>,
    /// The type of its result.
    pub result: Type,
}

impl Type {
    /// The type of lists of `item`.
    #[must_use]
    pub fn list(item: Self) -> Self {
        Self::List(Arc::new(item))
    }

    /// The type of contexts with these entries.
    #[must_use]
    pub fn context(entries: impl IntoIterator<Item = (Str, Self)>) -> Self {
        Self::Context(entries.into_iter().collect())
    }

    /// The built-in type of that name, as FEEL and DMN models write it: `number`,
    /// `days and time duration`, `dayTimeDuration`, ...
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Any" => Self::Any,
            "Null" => Self::Null,
            "boolean" => Self::Boolean,
            "number" => Self::Number,
            "string" => Self::String,
            "date" => Self::Date,
            "time" => Self::Time,
            "date and time" | "date time" | "dateTime" => Self::DateTime,
            "days and time duration" | "day-time-duration" | "dayTimeDuration" => {
                Self::DaysDuration
            }
            "years and months duration" | "year-month-duration" | "yearMonthDuration" => {
                Self::MonthsDuration
            }
            "list" => Self::list(Self::Any),
            "range" => Self::Range(Arc::new(Self::Any)),
            "context" => Self::context([]),
            "function" => Self::Function(None),
            _ => return None,
        })
    }

    /// Whether `value` is an instance of the type. Null is one of `Null` only.
    #[must_use]
    pub fn has(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (_, Value::Null) => false,
            (Self::Any, _)
            | (Self::Boolean, Value::Boolean(_))
            | (Self::Number, Value::Number(_))
            | (Self::String, Value::String(_))
            | (Self::Date, Value::Date(_))
            | (Self::Time, Value::Time(_))
            | (Self::DateTime, Value::DateTime(_))
            | (Self::DaysDuration, Value::DaysDuration(_))
            | (Self::MonthsDuration, Value::MonthsDuration(_))
            | (Self::Function(None), Value::Function(_)) => true,
            (Self::List(item), Value::List(list)) => {
                **item == Self::Any || list.iter().all(|value| item.has(value))
            }
            (Self::Range(end), Value::Range(range)) => {
                let fits = |value: &Value| value.is_null() || end.has(value);
                fits(&range.start) && fits(&range.end)
            }
            (Self::Context(entries), Value::Context(context)) => entries
                .iter()
                .all(|(name, wanted)| context.get(name).is_some_and(|value| wanted.has(value))),
            (Self::Function(Some(wanted)), Value::Function(function)) => function.is_of(wanted),
            _ => false,
        }
    }

    /// The value as one of this type: null and what conforms as it is; a list of one item as that
    /// item and the other way round; a date as the midnight (UTC) it starts with. `None` if it
    /// does not conform.
    ///
    /// ```
    /// use feel::{Type, Value};
    ///
    /// let one = Value::from(vec![Value::from(1)]);
    /// assert_eq!(Type::Number.coerce(one), Some(Value::from(1)));
    /// assert_eq!(Type::Number.coerce(Value::from("a")), None);
    /// ```
    #[must_use]
    pub fn coerce(&self, value: Value) -> Option<Value> {
        if self.conforms(&value) {
            return Some(value);
        }
        match (self, &value) {
            (Self::DateTime, Value::Date(date)) => {
                let midnight = Time::new(0, 0, 0, 0, Zone::utc())?;
                Some(Value::from(DateTime::new(*date, midnight)))
            }
            (Self::List(item), single) if !matches!(single, Value::List(_)) => {
                let item = item.coerce(value)?;
                Some(Value::List(List::from(Vec::from([item]))))
            }
            (_, Value::List(list)) => match &**list {
                [single] => self.coerce(single.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether a value may stand where this type is declared: null may everywhere, also inside.
    #[must_use]
    pub fn conforms(&self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) => true,
            (Self::List(item), Value::List(list)) => {
                **item == Self::Any || list.iter().all(|value| item.conforms(value))
            }
            (Self::Context(entries), Value::Context(context)) => entries
                .iter()
                .all(|(name, wanted)| context.get(name).is_none_or(|value| wanted.conforms(value))),
            _ => self.has(value),
        }
    }

    /// Whether every value of this type is one of `wider`, too.
    #[must_use]
    pub fn is_within(&self, wider: &Self) -> bool {
        match (self, wider) {
            (_, Self::Any) | (Self::Null, _) | (Self::Function(_), Self::Function(None)) => true,
            (Self::List(narrow), Self::List(wide)) | (Self::Range(narrow), Self::Range(wide)) => {
                narrow.is_within(wide)
            }
            (Self::Context(narrow), Self::Context(wide)) => wide.iter().all(|(name, wanted)| {
                let own = narrow.iter().find(|(own, _)| own == name);
                own.is_some_and(|(_, own)| own.is_within(wanted))
            }),
            (Self::Function(Some(narrow)), Self::Function(Some(wide))) => narrow.is_within(wide),
            (narrow, wide) => narrow == wide,
        }
    }

    /// Whether the entries of such values are declared.
    pub(crate) fn lists_entries(&self) -> bool {
        match self {
            Self::Context(entries) => !entries.is_empty(),
            Self::List(item) => item.lists_entries(),
            _ => false,
        }
    }

    /// The type of the entry `name`, through lists, where it is known.
    pub(crate) fn entry(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Context(entries) => {
                entries.iter().find(|(known, _)| &**known == name).map(|(_, kind)| kind)
            }
            Self::List(item) => item.entry(name),
            _ => None,
        }
    }
}

impl FunctionType {
    /// Parameters may be wider, the result narrower.
    pub(crate) fn is_within(&self, wider: &Self) -> bool {
        self.parameters.len() == wider.parameters.len()
            && self
                .parameters
                .iter()
                .zip(&wider.parameters)
                .all(|(own, other)| *own == Type::Any || other.is_within(own))
            && (self.result == Type::Any || self.result.is_within(&wider.result))
    }
}
