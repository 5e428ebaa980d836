//! Parameters of paths and queries, each read by name and type.
//!
//! Boundary: text to typed values; a parameter that nobody knows is refused, because a filter that
//! is silently left out answers something else than was asked.
//! Read first: [`Query`].

use std::str::FromStr;

use http::Uri;

use crate::problem::Problem;

/// Rows of a page if the caller does not say.
const LIMIT: u32 = 100;
/// Rows of a page at most.
const LIMIT_MAX: u32 = 1_000;

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
