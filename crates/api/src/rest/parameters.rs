//! Parameters of paths and queries, each read by name and type.
//!
//! Boundary: text to typed values; a parameter that nobody knows is refused, because a filter that
//! is silently left out answers something else than was asked.
//! Read first: [`Query`].

use std::str::FromStr;
use std::time::Duration;

use feel::Value;
use http::Uri;

use crate::problem::Problem;

/// Rows of a page if the caller does not say.
const LIMIT: u32 = 100;
/// Rows of a page at most.
const LIMIT_MAX: u32 = 1_000;
/// The longest time span, in milliseconds.
const SPAN_MAX_MS: u64 = 86_400_000;

/// The parameters of a query.
#[derive(Debug)]
pub(super) struct Query {
    parameters: Vec<(String, String)>,
}

impl Query {
    /// # Errors
    /// A parameter is not among `known`.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let parsed = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
        let parameters = parsed
            .map_err(|error| Problem::field("query", error.to_string(), "correct the query"))?
            .0;
        for (name, _) in &parameters {
            if !known.contains(&name.as_str()) {
                let detail = format!("there is no parameter `{name}`");
                let hint = format!("parameters are {}", known.join(", "));
                return Err(Problem::field(name, detail, &hint));
            }
        }
        Ok(Self { parameters })
    }

    /// A text, if there is one.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A number, key or truth value.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.text(name).map(|text| parsed(name, text)).transpose()
    }

    /// A time span, at most a day.
    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, Problem> {
        self.text(name).map(|text| duration(name, text)).transpose()
    }

    /// How many rows to answer.
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        let limit = self.parsed("limit")?.unwrap_or(LIMIT);
        if (1..=LIMIT_MAX).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("`limit` is {limit}");
        Err(Problem::field("limit", detail, &format!("ask for 1 to {LIMIT_MAX} rows")))
    }
}

/// Reads a time span: `500ms`, `60s`, `5m`, `1h`, or ISO 8601; at most a day.
///
/// # Errors
/// It is none.
pub(super) fn duration(name: &str, text: &str) -> Result<Duration, Problem> {
    let ms = span_ms(text).filter(|ms| *ms <= SPAN_MAX_MS);
    ms.map(Duration::from_millis).ok_or_else(|| {
        let detail = format!("`{text}` is no {name}");
        Problem::field(name, detail, "write for example 500ms, 60s, 5m, 1h or PT60S, at most 24h")
    })
}

fn span_ms(text: &str) -> Option<u64> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let short = units.into_iter().find_map(|(unit, ms)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(ms)
    });
    short.or_else(|| match feel::parse_duration(text)? {
        Value::DaysDuration(span) => u64::try_from(span.millis()).ok(),
        _ => None,
    })
}

/// Reads a parameter.
///
/// # Errors
/// It is not what it must be.
pub(super) fn parsed<T: FromStr>(name: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| {
        let detail = format!("`{text}` is no {name}");
        Problem::field(name, detail, "correct the parameter; keys are digits only")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_short_or_iso() {
        let read = |text| duration("timeout", text).ok().map(|span| span.as_millis());
        for (text, ms) in [("500ms", 500), ("60s", 60_000), ("5m", 300_000), ("PT1M", 60_000)] {
            assert_eq!(read(text), Some(ms), "{text}");
        }
        assert_eq!(read("24h"), Some(86_400_000));
        for text in ["60", "s", "-5s", "25h", "1y", "P1Y", "99999999999999999999s", "1 s", "1.5s"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
