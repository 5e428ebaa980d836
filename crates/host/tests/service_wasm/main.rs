//! Components as services: real instances of a small component that behaves as its input says.
//!
//! Read first: [`Bench`], then `many.wat`.
#![cfg(feature = "wasm")]
#![expect(clippy::disallowed_methods, reason = "tests look at the clock")]

mod cache;
mod calls;
mod onward;
mod stops;
mod surroundings;
mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use feel::Value;
use host::package::PackageSource;
use host::service::{Activation, Call, Failure, Options, Printed, Services};

const MANY: &str = include_str!("many.wat");

/// A package with one component, installed.
struct Bench {
    services: Arc<Services>,
    place: tempfile::TempDir,
}

impl Bench {
    fn new(rest: &str) -> Self {
        Self::with(rest, |_| {})
    }

    fn with(rest: &str, change: impl FnOnce(&mut Options)) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let mut options = Options::new(place.path().join("scratch"));
        options.wasm.instances_max = 32;
        options.wasm.cache = None;
        change(&mut options);
        let bench = Self { services: Arc::new(Services::new(options)), place };
        bench.install(&source(MANY, rest));
        bench
    }

    fn install(&self, package: &PackageSource) {
        let directory = self.place.path().join(package.manifest.version.to_string());
        if !directory.exists() {
            package.unpack(&directory).expect("it can be unpacked");
        }
        let activation = Activation {
            directory: Some(directory),
            server: Value::Null,
            settings: BTreeMap::new(),
            now_ms: 0,
        };
        self.services.install(package, activation);
    }

    async fn call(&self, input: &str) -> Result<String, Failure> {
        self.services.invoke(call_of(input)).await.map(|value| json(&value))
    }

    async fn printed(&self, input: &str) -> (Result<String, Failure>, Option<(String, u64)>) {
        let printed = Printed::default();
        let result = self.services.invoke_with(call_of(input), &printed).await;
        (result.map(|value| json(&value)), printed.take())
    }
}

/// The package `p` with the service `many`, and what `rest` adds to it.
fn source(wat: &str, rest: &str) -> PackageSource {
    source_of("1.0.0", wat, rest)
}

fn source_of(version: &str, wat: &str, rest: &str) -> PackageSource {
    let timeout = if rest.contains("timeout") { "" } else { "timeout = \"PT0.5S\"" };
    let manifest = format!(
        "name = \"p\"\nversion = \"{version}\"\n[services.many]\nkind = \"wasm\"\n\
         component = \"services/many.wasm\"\n{timeout}\n{rest}"
    );
    let files = BTreeMap::from([
        ("package.toml".to_owned(), manifest.into_bytes()),
        ("services/many.wasm".to_owned(), wat::parse_str(wat).expect("good text")),
        ("data/rates.txt".to_owned(), b"7.7".to_vec()),
    ]);
    PackageSource::from_files(files).unwrap_or_else(|found| panic!("{found:?}"))
}

fn call_of(input: &str) -> Call {
    Call {
        package: "p".to_owned(),
        service: "many".to_owned(),
        input: feel::json::parse(input.as_bytes()).expect("JSON"),
        idempotency_key: "key-1".to_owned(),
        deadline_ms: 20_000,
        now_ms: 0,
        attempt: 1,
        chain: host::gate::Chain::default(),
        depth: 0,
    }
}

fn json(value: &Value) -> String {
    let mut text = String::new();
    feel::json::write(value, &mut text);
    text
}

fn message(result: Result<String, Failure>) -> String {
    match result.expect_err("a failure") {
        Failure::Permanent { message } => message,
        other => panic!("{other:?}"),
    }
}

/// Waits until `holds`, which something else brings about.
async fn until(holds: impl Fn() -> bool) {
    tokio::time::timeout(Duration::from_secs(20), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("it comes about");
}
