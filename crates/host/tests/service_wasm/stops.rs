//! Components that do not end as they should harm nobody.

use std::time::{Duration, Instant};

use host::service::{Failure, Printed};

use super::{Bench, call_of, json, message};

/// Other calls are answered after it.
async fn is_well(bench: &Bench) {
    assert_eq!(bench.call(r#"{"do":"s"}"#).await.expect("it answers"), r#"{"n":1}"#);
}

#[tokio::test]
async fn a_trap_is_told() {
    let bench = Bench::new("");
    let message = message(bench.call(r#"{"do":"t"}"#).await);
    assert!(message.starts_with("SVC-001: `many` stopped: wasm `unreachable`"), "{message}");
    is_well(&bench).await;
}

#[tokio::test]
async fn memory_without_end_is_refused() {
    let bench = Bench::new("memory = \"3MiB\"");
    let message = message(bench.call(r#"{"do":"m"}"#).await);
    assert!(message.starts_with("SVC-002: `many` wanted more memory than its 3 MiB"), "{message}");
    assert!(message.contains("raise `memory`"), "{message}");
    is_well(&bench).await;
}

#[tokio::test]
async fn recursion_without_end_is_told() {
    let bench = Bench::new("");
    let message = message(bench.call(r#"{"do":"r"}"#).await);
    assert!(message.starts_with("SVC-003: `many` called itself too deep"), "{message}");
    is_well(&bench).await;
}

#[tokio::test]
async fn a_loop_without_end_is_stopped_and_holds_no_thread() {
    let bench = Bench::new("");
    // One thread: everything else would stand still if the loop held it.
    let started = Instant::now();
    let ticks = async {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        started.elapsed()
    };
    let (looped, ticked) = tokio::join!(bench.call(r#"{"do":"l"}"#), ticks);
    let late = "`many` did not end within 500 ms".to_owned();
    assert_eq!(looped, Err(Failure::Transient { message: late, retry_after_ms: None }));
    assert!(ticked < Duration::from_millis(450), "{ticked:?}");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    is_well(&bench).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_loops_without_end_leave_room_for_others() {
    let bench = Bench::new("");
    is_well(&bench).await;
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let services = bench.services.clone();
        loops.spawn(async move { services.invoke(call_of(r#"{"do":"l"}"#)).await });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    for _ in 0..20 {
        is_well(&bench).await;
    }
    assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
    while let Some(ended) = loops.join_next().await {
        let failure = ended.expect("it ends").expect_err("it is stopped");
        assert!(matches!(failure, Failure::Transient { .. }), "{failure:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_stops_its_component() {
    let bench = Bench::with("timeout = \"PT1H\"\nconcurrency = 1", |_| {});
    let printed = Printed::default();
    let looping = bench.services.invoke_with(call_of(r#"{"do":"l"}"#), &printed);
    tokio::time::timeout(Duration::from_millis(60), looping).await.expect_err("it never ends");
    // The only place is free again.
    is_well(&bench).await;
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_told() {
    let bench = Bench::new("");
    let message = message(bench.call(r#"{"do":"b"}"#).await);
    assert!(message.starts_with("SVC-005: `many` answered no JSON: at byte 0"), "{message}");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let bench = Bench::with("", |options| options.output_bytes_max = 1 << 20);
    let message = message(bench.call(r#"{"do":"o"}"#).await);
    assert!(message.contains("answered 1572864 bytes, at most 1048576 are allowed"), "{message}");
    is_well(&bench).await;
}

#[tokio::test]
async fn a_component_that_cannot_be_compiled_is_told() {
    let bench = Bench::new("");
    let good = super::source(super::MANY, "");
    let mut files = good.files.clone();
    files.insert("services/many.wasm".to_owned(), b"\0asm no".to_vec());
    let bad = host::package::PackageSource { files, ..good };
    let found = bench.services.prepare(&bad).await.expect_err("it is bad");
    assert_eq!(found[0].code, "PKG-030");
    assert!(found[0].message.starts_with("`services/many.wasm` cannot be compiled: "), "{found:?}");
    bench.install(&bad);
    let message = message(bench.services.invoke(call_of("{}")).await.map(|value| json(&value)));
    assert!(message.contains("cannot be compiled"), "{message}");
}
