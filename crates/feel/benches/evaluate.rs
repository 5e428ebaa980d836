//! How long compiling, evaluating and reading JSON take, in nanoseconds: the median of many
//! slices.
//!
//! Boundary: prints a table; checks nothing. Run with `cargo bench -p feel`.
//! Read first: `main`.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::hint::black_box;
use std::time::Instant;

use feel::{Context, Dialect, Environment, Expression, Names, Session, Type, Value, json};

const ENVIRONMENT: Environment = Environment { now_ms: 1_795_000_000_000, steps_max: 100_000_000 };

/// The median time of one call, in nanoseconds.
fn measure(mut work: impl FnMut()) -> f64 {
    let mut count = 1u32;
    loop {
        let start = Instant::now();
        for _ in 0..count {
            work();
        }
        if start.elapsed().as_micros() > 3000 {
            break;
        }
        count = count.saturating_mul(2);
    }
    let mut slices: Vec<f64> = (0..41)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..count {
                work();
            }
            start.elapsed().as_nanos() as f64 / f64::from(count)
        })
        .collect();
    slices.sort_by(f64::total_cmp);
    slices[slices.len() / 2]
}

/// An order with so many items, as JSON.
fn order(items: usize) -> String {
    let items: Vec<String> = (0..items)
        .map(|n| {
            format!(r#"{{"sku":"A-{n}","qty":{},"price":{}.5,"tags":["a","b"]}}"#, n % 9, n % 20)
        })
        .collect();
    format!(
        r#"{{"id":"o-17","total":249.9,"due":"2026-11-30","status":"open",
        "customer":{{"name":"Ada","vip":true,"age":36}},"items":[{}]}}"#,
        items.join(",")
    )
}

fn scope(items: usize, others: usize) -> Context {
    let parsed = json::parse(order(items).as_bytes()).expect("JSON");
    let mut scope = Context::builder().with("order", parsed).with("a", 3).with("b", 4);
    scope.push("status", "open");
    scope.push("due", "2026-11-30");
    for n in 0..others {
        scope.push(format!("other{n}"), n as i64);
    }
    scope.build()
}

/// Cells of decision tables, with a name that has a space, under one budget.
fn cells(scope: &Context) {
    println!(
        "\n{:<58} {:>10} {:>12}",
        "cell of a table (in a session)", "compile ns", "evaluate ns"
    );
    let mut names = Names::of(Dialect::Standard);
    names.declare("Monthly Fee", Type::Number);
    let mut session = Session::new(&ENVIRONMENT);
    for text in ["< 5", "[1..10]", "\"a\", \"b\"", "not(3, 4)", "? > 3 and ? < 8", "Monthly Fee"] {
        let compile = measure(|| {
            let tests = Expression::compile_unary_tests_with(black_box(text), &names);
            black_box(tests.expect("tests"));
        });
        let tests = Expression::compile_unary_tests_with(text, &names).expect("tests");
        let input = Value::from(4);
        let evaluate = measure(|| {
            if !session.charge(1) || session.warnings().len() > 8 {
                session = Session::new(&ENVIRONMENT);
            }
            black_box(session.evaluate_with_input(&tests, &input, scope));
        });
        println!("{text:<58} {compile:>10.0} {evaluate:>12.0}");
    }
}

fn main() {
    let small = scope(3, 8);
    println!("{:<58} {:>10} {:>12}", "expression (small scope)", "compile ns", "evaluate ns");
    for text in [
        "order.total > 100",
        "order.total > 100 and order.customer.vip",
        "a + b",
        "status = \"open\"",
        "if order.total > 100 then \"high\" else \"low\"",
        "some i in order.items satisfies i.qty > 5",
        "order.items[price > 9]",
        "count(order.items)",
        "a = 3 and b = 4 and status = \"open\" and order.total > 1 and a < b",
        "date(due) + duration(\"P10D\")",
        "replace(\"a1b2\", \"[0-9]\", \"#\")",
        "{x: a, y: {z: b}}",
        "order.total * 1.19",
    ] {
        let compile = measure(|| {
            black_box(Expression::compile(black_box(text)).expect("an expression"));
        });
        let expression = Expression::compile(text).expect("an expression");
        let evaluate = measure(|| {
            black_box(expression.evaluate(black_box(&small), &ENVIRONMENT));
        });
        println!("{text:<58} {compile:>10.0} {evaluate:>12.0}");
    }
    println!("\n{:<58} {:>10} {:>12}", "expression", "items", "evaluate ns");
    for items in [10, 1_000, 10_000] {
        let scope = scope(items, items);
        for text in [
            "order.total > 100",
            "count(order.items[qty > 3])",
            "sum(for i in order.items return i.price * i.qty)",
            "every i in order.items satisfies i.qty < 100",
            "for i in order.items return i.qty + (if partial = [] then 0 else partial[-1])",
            "order.items[qty > 3 and price < 10].sku",
            "count(for i in 1..count(order.items) return i * 2)",
            "sum(order.items.qty)",
        ] {
            let expression = Expression::compile(text).expect("an expression");
            assert!(!expression.evaluate(&scope, &ENVIRONMENT).value.is_null());
            let evaluate = measure(|| {
                black_box(expression.evaluate(black_box(&scope), &ENVIRONMENT));
            });
            println!("{text:<58} {items:>10} {evaluate:>12.0}");
        }
    }
    cells(&small);
    println!("\n{:<58} {:>10} {:>12}", "JSON", "bytes", "ns");
    for items in [3, 1_000] {
        let text = order(items);
        let read = measure(|| {
            black_box(json::parse(black_box(text.as_bytes())).expect("JSON"));
        });
        let value: Value = json::parse(text.as_bytes()).expect("JSON");
        let mut out = String::new();
        let write = measure(|| {
            out.clear();
            json::write(black_box(&value), &mut out);
        });
        println!("{:<58} {:>10} {read:>12.0}", "parse", text.len());
        println!("{:<58} {:>10} {write:>12.0}", "write", out.len());
    }
}
