//! JSON in answers, and the fields of JSON bodies.
//!
//! Boundary: FEEL's values and its JSON, so that decimals stay exact; keys are strings, times ISO
//! 8601 in UTC.
//! Read first: [`object`], then [`Fields`].

use axum::response::{IntoResponse, Response};
use engine::render::{Keys, Names};
use feel::{Context, Value};
use http::{HeaderValue, StatusCode, header};

use crate::problem::Problem;

/// An object with these fields in this order.
pub(crate) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (name.into(), value));
    Value::Context(Context::new(fields.collect()))
}

/// A string.
pub(crate) fn text(text: &str) -> Value {
    Value::from(text)
}

/// A key, as a string.
pub(crate) fn key(key: u64) -> Value {
    Value::from(key.to_string())
}

/// A moment.
pub(crate) fn time(at_ms: i64) -> Value {
    Value::from(Keys.time(at_ms))
}

/// A number of things.
pub(crate) fn number(number: impl TryInto<i64>) -> Value {
    Value::from(number.try_into().unwrap_or(i64::MAX))
}

/// A value, or null.
pub(crate) fn optional<T>(value: Option<T>, show: impl FnOnce(T) -> Value) -> Value {
    value.map_or(Value::Null, show)
}

/// A list.
pub(crate) fn list(items: impl Iterator<Item = Value>) -> Value {
    Value::from(items.collect::<Vec<_>>())
}

/// A page of a longer list: `next` is what to ask the following page with.
pub(crate) fn page(items: Vec<Value>, next: Option<u64>) -> Value {
    object([("items", Value::from(items)), ("next", optional(next, key))])
}

/// An answer of JSON.
pub(crate) fn answer(status: StatusCode, value: &Value) -> Response {
    text_answer(status, "application/json", feel::json::to_string(value))
}

/// An answer of text in a media type.
pub(crate) fn text_answer(status: StatusCode, media: &'static str, text: String) -> Response {
    let mut response = text.into_response();
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// The fields of a body, each read by name and type.
#[derive(Debug)]
pub(crate) struct Fields {
    fields: Context,
}

impl Fields {
    /// Reads a body; nothing at all is an object without fields.
    ///
    /// # Errors
    /// It is no JSON object, or has a field that is not among `known`.
    pub(crate) fn read(body: &[u8], known: &[&str]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Ok(Self { fields: Context::default() });
        }
        let value = feel::json::parse(body)
            .map_err(|error| Problem::not_json(format!("the body is not JSON: {error}")))?;
        let Value::Context(fields) = value else {
            let detail = format!("the body must be an object, found {}", value.kind_name());
            return Err(Problem::field("", detail, "send a JSON object"));
        };
        for (name, _) in fields.iter() {
            if !known.contains(&&**name) {
                let detail = format!("there is no field `{name}`");
                let hint = format!("fields are {}", known.join(", "));
                return Err(Problem::field(&format!("/{name}"), detail, &hint));
            }
        }
        Ok(Self { fields })
    }

    /// Whether the body has the field, be it null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A string, if there is one.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        self.typed(name, "a string", Value::as_str)
    }

    /// A string that must be there and not be empty.
    pub(crate) fn needed(&self, name: &str) -> Result<&str, Problem> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| {
            let detail = format!("`{name}` is missing");
            Problem::field(&format!("/{name}"), detail, "send a string that is not empty")
        })
    }

    /// An integer, if there is one.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Problem> {
        self.typed(name, "an integer", Value::as_i64)
    }

    /// An object; an empty one if there is none.
    pub(crate) fn object(&self, name: &str) -> Result<Context, Problem> {
        let found = self.typed(name, "an object", Value::as_context)?;
        Ok(found.cloned().unwrap_or_default())
    }

    /// A duration in milliseconds: a number of them, or ISO 8601.
    pub(crate) fn duration_ms(&self, name: &str) -> Result<Option<i64>, Problem> {
        self.typed(name, "a number of milliseconds or an ISO 8601 duration", |value| match value {
            Value::String(text) => match feel::parse_duration(text)? {
                Value::DaysDuration(duration) => Some(duration.millis()),
                _ => None,
            },
            other => other.as_i64(),
        })
    }

    /// Keys, as strings; none if there is no such field.
    pub(crate) fn keys(&self, name: &str) -> Result<Option<Vec<u64>>, Problem> {
        self.typed(name, "a list of keys, as strings", |value| {
            let keys = value.as_list()?.iter().map(|key| key.as_str()?.parse().ok());
            keys.collect()
        })
    }

    fn typed<'a, T>(
        &'a self,
        name: &str,
        wanted: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| {
            let detail = format!("`{name}` must be {wanted}, found {}", value.kind_name());
            Problem::field(&format!("/{name}"), detail, "correct the field")
        })
    }
}
