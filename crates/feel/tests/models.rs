//! Runs the FEEL cases of the shared models (lifted from feel-scala and feelin) where they are.
//!
//! Boundary: uses the public API only. `FEEL_SHOW=1` lists the cases that do not pass.
//! Read first: `passes`, then the tests at the end.
#![expect(clippy::print_stdout, reason = "a report of what passed and what was skipped")]

use std::path::PathBuf;

use feel::{
    Context, DateTime, Environment, Evaluation, Expression, Number, Time, Value, WarningKind, json,
    parse_duration, parse_temporal,
};

const ENVIRONMENT: Environment = Environment { now_ms: 1_795_000_000_000, steps_max: 20_000_000 };

/// A value as the case files write it: temporal values are marked with their type.
fn typed(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(typed).collect()),
        Value::Context(entries) => {
            if let (Some(kind), Some(Value::String(text))) =
                (entries.get("$type").and_then(Value::as_str), entries.get("$value"))
            {
                return temporal(kind, text);
            }
            Value::Context(entries.iter().map(|(name, v)| (name.clone(), typed(v))).collect())
        }
        other => other.clone(),
    }
}

fn temporal(kind: &str, text: &str) -> Value {
    let value = match kind {
        "local time" | "time" => Time::parse(text).map(Value::Time),
        "local date time" | "date time" => DateTime::parse(text).map(Value::from),
        "date" => parse_temporal(text),
        _ => parse_duration(text),
    };
    value.unwrap_or_else(|| panic!("the case file holds a {kind} `{text}`"))
}

/// Equal by meaning: numbers to 13 digits (the expected ones went through binary floats),
/// moments by instant.
fn same(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.to_f64(), b.to_f64());
            a == b || (a - b).abs() <= 1e-13 * a.abs().max(b.abs())
        }
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Context(a), Value::Context(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (Value::DateTime(a), Value::DateTime(b)) => {
            a.compare(b).is_some_and(std::cmp::Ordering::is_eq)
        }
        (Value::Time(a), Value::Time(b)) => {
            a.nanos() == b.nanos() && a.offset_seconds() == b.offset_seconds()
        }
        (a, b) => a == b,
    }
}

fn evaluate(case: &Context) -> Result<Evaluation, feel::Diagnostic> {
    let text = case.get("expression").and_then(Value::as_str).unwrap_or_default();
    let variables = case.get("variables").map(typed).unwrap_or_default();
    let variables = variables.as_context().cloned().unwrap_or_default();
    if case.get("kind").and_then(Value::as_str) == Some("unary-tests") {
        let input = case.get("input").map(typed).unwrap_or_default();
        let tests = Expression::compile_unary_tests(text)?;
        return Ok(tests.evaluate_with_input(&input, &variables, &ENVIRONMENT));
    }
    Ok(Expression::compile_tolerant(text)?.evaluate(&variables, &ENVIRONMENT))
}

fn warning_name(kind: WarningKind) -> &'static str {
    match kind {
        WarningKind::NoVariableFound => "NO_VARIABLE_FOUND",
        WarningKind::NoContextEntryFound => "NO_CONTEXT_ENTRY_FOUND",
        WarningKind::NoPropertyFound => "NO_PROPERTY_FOUND",
        WarningKind::NotComparable => "NOT_COMPARABLE",
        WarningKind::InvalidType => "INVALID_TYPE",
        WarningKind::NoFunctionFound => "NO_FUNCTION_FOUND",
        WarningKind::FunctionInvocationFailure => "FUNCTION_INVOCATION_FAILURE",
        WarningKind::LimitExceeded => "LIMIT_EXCEEDED",
    }
}

/// Whether the case passes; otherwise what came instead.
fn passes(case: &Context) -> Result<(), String> {
    let result = evaluate(case);
    if let Some(fails) = case.get("fails").and_then(Value::as_str) {
        return match result {
            Err(_) if fails.contains("failed to parse") => Ok(()),
            Ok(Evaluation { failure: Some(failure), .. }) if failure.contains(fails) => Ok(()),
            other => Err(format!("{other:?}")),
        };
    }
    let evaluation = result.map_err(|diagnostic| diagnostic.to_string())?;
    if let Some(reports) = case.get("reports").and_then(Value::as_context) {
        let wanted = reports.get("type").and_then(Value::as_str);
        let found =
            evaluation.warnings.iter().any(|warning| Some(warning_name(warning.kind)) == wanted);
        return if found { Ok(()) } else { Err(format!("{:?}", evaluation.warnings)) };
    }
    let expected = case.get("expected").map(typed).unwrap_or_default();
    if evaluation.failure.is_none() && same(&evaluation.value, &expected) {
        return Ok(());
    }
    Err(json::to_string(&evaluation.value))
}

/// Runs a file of cases; `None` if it is not here.
fn run(name: &str) -> Option<(usize, usize)> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models/feel").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {name} (the shared models are not here)");
        return None;
    };
    let show = option_env!("FEEL_SHOW").is_some();
    let (mut passed, mut failed) = (0, 0);
    for line in text.lines() {
        let value = json::parse(line.as_bytes()).expect("a case per line");
        let case = value.as_context().expect("an object");
        match passes(case) {
            Ok(()) => passed += 1,
            Err(actual) => {
                failed += 1;
                if show {
                    let of = |name| case.get(name).map(json::to_string).unwrap_or_default();
                    println!(
                        "{} | {} | {} {} | expected {}{}{} | {actual}",
                        of("suite"),
                        of("expression"),
                        of("variables"),
                        of("input"),
                        of("expected"),
                        of("fails"),
                        of("reports"),
                    );
                }
            }
        }
    }
    println!("{name}: {passed} passed, {failed} failed");
    Some((passed, failed))
}

#[test]
fn feel_scala_cases() {
    if let Some((passed, _)) = run("feel-scala.jsonl") {
        assert!(passed >= 991, "{passed} cases pass");
    }
}

#[test]
fn feelin_cases() {
    if let Some((passed, _)) = run("feelin.jsonl") {
        assert!(passed >= 517, "{passed} cases pass");
    }
}

#[test]
fn decimals_survive() {
    assert_eq!(json::to_string(&Value::Number(Number::parse("0.10").expect("a number"))), "0.1");
}
