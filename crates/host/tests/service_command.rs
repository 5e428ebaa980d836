//! `command` services with real child processes.
//!
//! Read first: [`Bench`].
#![expect(clippy::disallowed_methods, reason = "tests look at the clock")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use feel::Value;
use host::package::PackageSource;
use host::service::{Activation, Call, Failure, Options, PRINTED_BYTES_MAX, Printed, Services};

/// A package with services, loaded.
struct Bench {
    services: Services,
    place: tempfile::TempDir,
}

impl Bench {
    fn new(services: &str, scripts: &[(&str, &str)]) -> Self {
        Self::with_options(services, scripts, |_| {})
    }

    fn with_options(
        services: &str,
        scripts: &[(&str, &str)],
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let manifest = format!("name = \"p\"\nversion = \"1.0.0\"\n{services}");
        let mut files = BTreeMap::from([("package.toml".to_owned(), manifest.into_bytes())]);
        for (path, script) in scripts {
            files.insert((*path).to_owned(), format!("#!/bin/sh\n{script}\n").into_bytes());
        }
        let package = PackageSource::from_files(files).expect("a good package");
        let directory = place.path().join("p-1.0.0");
        package.unpack(&directory).expect("it can be unpacked");
        let mut options = Options::new(place.path().join("scratch"));
        change(&mut options);
        let services = Services::new(options);
        let server = feel::json::parse(br#"{"url":"http://127.0.0.1:1"}"#).expect("JSON");
        let activation =
            Activation { directory: Some(directory), server, settings: BTreeMap::new(), now_ms: 0 };
        services.install(&package, activation);
        Self { services, place }
    }

    async fn call(&self, service: &str, input: &str) -> Result<String, Failure> {
        self.call_within(service, input, 20_000, &Printed::default()).await
    }

    /// How the call ended, and what was printed besides.
    async fn printed(&self, service: &str, deadline_ms: u64) -> (bool, Option<(String, u64)>) {
        let printed = Printed::default();
        let result = self.call_within(service, "{}", deadline_ms, &printed).await;
        (result.is_ok(), printed.take())
    }

    async fn call_within(
        &self,
        service: &str,
        input: &str,
        deadline_ms: u64,
        printed: &Printed,
    ) -> Result<String, Failure> {
        let call = Call {
            package: "p".to_owned(),
            service: service.to_owned(),
            input: feel::json::parse(input.as_bytes()).expect("JSON"),
            idempotency_key: "key-1".to_owned(),
            deadline_ms,
            now_ms: 0,
            attempt: 1,
            chain: host::gate::Chain::default(),
            depth: 0,
        };
        self.services.invoke_with(call, printed).await.map(|value| json(&value))
    }

    fn path(&self) -> &Path {
        self.place.path()
    }

    fn scratch_is_empty(&self) -> bool {
        let scratch = self.path().join("scratch");
        std::fs::read_dir(scratch).map_or(true, |mut entries| entries.next().is_none())
    }
}

fn json(value: &Value) -> String {
    let mut text = String::new();
    feel::json::write(value, &mut text);
    text
}

fn message(result: Result<String, Failure>) -> String {
    match result.expect_err("it must fail") {
        Failure::Error { code, message } => format!("error {code}: {message}"),
        Failure::Transient { message, .. } => format!("transient: {message}"),
        Failure::Permanent { message } => format!("permanent: {message}"),
    }
}

/// Whether a process runs (a zombie does not).
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim().starts_with('Z'))
}

/// Waits for something that another process does.
async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn json_goes_in_and_comes_out() {
    let bench = Bench::new("[services.echo]\nkind = \"command\"\nprogram = \"cat\"\n", &[]);
    let input = r#"{"name":"Ada","items":[1,2.50,null,true]}"#;
    let output = bench.call("echo", input).await.unwrap();
    assert_eq!(
        feel::json::parse(output.as_bytes()).unwrap(),
        feel::json::parse(input.as_bytes()).unwrap()
    );
    assert!(bench.scratch_is_empty());
}

#[tokio::test]
async fn arguments_are_never_interpreted() {
    let bench = Bench::new(
        r#"[services.args]
kind = "command"
program = "services/args.sh"
args = ["=name", "$(touch evil)", "=missing", "services/args.sh"]
output = "text"
"#,
        &[("services/args.sh", r#"printf '%s|' "$@""#)],
    );
    let output = bench.call("args", r#"{"name":"`id`; rm -rf x \"q\" 'ü'"}"#).await.unwrap();
    let script = bench.path().join("p-1.0.0/services/args.sh");
    let expected = format!("`id`; rm -rf x \"q\" 'ü'|$(touch evil)||{}|", script.display());
    assert_eq!(output, json(&Value::String(expected.into())));
}

#[tokio::test]
async fn a_shell_is_used_when_asked_for() {
    let bench = Bench::new(
        r#"[services.shell]
kind = "command"
shell = true
program = 'printf %s "$1" | tr a-z A-Z'
args = ["=word"]
output = "text"
result = '={word: output, before: input.word}'
"#,
        &[],
    );
    let output = bench.call("shell", r#"{"word":"points"}"#).await.unwrap();
    assert_eq!(output, r#"{"word":"POINTS","before":"points"}"#);
}

#[tokio::test]
async fn the_environment_is_empty_but_for_what_is_listed() {
    let bench = Bench::new(
        r#"[services.env]
kind = "command"
program = "services/env.sh"
output = "text"
environment = { COLOUR = "red", WHO = "=name", ABSENT = "=missing" }
pass-environment = ["CARGO_PKG_NAME"]
"#,
        &[("services/env.sh", "env | cut -d= -f1 | grep -v -e '^_$' -e SHLVL -e PWD | sort; pwd")],
    );
    let output = bench.call("env", r#"{"name":"Ada"}"#).await.unwrap();
    let output = output.trim_matches('"').replace("\\n", " ");
    let (names, directory) = output.rsplit_once(' ').unwrap();
    assert_eq!(
        names,
        "CARGO_PKG_NAME COLOUR HOME PATH POINTSMAN_ATTEMPT POINTSMAN_IDEMPOTENCY_KEY \
         POINTSMAN_PACKAGE TMPDIR WHO"
    );
    assert!(directory.starts_with(bench.path().join("scratch/call-").to_str().unwrap()));
    assert!(bench.scratch_is_empty());
}

#[tokio::test]
async fn exit_codes_become_errors_or_failures_with_the_last_lines() {
    let bench = Bench::new(
        r#"[services.exit]
kind = "command"
program = "services/exit.sh"
args = ["=code"]
errors = { "3" = "NO_STOCK" }
"#,
        &[(
            "services/exit.sh",
            "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo line $i >&2; done; exit \"$1\"",
        )],
    );
    let error = message(bench.call("exit", r#"{"code":3}"#).await);
    assert!(error.starts_with("error NO_STOCK: "), "{error}");
    let lines = (491..=500).map(|line| format!("line {line}")).collect::<Vec<_>>().join(" | ");
    assert!(error.ends_with(&format!("exit code 3: {lines}")), "{error}");
    let failure = message(bench.call("exit", r#"{"code":7}"#).await);
    assert!(failure.starts_with("transient: "), "{failure}");
    assert!(failure.contains("exit code 7: line 491"), "{failure}");
    assert_eq!(bench.call("exit", r#"{"code":0}"#).await.unwrap(), "null");
}

#[tokio::test]
async fn what_is_not_json_or_not_text_is_refused() {
    let bench = Bench::new(
        r#"[services.json]
kind = "command"
program = "echo"
args = ["{oops"]
[services.text]
kind = "command"
program = "printf"
args = ['\377\376']
output = "text"
"#,
        &[],
    );
    let failure = message(bench.call("json", "{}").await);
    assert!(failure.starts_with("permanent: `echo` wrote no JSON: at byte 1"), "{failure}");
    let failure = message(bench.call("text", "{}").await);
    assert_eq!(failure, "permanent: `printf` wrote something that is not UTF-8");
}

#[tokio::test]
async fn a_missing_program_is_said_so() {
    let bench = Bench::new(
        "[services.a]\nkind = \"command\"\nprogram = \"no-such-program-here\"\n\
         [services.b]\nkind = \"command\"\nprogram = \"/etc\"\n",
        &[],
    );
    let failure = message(bench.call("a", "{}").await);
    assert!(failure.starts_with("permanent: `no-such-program-here` cannot be started"));
    let failure = message(bench.call("b", "{}").await);
    assert!(failure.starts_with("permanent: `/etc` cannot be started"), "{failure}");
    let failure = message(bench.call("unknown", "{}").await);
    assert_eq!(failure, "permanent: package `p` has no service `unknown`");
}

#[tokio::test]
async fn endless_output_ends_the_program() {
    let bench = Bench::with_options(
        "[services.yes]\nkind = \"command\"\nprogram = \"services/yes.sh\"\noutput = \"text\"\n",
        &[("services/yes.sh", "echo $$ > \"$POINTSMAN_PACKAGE/pid\"; yes")],
        |options| options.output_bytes_max = 100_000,
    );
    let failure = message(bench.call("yes", "{}").await);
    assert_eq!(failure, "permanent: the program wrote more than 100000 bytes");
    let pid = std::fs::read_to_string(bench.path().join("p-1.0.0/pid")).unwrap();
    until("the program is gone", || !runs(&pid)).await;
}

const CHILDREN: &str = "sleep 1000 & echo $! > \"$POINTSMAN_PACKAGE/child\"\n\
                        (sleep 1000 & echo $! > \"$POINTSMAN_PACKAGE/grandchild\")\n";

fn children_of(bench: &Bench) -> [String; 2] {
    ["child", "grandchild"].map(|name| {
        let path = bench.path().join("p-1.0.0").join(name);
        std::fs::read_to_string(path).unwrap_or_default()
    })
}

async fn all_gone(bench: &Bench) {
    let children = children_of(bench);
    for pid in &children {
        assert!(!pid.trim().is_empty(), "the script wrote its children's ids");
        until("no child is left", || !runs(pid)).await;
    }
    until("the working directory is gone", || bench.scratch_is_empty()).await;
}

#[tokio::test]
async fn a_time_out_kills_the_whole_group() {
    let bench = Bench::new(
        "[services.slow]\nkind = \"command\"\nprogram = \"services/slow.sh\"\ntimeout = \"PT1S\"\n",
        &[("services/slow.sh", &format!("{CHILDREN}wait"))],
    );
    let failure = message(bench.call("slow", "{}").await);
    assert_eq!(failure, "transient: `slow` did not end within 1000 ms");
    all_gone(&bench).await;
}

#[tokio::test]
async fn the_callers_deadline_counts_too() {
    let bench = Bench::new(
        "[services.slow]\nkind = \"command\"\nprogram = \"sleep\"\nargs = [\"1000\"]\n",
        &[],
    );
    let failure = message(bench.call_within("slow", "{}", 50, &Printed::default()).await);
    assert_eq!(failure, "transient: `slow` did not answer within the call's deadline");
}

#[tokio::test]
async fn a_dropped_call_kills_the_whole_group() {
    let bench = Bench::new(
        "[services.slow]\nkind = \"command\"\nprogram = \"services/slow.sh\"\n",
        &[("services/slow.sh", &format!("{CHILDREN}wait"))],
    );
    {
        let call = bench.call("slow", "{}");
        tokio::pin!(call);
        let start = Instant::now();
        while children_of(&bench).iter().any(|pid| !pid.ends_with('\n')) {
            let poll = tokio::time::timeout(Duration::from_millis(5), &mut call).await;
            assert!(poll.is_err() && start.elapsed() < Duration::from_secs(10));
        }
    }
    all_gone(&bench).await;
}

#[tokio::test]
async fn what_a_program_leaves_running_is_killed_and_its_result_kept() {
    let bench = Bench::new(
        "[services.leaves]\nkind = \"command\"\nprogram = \"services/leaves.sh\"\n",
        &[("services/leaves.sh", &format!("{CHILDREN}echo '{{\"ok\":true}}'"))],
    );
    assert_eq!(bench.call("leaves", "{}").await.unwrap(), r#"{"ok":true}"#);
    all_gone(&bench).await;
}

#[tokio::test]
async fn a_program_need_not_read_its_input() {
    let bench = Bench::new(
        "[services.deaf]\nkind = \"command\"\nprogram = \"true\"\n\
         [services.large]\nkind = \"command\"\nprogram = \"wc\"\nargs = [\"-c\"]\n",
        &[],
    );
    let input = format!(r#"{{"text":"{}"}}"#, "x".repeat(2_000_000));
    assert_eq!(bench.call("deaf", &input).await.unwrap(), "null");
    let count = input.len().to_string();
    assert_eq!(bench.call("large", &input).await.unwrap(), count);
}

#[tokio::test]
async fn no_more_calls_run_at_once_than_allowed() {
    let bench = Bench::new(
        "[services.one]\nkind = \"command\"\nprogram = \"services/one.sh\"\nconcurrency = 1\n",
        &[(
            "services/one.sh",
            "mkdir \"$POINTSMAN_PACKAGE/held\" || exit 9\nrmdir \"$POINTSMAN_PACKAGE/held\"",
        )],
    );
    let calls = (0..20).map(|_| bench.call("one", "{}"));
    for result in futures_util::future::join_all(calls).await {
        assert_eq!(result.unwrap(), "null");
    }
}

#[tokio::test]
async fn a_removed_package_has_no_services() {
    let bench = Bench::new("[services.t]\nkind = \"command\"\nprogram = \"true\"\n", &[]);
    assert!(bench.services.knows("p", "t"));
    bench.services.remove("p");
    assert!(!bench.services.knows("p", "t"));
    assert!(message(bench.call("t", "{}").await).starts_with("permanent"));
}

#[tokio::test]
async fn what_a_program_prints_besides_its_result_is_kept() {
    let service = |name: &str, script: &str| {
        format!(
            "[services.{name}]\nkind = \"command\"\nprogram = \"/bin/sh\"\nargs = [\"-c\", \"{script}\"]\n"
        )
    };
    let services = [
        service("quiet", "echo 1"),
        service("speaks", "echo first >&2; echo 1; echo second >&2"),
        service("fails", "echo why >&2; echo half; exit 3"),
        service("floods", "seq 1 20000 >&2; echo 1"),
        service("hangs", "echo here >&2; sleep 60"),
    ];
    let bench = Bench::new(&services.concat(), &[]);
    assert_eq!(bench.printed("quiet", 20_000).await, (true, None));
    let said = Some(("first\nsecond\n".to_owned(), 0));
    assert_eq!(bench.printed("speaks", 20_000).await, (true, said));
    let said = Some(("why\nhalf\n".to_owned(), 0));
    assert_eq!(bench.printed("fails", 20_000).await, (false, said));
    // What was cut off in the middle has printed too.
    let said = Some(("here\n".to_owned(), 0));
    assert_eq!(bench.printed("hangs", 2_000).await, (false, said));
    let (_, printed) = bench.printed("floods", 20_000).await;
    let (text, lost) = printed.expect("its end");
    let all: usize = (1..=20_000_u32).map(|number| number.to_string().len() + 1).sum();
    assert_eq!((text.len(), lost), (PRINTED_BYTES_MAX, (all - PRINTED_BYTES_MAX) as u64));
    assert!(text.ends_with("19999\n20000\n"));
}
