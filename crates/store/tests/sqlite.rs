//! The store in SQLite keeps the promise of the port.

#![expect(clippy::unwrap_used, reason = "a test may stop at any error")]

use std::ops::Deref;
use std::time::UNIX_EPOCH;

use engine::ids::ShardId;
use rusqlite::Connection;
use store::conformance::{LONG_MS, instance, member, take};
use store::sqlite::{Options, Sqlite};
use store::{Acquired, Cluster as _, SLOTS, Store as _};

/// A store whose directory goes with it.
struct Fresh {
    store: Sqlite,
    _directory: tempfile::TempDir,
}

impl Fresh {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(directory.path(), &Options::default()).unwrap();
        Self { store, _directory: directory }
    }
}

impl Deref for Fresh {
    type Target = Sqlite;

    fn deref(&self) -> &Sqlite {
        &self.store
    }
}

store::conformance_suite!(Fresh::new());
store::conformance_suite!(rows Fresh::new());

#[tokio::test]
async fn who_joins_has_the_directory_for_itself() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Sqlite::open(directory.path(), &Options::default()).unwrap();
    let store = open();
    store.found(2).await.unwrap();
    let first = store.join(&member("first"), LONG_MS).await.unwrap();
    take(&store, 1, first).await;
    let (lease, _) = take(&store, 2, first).await;
    store.release(lease.shard, first, lease.epoch).await.unwrap();
    let second = store.join(&member("second"), LONG_MS).await.unwrap();
    let pulse = store.pulse().await.unwrap();
    assert_eq!(pulse.members.iter().map(|member| member.key).collect::<Vec<_>>(), [second]);
    assert!(take(&store, 1, second).await.1, "the first one did not give it back");
    assert!(!take(&store, 2, second).await.1, "it was given back");
    // A process that ended without leaving; its number is not used again.
    drop(store);
    let store = open();
    assert_eq!(store.pulse().await.unwrap().members, []);
    assert_eq!(store.acquire(lease.shard, second).await.unwrap(), Acquired::NotMember);
    let third = store.join(&member("third"), LONG_MS).await.unwrap();
    assert!(third > second);
    let (lease, after_failure) = take(&store, 2, third).await;
    assert_eq!((lease.epoch, after_failure), (3, true));
}

#[tokio::test]
async fn the_clock_is_that_of_the_machine() {
    let store = Fresh::new();
    let now_ms = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let read_ms = store.pulse().await.unwrap().now_ms;
    assert!((read_ms - now_ms).abs() < 60_000, "{read_ms} {now_ms}");
}

#[tokio::test]
async fn the_first_format_gets_slots_and_keeps_its_shards() {
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection::open(directory.path().join("pointsman.db")).unwrap();
    connection.execute_batch(include_str!("../src/migrations/sqlite/0001_start.sql")).unwrap();
    connection
        .execute_batch(
            "PRAGMA application_id = 0x50744d6e;
            PRAGMA user_version = 1;
            INSERT INTO shards VALUES (1, 7, 20, 31, 'old');
            INSERT INTO instances VALUES
                ((1 << 51) + 256, 1, 'order', 1, 2, 0, NULL, NULL, 1, 2, 3);",
        )
        .unwrap();
    drop(connection);
    let store = Sqlite::open(directory.path(), &Options::default()).unwrap();
    assert_eq!(store.slots().await.unwrap(), vec![ShardId(1); usize::from(SLOTS)]);
    assert_eq!(store.found(1).await.unwrap(), 1);
    let server = store.join(&member("one"), LONG_MS).await.unwrap();
    let (lease, after_failure) = take(&store, 1, server).await;
    assert_eq!((lease.epoch, lease.sequence, lease.blocks_next), (8, 20, 31));
    assert!(!after_failure, "nobody knows");
    assert_eq!(store.forgettable(ShardId(1), 9, 9).await.unwrap(), [instance(1)]);
    assert_eq!(store.health().await.unwrap().format, 2);
}
