//! Components that call other services.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use feel::Value;
use host::service::{Call, Failure, Onward, Printed, Services};

use super::{Bench, call_of, json, message};

const OTHER: &str = "[services.other]\nkind = \"command\"\nprogram = \"/bin/cat\"\n\
                     result = '={heard: output.do}'";

#[tokio::test]
async fn a_service_of_the_own_package_is_called() {
    let bench = Bench::new(OTHER);
    assert_eq!(bench.call(r#"{"do":"c"}"#).await.expect("it answers"), r#"{"heard":"c"}"#);
}

#[tokio::test]
async fn a_failure_of_the_other_reaches_the_component() {
    let bench = Bench::new(
        "[services.other]\nkind = \"command\"\nprogram = \"/bin/false\"\n\
                            errors = { \"1\" = \"NO\" }",
    );
    let failure = bench.call(r#"{"do":"c"}"#).await.expect_err("it fails");
    assert!(matches!(&failure, Failure::Error { code, .. } if code == "NO"), "{failure:?}");
}

#[tokio::test]
async fn a_package_that_is_no_dependency_is_not_called() {
    let bench = Bench::new("");
    let message = message(bench.call(r#"{"do":"u"}"#).await);
    assert!(message.starts_with("PKG-013: `many` calls `nobody/other`"), "{message}");
}

#[tokio::test]
async fn a_declared_dependency_that_has_no_such_service_is_told() {
    let bench = Bench::new("[dependencies]\nnobody = \"^1\"");
    let message = message(bench.call(r#"{"do":"u"}"#).await);
    assert_eq!(message, "package `nobody` has no service `other`");
}

#[tokio::test]
async fn services_that_call_each_other_for_ever_are_stopped() {
    let bench = Bench::with("", |options| options.wasm.instances_max = 200);
    let message = message(bench.call(r#"{"do":"d"}"#).await);
    assert_eq!(
        message,
        "`many` is call 8 in one chain of services; look for services that call each other"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_calls_never_wait_for_each_other() {
    let bench = Bench::with("", |options| options.wasm.instances_max = 8);
    let started = std::time::Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let services = bench.services.clone();
        calls.spawn(async move { services.invoke(call_of(r#"{"do":"d"}"#)).await });
    }
    while let Some(ended) = calls.join_next().await {
        let failure = ended.expect("it ends").expect_err("it cannot end well");
        let Failure::Transient { message, .. } = &failure else { panic!("{failure:?}") };
        assert!(message.starts_with("SVC-004: no place is free"), "{message}");
    }
    assert!(started.elapsed().as_secs() < 5);
}

/// Notes what goes through it.
struct Noted {
    services: Arc<Services>,
    calls: Mutex<Vec<Call>>,
}

impl Onward for Noted {
    fn call<'a>(
        &'a self,
        call: Call,
    ) -> Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>> {
        self.calls.lock().expect("nobody panicked").push(call.clone());
        Box::pin(async move { self.services.invoke_onward(call, &Printed::default(), self).await })
    }
}

#[tokio::test]
async fn calls_go_the_way_of_whoever_called_first() {
    let bench = Bench::new(OTHER);
    let noted = Noted { services: bench.services.clone(), calls: Mutex::default() };
    let call = call_of(r#"{"do":"c"}"#);
    let answer = bench.services.invoke_onward(call, &Printed::default(), &noted).await;
    assert_eq!(answer.map(|value| json(&value)), Ok(r#"{"heard":"c"}"#.to_owned()));
    let calls = noted.calls.into_inner().expect("nobody panicked");
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((call.service.as_str(), call.depth), ("other", 1));
    assert_eq!(call.idempotency_key, "key-1/1");
    // What is left of the time of whoever called.
    assert!(call.deadline_ms <= 500, "{}", call.deadline_ms);
}
