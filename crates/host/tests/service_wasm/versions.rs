//! Two versions at once, and what is left of the old one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Bench, MANY, call_of, json, source, source_of, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_call_ends_on_its_version_and_frees_it() {
    let bench = Bench::new("");
    assert_eq!(bench.call(r#"{"do":"s"}"#).await.expect("it answers"), r#"{"n":1}"#);
    let services = bench.services.clone();
    let old = tokio::spawn(async move { services.invoke(call_of(r#"{"do":"l"}"#)).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let newer = source_of("2.0.0", &MANY.replace("{\\22n\\22:0}", "{\\22m\\22:0}"), "");
    let compiled = bench.services.prepare(&newer).await.expect("it compiles");
    assert_eq!(compiled.count(), 1);
    bench.install(&newer);
    drop(compiled);
    assert_eq!(bench.call(r#"{"do":"s"}"#).await.expect("it answers"), r#"{"m":1}"#);
    assert_eq!(bench.services.compiled(), 2, "the old one still runs");
    old.await.expect("it ends").expect_err("it was stopped");
    until(|| bench.services.compiled() == 1).await;
}

#[tokio::test]
async fn a_removed_package_frees_its_component() {
    let bench = Bench::new("");
    bench.call(r#"{"do":"s"}"#).await.expect("it answers");
    assert_eq!(bench.services.compiled(), 1);
    bench.services.remove("p");
    assert_eq!(bench.services.compiled(), 0);
}

#[tokio::test]
async fn what_is_prepared_and_not_installed_is_freed() {
    let bench = Bench::new("");
    let other = source(&MANY.replace("a line", "a LINE"), "");
    let compiled = bench.services.prepare(&other).await.expect("it compiles");
    assert_eq!(bench.services.compiled(), 1);
    drop(compiled);
    assert_eq!(bench.services.compiled(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_change_a_hundred_times_under_calls() {
    let bench = Bench::new("");
    let versions = [
        source_of("1.0.0", MANY, ""),
        source_of("2.0.0", &MANY.replace("{\\22n\\22:0}", "{\\22m\\22:0}"), ""),
    ];
    let has_ended = Arc::new(AtomicBool::new(false));
    let (services, ended) = (bench.services.clone(), has_ended.clone());
    let caller = tokio::spawn(async move {
        let mut seen = BTreeSet::new();
        while !ended.load(Ordering::Relaxed) {
            let answer = services.invoke(call_of(r#"{"do":"s"}"#)).await;
            seen.insert(json(&answer.expect("no call fails")));
        }
        seen
    });
    for turn in 0..100 {
        let next = &versions[turn % 2];
        let compiled = bench.services.prepare(next).await.expect("it compiles");
        bench.install(next);
        drop(compiled);
        tokio::task::yield_now().await;
    }
    has_ended.store(true, Ordering::Relaxed);
    let seen = caller.await.expect("it ends");
    assert!(seen.iter().all(|answer| answer == r#"{"n":1}"# || answer == r#"{"m":1}"#), "{seen:?}");
    until(|| bench.services.compiled() == 1).await;
}
