//! What contexts promise: order, replacement, lookup with and without an index, nested changes.
//!
//! Boundary: tests only. Read first: the names of the tests.

use alloc::format;
use alloc::vec::Vec;

use super::Context;
use crate::value::{Str, Value};

fn names(context: &Context) -> Vec<&str> {
    context.iter().map(|(name, _)| &**name).collect()
}

#[test]
fn a_later_entry_replaces_an_earlier_one_in_its_place() {
    for extra in [0, 50] {
        let mut builder = Context::builder();
        builder.push("a", 1);
        builder.push("b", 2);
        builder.push("a", 3);
        for number in 0..extra {
            builder.push(format!("x{number}"), number);
        }
        builder.push("b", 4);
        let context = builder.build();
        assert_eq!(names(&context)[..2], ["a", "b"]);
        assert_eq!(context.get("a"), Some(&Value::from(3)));
        assert_eq!(context.get("b"), Some(&Value::from(4)));
        assert_eq!(context.len() as i64, 2 + extra);
        assert_eq!(context.get("c"), None);
    }
}

#[test]
fn every_entry_of_a_large_context_is_found() {
    let context: Context =
        (0..10_000).map(|n| (Str::from(format!("name{n}")), Value::from(n))).collect();
    for n in 0..10_000 {
        assert_eq!(context.get(&format!("name{n}")), Some(&Value::from(n)));
    }
    assert_eq!(context.get("name10000"), None);
}

#[test]
fn a_path_merges_into_contexts_on_its_way() {
    let start = Context::default().with("a", Value::from(1));
    let path: [Str; 2] = ["o".into(), "x".into()];
    let once = start.with_path(&path, Value::from(2));
    let twice = once.with_path(&["o".into(), "y".into()], Value::from(3));
    let inner = twice.get("o").and_then(Value::as_context).expect("a context");
    assert_eq!(names(inner), ["x", "y"]);
    let replaced = start.with_path(&["a".into(), "x".into()], Value::from(2));
    assert!(replaced.get("a").and_then(Value::as_context).is_some());
    assert_eq!(start.with_path(&[], Value::Null), start);
}

#[test]
fn equality_ignores_order() {
    let left = Context::builder().with("a", 1).with("b", 2).build();
    let right = Context::builder().with("b", 2).with("a", 1).build();
    assert_eq!(left, right);
    assert_ne!(left, right.with("a", Value::from(2)));
}
