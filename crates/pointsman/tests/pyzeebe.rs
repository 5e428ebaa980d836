//! A worker and an application written with PyPI's pyzeebe, unchanged, against a real server.
//!
//! Boundary: needs a Python with tests/requirements.txt, which scripts/dependencies.sh makes;
//! where there is none the test prints its name and does nothing.
//! Read first: [`works_the_example`], then `pyzeebe/worker.py` and `pyzeebe/client.py`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use server::{Server, Start, shown, wait_for};

const HALF: u32 = 50;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A Python that has pyzeebe, or none on this machine.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("POINTSMAN_TEST_PYTHON").map(PathBuf::from);
    let made = root().join("target/venv/bin/python");
    named.or_else(|| made.exists().then_some(made))
}

fn script(python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pyzeebe").join(name);
    command.arg("-B").arg(file);
    command
}

/// What an application asks of the server; what it printed.
fn client(python: &Path, server: &Server, arguments: &[String]) -> String {
    let output = script(python, "client.py").arg(&server.grpc).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", shown(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A worker that runs until it is dropped or asked for what it took.
struct Worker {
    child: Child,
}

impl Worker {
    fn start(python: &Path, server: &Server, way: &str) -> Self {
        let child = script(python, "worker.py")
            .args([&server.grpc, way])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child }
    }

    /// Ends it; the jobs that it took.
    fn end(mut self) -> Vec<Value> {
        drop(self.child.stdin.take());
        let lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        let jobs = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        assert!(self.child.wait().unwrap().success());
        jobs
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn order(number: u32, sku: &str) -> Value {
    let item = json!({"sku": sku, "quantity": 1 + number % 3, "price": 9.9, "weight": 250});
    json!({"orderId": format!("O-{number:06}"), "items": [item]})
}

/// Documents that start instances, each with what is to become of it.
fn publish_orders(server: &Server) {
    for number in HALF + 1..=2 * HALF {
        let sku = match number % 10 {
            0 => "OUT-001",
            1 => "FLK-001",
            2 => "BRK-001",
            _ => "TEA-001",
        };
        server.publish("order-fulfilment/picking-list", &order(number, sku)).expect(202);
    }
}

fn passed(instance: &Value, element: &str) -> bool {
    let path = instance["path"].as_array().unwrap();
    path.iter().any(|step| step["element"] == element && step["state"] == "completed")
}

/// Until `count` instances wait at an element; each by its order.
fn waiting(server: &Server, element: &str, count: usize) -> BTreeMap<String, Value> {
    wait_for(&format!("{count} instances at {element}"), || {
        let active = server.all("/api/instances?state=active&process=pick-and-pack&");
        let instances = active.iter().map(|row| server.instance(row["key"].as_str().unwrap()));
        let there: BTreeMap<String, Value> = instances
            .filter(|one| {
                let steps = one["steps"].as_array();
                steps.is_some_and(|steps| steps.iter().any(|step| step["element"] == element))
            })
            .map(|one| (one["variables"]["orderId"].as_str().unwrap().to_owned(), one))
            .collect();
        (there.len() == count).then_some(there)
    })
}

/// Gives what failed three times another four tries.
fn mend(server: &Server, count: usize) {
    let broken = wait_for("incidents", || {
        let open = server.all("/api/incidents?");
        (open.len() == count).then_some(open)
    });
    for incident in broken {
        assert!(incident.to_string().contains("the shelf has collapsed"), "{incident}");
        let key = incident["instance"].as_str().unwrap();
        let retry = format!("/api/instances/{key}/retry");
        server.post(&retry, &json!({"retries": 4})).expect(200);
    }
}

/// 50 instances that a client starts and 50 that documents start, with a worker of this way.
fn works_the_example(python: &Path, way: &str) {
    let directory = tempfile::tempdir().unwrap();
    let server = Start::on(&directory.path().join("data")).ready();
    let example = |name: &str| root().join("examples").join(name).display().to_string();
    let packages = [example("customer-base"), example("order-fulfilment")];
    let deployed = server.command(&["deploy", &packages[0], &packages[1]]);
    assert!(deployed.status.success(), "{}", shown(&deployed));
    let worker = Worker::start(python, &server, way);
    let started = client(python, &server, &["start".to_owned(), HALF.to_string()]);
    let started: Vec<u64> = serde_json::from_str(&started).unwrap();
    assert_eq!(started.len(), HALF as usize);
    publish_orders(&server);
    mend(&server, 5);
    // Five of the hundred are out of stock and need no carrier.
    let packed = waiting(&server, "wait-for-pickup", 95);
    for (name, instance) in &packed {
        let number: u32 = name[2..].parse().unwrap();
        let mut wanted = order(number, "");
        wanted["items"] = instance["variables"]["items"].clone();
        wanted["picked"] = json!(1 + number % 3);
        wanted["parcel"] = json!({"label": format!("{name}/Straße 1"), "count": 1 + number % 3});
        let mut found = instance["variables"].clone();
        if let Some(id) = found.get("id").cloned() {
            wanted["id"] = id;
        }
        assert_eq!(found.take(), wanted);
    }
    let (by_message, by_document): (Vec<&String>, Vec<&String>) =
        packed.keys().partition(|name| name.ends_with(['1', '3', '5', '7', '9']));
    let mut collect = vec!["collect".to_owned()];
    collect.extend(by_message.into_iter().cloned());
    client(python, &server, &collect);
    for name in by_document {
        server.publish("order-fulfilment/pickup", &json!({"orderId": name})).expect(202);
    }
    wait_for("every instance ends", || {
        server.all("/api/instances?state=active&").is_empty().then_some(())
    });
    let jobs = worker.end();
    check_ends(&server, &started);
    check_jobs(&jobs);
}

fn check_ends(server: &Server, started: &[u64]) {
    let ended = server.all("/api/instances?process=pick-and-pack&");
    assert_eq!(ended.len(), 2 * HALF as usize);
    let (mut short, mut by_hand) = (0, 0);
    for row in &ended {
        assert_eq!((&row["state"], &row["incidents"]), (&json!("completed"), &json!(0)), "{row}");
        let instance = server.instance(row["key"].as_str().unwrap());
        by_hand += usize::from(passed(&instance, "by-hand"));
        if passed(&instance, "short") {
            short += 1;
            assert!(passed(&instance, "reorder"), "{instance}");
        } else {
            assert!(passed(&instance, "handed-over"), "{instance}");
        }
    }
    assert_eq!((short, by_hand), (5, HALF as usize));
    let keys: Vec<String> = ended.iter().map(|row| row["key"].to_string()).collect();
    assert!(started.iter().all(|key| keys.contains(&format!("\"{key}\""))));
}

/// Each try was handed out once: with what is left of the tries it is a different one.
fn check_jobs(jobs: &[Value]) {
    let mut tries: BTreeMap<String, usize> = BTreeMap::new();
    for job in jobs {
        *tries.entry(job.to_string()).or_default() += 1;
    }
    assert!(tries.values().all(|count| *count == 1), "{tries:?}");
    let count = |name: &str| jobs.iter().filter(|job| job["type"] == name).count();
    // Five fail once, and five three times.
    assert_eq!((count("pick-items"), count("pack-items"), count("reorder-items")), (120, 95, 5));
}

#[test]
fn a_polling_worker_works_the_example() {
    match python() {
        Some(python) => works_the_example(&python, "poll"),
        None => println!("skipped: a_polling_worker_works_the_example"),
    }
}

#[test]
fn a_streaming_worker_works_the_example() {
    match python() {
        Some(python) => works_the_example(&python, "stream"),
        None => println!("skipped: a_streaming_worker_works_the_example"),
    }
}

#[test]
fn an_application_gets_the_answers_and_errors_that_it_knows() {
    let Some(python) = python() else {
        println!("skipped: an_application_gets_the_answers_and_errors_that_it_knows");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let server = Start::on(&directory.path().join("data")).ready();
    let examples = root().join("examples");
    let [base, orders] = ["customer-base", "order-fulfilment"].map(|name| examples.join(name));
    let deployed = server.command(&["deploy", base.to_str().unwrap(), orders.to_str().unwrap()]);
    assert!(deployed.status.success(), "{}", shown(&deployed));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pyzeebe/sums.bpmn");
    let said = client(&python, &server, &["check".to_owned(), file.display().to_string()]);
    assert_eq!(said.trim(), "fine");
    let cancelled = server.all("/api/instances?state=cancelled&");
    assert_eq!(cancelled.len(), 1, "{cancelled:?}");
    let sums = server.all("/api/instances?state=completed&process=sums&");
    assert_eq!(sums.len(), 2, "{sums:?}");
}
