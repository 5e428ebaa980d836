//! Steps that are bound to logical servers, on several servers of which some host them (R20).

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use engine::Event;
use engine::ids::{Block, InstanceKey};
use feel::{Context, Value};
use node::{Clock, LogicalServer, Node, Options, Which, WorkerRequest};
use store::{InstanceState, Store};

use world::{PATIENCE, World, package};

const SERVICES: &str = "[services.here]\nkind = \"command\"\nprogram = \"services/here.sh\"\n\
    args = [\"=server.name\", \"=step\", \"=log\"]\noutput = \"text\"\n\
    [services.block]\nkind = \"command\"\nprogram = \"services/block.sh\"\n\
    args = [\"=server.name\", \"=log\"]\noutput = \"text\"\n";

/// Says where it runs, and writes it down.
const HERE: &str = "#!/bin/sh\necho \"$1 $2 $POINTSMAN_IDEMPOTENCY_KEY\" >> \"$3/calls\"\n\
    printf '%s' \"$1\"\n";
/// On the server `b` it does not end before it may.
const BLOCK: &str = "#!/bin/sh\necho \"$1 block $POINTSMAN_IDEMPOTENCY_KEY\" >> \"$2/calls\"\n\
    while [ \"$1\" = b ] && [ ! -e \"$2/go\" ]; do sleep 0.05; done\nprintf '%s' \"$1\"\n";

fn task(id: &str, service: &str, server: &str, flows: (&str, &str)) -> String {
    let at = match server {
        "" => String::new(),
        name => format!(r#"<pointsman:logicalServer name="{name}"/>"#),
    };
    format!(
        r#"<bpmn:sequenceFlow id="{}" sourceRef="{}" targetRef="{id}"/>
<bpmn:serviceTask id="{id}"><bpmn:extensionElements>
<zeebe:taskDefinition type="service:{service}"/>{at}
<zeebe:ioMapping><zeebe:input source="=&quot;{id}&quot;" target="step"/>
<zeebe:output source="=result" target="{id}"/></zeebe:ioMapping>
</bpmn:extensionElements></bpmn:serviceTask>"#,
        flows.0, flows.1
    )
}

fn model(process: &str, tasks: &[(&str, &str, &str)]) -> String {
    let mut inner = String::new();
    let mut last = "s";
    for (id, service, server) in tasks {
        inner += &task(id, service, server, (&format!("to-{id}"), last));
        last = id;
    }
    format!(
        r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t"
 xmlns:pointsman="http://pointsman.dev/schema/1.0">
<bpmn:process id="{process}" isExecutable="true"><bpmn:startEvent id="s"/>{inner}
<bpmn:sequenceFlow id="to-e" sourceRef="{last}" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#
    )
}

async fn deploy(node: &Node) {
    let order = [
        ("one", "here", ""),
        ("two", "here", "billing"),
        ("three", "here", "billing"),
        ("four", "here", "risk"),
        ("five", "here", ""),
    ];
    let files = [
        ("processes/order.bpmn", model("order", &order)),
        ("processes/long.bpmn", model("long", &[("l", "block", "billing")])),
        ("services/here.sh", HERE.to_owned()),
        ("services/block.sh", BLOCK.to_owned()),
    ];
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    node.deploy(vec![package("shop", SERVICES, &files)]).await.expect("deploys");
}

fn hosts(name: &'static str, hosted: &'static [&'static str]) -> impl FnOnce(&mut Options) {
    move |options| {
        options.cluster.about.hosts = hosted.iter().map(|name| (*name).into()).collect();
        // Whatever is worked again here is so because of a death, however slow the machine is.
        options.settings.hosted_lease_ms = 600_000;
        let server = Context::builder().with("name", name).build();
        options.settings.server = Value::Context(server);
    }
}

async fn create(world: &World, node: &Node, process: &str) -> InstanceKey {
    let log = world.scratch.path().to_str().unwrap();
    let variables = Context::builder().with("log", log).build();
    node.create(Which::Enabled(process.into()), variables).await.expect("created").instance
}

/// Server, step and idempotency key of each call.
fn calls(world: &World) -> Vec<[String; 3]> {
    let text = std::fs::read_to_string(world.scratch.path().join("calls")).unwrap_or_default();
    let lines = text.lines().map(|line| {
        let mut words = line.split(' ').map(str::to_owned);
        [words.next().unwrap(), words.next().unwrap(), words.next().unwrap()]
    });
    lines.collect()
}

/// The workers of an instance's jobs, in order, and for how long they had them.
async fn workers(node: &Node, instance: InstanceKey) -> Vec<(String, i64)> {
    let records = node.audit(instance).await.unwrap();
    let leased = records.iter().filter_map(|record| match &record.event {
        Event::JobLeased { worker, deadline_ms, .. } => {
            Some((worker.to_string(), deadline_ms - record.at_ms))
        }
        _ => None,
    });
    leased.collect()
}

#[tokio::test]
async fn steps_run_where_their_logical_server_is_hosted() {
    let world = World::new();
    let a = world.start_with("a", hosts("a", &[]));
    let b = world.start_with("b", hosts("b", &["billing"]));
    let c = world.start_with("c", hosts("c", &["risk"]));
    for node in [&a, &b, &c] {
        node.ready(PATIENCE).await.unwrap();
    }
    world.until("all own some", async || a.members().len() == 3).await;
    deploy(&a).await;
    let mut created = Vec::new();
    for number in 0..12 {
        created.push(create(&world, [&a, &b, &c][number % 3], "order").await);
    }
    let shards: BTreeSet<_> = created.iter().map(|key| Block::of(key.0).shard()).collect();
    assert!(shards.len() > 2, "instances are on all servers");
    world.completed(12).await;
    let calls = calls(&world);
    assert_eq!(calls.len(), 5 * 12, "each step once: {calls:?}");
    for [server, step, _] in &calls {
        match step.as_str() {
            "two" | "three" => assert_eq!(server, "b"),
            "four" => assert_eq!(server, "c"),
            _ => {}
        }
    }
    let keys: BTreeSet<_> = calls.iter().map(|[.., key]| key).collect();
    assert_eq!(keys.len(), calls.len(), "each step has a key of its own");
    for instance in created {
        let (names, leases): (Vec<_>, Vec<_>) = workers(&a, instance).await.into_iter().unzip();
        let life = |name: &str| {
            let members = a.members();
            let found = members.iter().find(|member| *member.about.name == *name);
            format!("{name}/{}", found.unwrap().key)
        };
        let (b, c, service) = (life("b"), life("c"), "service".to_owned());
        let expected = [service.clone(), b.clone(), b, c, service];
        assert_eq!(names, expected, "the log tells who worked it, and in which life");
        assert!(leases[1] > 0 && leases[3] > 0, "they were leased: {leases:?}");
        assert_eq!(leases[2], 0, "TRN-1: it came back together with the one before");
    }
    for node in [a, b, c] {
        node.stop().await;
    }
}

#[tokio::test]
async fn what_nobody_hosts_waits_visibly_until_somebody_does() {
    let world = World::new();
    let a = world.start_with("a", hosts("a", &[]));
    world.owns(&a, 8).await;
    deploy(&a).await;
    for _ in 0..6 {
        create(&world, &a, "order").await;
    }
    let waiting = |hosts: &[&str], waiting| LogicalServer {
        name: "billing".into(),
        hosts: hosts.iter().map(|name| (*name).into()).collect(),
        waiting,
    };
    let unhosted = vec![waiting(&[], 6)];
    let waits = async || a.logical_servers().await.unwrap() == unhosted;
    world.until("they wait for `billing`", waits).await;
    let worker = WorkerRequest {
        job_type: "at:billing/*".into(),
        worker: "w".into(),
        timeout_ms: 1_000,
        fetch: Vec::new(),
    };
    assert!(a.open_stream(worker.clone()).is_err(), "they are not for workers");
    assert!(a.activate_jobs(worker, 1, None).await.is_err());
    let b = world.start_with("b", hosts("b", &["billing", "risk"]));
    world.completed(6).await;
    assert_eq!(a.logical_servers().await.unwrap()[0], waiting(&["b"], 0));
    // One that stands by works for nobody.
    b.stand(store::Standing::Standby).await.unwrap();
    world.owns(&b, 0).await;
    create(&world, &a, "order").await;
    let waits = async || a.logical_servers().await.unwrap()[0].waiting == 1;
    world.until("it waits", waits).await;
    b.stand(store::Standing::Serving).await.unwrap();
    world.completed(7).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_lease_is_renewed_while_its_job_is_worked() {
    const LEASE_MS: i64 = 600;
    let ticks = Arc::new(AtomicI64::new(1_000_000));
    let world = World::new();
    let clock = Clock::Manual(ticks.clone());
    let b = world.start_with("b", |options| {
        hosts("b", &["billing"])(options);
        options.settings.hosted_lease_ms = LEASE_MS;
        options.clock = clock;
    });
    world.owns(&b, 8).await;
    deploy(&b).await;
    let instance = create(&world, &b, "long").await;
    world.until("it runs", async || calls(&world).len() == 1).await;
    let ends = async || {
        let records = b.audit(instance).await.unwrap();
        let mut ends = records.iter().filter_map(|record| match record.event {
            Event::JobLeased { deadline_ms, .. } | Event::DeadlineUpdated { deadline_ms, .. } => {
                Some(deadline_ms)
            }
            _ => None,
        });
        ends.next_back()
    };
    for _ in 0..4 {
        let now_ms = ticks.fetch_add(LEASE_MS / 2, Ordering::SeqCst) + LEASE_MS / 2;
        world.until("HST-1", async || ends().await == Some(now_ms + LEASE_MS)).await;
    }
    assert_eq!(calls(&world).len(), 1, "HST-1: two leases have passed");
    std::fs::write(world.scratch.path().join("go"), "").unwrap();
    world.completed(1).await;
    assert_eq!(calls(&world).len(), 1);
    b.stop().await;
}

#[tokio::test]
async fn if_the_hosting_server_dies_another_one_does_it() {
    let world = World::new();
    let a = world.start_with("a", hosts("a", &[]));
    a.ready(PATIENCE).await.unwrap();
    let b = world.start_with("b", hosts("b", &["billing"]));
    world.owns(&b, 4).await;
    deploy(&a).await;
    for number in 0..6 {
        create(&world, [&a, &b][number % 2], "long").await;
    }
    world.until("all run on `b`", async || calls(&world).len() == 6).await;
    let c = world.start_with("c", hosts("c", &["billing"]));
    c.ready(PATIENCE).await.unwrap();
    world.kill("b", b).await;
    world.completed(6).await;
    let calls = calls(&world);
    let of = |server: &str| -> BTreeSet<String> {
        let of = calls.iter().filter(|[at, ..]| at == server);
        of.map(|[.., key]| key.clone()).collect()
    };
    assert_eq!(of("b"), of("c"), "each is called again under its key");
    a.stop().await;
    c.stop().await;
}

/// A lease is one life's: the next one of that name does not wait for its end.
#[tokio::test]
async fn if_the_hosting_server_starts_anew_it_does_it_again_at_once() {
    let world = World::new();
    let a = world.start_with("a", hosts("a", &[]));
    a.ready(PATIENCE).await.unwrap();
    let b = world.start_with("b", hosts("b", &["billing"]));
    world.owns(&b, 4).await;
    deploy(&a).await;
    for _ in 0..4 {
        create(&world, &a, "long").await;
    }
    world.until("all run on `b`", async || calls(&world).len() == 4).await;
    world.kill("b", b).await;
    // Its script knows it as another one, so that it does not block.
    let again = world.start_with("b", hosts("c", &["billing"]));
    again.ready(PATIENCE).await.unwrap();
    world.completed(4).await;
    assert_eq!(calls(&world).len(), 8);
    a.stop().await;
    again.stop().await;
}

#[tokio::test]
async fn if_the_owner_dies_the_next_one_gets_the_verdicts() {
    let world = World::new();
    let a = world.start_with("a", hosts("a", &[]));
    a.ready(PATIENCE).await.unwrap();
    let b = world.start_with("b", hosts("b", &["billing"]));
    world.owns(&b, 4).await;
    deploy(&a).await;
    for _ in 0..4 {
        create(&world, &a, "long").await;
    }
    world.until("all run on `b`", async || calls(&world).len() == 4).await;
    world.kill("a", a).await;
    world.owns(&b, 8).await;
    std::fs::write(world.scratch.path().join("go"), "").unwrap();
    world.completed(4).await;
    assert_eq!(calls(&world).len(), 4, "none is called twice");
    b.stop().await;
}

#[tokio::test]
async fn a_cancelled_instance_ends_its_call_and_a_stop_waits_for_none() {
    let world = World::new();
    let a = world.start_with("a", hosts("a", &[]));
    a.ready(PATIENCE).await.unwrap();
    let b = world.start_with("b", |options| {
        hosts("b", &["billing"])(options);
        options.settings.service_calls_max = 1;
        // The call ends when its lease is not renewed any more.
        options.settings.hosted_lease_ms = 600;
        options.settings.stop_calls_ms = 50;
    });
    world.owns(&b, 4).await;
    deploy(&a).await;
    let first = create(&world, &a, "long").await;
    world.until("it runs", async || calls(&world).len() == 1).await;
    let second = create(&world, &b, "long").await;
    a.cancel(first).await.expect("cancelled");
    // Its call ends, so that there is room for the other one.
    world.until("the other one runs", async || calls(&world).len() >= 2).await;
    let c = world.start_with("c", hosts("c", &["billing"]));
    c.ready(PATIENCE).await.unwrap();
    b.stop().await;
    world.completed(1).await;
    assert_eq!(a.instance(second).await.unwrap().state, InstanceState::Completed);
    assert_eq!(world.store.instance(first).await.unwrap().unwrap().state, InstanceState::Cancelled);
    a.stop().await;
    c.stop().await;
}
