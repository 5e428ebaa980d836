//! What a call of a component costs: alone, and many at once on two threads. Run with
//! `cargo bench -p host --features wasm --bench components`.
//!
//! Boundary: the component of the example, from its text form; the engine as a server has it.
//! Read first: [`main`].
#![expect(clippy::disallowed_methods, reason = "a bench looks at the clock")]
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feel::Value;
use host::package::PackageSource;
use host::service::{Activation, Call, Options, Services};

const ALONE: u32 = 20_000;
const AT_ONCE: u32 = 60_000;

fn package() -> PackageSource {
    let text = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/components/parcel-number/parcel-number.wat");
    let manifest = b"name = \"p\"\nversion = \"1.0.0\"\n[services.number]\nkind = \"wasm\"\n\
        component = \"services/n.wasm\"\nconcurrency = 512\n";
    let files = BTreeMap::from([
        ("package.toml".to_owned(), manifest.to_vec()),
        ("services/n.wasm".to_owned(), wat::parse_file(text).expect("good text")),
    ]);
    PackageSource::from_files(files).expect("a good package")
}

fn call() -> Call {
    Call {
        package: "p".to_owned(),
        service: "number".to_owned(),
        input: feel::json::parse(br#"{"text":"O-200001"}"#).expect("JSON"),
        idempotency_key: "key-1".to_owned(),
        deadline_ms: 20_000,
        now_ms: 0,
        attempt: 1,
        chain: host::gate::Chain::default(),
        depth: 0,
    }
}

/// How long `number` calls take, so many at once.
async fn taken(services: &Arc<Services>, number: u32, at_once: u32) -> Duration {
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..at_once {
        let services = services.clone();
        tasks.spawn(async move {
            for _ in 0..number / at_once {
                services.invoke(call()).await.expect("it answers");
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("it ends well");
    }
    started.elapsed()
}

fn main() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let place = tempfile::tempdir().expect("a directory");
        let mut options = Options::new(place.path().join("scratch"));
        options.wasm.cache = None;
        let services = Arc::new(Services::new(options));
        let package = package();
        let started = Instant::now();
        let compiled = services.prepare(&package).await.expect("it compiles");
        println!("engine and compilation: {:?}", started.elapsed());
        services.install(
            &package,
            Activation {
                directory: None,
                server: Value::Null,
                settings: BTreeMap::new(),
                now_ms: 0,
            },
        );
        drop(compiled);
        taken(&services, 1000, 1).await;
        let alone = taken(&services, ALONE, 1).await;
        println!("instance and call, alone: {:?}", alone / ALONE);
        for at_once in [2, 16, 100] {
            let taken = taken(&services, AT_ONCE, at_once).await;
            let each_second = f64::from(AT_ONCE) / taken.as_secs_f64();
            println!("calls a second, {at_once} at once on 2 threads: {each_second:.0}");
        }
    });
}
