//! Directories and files that are not as they should be, and disks that are full.

#![expect(clippy::unwrap_used, reason = "a test may stop at any error")]

use std::fs;
use std::path::Path;

use bytes::Bytes;
use engine::ids::{Address, ShardId};
use rusqlite::Connection;
use store::conformance::differential::{fill, picture};
use store::conformance::{Owner, instance};
use store::sqlite::{Options, Sqlite};
use store::{AggregateChange, Cluster as _, Committed, Error, Lease, ServerKey, Store as _, Unit};

fn open(directory: &Path) -> Result<Sqlite, Error> {
    Sqlite::open(directory, &Options::default())
}

fn refusal(directory: &Path) -> Error {
    match open(directory) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

/// A directory with a closed store that has some megabytes in it.
async fn closed() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let mut owner = Owner::of(&store, 1).await;
    fill(&mut owner, &store).await;
    owner.commit(|unit| unit.blobs.push(("large".into(), Bytes::from(vec![1; 2 << 20])))).await;
    directory
}

/// A unit that needs `bytes` of room.
fn unit_of(lease: &Lease, sequence: u64, bytes: usize) -> Unit {
    Unit {
        shard: Some(lease.shard),
        epoch: lease.epoch,
        sequence,
        blocks_next: 1,
        aggregates: vec![AggregateChange {
            address: Address::Instance(instance(sequence)),
            snapshot: Some(Bytes::from(vec![7; bytes])),
        }],
        ..Unit::default()
    }
}

#[tokio::test]
async fn a_second_server_is_refused_until_the_first_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    let error = refusal(directory.path());
    assert!(matches!(error, Error::InUse { .. }), "SQF-2 {error}");
    drop(first);
    open(directory.path()).unwrap();
}

#[tokio::test]
async fn what_was_committed_is_there_after_closing() {
    let directory = closed().await;
    let store = open(directory.path()).unwrap();
    let before = picture(&store).await;
    store.shutdown().await.unwrap();
    assert_eq!(picture(&store).await, before, "reading goes on");
    let error = store.acquire(ShardId(1), ServerKey(1)).await.unwrap_err();
    assert!(matches!(error, Error::Closed), "{error}");
    drop(store);
    assert!(!directory.path().join("pointsman.db-wal").exists());
    let store = open(directory.path()).unwrap();
    assert_eq!(picture(&store).await, before);
    let lease = Owner::of(&store, 1).await.lease();
    assert_eq!((lease.epoch, lease.sequence), (2, 2));
}

#[tokio::test]
async fn a_foreign_file_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pointsman.db");
    let other = directory.path().join("other.db");
    let connection = Connection::open(&other).unwrap();
    connection.execute_batch("CREATE TABLE orders (id INTEGER)").unwrap();
    drop(connection);
    let texts = [b"my diary".to_vec(), vec![b'x'; 9_000], fs::read(other).unwrap(), Vec::new()];
    for content in texts {
        fs::write(&path, &content).unwrap();
        let error = refusal(directory.path());
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    fs::remove_file(&path).unwrap();
    fs::write(directory.path().join("pointsman.db-wal"), "the rest of a lost database").unwrap();
    let error = refusal(directory.path());
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn a_truncated_file_is_refused() {
    let directory = closed().await;
    let path = directory.path().join("pointsman.db");
    let whole = fs::read(&path).unwrap();
    for length in [0, 99, 100, 4_096, 5_000, whole.len() / 2, whole.len() - 4_096, whole.len() - 1]
    {
        fs::write(&path, &whole[..length]).unwrap();
        let error = refusal(directory.path());
        assert!(matches!(error, Error::Foreign { .. }), "{length}: {error}");
    }
    fs::write(&path, whole).unwrap();
    open(directory.path()).unwrap();
}

#[tokio::test]
async fn a_newer_file_is_refused() {
    let directory = closed().await;
    let path = directory.path().join("pointsman.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = refusal(directory.path());
    assert!(matches!(error, Error::Newer { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn a_creation_that_was_cut_off_is_started_again() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("pointsman.db.new"), "half a database").unwrap();
    fs::write(directory.path().join("pointsman.db.new-journal"), "and its journal").unwrap();
    open(directory.path()).unwrap();
    assert!(!directory.path().join("pointsman.db.new").exists(), "SQF-1");
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_is_overcome() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { pages_max: Some(400), ..Options::default() };
    let store = Sqlite::open(directory.path(), &options).unwrap();
    let lease = Owner::of(&store, 1).await.lease();
    let mut sequence = 1;
    let error = loop {
        match store.commit(unit_of(&lease, sequence, 100_000)).await {
            Ok(answer) => assert_eq!(answer, Committed::Done),
            Err(error) => break error,
        }
        sequence += 1;
    };
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(sequence > 5, "{sequence}");
    // Nothing of it is there, and small units pass, also beside a large one.
    let address = Address::Instance(instance(sequence));
    assert_eq!(store.load(ShardId(1), &[address]).await.unwrap(), [None]);
    let other = Owner::of(&store, 2).await.lease();
    let answers = [
        store.commit(unit_of(&lease, sequence, 10)),
        store.commit(unit_of(&other, 1, 500_000)),
        store.commit(unit_of(&lease, sequence + 1, 10)),
    ];
    let mut found = Vec::new();
    for answer in answers {
        found.push(answer.await);
    }
    assert!(matches!(found[0], Ok(Committed::Done)), "SQW-3 {found:?}");
    assert!(matches!(found[1], Err(Error::Full { .. })), "{found:?}");
    assert!(matches!(found[2], Ok(Committed::Done)), "SQW-3 {found:?}");
    sequence += 2;
    // Room is made, and the unit that was refused passes.
    let mut unit = unit_of(&lease, sequence, 10);
    unit.aggregates.extend((1..6).map(|number| AggregateChange {
        address: Address::Instance(instance(number)),
        snapshot: None,
    }));
    assert_eq!(store.commit(unit).await.unwrap(), Committed::Done);
    let unit = unit_of(&other, 1, 300_000);
    assert_eq!(store.commit(unit).await.unwrap(), Committed::Done);
}
