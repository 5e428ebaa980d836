//! Attribute values to compiled expressions: `=` starts FEEL, anything else is a constant.
//!
//! Boundary: FEEL itself lives in `feel`. A value that does not compile is reported and replaced by
//! null, so that the rest of the file is still checked.
//! Read first: [`feel`], then [`feel_or_constant`].

use feel::{Expression, Value};
use markup::{Report, SHOWN_MAX, Spot, short};

use crate::code;
use crate::source::Text;

/// A value that has to be FEEL.
pub(super) fn feel(
    name: &str,
    text: &Text<'_>,
    spot: Spot<'_>,
    report: &mut Report<'_>,
) -> Expression {
    if let Some(body) = text.strip_prefix('=') {
        return compile(name, body, spot.moved(text.at), report);
    }
    let message = format!("`{name}` must be a FEEL expression, but is the text `{}`", short(text));
    let hint = if text.starts_with("${") || text.starts_with("#{") {
        "this is an expression of another language: write it in FEEL, with `=` in front"
    } else {
        "put `=` in front; a fixed text is written `=\"text\"`"
    };
    report.error(code::FEEL_EXPECTED, spot.moved(text.at), message, hint);
    nothing()
}

/// A value that may be FEEL or a constant text.
pub(super) fn feel_or_constant(
    name: &str,
    text: &Text<'_>,
    spot: Spot<'_>,
    report: &mut Report<'_>,
) -> Expression {
    match text.strip_prefix('=') {
        Some(body) => compile(name, body, spot.moved(text.at), report),
        None => constant(text),
    }
}

/// The expression that stands where nothing could be compiled.
pub(super) fn nothing() -> Expression {
    Expression::constant(Value::Null)
}

/// An expression that always yields `text`.
pub(super) fn constant(text: &str) -> Expression {
    Expression::constant(Value::String(text.into()))
}

/// Reports an expression that reads variables where there are none yet.
pub(super) fn without_variables(
    name: &str,
    expression: &Expression,
    spot: Spot<'_>,
    report: &mut Report<'_>,
) {
    let variables = expression.variables();
    if let Some(variable) = variables.first() {
        let message = format!("`{name}` of a start event reads the variable `{variable}`");
        let hint = "it is evaluated before there is an instance: use only constants and functions";
        report.error(code::FEEL_VARIABLES, spot, message, hint);
    }
}

fn compile(name: &str, body: &str, spot: Spot<'_>, report: &mut Report<'_>) -> Expression {
    match Expression::compile(body) {
        Ok(expression) => expression,
        Err(found) => {
            let shown = with_caret(body, found.offset);
            let message =
                format!("the FEEL of `{name}` does not compile: {}{shown}", found.message);
            let hint = "correct the expression at the caret";
            report.error(code::FEEL_SYNTAX, spot, message, hint);
            nothing()
        }
    }
}

/// The line of `body` that holds `offset`, and a caret below the character there.
fn with_caret(body: &str, offset: usize) -> String {
    let mut offset = offset.min(body.len());
    while !body.is_char_boundary(offset) {
        offset -= 1;
    }
    let (before, after) = body.split_at(offset);
    let before = before.rsplit('\n').next().unwrap_or(before);
    let after = after.split('\n').next().unwrap_or(after);
    let skipped = before.chars().count().saturating_sub(SHOWN_MAX);
    let mut line: String = if skipped > 0 { "…".to_owned() } else { String::new() };
    line.extend(before.chars().skip(skipped));
    let column = line.chars().count();
    line.push_str(&short(after));
    let line = line.replace(['\t', '\r'], " ");
    format!("\n  {line}\n  {}^", " ".repeat(column))
}

#[cfg(test)]
mod tests {
    use super::with_caret;

    #[test]
    fn the_caret_stands_below_the_offset() {
        assert_eq!(with_caret("a +", 3), "\n  a +\n     ^");
        assert_eq!(with_caret("a +\n b ü)\nc", 9), "\n   b ü)\n      ^");
        assert_eq!(with_caret("", 7), "\n  \n  ^");
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let body = format!("{}+{}", "a".repeat(200), "b".repeat(200));
        let shown = with_caret(&body, 200);
        let lines: Vec<&str> = shown.trim_start_matches('\n').lines().collect();
        assert!(lines[0].chars().count() < 130);
        let column = lines[1].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[0].chars().nth(column), Some('+'));
    }
}
