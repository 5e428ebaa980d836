//! Deployments of which one server decides while another one loses its connection.

use std::time::Duration;

use engine::ids::DeploymentKey;
use store::conformance::Owner;
use store::conformance::postgres::Server;
use store::postgres::{Options, Pooling, Postgres};
use store::{
    Cluster as _, Committed, DeploymentChange, DeploymentState, Deployments as _, Error,
    Store as _, Unit,
};

use super::proxy::{Rest, Way};
use super::{behind_proxy, unit};

fn open(number: u64) -> DeploymentChange {
    DeploymentChange::Open { key: DeploymentKey(number), detail: "plan".into(), at_ms: 0 }
}

/// Commits a deployment, beside what every unit of these tests has.
fn switch(epoch: u64, sequence: u64, number: u64) -> Unit {
    let mut unit = unit(1, epoch, sequence);
    let (key, detail) = (DeploymentKey(number), "switched".into());
    unit.deployments.push(DeploymentChange::Commit { key, detail });
    unit
}

/// Whose connection is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    Commit,
    Abort,
}

/// A commit and an abort, at once or one behind the other, of which one is cut off after every so
/// many bytes, both ways: whatever was answered is so, and half of a unit is never there.
async fn cut_everywhere(cut: Cut, pooling: Pooling) {
    let Some(server) = Server::shared("a_cut_deployment_is_decided_once") else { return };
    let (proxy, store, url) = behind_proxy(server, pooling).await;
    let beside = Postgres::open(&Options::new(&url)).await.unwrap();
    let epoch = Owner::of(&store, 1).await.lease().epoch;
    let (mut number, mut sequence, mut rows) = (0, 0, 0);
    let (commits, aborts) = match cut {
        Cut::Commit => (&store, &beside),
        Cut::Abort => (&beside, &store),
    };
    // An abort is one short statement.
    let (length, step) = if cut == Cut::Commit { (900, 31) } else { (120, 4) };
    let mut seen = [0, 0];
    for way in [Way::In, Way::Out] {
        for bytes in (0..length).step_by(step) {
            number += 1;
            let mut opening = unit(1, epoch, sequence + 1);
            opening.deployments.push(open(number));
            assert_eq!(commits.commit(opening).await.unwrap(), Committed::Done);
            // What prepares statements is over.
            aborts.abort_deployment(DeploymentKey(u64::MAX >> 1), "".into()).await.unwrap();
            proxy.cut_after(way, bytes, Rest::Close);
            let key = DeploymentKey(number);
            let commit = async || commits.commit(switch(epoch, sequence + 2, number)).await;
            let abort = async || aborts.abort_deployment(key, "away".into()).await;
            let (answer, state) = match number % 3 {
                0 => tokio::join!(commit(), abort()),
                1 => (commit().await, abort().await),
                _ => {
                    let state = abort().await;
                    (commit().await, state)
                }
            };
            proxy.cut_after(way, -1, Rest::Close);
            let (answer, state) = (answer.unwrap(), state.unwrap().unwrap());
            let stored = beside.deployment(key).await.unwrap().unwrap();
            assert_eq!(stored.state, state, "DEP-1 {cut:?} {way:?} {bytes}");
            let (expected, detail) = match state {
                DeploymentState::Committed => (Committed::Done, "switched"),
                _ => (Committed::Decided { deployment: key }, "away"),
            };
            assert_eq!(answer, expected, "DEP-1 {cut:?} {way:?} {bytes}");
            assert_eq!(stored.detail, detail);
            let is_done = answer == Committed::Done;
            seen[usize::from(is_done)] += 1;
            sequence += 1 + u64::from(is_done);
            rows += 1 + usize::from(is_done);
            assert_eq!(beside.settings().await.unwrap().len(), rows, "UNI-1");
        }
    }
    assert!(proxy.cuts() > 15, "{}", proxy.cuts());
    assert!(seen.iter().all(|times| *times > 0), "it is always the same one: {seen:?}");
    assert_eq!(Owner::of(&beside, 1).await.lease().sequence, sequence);
}

#[tokio::test]
async fn a_commit_that_is_cut_is_decided_once() {
    cut_everywhere(Cut::Commit, Pooling::Session).await;
    cut_everywhere(Cut::Commit, Pooling::Transaction).await;
}

#[tokio::test]
async fn an_abort_that_is_cut_is_decided_once() {
    cut_everywhere(Cut::Abort, Pooling::Session).await;
    cut_everywhere(Cut::Abort, Pooling::Transaction).await;
}

/// A commit that arrives when the deployment was aborted in between stays refused, and what waited
/// with it is written once.
#[tokio::test]
async fn a_commit_that_comes_late_stays_refused() {
    let Some(server) = Server::shared("a_commit_that_comes_late_stays_refused") else { return };
    for bytes in [0, 1, 40, 200, 400] {
        let (proxy, store, url) = behind_proxy(server, Pooling::Session).await;
        let beside = Postgres::open(&Options::new(&url)).await.unwrap();
        let epoch = Owner::of(&store, 1).await.lease().epoch;
        let other = Owner::of(&store, 2).await.lease().epoch;
        let mut opening = unit(1, epoch, 1);
        opening.deployments = vec![open(1), open(2)];
        assert_eq!(store.commit(opening).await.unwrap(), Committed::Done);
        assert_eq!(store.commit(switch(epoch, 2, 2)).await.unwrap(), Committed::Done);
        proxy.cut_after(Way::In, bytes, Rest::Hold);
        proxy.close();
        let commits = async {
            let commit = store.commit(switch(epoch, 3, 1));
            tokio::join!(commit, store.commit(unit(2, other, 1)))
        };
        let meanwhile = async {
            while proxy.cuts() == 0 {
                tokio::task::yield_now().await;
            }
            let key = DeploymentKey(1);
            // The half of it that arrived holds the row for a while.
            let decided = loop {
                match beside.abort_deployment(key, "away".into()).await {
                    Ok(decided) => break decided,
                    Err(Error::Failed { act: "abort a deployment in", .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            };
            assert_eq!(decided, Some(DeploymentState::Aborted));
            proxy.open();
            proxy.release();
        };
        let ((answer, waited), ()) = tokio::join!(commits, meanwhile);
        let decided = Committed::Decided { deployment: DeploymentKey(1) };
        assert_eq!(answer.unwrap(), decided, "DEP-1 {bytes}");
        assert_eq!(waited.unwrap(), Committed::Done, "PGW-2 {bytes}");
        assert_eq!(store.commit(unit(1, epoch, 3)).await.unwrap(), Committed::Done);
        super::check(&beside, 1, 3).await;
        super::check(&beside, 2, 1).await;
    }
}

/// Who commits and hangs has not decided: an abort says so soon, and is of use afterwards.
#[tokio::test]
async fn an_abort_does_not_wait_for_who_hangs() {
    let Some(server) = Server::shared("an_abort_does_not_wait_for_who_hangs") else { return };
    let url = server.schema().await;
    let store = Postgres::open(&Options::new(&url)).await.unwrap();
    let epoch = Owner::of(&store, 1).await.lease().epoch;
    let mut opening = unit(1, epoch, 1);
    opening.deployments.push(open(1));
    assert_eq!(store.commit(opening).await.unwrap(), Committed::Done);
    let hangs = async {
        let lock = "SELECT 1 FROM deployments FOR UPDATE; SELECT pg_sleep(1.5)";
        server.execute(&url, lock).await;
    };
    let abort = || store.abort_deployment(DeploymentKey(1), "away".into());
    let aborts = async {
        // Until the row is locked it would be decided.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let begun = tokio::time::Instant::now();
        let error = abort().await.unwrap_err();
        assert!(matches!(error, Error::Failed { .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_millis(1_000), "{:?}", begun.elapsed());
        store.deployment(DeploymentKey(1)).await.unwrap().unwrap().state
    };
    let ((), state) = tokio::join!(hangs, aborts);
    assert_eq!(state, DeploymentState::Open);
    assert_eq!(abort().await.unwrap(), Some(DeploymentState::Aborted));
}

/// Of an abort, too, though no unit tells it.
#[tokio::test]
async fn servers_hear_of_deployments() {
    let Some(server) = Server::shared("servers_hear_of_deployments") else { return };
    let url = server.schema().await;
    let one = Postgres::open(&Options::new(&url)).await.unwrap();
    let two = Postgres::open(&Options::new(&url)).await.unwrap();
    let mut changes = one.changes().unwrap();
    one.pulse().await.unwrap();
    let mut owner = Owner::of(&two, 1).await;
    changes.mark_unchanged();
    owner.commit(|unit| unit.deployments.push(open(1))).await;
    changes.changed().await.unwrap();
    changes.mark_unchanged();
    let key = DeploymentKey(1);
    let detail = DeploymentChange::Detail { key, detail: "nobody needs to know".into() };
    owner.commit(|unit| unit.deployments.push(detail)).await;
    one.pulse().await.unwrap();
    assert!(!changes.has_changed().unwrap());
    two.abort_deployment(key, "away".into()).await.unwrap();
    changes.changed().await.unwrap();
    changes.mark_unchanged();
    two.abort_deployment(key, "again".into()).await.unwrap();
    one.pulse().await.unwrap();
    assert!(!changes.has_changed().unwrap());
}
