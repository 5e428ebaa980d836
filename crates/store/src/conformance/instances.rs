//! The instance list, its counts, audit records and incidents.
//!
//! Boundary: what people look at.
//! Read first: [`an_instance_starts_fails_and_ends`].

use bytes::Bytes;
use engine::ids::{DefinitionKey, IncidentKey, InstanceKey, JobKey, ShardId, StepKey};

use super::{Owner, instance};
use crate::{
    IncidentRow, InstanceChange, InstanceFilter, InstanceRow, InstanceState, NewAudit, Store,
};

const DEFINITION: DefinitionKey = DefinitionKey(7);
/// An instance of another shard: number 1.
const IN_SHARD_2: InstanceKey = InstanceKey((2 << 51) + (1 << 8));

fn started(number: u64) -> InstanceChange {
    InstanceChange::Started {
        key: instance(number),
        definition: DEFINITION,
        process: "order".into(),
        version: 1,
        parent: None,
        business_key: None,
        started_ms: 1_000,
    }
}

fn ended(number: u64, forget_ms: i64) -> InstanceChange {
    InstanceChange::Ended {
        key: instance(number),
        state: InstanceState::Completed,
        ended_ms: 2_000,
        forget_ms,
    }
}

fn incident(number: u64) -> IncidentRow {
    IncidentRow {
        instance: instance(number),
        step: StepKey(3),
        job: Some(JobKey(4)),
        element: "charge".into(),
        process: "order".into(),
        kind: "JOB_NO_RETRIES".into(),
        message: "card declined".into(),
        at_ms: 5,
    }
}

/// Ten ended instances of two processes, and ten active ones.
fn twenty(unit: &mut crate::Unit) {
    for number in 1..=20 {
        unit.instances.push(InstanceChange::Started {
            key: instance(number),
            definition: DefinitionKey(number % 2),
            process: if number % 2 == 0 { "even" } else { "odd" }.into(),
            version: u32::try_from(number % 3).unwrap(),
            parent: (number > 15).then(|| instance(1)),
            business_key: (number % 5 == 0).then(|| "five".into()),
            started_ms: 0,
        });
    }
    unit.instances.push(InstanceChange::Incidents { key: instance(9), open: 1 });
    unit.instances.push(InstanceChange::Incidents { key: instance(12), open: 1 });
    for number in 1..=10 {
        unit.instances.push(ended(number, 0));
    }
}

/// With everything that the conditions of the list look for.
fn one_of_shard_2(unit: &mut crate::Unit) {
    unit.instances.push(InstanceChange::Started {
        key: IN_SHARD_2,
        definition: DefinitionKey(0),
        process: "even".into(),
        version: 0,
        parent: Some(instance(1)),
        business_key: Some("five".into()),
        started_ms: 0,
    });
    unit.instances.push(InstanceChange::Incidents { key: IN_SHARD_2, open: 1 });
}

/// A row from start to end.
pub async fn an_instance_starts_fails_and_ends(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    owner
        .commit(|unit| {
            unit.instances.push(InstanceChange::Started {
                key: instance(2),
                definition: DEFINITION,
                process: "order".into(),
                version: 3,
                parent: Some(instance(1)),
                business_key: Some("o-1".into()),
                started_ms: 1_000,
            });
        })
        .await;
    let mut expected = InstanceRow {
        key: instance(2),
        definition: DEFINITION,
        process: "order".into(),
        version: 3,
        state: InstanceState::Active,
        incidents: 0,
        parent: Some(instance(1)),
        business_key: Some("o-1".into()),
        started_ms: 1_000,
        ended_ms: None,
    };
    assert_eq!(store.instance(instance(2)).await.unwrap().as_ref(), Some(&expected));
    let fails = InstanceChange::Incidents { key: instance(2), open: 2 };
    owner.commit(|unit| unit.instances.push(fails)).await;
    expected.incidents = 2;
    assert_eq!(store.instance(instance(2)).await.unwrap().as_ref(), Some(&expected));
    owner.commit(|unit| unit.instances.push(ended(2, 3_000))).await;
    expected.state = InstanceState::Completed;
    expected.ended_ms = Some(2_000);
    assert_eq!(store.instance(instance(2)).await.unwrap().as_ref(), Some(&expected));
    for state in [InstanceState::Cancelled, InstanceState::Failed] {
        let (ended_ms, forget_ms) = (2_000, 3_000);
        let end = InstanceChange::Ended { key: instance(2), state, ended_ms, forget_ms };
        owner.commit(|unit| unit.instances.push(end)).await;
        expected.state = state;
        assert_eq!(store.instance(instance(2)).await.unwrap().as_ref(), Some(&expected));
        let filter = InstanceFilter { state: Some(state), limit: 9, ..InstanceFilter::default() };
        let listed = store.instances(&filter).await.unwrap();
        assert_eq!(listed, std::slice::from_ref(&expected));
    }
    assert_eq!(store.instance(instance(3)).await.unwrap(), None);
    let none = ended(3, 3_000);
    owner.commit(|unit| unit.instances.push(none)).await;
    assert_eq!(store.instance(instance(3)).await.unwrap(), None);
}

/// Every condition, alone and with another, and pages of three.
pub async fn lists_are_filtered_and_paged(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    owner.commit(twenty).await;
    let all = InstanceFilter { limit: 100, ..InstanceFilter::default() };
    let even = Some("even".into());
    let (active, completed) = (Some(InstanceState::Active), Some(InstanceState::Completed));
    let mut other = Owner::of(store, 2).await;
    other.commit(one_of_shard_2).await;
    let all = InstanceFilter { shard: Some(ShardId(1)), ..all };
    let cases: [(InstanceFilter, &[u64]); 10] = [
        (
            InstanceFilter { process: even.clone(), state: completed, ..all.clone() },
            &[10, 8, 6, 4, 2],
        ),
        (
            InstanceFilter { process: even, state: active, version: Some(0), ..all.clone() },
            &[18, 12],
        ),
        (InstanceFilter { with_incidents: true, ..all.clone() }, &[12, 9]),
        (InstanceFilter { with_incidents: true, state: active, ..all.clone() }, &[12]),
        (InstanceFilter { business_key: Some("five".into()), ..all.clone() }, &[20, 15, 10, 5]),
        (
            InstanceFilter {
                business_key: Some("five".into()),
                parent: Some(instance(1)),
                ..all.clone()
            },
            &[20],
        ),
        (InstanceFilter { parent: Some(instance(1)), limit: 3, ..all.clone() }, &[20, 19, 18]),
        (
            InstanceFilter { parent: Some(instance(1)), before: Some(instance(18)), ..all.clone() },
            &[17, 16],
        ),
        (InstanceFilter { before: Some(instance(4)), ..all.clone() }, &[3, 2, 1]),
        (InstanceFilter { state: Some(InstanceState::Cancelled), ..all.clone() }, &[]),
    ];
    for (filter, expected) in cases {
        let rows = store.instances(&filter).await.unwrap();
        let found: Vec<_> = rows.iter().map(|row| row.key).collect();
        let expected: Vec<_> = expected.iter().copied().map(instance).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let of_two = InstanceFilter { shard: Some(ShardId(2)), ..all.clone() };
    let found = store.instances(&of_two).await.unwrap();
    assert_eq!(found.iter().map(|row| row.key).collect::<Vec<_>>(), [IN_SHARD_2]);
    let everywhere = InstanceFilter { shard: None, limit: 2, ..all.clone() };
    let found = store.instances(&everywhere).await.unwrap();
    assert_eq!(found.iter().map(|row| row.key).collect::<Vec<_>>(), [IN_SHARD_2, instance(20)]);
    let mut page = InstanceFilter { limit: 3, ..all };
    let mut found = Vec::new();
    loop {
        let rows = store.instances(&page).await.unwrap();
        found.extend(rows.iter().map(|row| row.key));
        page.before = rows.last().map(|row| row.key);
        if page.before.is_none() {
            break;
        }
    }
    assert_eq!(found, (1..=20).rev().map(instance).collect::<Vec<_>>());
}

/// With their audit records and blocks, but not before they have ended.
pub async fn finished_ones_are_forgotten(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    owner
        .commit(|unit| {
            for number in 1..=4 {
                unit.instances.push(started(number));
                unit.audit.push(NewAudit {
                    instance: instance(number),
                    sequence: 1,
                    at_ms: 0,
                    records: Bytes::from_static(b"r"),
                });
            }
            unit.instances.extend([ended(1, 300), ended(2, 100), ended(3, 200)]);
        })
        .await;
    assert_eq!(store.forgettable(ShardId(1), 100, 9).await.unwrap(), []);
    assert_eq!(store.forgettable(ShardId(1), 300, 9).await.unwrap(), [instance(2), instance(3)]);
    assert_eq!(store.forgettable(ShardId(1), 1_000, 2).await.unwrap(), [instance(2), instance(3)]);
    assert_eq!(store.forgettable(ShardId(2), 1_000, 9).await.unwrap(), []);
    owner.commit(|unit| unit.forget = vec![instance(2), instance(4)]).await;
    assert_eq!(store.forgettable(ShardId(1), 1_000, 9).await.unwrap(), [instance(3), instance(1)]);
    assert_eq!(store.instance(instance(2)).await.unwrap(), None);
    assert_eq!(store.audit(instance(2)).await.unwrap(), []);
    assert!(store.instance(instance(4)).await.unwrap().is_some());
    assert_eq!(store.audit(instance(4)).await.unwrap().len(), 1);
}

/// Active ones per version, and of these the ones with incidents.
pub async fn counts_follow_every_change(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    assert_eq!(store.counts().await.unwrap(), []);
    owner.commit(|unit| unit.instances.extend((1..=4).map(started))).await;
    assert_eq!(store.counts().await.unwrap(), [(DEFINITION, 4, 0)]);
    let failing = |number, open| InstanceChange::Incidents { key: instance(number), open };
    owner.commit(|unit| unit.instances.extend([failing(1, 1), failing(2, 3), failing(2, 1)])).await;
    assert_eq!(store.counts().await.unwrap(), [(DEFINITION, 4, 2)]);
    owner.commit(|unit| unit.instances.extend([failing(1, 0), ended(2, 0), ended(2, 0)])).await;
    assert_eq!(store.counts().await.unwrap(), [(DEFINITION, 3, 0)]);
    owner.commit(|unit| unit.instances.extend([started(1), started(2)])).await;
    assert_eq!(store.counts().await.unwrap(), [(DEFINITION, 4, 0)]);
    owner.commit(|unit| unit.instances.extend((1..=4).map(|number| ended(number, 0)))).await;
    assert_eq!(store.counts().await.unwrap(), []);
}

/// However they were written.
pub async fn audit_records_stay_in_order(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let row = |number, sequence, records: &'static str| NewAudit {
        instance: instance(number),
        sequence,
        at_ms: i64::try_from(sequence).unwrap() * 10,
        records: Bytes::from_static(records.as_bytes()),
    };
    owner.commit(|unit| unit.audit = vec![row(1, 2, "b"), row(2, 1, "x"), row(1, 1, "a")]).await;
    owner.commit(|unit| unit.audit = vec![row(1, 3, "c"), row(1, 3, "C")]).await;
    let rows = store.audit(instance(1)).await.unwrap();
    let found: Vec<_> =
        rows.iter().map(|row| (row.sequence, row.at_ms, &row.records[..])).collect();
    assert_eq!(found, [(1, 10, &b"a"[..]), (2, 20, b"b"), (3, 30, b"C")]);
    assert_eq!(store.audit(instance(3)).await.unwrap(), []);
}

/// Open ones by key, of one instance or of all.
pub async fn incidents_open_and_close(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let open = |key, number| (IncidentKey(key), Some(incident(number)));
    owner.commit(|unit| unit.incidents = vec![open(13, 2), open(11, 1), open(12, 1)]).await;
    let keys = |rows: Vec<(IncidentKey, IncidentRow)>| {
        rows.into_iter().map(|(key, _)| key.0).collect::<Vec<_>>()
    };
    assert_eq!(keys(store.incidents(None, None, 2).await.unwrap()), [11, 12]);
    assert_eq!(keys(store.incidents(None, Some(IncidentKey(12)), 2).await.unwrap()), [13]);
    assert_eq!(keys(store.incidents(Some(instance(1)), None, 9).await.unwrap()), [11, 12]);
    let later = store.incidents(Some(instance(1)), Some(IncidentKey(11)), 9).await.unwrap();
    assert_eq!(keys(later), [12]);
    assert_eq!(store.incident(IncidentKey(13)).await.unwrap(), Some(incident(2)));
    let changed = IncidentRow { job: None, message: "gone".into(), ..incident(2) };
    let changes = vec![(IncidentKey(11), None), (IncidentKey(13), Some(changed.clone()))];
    owner.commit(|unit| unit.incidents = changes).await;
    assert_eq!(store.incident(IncidentKey(11)).await.unwrap(), None);
    assert_eq!(store.incident(IncidentKey(13)).await.unwrap(), Some(changed));
}
