//! What the public API promises beside the conformance cases: positions, names, constants,
//! warnings, closures, unary tests.
//!
//! Boundary: uses the public API only.
//! Read first: the names of the tests.

use feel::{Context, Environment, Evaluation, Expression, NoVariables, Value, WarningKind, json};

const ENVIRONMENT: Environment = Environment { now_ms: 1_795_305_600_500, steps_max: 100_000 };

fn over(text: &str, scope: &str) -> Evaluation {
    let scope = json::parse(scope.as_bytes()).expect("JSON");
    let scope = scope.as_context().cloned().unwrap_or_default();
    match Expression::compile(text) {
        Ok(expression) => expression.evaluate(&scope, &ENVIRONMENT),
        Err(diagnostic) => panic!("{text}: {diagnostic}"),
    }
}

fn shown(text: &str, scope: &str) -> String {
    json::to_string(&over(text, scope).value)
}

fn wrong(text: &str) -> String {
    Expression::compile(text).expect_err(text).to_string()
}

#[test]
fn errors_say_where_and_what_was_expected() {
    for (text, message) in [
        ("1 +", "expected an expression, found the end at byte 3"),
        ("if a then 1", "expected `else`, found the end at byte 11"),
        ("if a 1", "expected `then`, found `1` at byte 5"),
        ("a b", "expected an operator or the end, found `b` at byte 2"),
        ("[1, 2", "expected `,` or `]`, found the end at byte 5"),
        ("{a 1}", "expected `:` and a value, found `}` at byte 4"),
        ("for x on y return x", "expected `in`, found `on` at byte 6"),
        ("\"abc", "expected `\"` to end the string at byte 0"),
        ("a ~ b", "expected an expression, found `~` at byte 2"),
        ("cuont(a)", "there is no function `cuont`; the nearest is `count` at byte 0"),
        (
            "1 + stringlength(a)",
            "there is no function `stringlength`; the nearest is `string length` at byte 4",
        ),
        ("frobnicate(a)", "there is no function `frobnicate` at byte 0"),
        ("substring(a)", "`substring` takes (string, start position, length?) at byte 9"),
        ("1 instance of thing", "expected a type, found `thing` at byte 14"),
    ] {
        assert_eq!(wrong(text), message, "{text}");
    }
}

#[test]
fn an_unknown_function_may_be_tolerated() {
    let expression = Expression::compile_tolerant("1 + nothing(2)").expect("tolerated");
    assert_eq!(expression.unknown_functions().len(), 1);
    let evaluation = expression.evaluate(&NoVariables, &ENVIRONMENT);
    assert_eq!(evaluation.value, Value::Null);
    assert_eq!(evaluation.warnings[0].kind, WarningKind::NoFunctionFound);
}

#[test]
fn variables_are_the_free_names() {
    let names = |text| {
        let names = Expression::compile(text).expect("an expression").variables();
        names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("b + a.x * b"), "a b");
    assert_eq!(names("for x in xs return x + y"), "xs y");
    assert_eq!(names("xs[price > limit]"), "limit price xs");
    assert_eq!(names("{a: 1, b: a + c}"), "c");
    assert_eq!(names("(function(p) p + `a b`)(q)"), "a b q");
    assert_eq!(names("1 in (2, ?)"), "");
}

#[test]
fn literals_are_constants() {
    for (text, value) in [
        ("\"a\"", "\"a\""),
        ("-3", "-3"),
        ("[1, [2]]", "[1,[2]]"),
        ("@\"P1D\"", "\"P1D\""),
        ("duration(\"PT1H\")", "\"PT1H\""),
        ("null", "null"),
    ] {
        let expression = Expression::compile(text).expect("an expression");
        assert_eq!(expression.as_constant().map(json::to_string).as_deref(), Some(value), "{text}");
    }
    for text in ["a", "now()", "[a]", "duration(\"x\")"] {
        assert_eq!(Expression::compile(text).expect("an expression").as_constant(), None, "{text}");
    }
    let constant = Expression::constant(Value::from(3));
    assert_eq!(constant.evaluate(&NoVariables, &ENVIRONMENT).value, Value::from(3));
}

#[test]
fn warnings_never_hold_values() {
    let scope = r#"{"secret": "hunter2", "card": {"hunter2": 1}, "n": 12345, "l": ["hunter2"]}"#;
    for text in [
        "secret + 1",
        "secret > n",
        "secret.x",
        "card.y",
        "l.z",
        "n + secret",
        "not(secret)",
        "-secret",
        "secret and true",
        "if secret then 1 else 2",
        "for x in secret return x",
        "secret(1)",
        "n in > secret",
        "matches(secret, l)",
        "date(secret)",
        "n between secret and 3",
        "l[secret] = n",
        "n / 0",
        "number(secret)",
        "from json(secret)",
        "string join(l, n)",
        "{a: secret}.b",
        "sum(l)",
    ] {
        let expression = Expression::compile_tolerant(text).expect(text);
        let scope = json::parse(scope.as_bytes()).expect("JSON");
        let evaluation = expression.evaluate(scope.as_context().expect("an object"), &ENVIRONMENT);
        for warning in evaluation.warnings {
            let leaked = warning.message.contains("hunter2") || warning.message.contains("12345");
            assert!(!leaked, "{text}: {}", warning.message);
        }
    }
}

#[test]
fn functions_take_along_what_they_see() {
    assert_eq!(shown("{k: 10, f: function(x) x * k, r: f(2)}.r", "{}"), "20");
    assert_eq!(
        shown("for n in [1,2] return (function(x) x + n + a)(10)", r#"{"a":100}"#),
        "[111,112]"
    );
    assert_eq!(shown("{f: function(a) function(b) a * 10 + b, r: f(1)(2)}.r", "{}"), "12");
    assert_eq!(
        shown("{fact: function(n) if n < 2 then 1 else n * fact(n - 1), r: fact(10)}.r", "{}"),
        "3628800"
    );
    assert_eq!(
        shown("sort(xs, function(x, y) x.p > y.p).p", r#"{"xs":[{"p":1},{"p":3},{"p":2}]}"#),
        "[3,2,1]"
    );
    assert_eq!(
        shown(
            "xs[every t in tags satisfies t != a].n",
            r#"{"a":"x","xs":[{"n":1,"tags":["x"]},{"n":2,"tags":[]}]}"#
        ),
        "[2]"
    );
    assert_eq!(
        shown("xs[ys[k = id] != []].id", r#"{"xs":[{"id":1},{"id":2}],"ys":[{"k":2}]}"#),
        "[2]"
    );
    assert_eq!(shown("(function(a, b) a - b)(b: 1, a: 3)", "{}"), "2");
}

#[test]
fn the_environment_gives_time_and_the_seed_gives_chance() {
    assert_eq!(shown("now()", "{}"), "\"2026-11-22T00:00:00.5Z\"");
    assert_eq!(shown("today()", "{}"), "\"2026-11-22\"");
    assert_eq!(shown("uuid()", "{}"), "null");
    let expression =
        Expression::compile("[uuid(), random number(), uuid()]").expect("an expression");
    let once = expression.evaluate_with_seed(7, &NoVariables, &ENVIRONMENT).value;
    assert_eq!(once, expression.evaluate_with_seed(7, &NoVariables, &ENVIRONMENT).value);
    let values = once.as_list().expect("a list");
    assert_ne!(values[0], values[2]);
    assert_eq!(values[0].as_str().map(str::len), Some(36));
}

#[test]
fn unary_tests_see_their_input() {
    let holds = |text: &str, input: i64| {
        let tests = Expression::compile_unary_tests(text).expect(text);
        tests.evaluate_with_input(&Value::from(input), &NoVariables, &ENVIRONMENT).value
    };
    for (text, yes, no) in [
        ("> 5 ", 6, 5),
        ("[1..3], 7", 7, 4),
        ("not(1, 2)", 3, 2),
        ("? > 1 and ? < 3", 2, 3),
        ("odd(?)", 3, 2),
        ("]1..3[", 2, 3),
        ("(1..3]", 3, 1),
        ("1 + 1", 2, 1),
        ("<= 2, >= 9", 9, 5),
    ] {
        assert_eq!(holds(text, yes), Value::from(true), "{text} {yes}");
        assert_eq!(holds(text, no), Value::from(false), "{text} {no}");
    }
    assert_eq!(holds("-", 1), Value::from(true));
    let boolean = |text: &str, input: bool| {
        let tests = Expression::compile_unary_tests(text).expect(text);
        tests.evaluate_with_input(&Value::from(input), &NoVariables, &ENVIRONMENT).value
    };
    for (text, input, passes) in [
        ("true", true, true),
        ("true", false, false),
        ("false", true, false),
        ("false", false, true),
        ("not(true)", false, true),
        ("1 < 2 or false", false, true),
    ] {
        assert_eq!(boolean(text, input), Value::from(passes), "{text} {input}");
    }
    let scope = Context::builder().with("?", 3).build();
    let tests = Expression::compile_unary_tests("< 4").expect("tests");
    assert_eq!(tests.evaluate(&scope, &ENVIRONMENT).value, Value::from(true));
}

#[test]
fn numbers_stay_decimal() {
    assert_eq!(shown("0.1 + 0.2", "{}"), "0.3");
    assert_eq!(shown("p * 3", r#"{"p": 19.99}"#), "59.97");
    assert_eq!(shown("1 / 3 * 3 = 1", "{}"), "false");
    assert_eq!(shown("decimal(2 / 3, 4)", "{}"), "0.6667");
    assert_eq!(shown("9223372036854775807 + 1", "{}"), "9223372036854775808");
}
