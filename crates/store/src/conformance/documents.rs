//! Documents, trigger queues and published ids.
//!
//! Boundary: what belongs to the embedded message provider.
//! Read first: [`entries_move_between_states`].

use engine::ids::{Block, DocumentKey, EntryKey, ShardId};

use super::{Owner, instance};
use crate::{DocumentRow, EntryFilter, EntryRow, EntryState, Seen, Store};

fn document(content: &'static str) -> DocumentRow {
    DocumentRow {
        document_type: "orders/order".into(),
        id: "o-1".into(),
        source: "/shop".into(),
        at_ms: 5,
        content: content.into(),
    }
}

fn entry(trigger: &str, state: EntryState) -> EntryRow {
    EntryRow {
        trigger: trigger.into(),
        document: DocumentKey(1),
        state,
        attempts: 0,
        due_ms: 10,
        instance: None,
        reason: None,
    }
}

/// Inserted, replaced, removed.
pub async fn documents_come_and_go(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let put = |key, content| (DocumentKey(key), Some(document(content)));
    owner
        .commit(|unit| unit.documents = vec![put(1, "{}"), put(2, "[]"), put(1, "{\"a\":1}")])
        .await;
    assert_eq!(store.document(DocumentKey(1)).await.unwrap(), Some(document("{\"a\":1}")));
    owner.commit(|unit| unit.documents = vec![(DocumentKey(1), None)]).await;
    assert_eq!(store.document(DocumentKey(1)).await.unwrap(), None);
    assert_eq!(store.document(DocumentKey(2)).await.unwrap(), Some(document("[]")));
}

/// An entry is in the list of its state only; lists are paged, of one trigger or of all.
pub async fn entries_move_between_states(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    owner
        .commit(|unit| {
            for key in (1..=6).rev() {
                let trigger = if key % 2 == 0 { "a/even" } else { "a/odd" };
                unit.entries.push((EntryKey(key), Some(entry(trigger, EntryState::Queued))));
            }
        })
        .await;
    let list = async |state, trigger: Option<&str>, after: Option<u64>, limit| {
        let filter = EntryFilter {
            state: Some(state),
            trigger: trigger.map(Into::into),
            shard: None,
            after: after.map(EntryKey),
            limit,
        };
        let rows = store.entries(&filter).await.unwrap();
        rows.into_iter().map(|(key, _)| key.0).collect::<Vec<_>>()
    };
    assert_eq!(list(EntryState::Queued, None, None, 4).await, [1, 2, 3, 4]);
    assert_eq!(list(EntryState::Queued, None, Some(4), 4).await, [5, 6]);
    assert_eq!(list(EntryState::Queued, Some("a/even"), None, 2).await, [2, 4]);
    assert_eq!(list(EntryState::Queued, Some("a/even"), Some(4), 2).await, [6]);
    let running = EntryRow {
        state: EntryState::InProcess,
        attempts: 3,
        due_ms: 77,
        instance: Some(instance(1)),
        reason: Some("timed out".into()),
        ..entry("a/even", EntryState::Queued)
    };
    let dead = entry("a/odd", EntryState::Dead);
    owner
        .commit(|unit| {
            unit.entries = vec![
                (EntryKey(2), Some(running.clone())),
                (EntryKey(3), Some(dead)),
                (EntryKey(4), None),
                (EntryKey(5), Some(entry("a/odd", EntryState::Parked))),
            ];
        })
        .await;
    assert_eq!(list(EntryState::Queued, None, None, 9).await, [1, 6]);
    assert_eq!(list(EntryState::InProcess, None, None, 9).await, [2]);
    assert_eq!(list(EntryState::Dead, Some("a/odd"), None, 9).await, [3]);
    assert_eq!(list(EntryState::Parked, None, None, 9).await, [5]);
    assert_eq!(store.entry(EntryKey(2)).await.unwrap(), Some(running));
    assert_eq!(store.entry(EntryKey(4)).await.unwrap(), None);
}

/// Of one shard, in any state.
pub async fn entries_are_listed_by_shard(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let key = |shard, number| EntryKey(Block::new(ShardId(shard), 1).first() + number);
    let states = [EntryState::Queued, EntryState::Dead];
    owner
        .commit(|unit| {
            for (shard, number) in [(2, 1), (1, 2), (1, 1), (3, 1), (2, 2)] {
                let row = entry("a/t", states[usize::from(number == 2)]);
                unit.entries.push((key(shard, number), Some(row)));
            }
        })
        .await;
    let list = async |filter: EntryFilter| {
        let rows = store.entries(&filter).await.unwrap();
        rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    let of_two = EntryFilter { shard: Some(ShardId(2)), limit: 9, ..EntryFilter::default() };
    assert_eq!(list(of_two.clone()).await, [key(2, 1), key(2, 2)]);
    let dead = EntryFilter { state: Some(EntryState::Dead), ..of_two.clone() };
    assert_eq!(list(dead).await, [key(2, 2)]);
    let behind = EntryFilter { after: Some(key(2, 1)), ..of_two.clone() };
    assert_eq!(list(behind).await, [key(2, 2)]);
    let before = EntryFilter { after: Some(key(1, 1)), ..of_two.clone() };
    assert_eq!(list(before).await, [key(2, 1), key(2, 2)]);
    assert_eq!(list(EntryFilter { after: Some(key(3, 1)), ..of_two }).await, []);
    let all = EntryFilter { limit: 4, ..EntryFilter::default() };
    assert_eq!(list(all).await, [key(1, 1), key(1, 2), key(2, 1), key(2, 2)]);
}

/// A document that a shard accepted.
fn of_shard(shard: u16, number: u64) -> DocumentKey {
    DocumentKey(Block::new(ShardId(shard), 1).first() + number)
}

/// A document stays as long as a queue holds it, whatever its age.
pub async fn documents_are_forgotten_once_no_queue_holds_them(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    owner
        .commit(|unit| {
            unit.documents = vec![
                (of_shard(1, 1), Some(document("{}"))),
                (of_shard(1, 2), Some(document("[]"))),
            ];
            let dead = EntryRow { document: of_shard(1, 1), ..entry("a/t", EntryState::Dead) };
            unit.entries = vec![(EntryKey(1), Some(dead))];
        })
        .await;
    // Each shard forgets its own.
    Owner::of(store, 2).await.commit(|unit| unit.seen_before_ms = Some(99)).await;
    owner.commit(|unit| unit.seen_before_ms = Some(5)).await;
    assert!(store.document(of_shard(1, 2)).await.unwrap().is_some(), "not old enough");
    owner.commit(|unit| unit.seen_before_ms = Some(6)).await;
    assert!(store.document(of_shard(1, 1)).await.unwrap().is_some(), "on a queue");
    assert!(store.document(of_shard(1, 2)).await.unwrap().is_none());
    owner.commit(|unit| unit.entries = vec![(EntryKey(1), None)]).await;
    owner.commit(|unit| unit.seen_before_ms = Some(6)).await;
    assert!(store.document(of_shard(1, 1)).await.unwrap().is_none());
}

/// Source and id together, in the order asked.
pub async fn published_ids_are_recognised_until_forgotten(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let seen = |source: &str, id: &str, document, at_ms| Seen {
        source: source.into(),
        id: id.into(),
        document: of_shard(1, document),
        at_ms,
    };
    owner
        .commit(|unit| {
            unit.seen =
                vec![seen("/b", "1", 12, 20), seen("/a", "1", 11, 10), seen("/a", "2", 13, 30)];
        })
        .await;
    let pairs = [("/a", "1"), ("/b", "2"), ("/b", "1"), ("/a", "2")];
    let pairs = pairs.map(|(source, id)| (source.into(), id.into()));
    let found = async || {
        let found = store.seen(&pairs).await.unwrap();
        found.into_iter().map(|key| key.map(|key| key.0 - of_shard(1, 0).0)).collect::<Vec<_>>()
    };
    assert_eq!(found().await, [Some(11), None, Some(12), Some(13)]);
    owner
        .commit(|unit| {
            unit.seen = vec![seen("/a", "1", 14, 40)];
            unit.seen_before_ms = Some(30);
        })
        .await;
    assert_eq!(found().await, [Some(14), None, None, Some(13)]);
}
