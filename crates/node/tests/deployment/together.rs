//! Several servers on one store.

use std::time::Duration;

use node::{Error, Node, Terms};

use crate::shop::{Shop, ask, ask_aside, begin, until_held};
use crate::world::World;

fn start(world: &World, name: &str) -> Node {
    world.start_with(name, |options| {
        let server = format!(r#"{{"name":"{name}"}}"#);
        options.settings.server = feel::json::parse(server.as_bytes()).unwrap();
    })
}

/// `a` has the home shard.
async fn two(world: &World) -> (Node, Node) {
    let first = start(world, "a");
    world.owns(&first, 8).await;
    let second = start(world, "b");
    world
        .until("both serve", async || {
            let pulse = first.pulse().await.unwrap();
            let owners: std::collections::BTreeSet<_> =
                pulse.shards.iter().map(|shard| shard.owner).collect();
            owners.len() == 2 && !owners.contains(&None)
        })
        .await;
    (first, second)
}

/// The one that leads, and another one.
async fn leader_first(first: Node, second: Node) -> (Node, Node) {
    let pulse = first.pulse().await.unwrap();
    let home = pulse.shards.iter().find(|shard| shard.shard == engine::ids::ShardId(1)).unwrap();
    let leader = pulse.members.iter().find(|member| Some(member.key) == home.owner).unwrap();
    if *leader.about.name == *first.name() { (first, second) } else { (second, first) }
}

#[tokio::test]
async fn all_servers_switch_at_once_when_none_has_work_in_flight() {
    let (world, shop) = (World::new(), Shop::new());
    let (first, second) = two(&world).await;
    let (leader, other) = leader_first(first, second).await;
    leader.deploy(vec![shop.shop("1.0.0")]).await.unwrap();
    assert_eq!(ask(&other, "shop/answer").await.unwrap(), "1.0.0");
    // What is in flight at one server is waited for by both.
    let slow = ask_aside(&other, "shop/slow");
    shop.begun(1).await;
    let begun = begin(&other, shop.shop("2.0.0"), Terms::default()).await;
    until_held(&leader, &begun, 1, 0).await;
    let held = [ask_aside(&leader, "shop/answer"), ask_aside(&other, "shop/answer")];
    let view = until_held(&leader, &begun, 1, 2).await;
    assert_eq!(view.servers.len(), 2);
    until_held(&other, &begun, 1, 2).await;
    shop.go();
    other.deployment_ended(begun.key).await.unwrap();
    assert_eq!(slow.await.unwrap().unwrap(), "1.0.0");
    for held in held {
        assert_eq!(held.await.unwrap().unwrap(), "2.0.0");
    }
    let mut life = shop.life();
    life[2..4].sort();
    life[4..].sort();
    let wanted = ["stop 1.0.0 a", "stop 1.0.0 b", "start 2.0.0 a", "start 2.0.0 b"];
    assert_eq!(life[2..], wanted.map(str::to_owned));
    leader.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_leader_that_dies_leaves_the_original_to_the_others() {
    let (world, shop) = (World::new(), Shop::new());
    let (first, second) = two(&world).await;
    let (leader, other) = leader_first(first, second).await;
    leader.deploy(vec![shop.shop("1.0.0")]).await.unwrap();
    let slow = ask_aside(&other, "shop/slow");
    shop.begun(1).await;
    let begun = begin(&leader, shop.shop("2.0.0"), Terms::default()).await;
    until_held(&leader, &begun, 1, 0).await;
    let held = ask_aside(&other, "shop/answer");
    let name = leader.name().to_owned();
    world.kill(&name, leader).await;
    assert_eq!(held.await.unwrap().unwrap(), "1.0.0", "the other one goes on");
    shop.go();
    assert_eq!(slow.await.unwrap().unwrap(), "1.0.0");
    let refused = other.deployment_ended(begun.key).await.unwrap_err();
    assert!(matches!(refused, Error::NotDeployed { .. }), "{refused:?}");
    // And the next one comes through.
    world.owns(&other, 8).await;
    other.deploy(vec![shop.shop("2.0.0")]).await.unwrap();
    assert_eq!(ask(&other, "shop/answer").await.unwrap(), "2.0.0");
    other.stop().await;
}

#[tokio::test]
async fn a_server_that_dies_is_not_waited_for() {
    let (world, shop) = (World::new(), Shop::new());
    let (first, second) = two(&world).await;
    let (leader, other) = leader_first(first, second).await;
    leader.deploy(vec![shop.shop("1.0.0")]).await.unwrap();
    let slow = ask_aside(&other, "shop/slow");
    shop.begun(1).await;
    let begun = begin(&leader, shop.shop("2.0.0"), Terms::default()).await;
    until_held(&leader, &begun, 1, 0).await;
    let name = other.name().to_owned();
    world.kill(&name, other).await;
    leader.deployment_ended(begun.key).await.unwrap();
    assert_eq!(ask(&leader, "shop/answer").await.unwrap(), "2.0.0");
    slow.abort();
    leader.stop().await;
}

#[tokio::test]
async fn a_server_that_joins_meanwhile_serves_only_what_is_decided() {
    let (world, shop) = (World::new(), Shop::new());
    let (first, second) = two(&world).await;
    let (leader, other) = leader_first(first, second).await;
    leader.deploy(vec![shop.shop("1.0.0")]).await.unwrap();
    let slow = ask_aside(&leader, "shop/slow");
    shop.begun(1).await;
    let begun = begin(&leader, shop.shop("2.0.0"), Terms::default()).await;
    until_held(&leader, &begun, 1, 0).await;
    let third = start(&world, "c");
    third.ready(Duration::from_secs(10)).await.unwrap();
    let held = ask_aside(&third, "shop/answer");
    until_held(&leader, &begun, 1, 1).await;
    assert!(!held.is_finished());
    shop.go();
    leader.deployment_ended(begun.key).await.unwrap();
    assert_eq!(slow.await.unwrap().unwrap(), "1.0.0");
    assert_eq!(held.await.unwrap().unwrap(), "2.0.0");
    for node in [leader, other, third] {
        node.stop().await;
    }
}

#[tokio::test]
async fn a_failure_on_one_server_recovers_all() {
    let (world, shop) = (World::new(), Shop::new());
    let (first, second) = two(&world).await;
    let (leader, other) = leader_first(first, second).await;
    leader.deploy(vec![shop.shop("1.0.0")]).await.unwrap();
    shop.breaks("2.0.0");
    let refused = other.deploy(vec![shop.shop("2.0.0")]).await.unwrap_err();
    assert!(refused.to_string().contains("start"), "{refused}");
    for node in [&leader, &other] {
        assert_eq!(ask(node, "shop/answer").await.unwrap(), "1.0.0");
    }
    leader.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_server_without_a_lease_answers_for_no_package() {
    let (world, shop) = (World::new(), Shop::new());
    let (first, second) = two(&world).await;
    let (leader, other) = leader_first(first, second).await;
    leader.deploy(vec![shop.shop("1.0.0")]).await.unwrap();
    let slow = ask_aside(&other, "shop/slow");
    shop.begun(1).await;
    // It is cut off: its lease runs out while it still has a call in flight.
    let name = other.name().to_owned();
    world.kill(&name, other.clone()).await;
    shop.go();
    let gone = slow.await.unwrap();
    let also = ask(&other, "shop/answer").await;
    // The lease ends by the server's own clock.
    world.until("its lease ends", async || ask(&other, "shop/answer").await.is_err()).await;
    assert!(matches!(ask(&other, "shop/answer").await, Err(Error::Unavailable { .. })));
    drop((gone, also));
    leader.stop().await;
}
