//! Calls that end as they should.

use std::time::Instant;

use host::service::Failure;

use super::{Bench, call_of, json};

#[tokio::test]
async fn input_and_output_are_json() {
    let bench = Bench::new("");
    assert_eq!(
        bench.call(r#"{"do":"e","ü":[1,2.5,null]}"#).await.expect("it answers"),
        r#"{"do":"e","ü":[1,2.5,null]}"#
    );
    assert_eq!(bench.call(r#"{"do":"-"}"#).await.expect("it answers"), "null");
    assert_eq!(bench.call(r#"{"do":"k"}"#).await.expect("it answers"), r#""key-1""#);
}

#[tokio::test]
async fn expressions_make_the_input_and_the_result() {
    let bench =
        Bench::new("input = '={do: \"e\", n: a + 1}'\nresult = '={got: output.n, was: input.a}'");
    assert_eq!(bench.call(r#"{"a":1}"#).await.expect("it answers"), r#"{"got":2,"was":1}"#);
}

#[tokio::test]
async fn each_call_has_an_instance_of_its_own() {
    let bench = Bench::new("");
    for _ in 0..3 {
        assert_eq!(bench.call(r#"{"do":"s"}"#).await.expect("it answers"), r#"{"n":1}"#);
    }
}

#[tokio::test]
async fn failures_are_those_of_every_service() {
    let bench = Bench::new("");
    let message = "there is none".to_owned();
    let error = Failure::Error { code: "NO_STOCK".to_owned(), message: message.clone() };
    assert_eq!(bench.call(r#"{"do":"E"}"#).await, Err(error));
    let transient = Failure::Transient { message: message.clone(), retry_after_ms: Some(1500) };
    assert_eq!(bench.call(r#"{"do":"T"}"#).await, Err(transient));
    assert_eq!(bench.call(r#"{"do":"P"}"#).await, Err(Failure::Permanent { message }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_calls_at_once_share_the_pool() {
    let bench = Bench::new("");
    bench.call(r#"{"do":"e"}"#).await.expect("it answers");
    let started = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..600 {
        let services = bench.services.clone();
        calls.spawn(async move {
            let input = format!("{{\"do\":\"e\",\"n\":{n}}}");
            let answer = services.invoke(call_of(&input)).await.map(|value| json(&value));
            assert_eq!(answer, Ok(input));
        });
    }
    while let Some(ended) = calls.join_next().await {
        ended.expect("the call ends well");
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[tokio::test]
async fn what_it_says_is_part_of_the_log_within_bounds() {
    let bench = Bench::new("timeout = \"PT20S\"");
    let (result, printed) = bench.printed(r#"{"do":"L"}"#).await;
    assert_eq!(result.expect("it answers"), r#"{"n":0}"#);
    let (text, _) = printed.expect("lines");
    assert!(text.len() <= host::service::PRINTED_BYTES_MAX, "{}", text.len());
    assert!(text.contains("\nwarn: a line\n"), "{}", &text[..100]);
    assert!(text.ends_with("bytes more were said)\n"), "{}", &text[text.len() - 100..]);
}
