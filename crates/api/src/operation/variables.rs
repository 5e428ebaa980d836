//! Variables as clients send and get them: the text of a JSON object.
//!
//! Boundary: decimals stay exact, no intermediate tree.
//! Read first: [`parse`].

use engine::value::Variables;
use feel::{Context, Value};

use crate::problem::Problem;

/// The variables of a JSON text; an empty text has none.
///
/// # Errors
/// It is not JSON, or no object.
pub(crate) fn parse(text: &[u8]) -> Result<Context, Problem> {
    if matches!(text, b"" | b"{}") {
        return Ok(Context::default());
    }
    match feel::json::parse(text) {
        Ok(Value::Context(variables)) => Ok(variables),
        Ok(other) => Err(not_object(&other)),
        Err(error) => Err(Problem::not_json(format!("the variables are not JSON: {error}"))),
    }
}

/// What is wrong with variables that are no object.
pub(crate) fn not_object(found: &Value) -> Problem {
    let detail = format!("variables are a JSON object, found {}", found.kind_name());
    Problem::field("variables", detail, "send an object, such as `{\"total\": 3}`")
}

/// The text of a JSON object with these variables.
pub(crate) fn to_text(variables: &Variables) -> String {
    let mut out = String::with_capacity(2 + variables.len() * 24);
    out.push('{');
    for (position, (name, value)) in variables.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        feel::json::write(&Value::String(name.clone()), &mut out);
        out.push(':');
        feel::json::write(value, &mut out);
    }
    out.push('}');
    out
}
