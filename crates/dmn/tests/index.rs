//! The index of a decision table changes nothing but the time: the same rules match.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;

use dmn::{Limits, Model, Source, read};
use feel::{Context, Environment, Value};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof, proptest};

const ENVIRONMENT: Environment = Environment { now_ms: 0, steps_max: 100_000_000 };

/// A table with three inputs; each rule has a test for each and its number as output.
fn table(rules: &[(String, String, String)], policy: &str) -> Model {
    let mut xml = String::from(
        "<definitions xmlns=\"https://www.omg.org/spec/DMN/20191111/MODEL/\" name=\"m\" \
         namespace=\"urn:m\"><decision id=\"d\" name=\"d\"><variable name=\"d\"/>",
    );
    let _ = write!(xml, "<decisionTable hitPolicy=\"{policy}\">");
    for input in ["n", "s", "v"] {
        let _ =
            write!(xml, "<input><inputExpression><text>{input}</text></inputExpression></input>");
    }
    xml.push_str("<output/>");
    for (number, (n, s, v)) in rules.iter().enumerate() {
        xml.push_str("<rule>");
        for cell in [n, s, v] {
            let _ = write!(xml, "<inputEntry><text><![CDATA[{cell}]]></text></inputEntry>");
        }
        let _ = write!(xml, "<outputEntry><text>{number}</text></outputEntry></rule>");
    }
    xml.push_str("</decisionTable></decision></definitions>");
    let source = Source { name: "table.dmn", xml: xml.as_bytes() };
    read(&source, &[], &Limits::default()).unwrap()
}

fn number_test() -> impl Strategy<Value = String> {
    let n = || -5i32..15;
    prop_oneof![
        Just("-".to_owned()),
        n().prop_map(|n| n.to_string()),
        (n(), n()).prop_map(|(a, b)| format!("{a}, {b}.5")),
        n().prop_map(|n| format!("< {n}")),
        n().prop_map(|n| format!(">= {n}")),
        n().prop_map(|n| format!("!= {n}")),
        (n(), n()).prop_map(|(a, b)| format!("[{a}..{b}]")),
        (n(), n()).prop_map(|(a, b)| format!("({a}..{b})")),
        (n(), n()).prop_map(|(a, b)| format!("not({a}, > {b})")),
        (n(), n()).prop_map(|(a, b)| format!("]{a}..{b}[, {a}")),
        n().prop_map(|n| format!("? > {n} and v = null")),
        Just("v".to_owned()),
        Just("null".to_owned()),
    ]
}

fn text_test() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("-".to_owned()),
        Just("\"a\"".to_owned()),
        Just("\"b\", \"c\"".to_owned()),
        Just("not(\"a\")".to_owned()),
        Just("= \"b\"".to_owned()),
        Just("[\"a\"..\"b\"]".to_owned()),
        Just("starts with(?, \"a\")".to_owned()),
    ]
}

fn mixed_test() -> impl Strategy<Value = String> {
    prop_oneof![
        number_test(),
        text_test(),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("date(\"2026-01-01\")".to_owned()),
        Just("< duration(\"PT1H\")".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-6i64..16).prop_map(Value::from),
        prop_oneof![Just("a"), Just("b"), Just("c"), Just("ab")].prop_map(Value::from),
        Just(Value::Null),
        Just(Value::Boolean(true)),
        Just(Value::Boolean(false)),
    ]
}

proptest! {
    /// Shows IDX-1.
    #[test]
    fn the_same_rules_match_with_and_without_the_index(
        rules in vec((number_test(), text_test(), mixed_test()), 8..40),
        inputs in vec((value(), value(), value()), 1..20),
        policy in prop_oneof![Just("COLLECT"), Just("FIRST"), Just("UNIQUE")],
    ) {
        let model = table(&rules, policy);
        for (n, s, v) in inputs {
            let input = Context::builder().with("n", n).with("s", s).with("v", v).build();
            let indexed = model.evaluate("d", &input, &ENVIRONMENT).unwrap();
            let plain = model.evaluate_without_index("d", &input, &ENVIRONMENT).unwrap();
            prop_assert_eq!(indexed.value, plain.value);
            prop_assert_eq!(indexed.decisions, plain.decisions);
            prop_assert_eq!(indexed.failures, plain.failures);
        }
    }

    /// Shows IDX-1 for columns of one kind, which are those that are indexed.
    #[test]
    fn columns_of_numbers_and_texts_are_looked_up(
        rules in vec((-5i32..15, 0i32..6, "[abc]"), 8..60),
        inputs in vec((-6i64..20, "[abcd]"), 1..20),
    ) {
        let rules: Vec<_> = rules
            .into_iter()
            .map(|(low, width, text)| {
                (format!("[{low}..{})", low + width), format!("\"{text}\""), "-".to_owned())
            })
            .collect();
        let model = table(&rules, "COLLECT");
        for (n, s) in inputs {
            let input = Context::builder().with("n", n).with("s", s).build();
            let indexed = model.evaluate("d", &input, &ENVIRONMENT).unwrap();
            let plain = model.evaluate_without_index("d", &input, &ENVIRONMENT).unwrap();
            prop_assert_eq!(indexed, plain);
        }
    }
}
