//! Servers that are drained, removed, stand by, or write other formats.

use feel::Context;
use node::cluster::{FORMAT, Looked};
use node::{Condition, Error, Node, Told, Which};
use store::Standing;

use crate::world::{JOB, PATIENCE, World, deploy, until};

#[tokio::test]
async fn a_server_is_drained_by_way_of_another_and_serves_again() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    b.ready(PATIENCE).await.unwrap();
    world.owns("b", 2).await;
    deploy(&a, JOB).await;
    a.tell_server("b", Told::Drain).await.unwrap();
    assert_eq!(world.owned("b").await, 0);
    assert_eq!(b.condition(), Condition::Stopping, "balancers are told");
    b.create(Which::Enabled("order".into()), Context::default()).await.expect("forwarded");
    let servers = b.servers().await.unwrap();
    let shown: Vec<_> = servers
        .iter()
        .map(|server| {
            let about = &server.member.about;
            (&*about.name, about.standing, server.shards.len(), server.is_this)
        })
        .collect();
    let expected = [("a", Standing::Serving, 4, false), ("b", Standing::Draining, 0, true)];
    assert_eq!(shown, expected);
    a.tell_server("b", Told::Serve).await.unwrap();
    world.owns("b", 2).await;
    b.ready(PATIENCE).await.unwrap();
    let refused = a.tell_server("c", Told::Drain).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound { kind: "server", .. }), "{refused}");
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_dead_server_is_removed_before_its_lease_ends() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    b.ready(PATIENCE).await.unwrap();
    world.owns("b", 2).await;
    world.kill(&b).await;
    a.remove_server("b").await.unwrap();
    world.owns("a", 4).await;
    assert!(matches!(a.remove_server("a").await, Err(Error::State { .. })));
    a.stop().await;
}

/// The one that hangs and the one that was started in its place: the newest one is not meant.
#[tokio::test]
async fn of_several_servers_of_a_name_the_key_tells_which_one_is_removed() {
    let world = World::new();
    let (a, old) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    old.ready(PATIENCE).await.unwrap();
    world.owns("b", 2).await;
    let dead = old.standing_here().key.unwrap();
    world.kill(&old).await;
    let new = world.start("b");
    new.ready(PATIENCE).await.unwrap();
    let alive = new.standing_here().key.unwrap();
    let keys = |node: &node::Node| -> Vec<_> { node.members().iter().map(|one| one.key).collect() };
    until("a knows both", async || keys(&a).contains(&alive)).await;
    assert!(keys(&a).contains(&dead), "the lease has not run out");
    let refused = a.remove_server("b").await.unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, Error::State { .. }), "{text}");
    assert!(text.contains(&dead.to_string()) && text.contains(&alive.to_string()), "{text}");
    let mine = a.standing_here().key.unwrap().to_string();
    assert!(matches!(a.remove_server(&mine).await, Err(Error::State { .. })));
    a.remove_server(&dead.to_string()).await.unwrap();
    until("one is left", async || !keys(&a).contains(&dead)).await;
    assert_eq!(new.standing_here().key, Some(alive), "it goes on");
    let refused = a.remove_server("srv_999999").await.unwrap_err();
    assert!(matches!(refused, Error::NotFound { .. }), "{refused}");
    a.stop().await;
    new.stop().await;
}

#[tokio::test]
async fn a_server_that_was_removed_by_mistake_joins_anew() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    b.ready(PATIENCE).await.unwrap();
    world.owns("b", 2).await;
    let key = |servers: Vec<node::ServerView>| {
        servers.iter().find(|server| *server.member.about.name == *"b").map(|s| s.member.key)
    };
    let before = key(a.servers().await.unwrap());
    a.remove_server("b").await.unwrap();
    until("it is back", async || {
        let now = key(a.servers().await.unwrap());
        now.is_some() && now != before
    })
    .await;
    world.owns("b", 2).await;
    b.ready(PATIENCE).await.unwrap();
    a.stop().await;
    b.stop().await;
}

/// R51: started by accident, it does no harm.
#[tokio::test]
async fn a_server_that_stands_by_owns_nothing_until_it_is_told() {
    let world = World::new();
    let a = world.start("a");
    a.ready(PATIENCE).await.unwrap();
    deploy(&a, JOB).await;
    let b = world.start_with("b", |options| options.cluster.about.standing = Standing::Standby);
    b.ready(PATIENCE).await.unwrap();
    b.create(Which::Enabled("order".into()), Context::default()).await.expect("forwarded");
    assert_eq!((world.owned("a").await, world.owned("b").await), (4, 0));
    world.kill(&a).await;
    world.outlive(&b).await;
    world.outlive(&b).await;
    assert_eq!(world.owned("b").await, 0, "nobody has told it");
    b.tell_server("b", Told::Serve).await.unwrap();
    world.owns("b", 4).await;
    b.ready(PATIENCE).await.unwrap();
    b.stop().await;
}

#[tokio::test]
async fn one_standby_takes_over_by_itself_if_it_may() {
    let world = World::new();
    let a = world.start("a");
    a.ready(PATIENCE).await.unwrap();
    a.set_setting("standby.take-over", Some("automatic"), "anna").await.unwrap();
    let standby =
        |name| world.start_with(name, |options| options.cluster.about.standing = Standing::Standby);
    let (b, c) = (standby("b"), standby("c"));
    b.ready(PATIENCE).await.unwrap();
    c.ready(PATIENCE).await.unwrap();
    world.outlive(&b).await;
    assert_eq!((world.owned("a").await, world.owned("b").await), (4, 0));
    world.kill(&a).await;
    for _ in 0..3 {
        world.outlive(&b).await;
    }
    until("one of them serves", async || world.owned("b").await + world.owned("c").await == 4)
        .await;
    assert_eq!(world.owned("b").await % 4, 0, "one, not both");
    b.stop().await;
    c.stop().await;
}

#[tokio::test]
async fn the_format_is_raised_when_all_write_it_and_keeps_older_programs_out() {
    let world = World::new();
    let newer = |options: &mut node::Options| options.cluster.format_max = FORMAT + 1;
    let (a, b) = (world.start_with("a", newer), world.start("b"));
    a.ready(PATIENCE).await.unwrap();
    b.ready(PATIENCE).await.unwrap();
    let next = (FORMAT + 1).to_string();
    let refused = a.set_setting("cluster.format", Some(&next), "anna").await.unwrap_err();
    assert!(matches!(refused, Error::Format { .. }), "{refused}");
    assert!(refused.to_string().contains("`b` up to 1"), "{refused}");
    b.stop().await;
    let b = world.start_with("b", newer);
    b.ready(PATIENCE).await.unwrap();
    until("a forgets the older one", async || {
        a.set_setting("cluster.format", Some(&next), "anna").await.is_ok()
    })
    .await;
    let refused = a.set_setting("cluster.format", None, "anna").await.unwrap_err();
    assert!(refused.to_string().contains("cannot be lowered"), "{refused}");
    let old = world.start("old");
    let refused = old.ready(PATIENCE).await.unwrap_err();
    assert!(matches!(refused, Error::Format { .. }), "{refused}");
    assert_eq!(old.members().len(), 0);
    assert_eq!(a.servers().await.unwrap().len(), 2);
    for node in [a, b, old] {
        node.stop().await;
    }
}

/// The store is reached by all of them: membership says nothing of it.
#[tokio::test]
async fn a_server_that_does_not_reach_others_knows_it() {
    let world = World::new();
    // The older one of two halves stays ready.
    let a = world.start("a");
    world.owns("a", 4).await;
    let b = world.start("b");
    world.owns("a", 2).await;
    world.owns("b", 2).await;
    until("b knows both", async || b.members().len() == 2).await;
    let names = |node: &Node| -> Vec<String> {
        node.unreachable().iter().map(|member| member.about.name.to_string()).collect()
    };
    world.cut(&a);
    world.cut(&b);
    assert_eq!(a.look_around().await, Looked::default(), "once says nothing");
    assert_eq!((names(&a), a.is_cut_off()), (vec![], false));
    assert_eq!(&*a.look_around().await.lost[0].about.name, "b");
    b.look_around().await;
    b.look_around().await;
    assert_eq!((names(&a), a.is_cut_off()), (vec!["b".to_owned()], false), "RCH-1");
    assert_eq!((names(&b), b.is_cut_off()), (vec!["a".to_owned()], true), "RCH-1");
    assert_eq!(b.condition(), Condition::Ready, "its own shards are served");
    world.join(&a);
    world.join(&b);
    assert_eq!(&*b.look_around().await.found[0].about.name, "a");
    assert_eq!((names(&b), b.is_cut_off()), (vec![], false));
    a.stop().await;
    b.stop().await;
    assert_eq!((names(&b), b.is_cut_off()), (vec![], false), "who has ended reaches nobody");
}
