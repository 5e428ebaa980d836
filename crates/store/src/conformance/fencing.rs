//! Who may write, and what is left of a unit that was refused.
//!
//! Boundary: the fence only; what a unit holds does not matter here.
//! Read first: [`an_earlier_owner_is_fenced`].

use engine::ids::{Address, ShardId};

use super::{Owner, instance, snapshot};
use crate::{Committed, Error, Store, Unit};

/// Sequences advance by one; what was stored survives the change of the owner.
pub async fn a_unit_counts_once(store: &dyn Store) {
    let first = Owner::of(store, 1).await.lease();
    assert_eq!((first.epoch, first.sequence, first.blocks_next), (1, 0, 1));
    let owner = Owner::of(store, 1).await;
    let unit = Unit { blocks_next: 42, ..owner.next() };
    assert_eq!(store.commit(unit.clone()).await.unwrap(), Committed::Done);
    assert_eq!(store.commit(unit).await.unwrap(), Committed::Conflict { stored: 1 }, "UNI-2");
    let late = Unit { sequence: 3, ..owner.next() };
    assert_eq!(store.commit(late).await.unwrap(), Committed::Conflict { stored: 1 }, "UNI-2");
    let next = Owner::of(store, 1).await.lease();
    assert_eq!((next.epoch, next.sequence, next.blocks_next), (3, 1, 42));
}

/// Two owners: the earlier one is revived, its write refused, nothing changed.
pub async fn an_earlier_owner_is_fenced(store: &dyn Store) {
    let mut earlier = Owner::of(store, 1).await;
    earlier.commit(|unit| unit.aggregates.push(snapshot(1, Some("kept")))).await;
    let mut later = Owner::of(store, 1).await;
    let mut revived = earlier.next();
    revived.aggregates.push(snapshot(1, Some("overwritten")));
    assert_eq!(store.commit(revived).await.unwrap(), Committed::NotOwner { epoch: 2 }, "UNI-2");
    let stored = store.load(ShardId(1), &[Address::Instance(instance(1))]).await.unwrap();
    assert_eq!(stored[0].as_deref(), Some(&b"kept"[..]), "STO-2");
    later.commit(|_| ()).await;
    let unowned = Unit { shard: Some(ShardId(9)), ..later.next() };
    assert_eq!(store.commit(unowned).await.unwrap(), Committed::NotOwner { epoch: 0 });
    let unknown = Unit { shard: Some(ShardId(99)), ..later.next() };
    assert_eq!(store.commit(unknown).await.unwrap(), Committed::NotOwner { epoch: 0 });
    let nameless = store.commit(Unit::default()).await;
    assert!(matches!(nameless, Err(Error::Failed { .. })), "{nameless:?}");
}

/// A shard that was founded but never held has no owner, whatever a unit says.
pub async fn nobody_writes_under_epoch_zero(store: &dyn Store) {
    store.found(1).await.unwrap();
    let mut unit = Unit { shard: Some(ShardId(1)), sequence: 1, ..Unit::default() };
    unit.settings.push(("a".into(), Some("1".into())));
    assert_eq!(store.commit(unit).await.unwrap(), Committed::NotOwner { epoch: 0 }, "UNI-2");
    assert_eq!(store.settings().await.unwrap(), []);
}

/// Every list of a refused unit is refused.
pub async fn a_refused_unit_changes_nothing(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    super::differential::fill(&mut owner, store).await;
    let before = super::differential::picture(store).await;
    let mut unit = owner.next();
    super::differential::empty(&mut unit);
    unit.sequence += 1;
    assert_eq!(store.commit(unit).await.unwrap(), Committed::Conflict { stored: 1 });
    assert_eq!(super::differential::picture(store).await, before, "STO-2");
}

/// The same numbers in another shard are other rows.
pub async fn shards_do_not_see_each_other(store: &dyn Store) {
    let mut one = Owner::of(store, 1).await;
    let mut two = Owner::of(store, 2).await;
    let bucket = Address::Bucket { name: "paid".into(), key: "o-1".into() };
    for (owner, content) in [(&mut one, "one"), (&mut two, "two")] {
        owner
            .commit(|unit| {
                unit.aggregates.push(crate::AggregateChange {
                    address: bucket.clone(),
                    snapshot: Some(content.into()),
                });
            })
            .await;
    }
    for (shard, content) in [(1, "one"), (2, "two")] {
        let stored = store.load(ShardId(shard), std::slice::from_ref(&bucket)).await.unwrap();
        assert_eq!(stored, [Some(content.into())]);
    }
    let stored = store.load(ShardId(3), &[bucket]).await.unwrap();
    assert_eq!(stored, [None]);
}

/// Units of many shards are handed over before any answer is awaited; one of them is wrong.
pub async fn units_that_wait_together_stand_alone(store: &dyn Store) {
    let mut owners = Vec::new();
    for shard in 1..=9 {
        owners.push(Owner::of(store, shard).await);
    }
    let mut answers = Vec::new();
    for (number, owner) in (1..).zip(&owners) {
        let mut unit = owner.next();
        unit.settings.push((format!("s{number}").into(), Some("set".into())));
        unit.sequence += u64::from(number == 5);
        answers.push(store.commit(unit));
    }
    // Two units of one shard, the second handed over before the first is answered.
    answers.push(store.commit(Unit { sequence: 2, ..owners[0].next() }));
    for (number, answer) in (1..).zip(answers) {
        let expected =
            if number == 5 { Committed::Conflict { stored: 0 } } else { Committed::Done };
        assert_eq!(answer.await.unwrap(), expected, "unit {number}");
    }
    let settings = store.settings().await.unwrap();
    let names: Vec<_> = settings.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["s1", "s2", "s3", "s4", "s6", "s7", "s8", "s9"]);
}
