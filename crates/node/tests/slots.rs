//! The number of shards is changed while clients publish, wait and hold locks.

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::ids::{Block, InstanceKey};
use feel::{Context, Value};
use node::{Error, NewMessage, Node, Publication, ShardView, Which};
use store::{Cluster, InstanceState, Store};

use world::{PATIENCE, World, deploy, package};

/// Waits for a message of its key.
const WAIT: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:message id="m" name="paid"><bpmn:extensionElements>
<zeebe:subscription correlationKey="=key"/></bpmn:extensionElements></bpmn:message>
<bpmn:process id="wait" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:intermediateCatchEvent id="c"><bpmn:messageEventDefinition id="md" messageRef="m"/>
</bpmn:intermediateCatchEvent>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;

/// Takes a lock, notes its number, gives it back.
const LOCK: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:process id="print" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="take"/>
<bpmn:serviceTask id="take"><bpmn:extensionElements><zeebe:taskDefinition type="pointsman:lock"/>
<zeebe:ioMapping><zeebe:input source="=lock" target="name"/></zeebe:ioMapping>
<zeebe:taskHeaders><zeebe:header key="fence-variable" value="fence"/></zeebe:taskHeaders>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="take" targetRef="give"/>
<bpmn:serviceTask id="give"><bpmn:extensionElements><zeebe:taskDefinition type="pointsman:unlock"/>
<zeebe:ioMapping><zeebe:input source="=lock" target="name"/></zeebe:ioMapping>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f4" sourceRef="give" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;

/// Notes each message while it waits for another one.
const LISTEN: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:message id="m" name="paid"><bpmn:extensionElements>
<zeebe:subscription correlationKey="=key"/></bpmn:extensionElements></bpmn:message>
<bpmn:message id="n" name="news"><bpmn:extensionElements>
<zeebe:subscription correlationKey="=key"/></bpmn:extensionElements></bpmn:message>
<bpmn:process id="listen" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="r"/>
<bpmn:receiveTask id="r" messageRef="m"/>
<bpmn:boundaryEvent id="b" cancelActivity="false" attachedToRef="r">
<bpmn:messageEventDefinition id="nd" messageRef="n"/></bpmn:boundaryEvent>
<bpmn:sequenceFlow id="f3" sourceRef="b" targetRef="e2"/><bpmn:endEvent id="e2"/>
<bpmn:sequenceFlow id="f2" sourceRef="r" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;

const LEASE: Duration = Duration::from_secs(60);

fn world(shards: u16, names: &[&str]) -> (World, Vec<Node>) {
    let world = World::new();
    let start = |name: &&str| world.start_with(name, |options| options.cluster.shards = shards);
    let nodes = names.iter().map(start).collect();
    (world, nodes)
}

async fn ready(nodes: &[Node]) {
    for node in nodes {
        node.ready(PATIENCE).await.unwrap();
    }
}

/// Waits until the slots are spread over so many shards.
async fn spread(world: &World, number: usize) {
    let what = format!("slots are spread over {number} shards");
    let is_spread = async || {
        let slots = world.store.slots().await.unwrap();
        let shards: BTreeSet<_> = slots.iter().copied().collect();
        let of = |shard| slots.iter().filter(|of| **of == shard).count();
        let even = shards.iter().map(|shard| of(*shard)).collect::<BTreeSet<_>>();
        let is_even = even.last().zip(even.first()).is_some_and(|(most, least)| most - least <= 1);
        let are_wanted = shards.iter().all(|shard| usize::from(shard.0) <= number);
        shards.len() == number && are_wanted && is_even
    };
    world.until(&what, is_spread).await;
}

/// Waits until no letter is on its way.
async fn quiet(world: &World) {
    let is_quiet = async || {
        for owner in world.store.pulse().await.unwrap().shards {
            if !world.store.inbox(owner.shard, 1).await.unwrap().is_empty() {
                return false;
            }
        }
        true
    };
    world.until("every letter is read", is_quiet).await;
}

fn message(name: &str, key: &str, number: usize) -> NewMessage {
    NewMessage {
        name: name.into(),
        key: key.into(),
        id: "".into(),
        time_to_live_ms: 3_600_000,
        variables: Context::builder().with("number", i64::try_from(number).unwrap()).build(),
    }
}

async fn create(node: &Node, process: &str, name: &str, value: &str) -> InstanceKey {
    let variables = Context::builder().with(name, value).build();
    loop {
        match node.create(Which::Enabled(process.into()), variables.clone()).await {
            Ok(created) => return created.instance,
            Err(Error::Unavailable { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn stop(nodes: Vec<Node>) {
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test]
async fn shards_become_more_and_fewer_and_are_listed() {
    let (world, nodes) = world(1, &["a", "b"]);
    ready(&nodes).await;
    deploy(&nodes[0], WAIT).await;
    let waiting = create(&nodes[0], "wait", "key", "first").await;
    for number in [4, 2, 8] {
        nodes[1].set_shards(number, "anna").await.unwrap();
        spread(&world, usize::from(number)).await;
    }
    let shown = nodes[0].shards().await.unwrap();
    assert_eq!(shown.len(), 8);
    assert!(
        shown.iter().all(|shard| shard.is_wanted && shard.slots == 32 && shard.owner.is_some())
    );
    nodes[0].set_shards(1, "anna").await.unwrap();
    spread(&world, 1).await;
    let shown = nodes[1].shards().await.unwrap();
    let view = |shard: &ShardView| (shard.slots, shard.is_wanted, shard.is_used);
    assert_eq!(view(&shown[0]), (256, true, true));
    assert!(shown[1..].iter().all(|shard| view(shard) == (0, false, false)));
    assert!(shown.iter().all(|shard| shard.owner.is_some()), "they stay served");
    nodes[1].publish_message(message("paid", "first", 1)).await.unwrap();
    world.completed(1).await;
    assert_eq!(Block::of(waiting.0).shard().0, 1);
    for wrong in [0, 257, u16::MAX] {
        assert!(nodes[0].set_shards(wrong, "anna").await.is_err(), "{wrong}");
    }
    quiet(&world).await;
    stop(nodes).await;
}

#[tokio::test]
async fn what_is_not_wanted_keeps_its_instances_and_gets_no_new_ones() {
    let (world, nodes) = world(4, &["a", "b"]);
    ready(&nodes).await;
    deploy(&nodes[0], WAIT).await;
    let mut old = BTreeSet::new();
    for number in 0..16 {
        let instance = create(&nodes[number % 2], "wait", "key", &format!("k-{number}")).await;
        old.insert(Block::of(instance.0).shard().0);
    }
    assert!(old.iter().any(|shard| *shard > 2), "instances are everywhere: {old:?}");
    nodes[0].set_shards(2, "anna").await.unwrap();
    spread(&world, 2).await;
    for number in 16..32 {
        let instance = create(&nodes[number % 2], "wait", "key", &format!("k-{number}")).await;
        assert!(Block::of(instance.0).shard().0 <= 2);
    }
    let key = nodes[0].request("wait", Context::builder().with("key", "r").build(), None).await;
    let key = key.unwrap();
    world
        .until("the request runs", async || {
            let row = nodes[0].process_request(key).await.unwrap();
            row.instance.is_some_and(|instance| Block::of(instance.0).shard().0 <= 2)
        })
        .await;
    for number in 0..32 {
        nodes[0].publish_message(message("paid", &format!("k-{number}"), 1)).await.unwrap();
    }
    nodes[1].publish_message(message("paid", "r", 1)).await.unwrap();
    world.completed(33).await;
    assert!(!nodes[0].shards().await.unwrap().iter().any(|shard| shard.is_used));
    quiet(&world).await;
    stop(nodes).await;
}

/// Publishes for each instance while the number of shards changes.
async fn correlate(world: &World, nodes: &[Node], from: usize, to: usize) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in from..to {
        let (one, other) =
            (nodes[number % nodes.len()].clone(), nodes[(number / 2) % nodes.len()].clone());
        tasks.spawn(async move {
            let key = format!("o-{number}");
            if number % 2 == 0 {
                other.publish_message(message("paid", &key, number)).await.unwrap();
            }
            create(&one, "wait", "key", &key).await;
            if number % 2 == 1 {
                other.publish_message(message("paid", &key, number)).await.unwrap();
            }
        });
        if number % 4 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    world.completed(to).await;
}

#[tokio::test]
async fn messages_meet_their_instances_before_during_and_after() {
    let (world, nodes) = world(1, &["a", "b", "c"]);
    ready(&nodes).await;
    deploy(&nodes[0], WAIT).await;
    correlate(&world, &nodes, 0, 50).await;
    for (round, number) in (1..).zip([4, 2, 8, 3]) {
        nodes[round % 3].set_shards(number, "anna").await.unwrap();
        correlate(&world, &nodes, round * 300 - 250, round * 300 + 50).await;
        spread(&world, usize::from(number)).await;
    }
    correlate(&world, &nodes, 1_250, 1_300).await;
    quiet(&world).await;
    stop(nodes).await;
}

#[tokio::test]
async fn a_killed_server_loses_no_slot_that_moves() {
    let (world, nodes) = world(2, &["a", "b", "c"]);
    ready(&nodes).await;
    let [a, b, c] = &nodes[..] else { panic!("three") };
    deploy(a, WAIT).await;
    for number in 0..200 {
        create([a, b, c][number % 3], "wait", "key", &format!("o-{number}")).await;
    }
    a.set_shards(8, "anna").await.unwrap();
    // In the middle of the moves.
    world
        .until("some slots have moved", async || {
            let slots = world.store.slots().await.unwrap();
            slots.iter().any(|shard| shard.0 > 2)
        })
        .await;
    world.kill("b", b.clone()).await;
    for number in 0..200 {
        [a, c][number % 2]
            .publish_message(message("paid", &format!("o-{number}"), 1))
            .await
            .unwrap();
    }
    spread(&world, 8).await;
    world.completed(200).await;
    c.set_shards(3, "anna").await.unwrap();
    spread(&world, 3).await;
    quiet(&world).await;
    stop(vec![a.clone(), c.clone()]).await;
}

#[tokio::test]
async fn messages_of_one_publisher_come_in_their_order() {
    let (world, nodes) = world(2, &["a", "b"]);
    ready(&nodes).await;
    let listen = package(
        "news",
        "[processes.listen]\nlog-pipeline = true\n",
        &[("processes/listen.bpmn", LISTEN)],
    );
    nodes[0].deploy(vec![listen]).await.unwrap();
    let mut instances = Vec::new();
    for number in 0..8 {
        instances.push(create(&nodes[number % 2], "listen", "key", &format!("l-{number}")).await);
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let mut publishers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (node, is_over) = (nodes[number % 2].clone(), is_over.clone());
        publishers.spawn(async move {
            let mut sent = 0;
            while !is_over.load(Ordering::SeqCst) {
                sent += 1;
                let mut news = message("news", &format!("l-{number}"), sent);
                news.time_to_live_ms = 0;
                node.publish_message(news).await.unwrap();
            }
            sent
        });
    }
    for number in [6, 1, 4] {
        nodes[0].set_shards(number, "anna").await.unwrap();
        spread(&world, usize::from(number)).await;
    }
    is_over.store(true, Ordering::SeqCst);
    let mut all = 0;
    while let Some(sent) = publishers.join_next().await {
        all += sent.unwrap();
    }
    assert!(all > 100, "{all} messages came while slots moved");
    for number in 0..8 {
        nodes[1].publish_message(message("paid", &format!("l-{number}"), 0)).await.unwrap();
    }
    world.completed(8).await;
    for instance in instances {
        let mut seen = Vec::new();
        for record in nodes[0].audit(instance).await.unwrap() {
            let engine::Event::VariablesSet { variables, .. } = &record.event else { continue };
            let number = variables.get("number").and_then(Value::as_i64);
            seen.extend(number.filter(|number| *number > 0));
        }
        let all: Vec<i64> = (1..).take(seen.len()).collect();
        assert_eq!(seen, all, "LTR-1: each once, in order");
        assert!(!seen.is_empty());
    }
    quiet(&world).await;
    stop(nodes).await;
}

#[tokio::test]
async fn locks_keep_their_holders_their_queues_and_their_numbers() {
    let (world, nodes) = world(1, &["a", "b"]);
    ready(&nodes).await;
    deploy(&nodes[0], LOCK).await;
    let mut fences = Vec::new();
    for number in 0..20 {
        let name = format!("l-{number}");
        fences.push(nodes[0].acquire_lock(&name, "me", Duration::ZERO, LEASE).await.unwrap().fence);
    }
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (a, b) = (nodes[0].clone(), nodes[1].clone());
        let name = format!("l-{number}");
        create(&a, "print", "lock", &name).await;
        waiting.spawn(async move {
            let patience = Duration::from_millis(if number % 2 == 0 { 400 } else { 15_000 });
            (number, b.acquire_lock(&name, "you", patience, LEASE).await)
        });
    }
    for number in [4, 2, 8] {
        nodes[1].set_shards(number, "anna").await.unwrap();
        spread(&world, usize::from(number)).await;
    }
    for number in 0..20 {
        let name = format!("l-{number}");
        nodes[1].renew_lock(&name, "me", LEASE).await.expect("it is still held");
        let other = nodes[0].acquire_lock(&name, "they", Duration::ZERO, LEASE).await;
        assert!(other.is_err(), "it is held");
    }
    // Half of those who wait have no patience for it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    for number in 0..20 {
        nodes[number % 2].release_lock(&format!("l-{number}"), "me").await.expect("given back");
    }
    while let Some(done) = waiting.join_next().await {
        let (number, granted) = done.unwrap();
        if number % 2 == 0 {
            assert!(matches!(granted, Err(Error::Timeout { .. })), "{number}: {granted:?}");
        } else {
            let fence = granted.expect("it waited").fence;
            assert!(fence > fences[number], "LCK-2: {fence} after {}", fences[number]);
        }
    }
    world.completed(20).await;
    quiet(&world).await;
    stop(nodes).await;
}

#[tokio::test]
async fn deadlines_and_leases_end_where_the_lock_is_now() {
    let (world, nodes) = world(1, &["a"]);
    ready(&nodes).await;
    deploy(&nodes[0], LOCK).await;
    for number in 0..10 {
        let name = format!("l-{number}");
        let lease = Duration::from_millis(300);
        nodes[0].acquire_lock(&name, "me", Duration::ZERO, lease).await.unwrap();
        create(&nodes[0], "print", "lock", &name).await;
    }
    nodes[0].set_shards(5, "anna").await.unwrap();
    spread(&world, 5).await;
    // Nobody touches the locks: only their wake-ups free them.
    world.completed(10).await;
    quiet(&world).await;
    stop(nodes).await;
}

#[tokio::test]
async fn a_published_id_is_recognised_wherever_its_slot_is() {
    let (world, nodes) = world(1, &["a", "b"]);
    ready(&nodes).await;
    let manifest = "[[triggers]]\nname = \"order\"\ndocument = \"order\"\nprocess = \"order\"\n";
    let order = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d"
 targetNamespace="t"><bpmn:process id="order" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f" sourceRef="s" targetRef="e"/><bpmn:endEvent id="e"/></bpmn:process>
</bpmn:definitions>"#;
    let files = [("documents/order.json", r#"{"type":"object"}"#), ("processes/order.bpmn", order)];
    nodes[0].deploy(vec![package("shop", manifest, &files)]).await.unwrap();
    let all: Vec<Publication> = (0..60)
        .map(|number| Publication {
            source: None,
            id: Some(format!("d-{number}")),
            data: Value::Context(Context::builder().with("number", number).build()),
        })
        .collect();
    let half = all[..30].to_vec();
    let accepted = nodes[0].publish("order", half).await.unwrap();
    assert!(accepted.iter().all(|one| one.as_ref().is_ok_and(|one| !one.duplicate)));
    for (round, number) in [6, 2, 5].into_iter().enumerate() {
        nodes[0].set_shards(number, "anna").await.unwrap();
        let mut publishers = tokio::task::JoinSet::new();
        for node in [0, 1, 0, 1] {
            let (node, all) = (nodes[node].clone(), all.clone());
            publishers.spawn(async move { node.publish("order", all).await.unwrap() });
        }
        let mut fresh = 0;
        while let Some(accepted) = publishers.join_next().await {
            let accepted = accepted.unwrap();
            fresh += accepted.iter().filter(|one| !one.as_ref().unwrap().duplicate).count();
        }
        assert_eq!(fresh, if round == 0 { 30 } else { 0 }, "DOC-2");
        spread(&world, usize::from(number)).await;
    }
    world.completed(60).await;
    let running = store::InstanceFilter {
        state: Some(InstanceState::Active),
        limit: 1,
        ..store::InstanceFilter::default()
    };
    assert!(world.store.instances(&running).await.unwrap().is_empty());
    quiet(&world).await;
    stop(nodes).await;
}
