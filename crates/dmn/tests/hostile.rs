//! Files within the limits that are meant to take long to read: the cost stays near to linear.
#![expect(clippy::disallowed_methods, reason = "a test measures time")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use dmn::{Limits, Source, read};

const HEAD: &str = "<definitions xmlns=\"https://www.omg.org/spec/DMN/20191111/MODEL/\" name=\"m\" \
                    namespace=\"urn:m\">";
/// Quadratic cost would be minutes, also where tests are not optimised.
const PATIENCE: Duration = Duration::from_secs(30);

fn check(name: &str, body: &str) {
    let xml = format!("{HEAD}{body}</definitions>");
    assert!(xml.len() < Limits::default().bytes_max, "{name}: {}", xml.len());
    let start = Instant::now();
    let result = read(&Source { name: "m.dmn", xml: xml.as_bytes() }, &[], &Limits::default());
    let took = start.elapsed();
    assert!(result.is_ok(), "{name}: {:?}", result.err().map(|found| found[0].clone()));
    assert!(took < PATIENCE, "{name} took {took:?}");
}

/// A type with so many entries whose names begin alike, and an input of it.
fn wide_type(entries: usize) -> String {
    let mut text = String::from("<itemDefinition name=\"wide\">");
    for number in 0..entries {
        let _ = write!(
            text,
            "<itemComponent name=\"fee {number}\"><typeRef>number</typeRef></itemComponent>"
        );
    }
    text.push_str(
        "</itemDefinition><inputData id=\"x\" name=\"x\"><variable name=\"x\" typeRef=\"wide\"/>\
         </inputData>",
    );
    text
}

fn decision(number: usize, logic: &str) -> String {
    format!(
        "<decision id=\"d{number}\" name=\"d{number}\"><variable name=\"d{number}\"/>\
         <informationRequirement><requiredInput href=\"#x\"/></informationRequirement>{logic}\
         </decision>"
    )
}

fn literal(text: &str) -> String {
    format!("<literalExpression><text>{text}</text></literalExpression>")
}

#[test]
fn thousands_of_names_that_begin_alike_are_read_in_time() {
    let one = decision(0, &literal("x.fee 7 + x.fee 8"));
    check("entries", &format!("{}{one}", wide_type(15_000)));
    let all: String = (0..4_000).map(|at| decision(at, &literal("x.fee 7"))).collect();
    check("entries in each decision", &format!("{}{all}", wide_type(15_000)));
    let sum = vec!["x.fee 14999"; 300].join(" + ");
    check("paths", &format!("{}{}", wide_type(15_000), decision(0, &literal(&sum))));
}

#[test]
fn thousands_of_filters_over_many_entries_are_read_in_time() {
    let filter = "<filter><in><literalExpression><text>[x]</text></literalExpression></in><match>\
                  <literalExpression><text>fee 7 = 1</text></literalExpression></match></filter>";
    let list = format!("<list>{}</list>", filter.repeat(6_000));
    check("filters", &format!("{}{}", wide_type(10_000), decision(0, &list)));
}

#[test]
fn thousands_of_inputs_that_begin_alike_are_read_in_time() {
    let (mut inputs, mut requires) = (String::new(), String::new());
    for number in 0..8_000 {
        let _ = write!(
            inputs,
            "<inputData id=\"i{number}\" name=\"fee {number}\"><variable name=\"fee {number}\"/>\
             </inputData>"
        );
        let _ = write!(
            requires,
            "<informationRequirement><requiredInput href=\"#i{number}\"/></informationRequirement>"
        );
    }
    let logic = literal("fee 7 + fee 7999");
    let decision =
        format!("<decision id=\"d\" name=\"d\"><variable name=\"d\"/>{requires}{logic}</decision>");
    check("inputs", &format!("{inputs}{decision}"));
}
