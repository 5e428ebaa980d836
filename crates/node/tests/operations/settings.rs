//! Shared settings: one value for all, changed at run time.

use std::time::Duration;

use feel::Context;
use node::{Error, Seed, Which};

use crate::world::{JOB, PATIENCE, SCRIPT, World, deploy, until};

/// SET-1: a wrong value is never stored, whoever is asked.
#[tokio::test]
async fn a_change_is_seen_by_every_server_within_a_second() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    b.ready(PATIENCE).await.unwrap();
    world.owns("b", 2).await;
    for (node, other) in [(&a, &b), (&b, &a)] {
        let value = if node.name() == "a" { "PT9S" } else { "PT8S" };
        node.set_setting("requests.poll", Some(value), "anna").await.unwrap();
        let view = node.setting("requests.poll").unwrap();
        assert_eq!((view.value(), &*view.stored.as_ref().unwrap().by), (value, "anna"));
        let seen = async {
            while other.setting("requests.poll").unwrap().value() != value {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(1), seen).await.expect("within a second");
    }
    let refused = b.set_setting("requests.poll", Some("soon"), "anna").await.unwrap_err();
    assert!(matches!(refused, Error::Invalid { .. }), "{refused}");
    let refused = b.set_setting("request.poll", Some("PT1S"), "anna").await.unwrap_err();
    let Error::UnknownSetting { nearest, .. } = refused else { panic!("{refused}") };
    assert_eq!(nearest.as_deref(), Some("requests.poll"));
    let refused = b.set_setting("cluster.beat", Some("PT10S"), "anna").await.unwrap_err();
    assert!(refused.to_string().contains("a third"), "{refused}");
    b.set_setting("requests.poll", None, "anna").await.unwrap();
    assert_eq!(b.setting("requests.poll").unwrap().value(), "PT5S");
    assert!(b.setting("requests.poll").unwrap().stored.is_none());
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn limits_are_applied_by_shards_that_run() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    b.ready(PATIENCE).await.unwrap();
    world.owns("b", 2).await;
    const LONG: &str = r#"<bpmn:process id="order" isExecutable="true">
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:scriptTask id="c"><bpmn:extensionElements>
<zeebe:script expression="=for i in 1..n return i" resultVariable="m"/>
</bpmn:extensionElements></bpmn:scriptTask>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/></bpmn:process>"#;
    deploy(&a, LONG).await;
    let runs = async |node: &node::Node| {
        let which = Which::Enabled("order".into());
        let variables = Context::builder().with("n", 2_000).build();
        let created = node.create(which, variables).await.unwrap();
        node.instance(created.instance).await.unwrap().incidents == 0
    };
    for node in [&a, &b] {
        assert!(runs(node).await);
    }
    a.set_setting("limits.variable-bytes", Some("1024"), "anna").await.unwrap();
    for node in [&a, &b] {
        until("the limit holds", async || !runs(node).await).await;
    }
    b.set_setting("limits.variable-bytes", None, "anna").await.unwrap();
    for node in [&a, &b] {
        until("the limit is gone", async || runs(node).await).await;
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn leases_take_the_length_that_is_set() {
    let world = World::new();
    let a = world.start("a");
    a.ready(PATIENCE).await.unwrap();
    a.set_setting("cluster.lease", Some("PT30S"), "anna").await.unwrap();
    until("the lease is longer", async || {
        let servers = a.servers().await.unwrap();
        servers[0].lease_ms > 20_000
    })
    .await;
    world.pass(20_000);
    assert_eq!(a.servers().await.unwrap().len(), 1, "it lives");
    a.stop().await;
}

#[tokio::test]
async fn a_servers_own_configuration_is_the_first_value_and_no_later_one() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    let seed = |value: &str| {
        [Seed { name: "limits.call-depth", value: value.to_owned(), origin: "file".to_owned() }]
    };
    a.seed(&seed("50")).await;
    assert_eq!(a.values().limits.call_depth_max, 50);
    b.seed(&seed("60")).await;
    assert_eq!(b.values().limits.call_depth_max, 50, "what is set stays");
    a.set_setting("limits.call-depth", Some("70"), "anna").await.unwrap();
    b.seed(&seed("60")).await;
    assert_eq!(b.values().limits.call_depth_max, 70);
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn settings_outlive_their_servers() {
    let world = World::new();
    let a = world.start("a");
    a.ready(PATIENCE).await.unwrap();
    a.set_setting("instances.hot", Some("0"), "anna").await.unwrap();
    deploy(&a, JOB).await;
    a.stop().await;
    let b = world.start("b");
    b.ready(PATIENCE).await.unwrap();
    assert_eq!(b.values().hot_instances_max, 0);
    deploy(&b, SCRIPT).await;
    b.stop().await;
}

/// Two servers are asked at once: one of them made it, the other is told so.
#[tokio::test]
async fn of_two_tokens_of_one_name_one_is_kept() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    b.ready(PATIENCE).await.unwrap();
    let row = |hash: &str| store::TokenRow {
        hash: hash.into(),
        role: store::Role::Viewer,
        created_ms: 1,
        expires_ms: None,
    };
    for round in 0..20 {
        let name = format!("ci-{round}");
        let (at_a, at_b) =
            tokio::join!(a.keep_token(&name, row("from a")), b.keep_token(&name, row("from b")));
        let kept = a.tokens().await.unwrap().into_iter().find(|(known, _)| **known == *name);
        let hash = kept.unwrap().1.hash;
        let refused = match (at_a, at_b) {
            (Ok(()), Err(refused)) if &*hash == "from a" => refused,
            (Err(refused), Ok(())) if &*hash == "from b" => refused,
            other => panic!("{hash} is kept: {other:?}"),
        };
        assert!(matches!(refused, Error::Exists { .. }), "{refused}");
        let (at_a, at_b) = tokio::join!(a.revoke_token(&name), b.revoke_token(&name));
        assert!(at_a.is_ok() != at_b.is_ok(), "one of them forgot it: {at_a:?}, {at_b:?}");
    }
    a.stop().await;
    b.stop().await;
}
