//! Letters between shards, process requests, and the lists of locks and tokens.
//!
//! Boundary: what more than one shard looks at.
//! Read first: [`letters_are_received_in_order_and_once`], then [`a_request_is_claimed_once`].

use bytes::Bytes;
use engine::ids::{RequestKey, ShardId};

use super::{Owner, all, instance};
use crate::{
    Letter, LetterKey, LockRow, RequestFilter, RequestRow, RequestState, Role, Store, TokenRow,
};

const FIRST: ShardId = ShardId(1);

fn letter(to: u16, (from, sequence, index): (u16, u64, u32), content: &'static str) -> Letter {
    let key = LetterKey { from: ShardId(from), sequence, index };
    Letter { to: ShardId(to), key, content: Bytes::from_static(content.as_bytes()) }
}

async fn inbox(store: &dyn Store, shard: u16) -> Vec<String> {
    let letters = store.inbox(ShardId(shard), 100).await.unwrap();
    letters.iter().map(|(_, content)| String::from_utf8_lossy(content).into_owned()).collect()
}

/// One sender's letters in the order in which it sent them; gone with the unit that dealt with
/// them, also if they are received or sent again.
pub async fn letters_are_received_in_order_and_once(store: &dyn Store) {
    let mut two = Owner::of(store, 2).await;
    let mut three = Owner::of(store, 3).await;
    let mut one = Owner::of(store, 1).await;
    three.commit(|unit| unit.sent = vec![letter(1, (3, 1, 0), "f")]).await;
    let last = vec![letter(1, (2, 1, 2), "c"), letter(1, (2, 1, 10), "d")];
    two.commit(|unit| {
        unit.sent = last;
        unit.sent.extend([letter(1, (2, 1, 1), "b"), letter(1, (2, 1, 0), "a")]);
    })
    .await;
    two.commit(|unit| unit.sent = vec![letter(1, (2, 2, 0), "e")]).await;
    assert_eq!(inbox(store, 1).await, ["a", "b", "c", "d", "e", "f"]);
    let page = store.inbox(FIRST, 2).await.unwrap();
    let keys: Vec<_> = page.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, [letter(1, (2, 1, 0), "").key, letter(1, (2, 1, 1), "").key]);
    let refused = crate::Unit { sequence: 5, received: keys.clone(), ..one.next() };
    store.commit(refused).await.unwrap();
    assert_eq!(inbox(store, 1).await.len(), 6, "STO-2");
    let dealt_with = [keys, vec![letter(1, (9, 9, 9), "").key]].concat();
    one.commit(|unit| unit.received = dealt_with.clone()).await;
    assert_eq!(inbox(store, 1).await, ["c", "d", "e", "f"]);
    one.commit(|unit| unit.received = dealt_with).await;
    assert_eq!(inbox(store, 1).await, ["c", "d", "e", "f"]);
    // Handed over at the same time, each unit counts in its turn: dealt with, then sent; and sent,
    // then dealt with.
    let (early, late) = (letter(1, (4, 1, 0), "g"), letter(1, (4, 2, 0), "h"));
    let mut four = Owner::of(store, 4).await;
    let deal = |owner: &Owner<'_>, letter: &Letter, after: u64| {
        let unit = owner.next();
        crate::Unit { sequence: unit.sequence + after, received: vec![letter.key], ..unit }
    };
    let send = |owner: &Owner<'_>, letter: &Letter, after: u64| {
        let unit = owner.next();
        crate::Unit { sequence: unit.sequence + after, sent: vec![letter.clone()], ..unit }
    };
    four.commit(|_| ()).await;
    let answers = vec![
        store.commit(deal(&one, &early, 0)),
        store.commit(send(&four, &early, 0)),
        store.commit(send(&four, &late, 1)),
        store.commit(deal(&one, &late, 1)),
    ];
    assert!(all(answers).await.iter().all(|answer| matches!(answer, Ok(crate::Committed::Done))));
    assert_eq!(inbox(store, 1).await, ["c", "d", "e", "f", "g"]);
}

/// Also if it is the sender itself, or a shard that nobody holds.
pub async fn letters_reach_their_target_only(store: &dyn Store) {
    let mut one = Owner::of(store, 1).await;
    let mut two = Owner::of(store, 2).await;
    one.commit(|unit| {
        unit.sent = vec![
            letter(1, (1, 1, 0), "to myself"),
            letter(2, (1, 1, 1), "to two"),
            letter(3, (1, 1, 2), "to three"),
        ];
    })
    .await;
    assert_eq!(inbox(store, 1).await, ["to myself"]);
    assert_eq!(inbox(store, 2).await, ["to two"]);
    assert_eq!(inbox(store, 3).await, ["to three"]);
    // The same place in another inbox is another letter.
    let keys = (0..3).map(|index| letter(1, (1, 1, index), "").key).collect();
    two.commit(|unit| unit.received = keys).await;
    assert_eq!(inbox(store, 1).await, ["to myself"]);
    assert_eq!(inbox(store, 2).await, Vec::<String>::new());
    assert_eq!(inbox(store, 3).await, ["to three"]);
}

fn request(process: &str, due_ms: i64) -> RequestRow {
    RequestRow {
        process: process.into(),
        variables: Bytes::from_static(b"{}"),
        state: RequestState::Waiting,
        at_ms: 1,
        due_ms,
        shard: None,
        instance: None,
        reason: None,
        ended_ms: None,
    }
}

fn waiting(numbers: std::ops::RangeInclusive<u64>) -> Vec<(RequestKey, Option<RequestRow>)> {
    numbers.map(|number| (RequestKey(number), Some(request("order", 0)))).collect()
}

fn keys(rows: &[(RequestKey, RequestRow)]) -> Vec<u64> {
    rows.iter().map(|(key, _)| key.0).collect()
}

/// Oldest first; by nobody else afterwards, and not under an old epoch.
pub async fn a_request_is_claimed_once(store: &dyn Store) {
    let mut one = Owner::of(store, 1).await;
    let two = Owner::of(store, 2).await;
    one.commit(|unit| unit.requests = waiting(1..=5)).await;
    let (old, epoch) = (two.lease().epoch, one.lease().epoch);
    assert_eq!(store.claim(FIRST, epoch + 1, 9).await.unwrap(), [], "STO-2");
    assert_eq!(store.claim(FIRST, 0, 9).await.unwrap(), [], "STO-2");
    assert_eq!(store.claim(ShardId(5), 0, 9).await.unwrap(), [], "nobody holds it");
    let claimed = store.claim(FIRST, epoch, 2).await.unwrap();
    let expected = |number: u64, shard| {
        let state = RequestState::Claimed;
        let row = RequestRow { state, shard: Some(ShardId(shard)), ..request("order", 0) };
        (RequestKey(number), row)
    };
    assert_eq!(claimed, [expected(1, 1), expected(2, 1)]);
    let later = Owner::of(store, 2).await;
    assert_eq!(store.claim(ShardId(2), old, 9).await.unwrap(), [], "STO-2");
    let claimed = store.claim(ShardId(2), later.lease().epoch, 9).await.unwrap();
    assert_eq!(claimed, [expected(3, 2), expected(4, 2), expected(5, 2)]);
    assert_eq!(store.claim(FIRST, epoch, 9).await.unwrap(), []);
    // Who takes a shard over finds what it had claimed.
    let of_two = RequestFilter {
        state: Some(RequestState::Claimed),
        shard: Some(ShardId(2)),
        limit: 9,
        ..RequestFilter::default()
    };
    assert_eq!(keys(&store.requests(&of_two).await.unwrap()), [5, 4, 3]);
}

/// By the store's clock.
pub async fn a_request_is_not_claimed_before_it_is_due(store: &dyn Store) {
    let mut one = Owner::of(store, 1).await;
    let epoch = one.lease().epoch;
    let now_ms = store.pulse().await.unwrap().now_ms;
    let at = |number, due_ms| (RequestKey(number), Some(request("order", due_ms)));
    one.commit(|unit| {
        unit.requests = vec![at(1, now_ms + super::LONG_MS), at(2, now_ms), at(3, i64::MAX)];
    })
    .await;
    assert_eq!(keys(&store.claim(FIRST, epoch, 9).await.unwrap()), [2]);
    // Made due by a later unit.
    one.commit(|unit| unit.requests = vec![at(1, i64::MIN), (RequestKey(3), None)]).await;
    assert_eq!(keys(&store.claim(FIRST, epoch, 9).await.unwrap()), [1]);
    assert!(keys(&store.claim(FIRST, epoch, 9).await.unwrap()).is_empty());
}

/// Every condition, alone and with another; newest first.
pub async fn requests_are_filtered_and_paged(store: &dyn Store) {
    let mut one = Owner::of(store, 1).await;
    let done = RequestRow {
        state: RequestState::Failed,
        shard: Some(FIRST),
        instance: Some(instance(1)),
        reason: Some("it was cancelled".into()),
        ended_ms: Some(9),
        ..request("ship", 5)
    };
    one.commit(|unit| {
        unit.requests = waiting(1..=4);
        unit.requests.push((RequestKey(5), Some(done.clone())));
        unit.requests.push((RequestKey(6), Some(request("ship", 0))));
        unit.requests.push((RequestKey(7), Some(request("ship", 0))));
        unit.requests.push((RequestKey(7), None));
    })
    .await;
    let all = RequestFilter { limit: 100, ..RequestFilter::default() };
    let ship = Some("ship".into());
    let failed = Some(RequestState::Failed);
    let cases: [(RequestFilter, &[u64]); 9] = [
        (all.clone(), &[6, 5, 4, 3, 2, 1]),
        (RequestFilter { limit: 2, before: Some(RequestKey(5)), ..all.clone() }, &[4, 3]),
        (RequestFilter { process: ship.clone(), ..all.clone() }, &[6, 5]),
        (RequestFilter { process: ship, state: failed, ..all.clone() }, &[5]),
        (RequestFilter { state: Some(RequestState::Waiting), ..all.clone() }, &[6, 4, 3, 2, 1]),
        (RequestFilter { shard: Some(FIRST), ..all.clone() }, &[5]),
        (RequestFilter { key: Some(RequestKey(3)), ..all.clone() }, &[3]),
        (RequestFilter { key: Some(RequestKey(3)), state: failed, ..all.clone() }, &[]),
        (
            RequestFilter { key: Some(RequestKey(3)), before: Some(RequestKey(3)), ..all.clone() },
            &[],
        ),
    ];
    for (filter, expected) in cases {
        let rows = store.requests(&filter).await.unwrap();
        assert_eq!(keys(&rows), expected, "{filter:?}");
    }
    let one = RequestFilter { key: Some(RequestKey(5)), ..all };
    assert_eq!(store.requests(&one).await.unwrap(), [(RequestKey(5), done)]);
}

/// Together they get everything, and nothing twice.
pub async fn two_claims_at_once_share_what_waits(store: &dyn Store) {
    let mut one = Owner::of(store, 1).await;
    let mut epochs = Vec::new();
    for shard in 2..=5 {
        epochs.push((ShardId(shard), Owner::of(store, shard).await.lease().epoch));
    }
    one.commit(|unit| unit.requests = waiting(1..=40)).await;
    let mut found = Vec::new();
    for _ in 0..20 {
        let claims = epochs.iter().map(|(shard, epoch)| store.claim(*shard, *epoch, 3)).collect();
        for claimed in all(claims).await {
            found.extend(keys(&claimed.unwrap()));
        }
    }
    found.sort_unstable();
    assert_eq!(found, (1..=40).collect::<Vec<_>>());
}

/// By name.
pub async fn locks_and_tokens_are_replaced_and_removed(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let lock = LockRow {
        holder: "client c-1".into(),
        instance: None,
        fence: u64::MAX,
        since_ms: 5,
        waiting: 0,
    };
    let held = LockRow { instance: Some(instance(2)), fence: 1, waiting: 3, ..lock.clone() };
    let token = |role, expires_ms| TokenRow { hash: "ab".into(), role, created_ms: 1, expires_ms };
    let put = |name: &str, row: &LockRow| (name.into(), Some(row.clone()));
    owner
        .commit(|unit| {
            unit.locks = vec![put("b", &lock), put("a", &lock), put("c", &lock), put("b", &held)];
            unit.locks.push(("c".into(), None));
            unit.tokens = vec![
                ("z".into(), Some(token(Role::Viewer, None))),
                ("y".into(), Some(token(Role::Developer, Some(9)))),
                ("x".into(), Some(token(Role::Operator, None))),
            ];
        })
        .await;
    assert_eq!(store.locks().await.unwrap(), [("a".into(), lock), ("b".into(), held)]);
    owner
        .commit(|unit| {
            unit.locks = vec![("a".into(), None), ("b".into(), None), ("b".into(), None)];
            unit.tokens = vec![("x".into(), None), ("z".into(), Some(token(Role::Admin, Some(8))))];
        })
        .await;
    assert_eq!(store.locks().await.unwrap(), []);
    let expected =
        [("y".into(), token(Role::Developer, Some(9))), ("z".into(), token(Role::Admin, Some(8)))];
    assert_eq!(store.tokens().await.unwrap(), expected);
}
