//! How long a decision table of 1,000 rules takes, with and without its index.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use dmn::{Limits, Model, Source, read};
use feel::{Context, Environment};

const ENVIRONMENT: Environment = Environment { now_ms: 0, steps_max: 100_000_000 };

/// Rules with an interval of amounts and one of ten countries each.
fn table(rules: usize, policy: &str) -> (String, Model) {
    let mut xml = String::from(
        "<definitions xmlns=\"https://www.omg.org/spec/DMN/20191111/MODEL/\" name=\"m\" \
         namespace=\"urn:m\"><decision id=\"d\" name=\"d\"><variable name=\"d\"/>",
    );
    let _ = write!(
        xml,
        "<decisionTable hitPolicy=\"{policy}\"><input><inputExpression typeRef=\"number\"><text>\
         amount</text></inputExpression></input><input><inputExpression typeRef=\"string\"><text>\
         country</text></inputExpression></input><output name=\"rate\" typeRef=\"number\"/>"
    );
    for number in 0..rules {
        let (low, country) = (number / 10 * 100, number % 10);
        let _ = write!(
            xml,
            "<rule><inputEntry><text>[{low}..{})</text></inputEntry><inputEntry><text>\"C{country}\"\
             </text></inputEntry><outputEntry><text>{number}</text></outputEntry></rule>",
            low + 100
        );
    }
    xml.push_str("</decisionTable></decision></definitions>");
    let source = Source { name: "table.dmn", xml: xml.as_bytes() };
    let model = read(&source, &[], &Limits::default()).expect("a model");
    (xml, model)
}

fn evaluate(criterion: &mut Criterion) {
    let (xml, unique) = table(1_000, "UNIQUE");
    let (_, first) = table(1_000, "FIRST");
    let (_, large) = table(10_000, "UNIQUE");
    let input = Context::builder().with("amount", 5_050).with("country", "C7").build();
    let mut group = criterion.benchmark_group("table");
    for (name, model) in [("unique 1,000", &unique), ("first 1,000", &first), ("10,000", &large)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(model.evaluate("d", black_box(&input), &ENVIRONMENT)));
        });
    }
    group.bench_function("unique 1,000 without index", |bencher| {
        bencher.iter(|| black_box(unique.evaluate_without_index("d", &input, &ENVIRONMENT)));
    });
    group.bench_function("read 1,000 rules", |bencher| {
        let source = Source { name: "table.dmn", xml: xml.as_bytes() };
        bencher.iter(|| black_box(read(&source, &[], &Limits::default()).is_ok()));
    });
    group.finish();
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
