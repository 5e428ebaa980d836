//! Who decides a deployment, and what the others then hear.
//!
//! Boundary: one shard opens and commits; an abort needs none.
//! Read first: [`a_commit_wins_over_a_later_abort`].

use bytes::Bytes;
use engine::ids::{Block, DeploymentKey, ShardId};

use super::Owner;
use crate::{
    Committed, DeploymentChange, DeploymentFilter, DeploymentRow, DeploymentState, Pulse, Store,
    Unit,
};

fn key(number: u64) -> DeploymentKey {
    DeploymentKey(Block::new(ShardId(1), number).first())
}

fn open(number: u64) -> DeploymentChange {
    DeploymentChange::Open { key: key(number), detail: "plan".into(), at_ms: 5 }
}

fn commit(number: u64) -> DeploymentChange {
    DeploymentChange::Commit { key: key(number), detail: "switched".into() }
}

fn row(state: DeploymentState, detail: &'static str) -> Option<DeploymentRow> {
    Some(DeploymentRow { state, detail: Bytes::from_static(detail.as_bytes()), at_ms: 5 })
}

async fn abort(store: &dyn Store, number: u64, detail: &'static str) -> Option<DeploymentState> {
    store.abort_deployment(key(number), detail.into()).await.unwrap()
}

/// The next unit of a shard, which commits a deployment beside something else.
fn switch(owner: &Owner<'_>, number: u64) -> Unit {
    let mut unit = owner.next();
    unit.settings.push(("switched".into(), Some("yes".into())));
    unit.aggregates.push(super::snapshot(1, Some("switched")));
    unit.deployments.push(commit(number));
    unit
}

/// Opened, committed with the rest of its unit; whoever is late learns it and changes nothing.
pub async fn a_commit_wins_over_a_later_abort(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    owner.commit(|unit| unit.deployments.push(open(1))).await;
    assert_eq!(store.deployment(key(1)).await.unwrap(), row(DeploymentState::Open, "plan"));
    let unit = switch(&owner, 1);
    owner.commit(|next| *next = unit).await;
    let committed = row(DeploymentState::Committed, "switched");
    assert_eq!(store.deployment(key(1)).await.unwrap(), committed);
    for _ in 0..2 {
        assert_eq!(abort(store, 1, "late").await, Some(DeploymentState::Committed), "DEP-1");
    }
    assert_eq!(store.deployment(key(1)).await.unwrap(), committed, "DEP-1");
    assert_eq!(store.settings().await.unwrap().len(), 1);
    // Not even by who decided it.
    let again = switch(&owner, 1);
    assert_eq!(store.commit(again).await.unwrap(), Committed::Decided { deployment: key(1) });
}

/// The unit that comes too late is refused with everything in it; the shard goes on.
pub async fn an_abort_wins_over_a_later_commit(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    owner.commit(|unit| unit.deployments = vec![open(1), open(2)]).await;
    assert_eq!(abort(store, 1, "lost sight").await, Some(DeploymentState::Aborted));
    let before = super::differential::picture(store).await;
    let revisions = async || {
        let Pulse { catalog, settings, slots, deployments, .. } = store.pulse().await.unwrap();
        [catalog, settings, slots, deployments]
    };
    let before_revisions = revisions().await;
    let decided = Committed::Decided { deployment: key(1) };
    let mut unit = switch(&owner, 2);
    unit.deployments.push(commit(1));
    unit.deployments.push(open(3));
    assert_eq!(store.commit(unit).await.unwrap(), decided, "DEP-1");
    assert_eq!(super::differential::picture(store).await, before, "UNI-1");
    assert_eq!(
        store.deployment(key(1)).await.unwrap(),
        row(DeploymentState::Aborted, "lost sight")
    );
    assert_eq!(store.deployment(key(2)).await.unwrap(), row(DeploymentState::Open, "plan"));
    assert_eq!(store.deployment(key(3)).await.unwrap(), None);
    assert_eq!(revisions().await, before_revisions);
    // The sequence of the refused unit is free, under the same epoch.
    let unit = switch(&owner, 2);
    owner.commit(|next| *next = unit).await;
    let committed = row(DeploymentState::Committed, "switched");
    assert_eq!(store.deployment(key(2)).await.unwrap(), committed);
    assert_eq!(store.settings().await.unwrap().len(), 1);
}

/// The first one's detail stays.
pub async fn two_aborts_are_one(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    owner.commit(|unit| unit.deployments.push(open(1))).await;
    for detail in ["first", "second"] {
        assert_eq!(abort(store, 1, detail).await, Some(DeploymentState::Aborted));
        let aborted = row(DeploymentState::Aborted, "first");
        assert_eq!(store.deployment(key(1)).await.unwrap(), aborted, "DEP-1");
    }
}

/// Nobody decides what was never opened, or is forgotten.
pub async fn an_unknown_deployment_is_not_decided(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    assert_eq!(abort(store, 1, "what").await, None);
    let unknown = Committed::Decided { deployment: key(1) };
    assert_eq!(store.commit(switch(&owner, 1)).await.unwrap(), unknown);
    assert_eq!(store.settings().await.unwrap(), []);
    assert_eq!(store.deployment(key(1)).await.unwrap(), None);
    owner.commit(|unit| unit.deployments = vec![open(1), commit(1)]).await;
    let committed = row(DeploymentState::Committed, "switched");
    assert_eq!(store.deployment(key(1)).await.unwrap(), committed, "in the order of the unit");
    let forget = DeploymentChange::Forget { key: key(1) };
    owner.commit(|unit| unit.deployments.push(forget.clone())).await;
    assert_eq!(abort(store, 1, "what").await, None);
    let mut unit = owner.next();
    unit.deployments = vec![open(1), commit(1), forget, commit(1)];
    assert_eq!(store.commit(unit).await.unwrap(), unknown);
    assert_eq!(store.deployment(key(1)).await.unwrap(), None);
}

/// A detail is replaced in every state, a decided row forgotten, an open one not.
pub async fn details_are_replaced_and_decided_ones_forgotten(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let detail = |number, detail: &'static str| DeploymentChange::Detail {
        key: key(number),
        detail: Bytes::from_static(detail.as_bytes()),
    };
    owner
        .commit(|unit| {
            unit.deployments = vec![open(1), open(2), open(3), commit(2), detail(9, "nowhere")];
        })
        .await;
    abort(store, 3, "away").await;
    // Opening it again changes nothing.
    owner
        .commit(|unit| {
            let again = DeploymentChange::Open { key: key(2), detail: "".into(), at_ms: 9 };
            unit.deployments = vec![detail(1, "one"), detail(2, ""), detail(3, "three"), again];
        })
        .await;
    assert_eq!(store.deployment(key(1)).await.unwrap(), row(DeploymentState::Open, "one"));
    assert_eq!(store.deployment(key(2)).await.unwrap(), row(DeploymentState::Committed, ""));
    assert_eq!(store.deployment(key(3)).await.unwrap(), row(DeploymentState::Aborted, "three"));
    assert_eq!(store.deployment(key(9)).await.unwrap(), None);
    owner
        .commit(|unit| {
            let forget = |number| DeploymentChange::Forget { key: key(number) };
            unit.deployments = vec![forget(1), forget(2), forget(3), forget(9)];
        })
        .await;
    let all = DeploymentFilter { limit: 9, ..DeploymentFilter::default() };
    let left = store.deployments(&all).await.unwrap();
    assert_eq!(left, [(key(1), row(DeploymentState::Open, "one").unwrap())]);
}

/// Newest first, page by page, by state.
pub async fn deployments_are_filtered_and_paged(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    owner.commit(|unit| unit.deployments = (1..=5).map(open).collect()).await;
    owner.commit(|unit| unit.deployments = vec![commit(2), commit(4)]).await;
    abort(store, 5, "away").await;
    let list = async |state, before: Option<u64>, limit| {
        let filter = DeploymentFilter { state, before: before.map(key), limit };
        let rows = store.deployments(&filter).await.unwrap();
        assert!(rows.iter().all(|(_, row)| state.is_none_or(|state| row.state == state)));
        rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    let keys = |numbers: &[u64]| numbers.iter().copied().map(key).collect::<Vec<_>>();
    assert_eq!(list(None, None, 9).await, keys(&[5, 4, 3, 2, 1]));
    assert_eq!(list(None, None, 2).await, keys(&[5, 4]));
    assert_eq!(list(None, Some(4), 2).await, keys(&[3, 2]));
    assert_eq!(list(Some(DeploymentState::Open), None, 9).await, keys(&[3, 1]));
    assert_eq!(list(Some(DeploymentState::Open), Some(3), 9).await, keys(&[1]));
    assert_eq!(list(Some(DeploymentState::Committed), None, 1).await, keys(&[4]));
    assert_eq!(list(Some(DeploymentState::Aborted), None, 9).await, keys(&[5]));
    assert_eq!(list(None, None, 0).await, []);
}

/// Who does not hold the shard, or comes out of turn, hears that and nothing about the row.
pub async fn the_fence_refuses_before_the_decision(store: &dyn Store) {
    let mut earlier = Owner::of(store, 1).await;
    earlier.commit(|unit| unit.deployments = vec![open(1), open(2)]).await;
    abort(store, 1, "away").await;
    let later = Owner::of(store, 1).await;
    for number in [1, 2] {
        let fenced = store.commit(switch(&earlier, number)).await.unwrap();
        assert_eq!(fenced, Committed::NotOwner { epoch: 2 }, "UNI-2");
        let early = Unit { sequence: 3, ..switch(&later, number) };
        assert_eq!(store.commit(early).await.unwrap(), Committed::Conflict { stored: 1 }, "UNI-2");
    }
    assert_eq!(store.deployment(key(2)).await.unwrap(), row(DeploymentState::Open, "plan"));
    assert_eq!(store.settings().await.unwrap(), []);
}

/// Units of many shards are handed over at once; one commits what was aborted.
pub async fn a_unit_that_is_too_late_takes_no_other_with_it(store: &dyn Store) {
    let mut owners = Vec::new();
    for shard in 1..=9 {
        owners.push(Owner::of(store, shard).await);
    }
    owners[0].commit(|unit| unit.deployments = vec![open(1), open(2)]).await;
    abort(store, 1, "away").await;
    let units = |owners: &[Owner<'_>]| -> Vec<Unit> {
        let mut units: Vec<Unit> = owners.iter().map(Owner::next).collect();
        for (number, unit) in (1..).zip(&mut units) {
            unit.settings.push((format!("s{number}").into(), Some("set".into())));
        }
        units
    };
    let mut all = units(&owners);
    all[4].deployments.push(commit(2));
    // Two more of the first shard: one that is refused, and one that counts on it.
    all.push(Unit { sequence: 3, ..switch(&owners[0], 1) });
    all.push(Unit { sequence: 4, ..switch(&owners[0], 2) });
    let answers = super::all(all.into_iter().map(|unit| store.commit(unit)).collect()).await;
    for (number, answer) in answers.into_iter().enumerate() {
        let expected = match number {
            9 => Committed::Decided { deployment: key(1) },
            10 => Committed::Conflict { stored: 2 },
            _ => Committed::Done,
        };
        assert_eq!(answer.unwrap(), expected, "unit {number}");
    }
    assert_eq!(Owner::of(store, 1).await.lease().sequence, 2);
    let settings = store.settings().await.unwrap();
    let names: Vec<_> = settings.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"]);
    let committed = row(DeploymentState::Committed, "switched");
    assert_eq!(store.deployment(key(2)).await.unwrap(), committed);
}

/// A commit and many aborts of the same moment: all agree, again and again.
pub async fn of_a_commit_and_aborts_at_once_one_decides(store: &dyn Store) {
    const ROUNDS: u64 = 20;
    let mut owner = Owner::of(store, 1).await;
    for number in 1..=ROUNDS {
        owner.commit(|unit| unit.deployments.push(open(number))).await;
        let unit = switch(&owner, number);
        let (answers, states) = futures_util::future::join(
            super::all(vec![store.commit(unit)]),
            super::all(
                (0..3).map(|_| store.abort_deployment(key(number), "away".into())).collect(),
            ),
        )
        .await;
        let stored = store.deployment(key(number)).await.unwrap().unwrap().state;
        let expected = match stored {
            DeploymentState::Committed => Committed::Done,
            DeploymentState::Aborted => Committed::Decided { deployment: key(number) },
            DeploymentState::Open => panic!("round {number}: nobody decided"),
        };
        for answer in answers {
            assert_eq!(answer.unwrap(), expected, "DEP-1 in round {number}");
        }
        for state in states {
            assert_eq!(state.unwrap(), Some(stored), "DEP-1 in round {number}");
        }
        owner = Owner::of(store, 1).await;
    }
}

/// Servers need not ask for what did not change.
pub async fn deployments_are_told_when_they_change(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let told = async || store.pulse().await.unwrap().deployments;
    let mut before = told().await;
    let detail = DeploymentChange::Detail { key: key(1), detail: "".into() };
    let forget = DeploymentChange::Forget { key: key(1) };
    for (change, is_told) in [(open(1), true), (detail, false), (commit(1), true), (forget, true)] {
        owner.commit(|unit| unit.deployments.push(change.clone())).await;
        let after = told().await;
        assert_eq!(after > before, is_told, "{change:?}");
        before = after;
    }
    owner.commit(|unit| unit.deployments.push(open(2))).await;
    for (number, is_told) in [(2, true), (2, false), (3, false)] {
        let before = told().await;
        abort(store, number, "away").await;
        assert_eq!(told().await > before, is_told, "abort of {number}");
    }
}
