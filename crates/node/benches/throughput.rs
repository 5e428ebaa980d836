//! The server without a network: instances and documents per second through the handle, on
//! SQLite with a real flush per unit. `cargo bench -p node -- [seconds] [in flight]`

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use feel::{Context, Value};
use host::package::PackageSource;
use node::{Node, Options, Publication, Which, WorkerRequest};
use store::sqlite::Sqlite;

const HEAD: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">"#;

fn jobs(id: &str, number: usize) -> Bytes {
    let mut body = String::from(r#"<bpmn:startEvent id="s"/>"#);
    let mut last = "s".to_owned();
    for step in 1..=number {
        body.push_str(&format!(
            r#"<bpmn:sequenceFlow id="f{step}" sourceRef="{last}" targetRef="t{step}"/>
<bpmn:serviceTask id="t{step}"><bpmn:extensionElements><zeebe:taskDefinition type="{id}"/>
</bpmn:extensionElements></bpmn:serviceTask>"#
        ));
        last = format!("t{step}");
    }
    process(id, &body, &last)
}

fn script(id: &str) -> Bytes {
    let body = r#"<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:scriptTask id="c"><bpmn:extensionElements><zeebe:script expression="=n + 1"
 resultVariable="m"/></bpmn:extensionElements></bpmn:scriptTask>"#;
    process(id, body, "c")
}

fn process(id: &str, body: &str, last: &str) -> Bytes {
    Bytes::from(format!(
        r#"{HEAD}<bpmn:process id="{id}" isExecutable="true">{body}
<bpmn:sequenceFlow id="fe" sourceRef="{last}" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#
    ))
}

fn package() -> PackageSource {
    let manifest = "name = \"bench\"\nversion = \"1.0.0\"\ndescription = \"b\"\n[[triggers]]\n\
                    name = \"t\"\ndocument = \"order\"\nprocess = \"straight\"\n";
    let files = BTreeMap::from([
        ("package.toml".to_owned(), manifest.as_bytes().to_vec()),
        ("documents/order.json".to_owned(), br#"{"type":"object"}"#.to_vec()),
        ("processes/p.bpmn".to_owned(), script("straight").to_vec()),
    ]);
    PackageSource::from_files(files).expect("a package")
}

fn variables(number: u64) -> Context {
    Context::new(vec![
        ("n".into(), Value::from(i64::try_from(number).unwrap_or(0))),
        ("customer".into(), Value::from("c-1042")),
    ])
}

async fn work(node: Node, job_type: &'static str, done: Arc<AtomicU64>) {
    let request = WorkerRequest {
        job_type: job_type.into(),
        worker: "bench".into(),
        timeout_ms: 60_000,
        fetch: Vec::new(),
    };
    let mut stream = node.open_stream(request).expect("a stream");
    let mut batch = Vec::new();
    let mut running = tokio::task::JoinSet::new();
    while stream.next(&mut batch, 256).await {
        for job in batch.drain(..) {
            let (node, done) = (node.clone(), done.clone());
            running.spawn(async move {
                if node.complete_job(job.job, Context::default()).await.is_ok() {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while running.try_join_next().is_some() {}
    }
}

struct Run {
    seconds: u64,
    in_flight: u64,
}

impl Run {
    /// Keeps `in_flight` instances going and counts those that end.
    async fn instances(&self, node: &Node, process: &'static str) -> f64 {
        let done = Arc::new(AtomicU64::new(0));
        let until = Instant::now() + Duration::from_secs(self.seconds);
        let mut tasks = tokio::task::JoinSet::new();
        let begun = Instant::now();
        for lane in 0..self.in_flight {
            let (node, done) = (node.clone(), done.clone());
            tasks.spawn(async move {
                while Instant::now() < until {
                    let which = Which::Enabled(process.into());
                    let patience = Duration::from_secs(60);
                    if node.create_and_wait(which, variables(lane), patience).await.is_ok() {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        while tasks.join_next().await.is_some() {}
        per_second(done.load(Ordering::Relaxed), begun)
    }

    async fn documents(&self, node: &Node) -> f64 {
        let done = Arc::new(AtomicU64::new(0));
        let until = Instant::now() + Duration::from_secs(self.seconds);
        let mut tasks = tokio::task::JoinSet::new();
        let begun = Instant::now();
        for lane in 0..8_u64 {
            let (node, done) = (node.clone(), done.clone());
            tasks.spawn(async move {
                while Instant::now() < until {
                    let batch: Vec<Publication> = (0..100)
                        .map(|number| Publication {
                            source: None,
                            id: None,
                            data: Value::Context(variables(lane * 100 + number)),
                        })
                        .collect();
                    if let Ok(accepted) = node.publish("bench/order", batch).await {
                        let number = accepted.iter().filter(|answer| answer.is_ok()).count();
                        done.fetch_add(number as u64, Ordering::Relaxed);
                    }
                }
            });
        }
        while tasks.join_next().await.is_some() {}
        per_second(done.load(Ordering::Relaxed), begun)
    }
}

fn per_second(number: u64, begun: Instant) -> f64 {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    f64::from(number) / begun.elapsed().as_secs_f64()
}

fn main() -> anyhow::Result<()> {
    let numbers: Vec<u64> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let run = Run {
        seconds: numbers.first().copied().unwrap_or(5),
        in_flight: numbers.get(1).copied().unwrap_or(256),
    };
    let only = std::env::args().find(|word| ["W0", "W1", "W10", "D1"].contains(&word.as_str()));
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let data = tempfile::tempdir()?;
    runtime.block_on(async {
        let store = Arc::new(Sqlite::open(data.path(), &store::sqlite::Options::default())?);
        let node = Node::open(store, Options::new("bench", data.path().join("work")));
        node.ready(Duration::from_secs(10)).await?;
        let resources = vec![
            ("w0.bpmn".to_owned(), script("w0")),
            ("w1.bpmn".to_owned(), jobs("w1", 1)),
            ("w10.bpmn".to_owned(), jobs("w10", 10)),
        ];
        node.deploy_resources(resources).await?;
        node.deploy(vec![package()]).await?;
        let done = Arc::new(AtomicU64::new(0));
        let mut workers = tokio::task::JoinSet::new();
        workers.spawn(work(node.clone(), "w1", done.clone()));
        workers.spawn(work(node.clone(), "w10", done));
        if wanted("W0") {
            println!("W0  {:>9.0} instances/s", run.instances(&node, "w0").await);
        }
        if wanted("W1") {
            println!("W1  {:>9.0} instances/s", run.instances(&node, "w1").await);
        }
        if wanted("W10") {
            println!("W10 {:>9.0} steps/s", 10.0 * run.instances(&node, "w10").await);
        }
        if wanted("D1") {
            println!("D1  {:>9.0} documents/s", run.documents(&node).await);
        }
        workers.abort_all();
        node.stop().await;
        anyhow::Ok(())
    })
}
