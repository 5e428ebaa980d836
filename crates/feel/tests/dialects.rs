//! Where Camunda's FEEL and the standard differ, and what both have beside the shared cases.
//!
//! Boundary: uses the public API only.
//! Read first: the names of the tests.

use feel::{Dialect, Environment, Expression, Names, NoVariables, Value, WarningKind, json};

const ENVIRONMENT: Environment = Environment { now_ms: 0, steps_max: 100_000 };

fn shown(text: &str, dialect: Dialect) -> String {
    match Expression::compile_with(text, &Names::of(dialect)) {
        Ok(expression) => json::to_string(&expression.evaluate(&NoVariables, &ENVIRONMENT).value),
        Err(diagnostic) => diagnostic.to_string(),
    }
}

/// The same in both dialects.
fn is(text: &str, expected: &str) {
    for dialect in [Dialect::Camunda, Dialect::Standard] {
        assert_eq!(shown(text, dialect), expected, "{text} ({dialect:?})");
    }
}

#[test]
fn the_dialects_differ_where_the_guide_says_so() {
    for (text, camunda, standard) in [
        ("(function(x: number) x)(\"a\")", "\"a\"", "null"),
        ("upper case([\"a\"])", "null", "\"A\""),
        ("{a: 1, a: 2}", "{\"a\":2}", "null"),
        ("context([{key: \"a\", value: 1}, {key: \"a\", value: 2}])", "{\"a\":2}", "null"),
        ("string({a: {b: 1}})", "\"{a:{b:1}}\"", "\"{a: {b: 1}}\""),
        ("string({\":\": 1})", "\"{::1}\"", "\"{\\\":\\\": 1}\""),
        ("string(@\"PT0S\")", "\"P0D\"", "\"PT0S\""),
        ("string(@\"P0M\")", "\"P0Y\"", "\"P0M\""),
        ("@\"10:00:00.1\" = @\"10:00:00.2\"", "false", "true"),
        ("@\"2020-01-01T10:00:00.1\" = @\"2020-01-01T10:00:00\"", "false", "true"),
        ("substring(\"abc\", 1, 0)", "\"\"", "null"),
        ("{f: upper case, r: f(\"a\")}.r", "expected `,` or `}`, found `case` at byte 10", ""),
        ("{f: abs, r: f(-1)}.r", "null", "1"),
        ("matches(\"O\", \"^[A-Z-[OI]]$\")", "true", "false"),
        ("matches(\"a b\", \"a\\ sb\", \"x\")", "false", "true"),
        ("{a +   b: 1}", "{\"a +   b\":1}", "{\"a + b\":1}"),
    ] {
        assert_eq!(shown(text, Dialect::Camunda), camunda, "{text} (Camunda)");
        if !standard.is_empty() {
            assert_eq!(shown(text, Dialect::Standard), standard, "{text} (standard)");
        }
    }
}

#[test]
fn patterns_of_the_standard_are_those_of_xpath() {
    for (text, expected) in [
        ("matches(\"A\", \"^[A-Z-[OI]]$\")", "true"),
        ("matches(\"é\", \"^\\p{IsBasicLatin}$\")", "false"),
        ("matches(\"é\", \"^[\\p{IsLatin-1Supplement}x]$\")", "true"),
        ("matches(\"é\", \"^\\P{IsBasicLatin}$\")", "true"),
        ("matches(\"_a-1\", \"^\\i\\c*$\")", "true"),
        ("matches(\"1a\", \"^\\I[\\c]$\")", "true"),
        ("matches(\"a&&b\", \"^[a-b&]+$\")", "true"),
        ("matches(\"helloworld\", \"hello[ ]world\", \"x\")", "false"),
        ("matches(\"a.b\", \"a.b\", \"q\")", "true"),
        ("matches(\"a\", \"(a)\\1\")", "null"),
        ("matches(\"a\", \"a\\\")", "expected `\"` to end the string at byte 13"),
        ("replace(\"o-17\", \"^o-([0-9]+)$\", \"$1\")", "\"17\""),
    ] {
        assert_eq!(shown(text, Dialect::Standard), expected, "{text}");
    }
}

#[test]
fn loops_run_over_ranges_of_numbers_and_days() {
    is("for i in 1..3 return i", "[1,2,3]");
    is("for i in 3..1 return i", "[3,2,1]");
    is("for i in [1..3] return i", "[1,2,3]");
    is("for i in (1..4) return i", "[2,3]");
    is("for i in [3..1) return i", "[3,2]");
    is("for i in (1..2) return i", "[]");
    is("for i in (1..1) return i", "[]");
    is(
        "for d in @\"2020-02-28\"..@\"2020-03-01\" return string(d)",
        "[\"2020-02-28\",\"2020-02-29\",\"2020-03-01\"]",
    );
    is("some d in [@\"2020-01-01\"..@\"2020-01-03\"] satisfies d.day = 3", "true");
    is("for i in 1..\"a\" return i", "null");
}

#[test]
fn results_so_far_are_seen_and_kept() {
    is("for i in 1..4 return count(partial)", "[0,1,2,3]");
    is("for i in 1..3 return partial", "[[],[[]],[[],[[]]]]");
    is("for i in 1..2, j in 1..2 return count(partial)", "[0,1,2,3]");
    is("for i in 1..3 return partial = []", "[true,false,false]");
    is("for i in 1..3 return partial != []", "[false,true,true]");
    is("for i in 1..3 return if partial = [1] then 2 else 1", "[1,2,1]");
    is("for i in 1..2 return partial < []", "[null,null]");
    is("for i in 1..2 return for j in 1..2 return count(partial)", "[[0,1],[0,1]]");
    is("(for i in 0..20 return if i < 2 then i else partial[-1] + partial[-2])[-1]", "6765");
}

#[test]
fn days_end_at_midnight_and_dates_are_midnights_in_utc() {
    is("@\"2021-01-01T24:00:00\" = @\"2021-01-02T00:00:00\"", "true");
    is("@\"2021-12-31T24:00Z\" + @\"PT1S\"", "\"2022-01-01T00:00:01Z\"");
    is("@\"2021-01-01T24:00:01\"", "null");
    is("@\"2021-01-01T24:01:00\"", "null");
    is("@\"2021-01-02T10:00:00+01:00\" - @\"2021-01-02\"", "\"PT9H\"");
    is("@\"2021-01-02\" - @\"2021-01-02T10:00:00+01:00\"", "\"-PT9H\"");
    is("@\"2021-01-02T10:00:00\" - @\"2021-01-02\"", "null");
    is("string(time(@\"2021-07-02T10:00:00@Europe/Paris\"))", "\"10:00:00@Europe/Paris\"");
}

#[test]
fn identity_tells_zones_from_offsets() {
    is("is(@\"10:00:00Z\", @\"10:00:00+00:00\")", "true");
    is("is(@\"10:00:00@Etc/UTC\", @\"10:00:00Z\")", "false");
    is("is(@\"2021-07-02T10:00:00@Europe/Paris\", @\"2021-07-02T10:00:00+02:00\")", "false");
    is("@\"2021-07-02T10:00:00@Europe/Paris\" = @\"2021-07-02T10:00:00+02:00\"", "true");
    is("is(1, 1.0)", "true");
    is("is(1, \"1\")", "false");
}

#[test]
fn ranges_can_be_read_from_text() {
    is("range(\"[1..3)\") = [1..3)", "true");
    is("4 in range(\"]3..5]\")", "true");
    is("range(\"[\\\"a\\\"..\\\"c\\\"]\").end", "\"c\"");
    is("range(\"[date(\\\"2020-01-01\\\")..@\\\"2020-01-02\\\"]\").start", "\"2020-01-01\"");
    for text in ["[3..1]", "[1..\\\"a\\\"]", "[null..null]", "1..3", "[a..3]", "[1..3", ""] {
        is(&format!("range(\"{text}\")"), "null");
    }
}

#[test]
fn a_filter_is_a_condition_or_a_position() {
    is("[1, 2, 3][item > 1]", "[2,3]");
    is("[1, 2, 3][-1]", "3");
    is("[1, null, 3][item > 1]", "[3]");
    is("[1, 2][{a: 10}]", "null");
    is("[1, 2][\"a\"]", "null");
    let expression = Expression::compile("[1][\"a\"]").expect("an expression");
    let warnings = expression.evaluate(&NoVariables, &ENVIRONMENT).warnings;
    assert_eq!(warnings.first().map(|warning| warning.kind), Some(WarningKind::InvalidType));
}

#[test]
fn in_the_standard_a_cell_passes_or_does_not() {
    let passes = |text: &str, input: Value, dialect| {
        let tests = Expression::compile_unary_tests_with(text, &Names::of(dialect)).expect(text);
        json::to_string(&tests.evaluate_with_input(&input, &NoVariables, &ENVIRONMENT).value)
    };
    for (text, input, camunda, standard) in [
        ("> 5", Value::Null, "null", "false"),
        ("not(> 5)", Value::Null, "null", "true"),
        ("[1..3]", Value::from("a"), "null", "false"),
        ("true", Value::from(1), "true", "false"),
        ("true", Value::from(true), "true", "true"),
    ] {
        assert_eq!(passes(text, input.clone(), Dialect::Camunda), camunda, "{text} (Camunda)");
        assert_eq!(passes(text, input, Dialect::Standard), standard, "{text} (standard)");
    }
    // What follows `in` stays three-valued.
    assert_eq!(shown("null in > 5", Dialect::Standard), "null");
}
