//! Hostile texts and expressions: nothing panics, nothing overflows the stack, everything ends
//! within its budget.
//!
//! Boundary: uses the public API only.
//! Read first: the names of the tests.

use feel::{Context, Environment, Expression, NoVariables, Value, WarningKind, json};
use proptest::prelude::{Strategy, prop, proptest};

const ENVIRONMENT: Environment = Environment { now_ms: 0, steps_max: 200_000 };

fn evaluate(text: &str) -> feel::Evaluation {
    match Expression::compile_tolerant(text) {
        Ok(expression) => expression.evaluate(&NoVariables, &ENVIRONMENT),
        Err(diagnostic) => panic!("{text}: {diagnostic}"),
    }
}

/// Ends with null and says that a limit was reached.
fn is_limited(text: &str) {
    let evaluation = evaluate(text);
    let limited =
        evaluation.warnings.iter().any(|warning| warning.kind == WarningKind::LimitExceeded);
    assert!(evaluation.value.is_null() && limited, "{text}: {:?}", evaluation.warnings);
}

#[test]
fn long_chains_are_no_problem() {
    let terms = 100_000;
    let sum = evaluate(&vec!["1"; terms].join("+"));
    assert_eq!(sum.value, Value::from(terms as i64), "SYN-1");
    let all = evaluate(&vec!["true"; terms].join(" and "));
    assert_eq!(all.value, Value::from(true));
    let list = evaluate(&format!("count([{}])", vec!["1"; terms].join(",")));
    assert_eq!(list.value, Value::from(terms as i64));
    assert_eq!(evaluate(&format!("{}1", "-".repeat(terms))).value, Value::from(1));
    assert!(evaluate(&format!("a{}", ".a".repeat(terms))).value.is_null());
}

#[test]
fn deep_nesting_is_an_error_with_a_place() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{a:", "}"),
        ("if true then ", " else 1"),
        ("abs(", ")"),
        ("function(x) ", ""),
        ("for x in [1] return ", ""),
        ("1 in (", ")"),
        ("x[", "]"),
        ("not(", ")"),
        ("-(", ")"),
        ("some x in ", " satisfies true"),
        ("[1..", "]"),
        ("f(", ")"),
    ] {
        let text = [open.repeat(20_000).as_str(), "1", close.repeat(20_000).as_str()].concat();
        let error = Expression::compile_tolerant(&text).expect_err(open);
        assert!(error.message.contains("nested deeper"), "PAR-1, SYN-1 {open}: {error}");
        let fine = [open.repeat(30).as_str(), "1", close.repeat(30).as_str()].concat();
        let _ = evaluate(&fine);
    }
    for chain in ["[1]", "(1)", " = 1", " between 1 and 2", " in 1", " instance of Any", "[1].a"] {
        let text = ["x", &chain.repeat(20_000)].concat();
        let error = Expression::compile_tolerant(&text).expect_err(chain);
        assert!(error.message.contains("links"), "PAR-1 {chain}: {error}");
        let _ = evaluate(&["x", &chain.repeat(100)].concat());
    }
    let types = ["1 instance of ", &"list<".repeat(100_000)].concat();
    assert!(Expression::compile_tolerant(&types).is_err());
}

#[test]
fn the_deepest_expression_that_compiles_does_not_overflow_the_stack() {
    let mut text = String::from("1");
    for _ in 0..24 {
        text = format!("if true and (1 + 2 * -({text})[1][1] = 1 or false) then 2 else 3");
    }
    let _ = evaluate(&text);
    for _ in 0..10 {
        text = format!("({{a: [{text}]}}.a[1])");
    }
    let _ = Expression::compile_tolerant(&text).map(|e| e.evaluate(&NoVariables, &ENVIRONMENT));
}

#[test]
fn endless_work_ends() {
    is_limited("for i in 1..10**9 return i");
    is_limited("count(for i in 1..100000, j in 1..100000 return 1)");
    is_limited("some i in 1..10**9 satisfies false");
    is_limited("{f: function(n) f(n + 1), r: f(1)}.r");
    is_limited("{f: function(n) f(f(n)), r: f(1)}.r");
    is_limited("for i in 1..100000 return partial");
    is_limited("for i in 1..100000 return [partial[-1]]");
    is_limited("(for i in 1..100 return [partial[-1], partial[-1]])[-1]");
    is_limited("(for i in 1..100 return {a: partial[-1], b: partial[-1]})[-1]");
    is_limited(
        "(for i in 1..100 return if i = 1 then \"aaaaaaaa\" else partial[-1] + partial[-1])[-1]",
    );
    is_limited(
        "(for i in 1..100 return if i = 1 then [1] else concatenate(partial[-1], partial[-1]))[-1]",
    );
    is_limited("distinct values(for i in 1..50000 return i)");
    is_limited("sort(for i in 1..100000 return i, function(a, b) a > b)");
}

#[test]
fn each_limit_stops_what_it_is_for() {
    let doubled =
        "(for i in 1..100 return if i = 1 then \"aaaaaaaa\" else partial[-1] + partial[-1])[-1]";
    let cases = [
        ("MAC-1", "some i in 1..10**9 satisfies false", "the evaluation takes too many steps"),
        ("MAC-2", "{f: function(n) f(n + 1), r: f(1)}.r", "the evaluation is nested too deeply"),
        ("MAC-3", doubled, "a value is too large or nested too deeply"),
    ];
    for (invariant, text, expected) in cases {
        let plenty = Environment { now_ms: 0, steps_max: 10_000_000 };
        let expression = Expression::compile_tolerant(text).expect(text);
        let warnings = expression.evaluate(&NoVariables, &plenty).warnings;
        let last = warnings.last().map(|warning| warning.message.as_str());
        assert_eq!(last, Some(expected), "{invariant} {text}");
    }
    for text in ["[a, a, a, a, a]", "for i in 1..5 return 1", "b[true]", "a + a + a + a + a"] {
        let scope = Context::builder().with("a", 1).with("b", vec![Value::from(1); 5]).build();
        let expression = Expression::compile(text).expect(text);
        let evaluation = expression.evaluate(&scope, &Environment { now_ms: 0, steps_max: 4 });
        assert_eq!(evaluation.warnings.len(), 1, "MAC-1 {text}: {:?}", evaluation.value);
    }
}

#[test]
fn catastrophic_patterns_are_linear() {
    let evaluation = evaluate("matches(string join(for i in 1..1000 return \"a\"), \"^(a+)+b$\")");
    assert_eq!(evaluation.value, Value::from(false));
    assert!(evaluate("matches(\"a\", \"(a{1000}){1000}{1000}\")").value.is_null());
    assert!(evaluate("replace(\"abc\", \"(?=b)\", \"x\")").value.is_null());
}

#[test]
fn large_numbers_stay_numbers() {
    for text in [
        "10**6000 * 10**6000",
        "-(-9223372036854775808)",
        "9223372036854775807 + 1",
        "exp(100000)",
        "1/3*3",
        "10**-6000",
        "modulo(10**30, 7)",
        "round up(5, 99999999)",
        "decimal(1, 10**30)",
        "date(2020, 1, 1) + duration(\"P999999999Y\")",
        "@\"P999999999999999D\" * 1000000000",
        "@\"9999-12-31T23:59:59@Europe/Berlin\" + @\"P300D\"",
        "date(999999999, 12, 31) + @\"P1D\"",
        "@\"P1M\" * 10**18 * 10**18",
        "abs(-9223372036854775808)",
        "time(23, 59, 59.999999999999)",
        "substring(\"abc\", -9223372036854775808)",
        "sublist([1], -9223372036854775808)",
        "[1][-9223372036854775808]",
        "partition([1,2], 9223372036854775807)",
        "date and time(date(999999999,1,1), time(\"10:00:00@Europe/Berlin\"))",
        "\"\\ud800\"",
        "\"\\u{1F600}\"",
        "\"\\UFFFFFF\"",
        "last day of month(date(999999999,12,1))",
        "-@\"-P999999999999999999M\"",
        "for i in 9223372036854775806..9223372036854775807 return i",
        "week of year(date(-999999999,1,1))",
        "years and months duration(date(-999999999,1,1), date(999999999,1,1))",
    ] {
        let _ = evaluate(text);
    }
}

#[rustfmt::skip]
const TOKENS: &[&str] = &[
    "a", "b", "item", "partial", "1", "0.5", "\"x\"", "null", "true", "+", "-", "*", "/", "**",
    "=", "!=", "<", ">", "<=", ">=", "(", ")", "[", "]", "{", "}", ",", ":", ".", "..", "?",
    "@", "@\"P1D\"", "@\"2020-01-01\"", "if", "then", "else", "for", "in", "return", "some",
    "every", "satisfies", "between", "and", "or", "not", "function", "instance", "of", "number",
    "list<", "date and time(", "count(", "sum(", "substring(", "replace(", "string join(",
    "sort(", "get or else(", "before(", "\"[a-z\"", "`b c`", "time offset", "x: ", "list: ",
    "->", "é", "😀", "1..3", "[1,2,3]", "{x: 1}", "function(x) x", "string(", "number(",
    "context put(",
];

fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(TOKENS)
}

proptest! {
    #[test]
    fn random_tokens_never_panic(tokens in prop::collection::vec(token(), 1..16)) {
        let text = tokens.join(" ");
        let scope = Context::builder().with("a", 1).with("b", vec![Value::from(1)]).build();
        if let Ok(expression) = Expression::compile_tolerant(&text) {
            let evaluation = expression.evaluate(&scope, &ENVIRONMENT);
            let _ = json::to_string(&evaluation.value);
        }
        if let Ok(tests) = Expression::compile_unary_tests(&text) {
            let _ = tests.evaluate_with_input(&Value::from(3), &scope, &ENVIRONMENT);
        }
    }

    #[test]
    fn random_text_never_panics(text in "\\PC{0,40}") {
        let _ = Expression::compile_tolerant(&text).map(|e| e.evaluate(&NoVariables, &ENVIRONMENT));
        let _ = Expression::compile_unary_tests(&text);
    }

    #[test]
    fn random_well_formed_expressions_evaluate(text in expression()) {
        let scope = Context::builder().with("a", 1).with("b", vec![Value::from(1)]).build();
        let compiled = Expression::compile_tolerant(&text).map_err(|d| format!("{text}: {d}"));
        let _ = compiled.expect("well formed").evaluate(&scope, &ENVIRONMENT);
    }
}

/// Text that is an expression by construction.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(
        &[
            "1",
            "-2.5",
            "\"x\"",
            "null",
            "true",
            "a",
            "b",
            "item",
            "@\"P1D\"",
            "@\"P1M\"",
            "[]",
            "{}",
            "@\"2020-02-29\"",
            "@\"10:00:00Z\"",
            "@\"2020-02-29T10:00:00@Europe/Berlin\"",
            "[1..3]",
            "(> 3)",
            "function(x, y) x < y",
            "\"[0-9]+\"",
            "\"P1D\"",
            "10**20",
            "0",
        ][..],
    )
    .prop_map(String::from);
    let names: Vec<&'static str> = Expression::function_names().collect();
    leaf.prop_recursive(4, 40, 4, move |inner| {
        let operator = prop::sample::select(
            &[
                "+", "-", "*", "/", "**", "=", "!=", "<", "<=", ">", ">=", " and ", " or ", " in ",
            ][..],
        );
        let call = (
            prop::sample::select(names.clone()),
            prop::collection::vec(inner.clone(), 0..4),
        );
        proptest::prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(l, o, r)| format!("({l}){o}({r})")),
            call.prop_map(|(name, arguments)| format!("{name}({})", arguments.join(", "))),
            (inner.clone(), inner.clone()).prop_map(|(l, f)| format!("({l})[{f}]")),
            (inner.clone(), inner.clone())
                .prop_map(|(l, f)| format!("for x in ({l}) return ({f})")),
            (inner.clone(), inner.clone()).prop_map(|(l, f)| format!("{{k: {l}, m: {f}}}.k")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(c, t, e)| format!("if {c} then {t} else {e}")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(v, l, h)| format!("({v}) between ({l}) and ({h})")),
        ]
    })
}
