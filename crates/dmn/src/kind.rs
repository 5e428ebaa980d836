//! Types as a model defines them: structure, lists, and which values are allowed.
//!
//! Boundary: what `feel` knows of types is `feel::Type`; allowed values and names are added here.
//! Invariants: KND-1 a definition refers to itself only through an entry of a structure, so that
//! checking a value ends with the value.
//! Read first: [`Kind`], then [`Kind::fit`].

use feel::{Context, Expression, List, Session, Str, Type, Value, parse_duration, parse_temporal};

use crate::evaluate::Frame;
use crate::model::Graph;

/// How deep values are checked.
const DEPTH_MAX: u32 = 100;

/// A type, or a reference to a definition.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Simple(Type),
    /// The position of a definition in [`Graph::types`].
    Named(usize),
    List(Box<Self>),
    Structure(Vec<(Str, Self)>),
    /// Only values that pass these unary tests.
    Allowed(Box<Self>, Expression),
}

/// An item definition.
#[derive(Debug)]
pub(crate) struct TypeDefinition {
    pub(crate) kind: Kind,
}

/// Why a value does not fit; the text names kinds and entries, never values.
#[derive(Debug)]
pub(crate) struct Misfit(pub(crate) String);

impl Kind {
    pub(crate) const ANY: Self = Self::Simple(Type::Any);

    /// Whether every value fits as it is.
    pub(crate) fn is_any(&self) -> bool {
        matches!(self, Self::Simple(Type::Any))
    }

    /// The value as one of this type, converted where DMN does so implicitly; null always fits.
    ///
    /// # Errors
    /// The value is of another type, or not one of those that are allowed.
    pub(crate) fn fit(
        &self,
        value: Value,
        graph: &Graph,
        session: &mut Session<'_>,
    ) -> Result<Value, Misfit> {
        self.fit_within(value, graph, session, DEPTH_MAX)
    }

    fn fit_within(
        &self,
        value: Value,
        graph: &Graph,
        session: &mut Session<'_>,
        depth: u32,
    ) -> Result<Value, Misfit> {
        if value.is_null() || self.is_any() {
            return Ok(value);
        }
        if depth == 0 {
            return Err(Misfit("the value is nested too deeply".to_owned()));
        }
        session.charge(1);
        let depth = depth - 1;
        match self {
            Self::Simple(kind) => {
                let found = value.kind_name();
                kind.coerce(value).ok_or_else(|| misfit(&shown(kind), found))
            }
            Self::Named(index) => match graph.types.get(*index) {
                Some(definition) => definition.kind.fit_within(value, graph, session, depth),
                None => Ok(value),
            },
            Self::List(item) => match value {
                Value::List(list) => {
                    let mut items = Vec::with_capacity(list.len());
                    for (position, value) in list.iter().enumerate() {
                        let fitted = item.fit_within(value.clone(), graph, session, depth);
                        items.push(fitted.map_err(|Misfit(why)| {
                            Misfit(format!("item {}: {why}", position + 1))
                        })?);
                    }
                    Ok(Value::List(List::from(items)))
                }
                single => {
                    let item = item.fit_within(single, graph, session, depth)?;
                    Ok(Value::List(List::from(vec![item])))
                }
            },
            Self::Structure(entries) => match alone(value) {
                Value::Context(context) => entries_of(entries, &context, |kind, value| {
                    kind.fit_within(value, graph, session, depth)
                }),
                other => Err(misfit("context", other.kind_name())),
            },
            Self::Allowed(kind, tests) => {
                let fitted = kind.fit_within(value, graph, session, depth)?;
                let allowed = session.evaluate_with_input(tests, &fitted, &Frame::default());
                match allowed.as_bool() {
                    Some(true) => Ok(fitted),
                    _ => Err(Misfit(format!(
                        "the value is not among those allowed: `{}`",
                        markup::short(tests.text())
                    ))),
                }
            }
        }
    }

    /// The value with texts read as temporal values where the type wants one, since JSON has none
    /// of its own. A text that is written otherwise stays as it is, and does not fit.
    pub(crate) fn read_texts(&self, value: Value, graph: &Graph) -> Value {
        self.read_texts_within(value, graph, DEPTH_MAX)
    }

    fn read_texts_within(&self, value: Value, graph: &Graph, depth: u32) -> Value {
        let Some(depth) = depth.checked_sub(1) else { return value };
        match (self, value) {
            (Self::Simple(kind), Value::String(text)) => {
                let read = match kind {
                    Type::Date | Type::Time | Type::DateTime => parse_temporal(&text),
                    Type::DaysDuration | Type::MonthsDuration => parse_duration(&text),
                    _ => None,
                };
                read.filter(|value| kind.conforms(value)).unwrap_or(Value::String(text))
            }
            (Self::Named(index), value) => match graph.types.get(*index) {
                Some(definition) => definition.kind.read_texts_within(value, graph, depth),
                None => value,
            },
            (Self::Allowed(kind, _), value) => kind.read_texts_within(value, graph, depth),
            (Self::List(item), Value::List(list)) => {
                let items =
                    list.iter().map(|value| item.read_texts_within(value.clone(), graph, depth));
                Value::List(items.collect())
            }
            (Self::Structure(entries), Value::Context(context)) => {
                let read = entries_of(entries, &context, |kind, value| {
                    Ok(kind.read_texts_within(value, graph, depth))
                });
                read.unwrap_or(Value::Context(context))
            }
            (_, value) => value,
        }
    }

    /// The tests that say which values, or which items of a list, are allowed.
    pub(crate) fn allowed<'k>(&'k self, types: &'k [TypeDefinition]) -> Option<&'k Expression> {
        let mut kind = self;
        for _ in 0..DEPTH_MAX {
            kind = match kind {
                Self::Allowed(_, tests) => return Some(tests),
                Self::Named(index) => &types.get(*index)?.kind,
                Self::List(item) => item,
                Self::Simple(_) | Self::Structure(_) => return None,
            };
        }
        None
    }
}

/// The item of a list that has only one, or the value itself.
fn alone(value: Value) -> Value {
    match &value {
        Value::List(list) => match &**list {
            [single] => single.clone(),
            _ => value,
        },
        _ => value,
    }
}

/// The context with those of its entries converted that are declared.
fn entries_of(
    entries: &[(Str, Kind)],
    context: &Context,
    mut fit: impl FnMut(&Kind, Value) -> Result<Value, Misfit>,
) -> Result<Value, Misfit> {
    let mut values = Vec::with_capacity(context.len());
    for (name, value) in context.iter() {
        let declared = entries.iter().find(|(known, _)| known == name);
        let value = match declared {
            Some((_, kind)) => fit(kind, value.clone())
                .map_err(|Misfit(why)| Misfit(format!("entry `{name}`: {why}")))?,
            None => value.clone(),
        };
        values.push((name.clone(), value));
    }
    Ok(Value::Context(Context::new(values)))
}

fn misfit(expected: &str, found: &str) -> Misfit {
    Misfit(format!("expected {expected}, found {found}"))
}

/// A type in words.
pub(crate) fn shown(kind: &Type) -> String {
    match kind {
        Type::Any => "any value",
        Type::Null => "null",
        Type::Boolean => "boolean",
        Type::Number => "number",
        Type::String => "string",
        Type::Date => "date",
        Type::Time => "time",
        Type::DateTime => "date and time",
        Type::DaysDuration => "days and time duration",
        Type::MonthsDuration => "years and months duration",
        Type::List(_) => "list",
        Type::Range(_) => "range",
        Type::Context(_) => "context",
        Type::Function(_) => "function",
    }
    .to_owned()
}
