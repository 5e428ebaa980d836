//! One server.

use std::time::Duration;

use host::gate::Policy;
use node::{Change, Error, Outcome, Strategy, Terms};

use crate::shop::{Shop, ask, ask_aside, begin, one, until_held};
use crate::world::World;

fn within(timeout: Duration) -> Terms {
    Terms { timeout, ..Terms::default() }
}

#[tokio::test]
async fn held_calls_run_on_the_new_version_and_running_ones_on_the_old() {
    let (world, shop) = (World::new(), Shop::new());
    let node = one(&world).await;
    node.deploy(vec![shop.shop("1.0.0")]).await.unwrap();
    assert_eq!(ask(&node, "shop/answer").await.unwrap(), "1.0.0");
    let slow = ask_aside(&node, "shop/slow");
    shop.begun(1).await;
    let begun = begin(&node, shop.shop("2.0.0"), Terms::default()).await;
    until_held(&node, &begun, 1, 0).await;
    let held = ask_aside(&node, "shop/answer");
    let view = until_held(&node, &begun, 1, 1).await;
    let oldest = &view.servers[0].oldest[0];
    assert_eq!((&*oldest.kind, &*oldest.name), ("call", "shop/slow"));
    assert!(!held.is_finished() && !slow.is_finished());
    shop.go();
    let ended = node.deployment_ended(begun.key).await.unwrap();
    assert_eq!(ended.outcome, Some(Outcome::Done));
    assert!(ended.closed_us.is_some());
    assert_eq!(slow.await.unwrap().unwrap(), "1.0.0");
    assert_eq!(held.await.unwrap().unwrap(), "2.0.0");
    assert_eq!(shop.life(), ["start 1.0.0 a", "stop 1.0.0 a", "start 2.0.0 a"]);
    node.stop().await;
}

#[tokio::test]
async fn what_does_not_drain_in_time_leaves_the_original() {
    let (world, shop) = (World::new(), Shop::new());
    let node = one(&world).await;
    node.deploy(vec![shop.shop("1.0.0")]).await.unwrap();
    let slow = ask_aside(&node, "shop/slow");
    shop.begun(1).await;
    let terms = within(Duration::from_millis(800));
    let begun = begin(&node, shop.shop("2.0.0"), terms).await;
    until_held(&node, &begun, 1, 0).await;
    let held = ask_aside(&node, "shop/answer");
    let refused = node.deployment_ended(begun.key).await.unwrap_err();
    let Error::NotDeployed { outcome: "timed-out", reason } = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("1 call(s)") && reason.contains("shop/slow"), "{reason}");
    assert_eq!(held.await.unwrap().unwrap(), "1.0.0");
    shop.go();
    assert_eq!(slow.await.unwrap().unwrap(), "1.0.0");
    assert_eq!(shop.life(), ["start 1.0.0 a"], "nothing was stopped");
    // As if nothing had happened.
    node.deploy(vec![shop.shop("2.0.0")]).await.unwrap();
    assert_eq!(ask(&node, "shop/answer").await.unwrap(), "2.0.0");
    node.stop().await;
}

#[tokio::test]
async fn it_can_be_cancelled_before_the_commit_and_not_later() {
    let (world, shop) = (World::new(), Shop::new());
    let node = one(&world).await;
    node.deploy(vec![shop.shop("1.0.0")]).await.unwrap();
    let slow = ask_aside(&node, "shop/slow");
    shop.begun(1).await;
    let begun = begin(&node, shop.shop("2.0.0"), Terms::default()).await;
    let next = begin(&node, shop.shop("3.0.0"), Terms::default()).await;
    until_held(&node, &begun, 1, 0).await;
    node.cancel_deployment(next.key).await.unwrap();
    node.cancel_deployment(begun.key).await.unwrap();
    for key in [begun.key, next.key] {
        let refused = node.deployment_ended(key).await.unwrap_err();
        assert!(
            matches!(refused, Error::NotDeployed { outcome: "cancelled", .. }),
            "{key}: {refused:?}"
        );
        let late = node.cancel_deployment(key).await.unwrap_err();
        assert!(matches!(late, Error::State { .. }), "{late:?}");
    }
    assert_eq!(ask(&node, "shop/answer").await.unwrap(), "1.0.0");
    shop.go();
    assert_eq!(slow.await.unwrap().unwrap(), "1.0.0");
    let all = node.deployments(None, 10).await.unwrap();
    let outcomes: Vec<_> = all.iter().map(|view| view.outcome.unwrap().name()).collect();
    assert_eq!(outcomes, ["cancelled", "cancelled", "done"]);
    node.stop().await;
}

#[tokio::test]
async fn a_start_up_service_that_fails_brings_the_original_back() {
    let (world, shop) = (World::new(), Shop::new());
    let node = one(&world).await;
    shop.breaks("2.0.0");
    node.deploy(vec![shop.shop("1.0.0")]).await.unwrap();
    let refused = node.deploy(vec![shop.shop("2.0.0")]).await.unwrap_err();
    assert!(matches!(&refused, Error::Startup { package, .. } if package == "shop"), "{refused:?}");
    assert_eq!(ask(&node, "shop/answer").await.unwrap(), "1.0.0");
    let life = ["start 1.0.0 a", "stop 1.0.0 a", "start 2.0.0 a", "start 1.0.0 a"];
    assert_eq!(shop.life(), life);
    assert_eq!(&*node.catalog().packages["shop"].version(), "1.0.0");
    // A package that was never there is gone without a trace.
    let first = shop.package("first", "2.0.0", "startup = [\"start\"]");
    node.deploy(vec![first]).await.unwrap_err();
    let missing = ask(&node, "first/answer").await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing:?}");
    // Or, by choice, it stays inactive with its reason.
    let terms = Terms { auto_recover: false, ..Terms::default() };
    let begun = begin(&node, shop.shop("2.0.0"), terms).await;
    node.deployment_ended(begun.key).await.unwrap();
    let catalog = node.catalog();
    let active = &catalog.packages["shop"];
    assert!(active.is_disabled && active.note.contains("start"), "{}", active.note);
    assert!(matches!(ask(&node, "shop/answer").await, Err(Error::NotFound { .. })));
    node.stop().await;
}

#[tokio::test]
async fn dependents_are_held_too_and_others_are_not() {
    let (world, shop) = (World::new(), Shop::new());
    let node = one(&world).await;
    let set = vec![
        shop.shop("1.0.0"),
        shop.package("front", "1.0.0", "[dependencies]\nshop = \">=1\""),
        shop.package("site", "1.0.0", "[dependencies]\nfront = \"^1\""),
        shop.package("other", "1.0.0", ""),
    ];
    node.deploy(set).await.unwrap();
    let slow = ask_aside(&node, "site/slow");
    shop.begun(1).await;
    let begun = begin(&node, shop.shop("2.0.0"), Terms::default()).await;
    let view = until_held(&node, &begun, 1, 0).await;
    let affected: Vec<&str> = view.plan.affected.iter().map(|name| &**name).collect();
    assert_eq!(affected, ["front", "shop", "site"]);
    assert_eq!(ask(&node, "other/answer").await.unwrap(), "1.0.0");
    let held = ask_aside(&node, "front/answer");
    until_held(&node, &begun, 1, 1).await;
    shop.go();
    slow.await.unwrap().unwrap();
    held.await.unwrap().unwrap();
    node.deployment_ended(begun.key).await.unwrap();
    node.stop().await;
}

#[tokio::test]
async fn policies_and_the_side_by_side_strategy() {
    let (world, shop) = (World::new(), Shop::new());
    let node = one(&world).await;
    node.deploy(vec![shop.shop("1.0.0")]).await.unwrap();
    let slow = ask_aside(&node, "shop/slow");
    shop.begun(1).await;
    // New calls fail at once.
    let terms = Terms { policy: Policy::FailFast, ..Terms::default() };
    let begun = begin(&node, shop.shop("2.0.0"), terms).await;
    until_held(&node, &begun, 1, 0).await;
    let refused = ask(&node, "shop/answer").await.unwrap_err();
    assert!(matches!(refused, Error::Switching { .. }), "{refused:?}");
    node.cancel_deployment(begun.key).await.unwrap();
    node.deployment_ended(begun.key).await.unwrap_err();
    // New calls run on the old version.
    let terms = Terms { policy: Policy::RunOnOld, ..Terms::default() };
    let begun = begin(&node, shop.shop("2.0.0"), terms).await;
    until_held(&node, &begun, 1, 0).await;
    assert_eq!(ask(&node, "shop/answer").await.unwrap(), "1.0.0");
    node.cancel_deployment(begun.key).await.unwrap();
    node.deployment_ended(begun.key).await.unwrap_err();
    // The slow call ends on the old version, while new ones run on the new one.
    let terms = Terms { strategy: Strategy::SideBySide, ..Terms::default() };
    let begun = begin(&node, shop.shop("2.0.0"), terms).await;
    node.deployment_ended(begun.key).await.unwrap();
    assert_eq!(ask(&node, "shop/answer").await.unwrap(), "2.0.0");
    assert!(!slow.is_finished());
    shop.go();
    assert_eq!(slow.await.unwrap().unwrap(), "1.0.0");
    node.stop().await;
}

#[tokio::test]
async fn packages_are_disabled_enabled_rolled_back_removed_and_recovered() {
    let (world, shop) = (World::new(), Shop::new());
    let node = one(&world).await;
    let change = async |change: Change| {
        let begun = node.change(change, Terms::default()).await?;
        node.deployment_ended(begun.key).await.map(|_| ())
    };
    node.deploy(vec![shop.shop("1.0.0")]).await.unwrap();
    node.deploy(vec![shop.shop("2.0.0")]).await.unwrap();
    let front = shop.package("front", "1.0.0", "[dependencies]\nshop = \">=1\"");
    node.deploy(vec![front]).await.unwrap();
    for needed in [Change::Disable("shop".into()), Change::Remove("shop".into())] {
        let refused = change(needed).await.unwrap_err();
        assert!(refused.to_string().contains("`front` need(s) it"), "{refused}");
    }
    // Versions do not go back by mistake.
    let refused = node.deploy(vec![shop.shop("1.0.0")]).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { problems } if problems[0].code == "PKG-022"));
    change(Change::Rollback("shop".into(), None)).await.unwrap();
    assert_eq!(ask(&node, "shop/answer").await.unwrap(), "1.0.0");
    change(Change::Rollback("shop".into(), Some("2.0.0".into()))).await.unwrap();
    assert_eq!(ask(&node, "shop/answer").await.unwrap(), "2.0.0");
    change(Change::Remove("front".into())).await.unwrap();
    assert!(matches!(ask(&node, "front/answer").await, Err(Error::NotFound { .. })));
    change(Change::Disable("shop".into())).await.unwrap();
    assert!(matches!(ask(&node, "shop/answer").await, Err(Error::NotFound { .. })));
    // What needs a disabled package cannot come.
    let refused = change(Change::Recover("front".into())).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { problems } if problems[0].code == "PKG-023"));
    change(Change::Enable("shop".into())).await.unwrap();
    assert_eq!(ask(&node, "shop/answer").await.unwrap(), "2.0.0");
    change(Change::Recover("front".into())).await.unwrap();
    assert_eq!(ask(&node, "front/answer").await.unwrap(), "1.0.0");
    let lives = shop.life().len();
    change(Change::Reload(vec!["shop".into()])).await.unwrap();
    assert_eq!(shop.life()[lives..], ["stop 2.0.0 a", "start 2.0.0 a"]);
    node.stop().await;
}

#[tokio::test]
async fn what_was_deployed_is_there_after_a_restart() {
    let (world, shop) = (World::new(), Shop::new());
    let node = one(&world).await;
    node.deploy(vec![shop.shop("1.0.0")]).await.unwrap();
    node.deploy(vec![shop.package("off", "1.0.0", "")]).await.unwrap();
    let begun = node.change(Change::Disable("off".into()), Terms::default()).await.unwrap();
    node.deployment_ended(begun.key).await.unwrap();
    node.stop().await;
    let node = one(&world).await;
    assert_eq!(ask(&node, "shop/answer").await.unwrap(), "1.0.0");
    assert!(matches!(ask(&node, "off/answer").await, Err(Error::NotFound { .. })));
    assert!(node.catalog().packages["off"].is_disabled);
    node.stop().await;
}
