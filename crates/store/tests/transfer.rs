//! Stores are migrated, checked and copied as a whole.

#![expect(clippy::unwrap_used, reason = "a test may stop at any error")]

use std::path::Path;

use engine::ids::{
    Address, Block, DefinitionKey, DocumentKey, EntryKey, IncidentKey, JobKey, ShardId, StepKey,
};
use rusqlite::Connection;
use store::conformance::differential::{fill, picture};
use store::conformance::postgres::Server;
use store::conformance::{LONG_MS, Owner, instance, member, snapshot, take};
use store::postgres::{Options, Postgres};
use store::sqlite::Sqlite;
use store::transfer::{Location, Migrated, Progress, check, copy, migrate, opaque};
use store::{
    Cluster as _, EntryRow, EntryState, Error, IncidentRow, InstanceChange, JobChange, NewAudit,
    Store, TimerChange,
};

fn directory(path: &Path) -> Location {
    Location::Directory(path.into())
}

fn open(path: &Path) -> Sqlite {
    Sqlite::open(path, &store::sqlite::Options::default()).unwrap()
}

/// A directory with something of everything, of which one shard was not given back.
async fn filled() -> (tempfile::TempDir, Vec<String>) {
    let path = tempfile::tempdir().unwrap();
    let store = open(path.path());
    let mut owner = Owner::of(&store, 2).await;
    fill(&mut owner, &store).await;
    let mut owner = Owner::of(&store, 1).await;
    fill(&mut owner, &store).await;
    sound(&store).await;
    let mut owner = Owner::of(&store, 1).await;
    owner
        .commit(|unit| {
            let (job, job_type) = (JobKey(5_000), "pay".into());
            unit.jobs.push(JobChange::Leased { job, job_type, deadline_ms: 7 });
            unit.blocks.push((Block::new(ShardId(1), 8), instance(1)));
            unit.settings.push(("zero".into(), Some("a\0b".into())));
            // More than a page.
            for number in 1..=1_200 {
                let digest: feel::Str = format!("{number}").into();
                unit.settings.push((digest.clone(), Some("".into())));
                unit.jobs.push(JobChange::Ready { job: JobKey(number), job_type: "pay".into() });
            }
        })
        .await;
    let seen = picture(&store).await;
    (path, seen)
}

#[tokio::test]
async fn everything_arrives_and_comes_back() {
    let Some(server) = Server::shared("everything_arrives_and_comes_back") else { return };
    let (from, seen) = filled().await;
    let options = Options::new(&server.schema().await);
    let to = Location::Postgres(options.clone());
    let mut steps: Vec<Progress> = Vec::new();
    let rows = copy(&directory(from.path()), &to, &mut |step| steps.push(step)).await.unwrap();
    assert_eq!(rows.len(), 23);
    assert!(rows.iter().all(|(_, number)| *number > 0), "{rows:?}");
    assert!(steps.iter().filter(|step| step.table == "settings").count() > 2);
    let last = steps.last().unwrap();
    assert_eq!((last.table, last.rows), ("tokens", last.total));
    let store = Postgres::open(&options).await.unwrap();
    assert_eq!(picture(&store).await, seen);
    // It goes on where it stood, and knows that nobody gave it back.
    let key = store.join(&member("next"), LONG_MS).await.unwrap();
    let (lease, after_failure) = take(&store, 1, key).await;
    assert_eq!((lease.epoch, lease.sequence, after_failure), (4, 3, true));
    let (_, after_failure) = take(&store, 3, key).await;
    assert!(!after_failure);
    // While a server is there, nothing is copied.
    let back = tempfile::tempdir().unwrap();
    let error = copy(&to, &directory(back.path()), &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    store.leave(key).await.unwrap();
    let again = copy(&to, &directory(back.path()), &mut |_| ()).await.unwrap();
    assert_eq!(again, rows);
    let store = open(back.path());
    assert_eq!(picture(&store).await, seen);
    assert_eq!(Owner::of(&store, 1).await.lease().epoch, 5);
}

#[tokio::test]
async fn a_target_that_is_not_empty_is_refused_and_left_alone() {
    let Some(server) = Server::shared("a_target_that_is_not_empty_is_refused") else { return };
    let (from, _) = filled().await;
    let options = Options::new(&server.schema().await);
    let store = Postgres::open(&options).await.unwrap();
    store.found(1).await.unwrap();
    let before = picture(&store).await;
    let (from, to) = (directory(from.path()), Location::Postgres(options));
    let error = copy(&from, &to, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("`shards` has 1 rows"), "{error}");
    assert_eq!(picture(&store).await, before);
    // A server that waits for shards is one, too.
    let options = Options::new(&server.schema().await);
    let store = Postgres::open(&options).await.unwrap();
    store.join(&member("early"), LONG_MS).await.unwrap();
    let error = copy(&from, &Location::Postgres(options), &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
}

#[tokio::test]
async fn a_copy_that_fails_leaves_nothing() {
    let Some(server) = Server::shared("a_copy_that_fails_leaves_nothing") else { return };
    let (from, _) = filled().await;
    let url = server.schema().await;
    let store = Postgres::open(&Options::new(&url)).await.unwrap();
    server.execute(&url, "ALTER TABLE tokens ADD CHECK (name = '')").await;
    let to = Location::Postgres(Options::new(&url));
    let error = copy(&directory(from.path()), &to, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    assert_eq!(store.settings().await.unwrap(), []);
    assert_eq!(store.slots().await.unwrap(), []);
}

#[tokio::test]
async fn a_directory_in_use_or_without_a_store_is_refused() {
    let path = tempfile::tempdir().unwrap();
    let location = directory(path.path());
    let error = check(&location, None, &opaque).await.unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    assert!(!path.path().join("pointsman.db").exists());
    let migrated = migrate(&location).await.unwrap();
    assert_eq!(migrated, Migrated { from: None, to: 2 });
    let store = open(path.path());
    for error in [
        migrate(&location).await.map(drop).unwrap_err(),
        check(&location, None, &opaque).await.map(drop).unwrap_err(),
        copy(&location, &location, &mut |_| ()).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, Error::InUse { .. }), "{error}");
    }
    drop(store);
    assert_eq!(migrate(&location).await.unwrap(), Migrated { from: Some(2), to: 2 });
    assert_eq!(check(&location, None, &opaque).await.unwrap(), []);
}

#[tokio::test]
async fn a_database_is_migrated_once() {
    let Some(server) = Server::shared("a_database_is_migrated_once") else { return };
    let location = Location::Postgres(Options::new(&server.schema().await));
    assert_eq!(migrate(&location).await.unwrap(), Migrated { from: None, to: 1 });
    assert_eq!(migrate(&location).await.unwrap(), Migrated { from: Some(1), to: 1 });
    assert_eq!(check(&location, None, &opaque).await.unwrap(), []);
}

/// One instance that is as it should be, with everything that it can have.
async fn sound(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    owner
        .commit(|unit| {
            unit.blocks_next = 9;
            unit.aggregates.push(snapshot(1, Some("state")));
            unit.instances.push(InstanceChange::Started {
                key: instance(1),
                definition: DefinitionKey(1),
                process: "order".into(),
                version: 1,
                parent: None,
                business_key: None,
                started_ms: 0,
            });
            unit.instances.push(InstanceChange::Incidents { key: instance(1), open: 1 });
            let row = IncidentRow {
                instance: instance(1),
                step: StepKey(2),
                job: None,
                element: "e".into(),
                process: "order".into(),
                kind: "K".into(),
                message: "".into(),
                at_ms: 0,
            };
            unit.incidents.push((IncidentKey(3), Some(row)));
            let (instance, records) = (instance(1), "r".into());
            unit.audit.push(NewAudit { instance, sequence: 1, at_ms: 0, records });
            let address = Address::Instance(instance);
            unit.timers.push(TimerChange::Arm { due_ms: 1, address, id: 1 });
        })
        .await;
}

/// Does not fit: an entry without its document, a snapshot and keys that nobody has.
async fn unsound(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    owner
        .commit(|unit| {
            unit.blocks_next = 1;
            unit.aggregates.push(snapshot(7, Some("nobody's")));
            unit.instances.push(InstanceChange::Incidents { key: instance(1), open: 2 });
            let row = EntryRow {
                trigger: "a/t".into(),
                document: DocumentKey(99),
                state: EntryState::Dead,
                attempts: 1,
                due_ms: 0,
                instance: None,
                reason: None,
            };
            unit.entries.push((EntryKey(5), Some(row)));
        })
        .await;
}

const UNSOUND: [(&str, u64); 5] =
    [("instances", 1), ("snapshots", 1), ("shards", 1), ("entries", 1), ("snapshots", 1)];

async fn found(location: &Location) -> Vec<(&'static str, u64)> {
    let judge = |_: &Address, content: &[u8]| match content {
        b"nobody's" => Err("it cannot be decoded".into()),
        _ => Ok(()),
    };
    let findings = check(location, None, &judge).await.unwrap();
    findings.iter().map(|finding| (finding.table, finding.rows)).collect()
}

#[tokio::test]
async fn what_does_not_fit_together_is_found_in_a_directory() {
    let path = tempfile::tempdir().unwrap();
    let location = directory(path.path());
    sound(&open(path.path())).await;
    assert_eq!(found(&location).await, []);
    unsound(&open(path.path())).await;
    assert_eq!(found(&location).await, UNSOUND);
    let findings = check(&location, None, &opaque).await.unwrap();
    let entry = findings.iter().find(|finding| finding.table == "entries").unwrap();
    assert_eq!(entry.example.as_deref(), Some("5"));
    // What no unit can do.
    let connection = Connection::open(path.path().join("pointsman.db")).unwrap();
    connection
        .execute_batch(
            "UPDATE counts SET active = 7;
            DELETE FROM slots WHERE slot = 3;
            INSERT INTO deployments VALUES (1, 4, x'', 0);
            INSERT INTO timers VALUES (1, 5, x'ff', 0);
            INSERT INTO jobs_ready VALUES (1, 'a', 8);
            INSERT INTO jobs_leased VALUES (8, 1, 'a', 0);",
        )
        .unwrap();
    drop(connection);
    let more = found(&location).await;
    for table in ["counts", "slots", "timers", "jobs_leased", "deployments"] {
        assert!(more.contains(&(table, 1)), "{table}: {more:?}");
    }
    assert_eq!(more.len(), UNSOUND.len() + 5);
}

#[tokio::test]
async fn what_does_not_fit_together_is_found_in_a_database() {
    let Some(server) = Server::shared("what_does_not_fit_together_is_found_in_a_database") else {
        return;
    };
    let options = Options::new(&server.schema().await);
    let store = Postgres::open(&options).await.unwrap();
    let location = Location::Postgres(options);
    sound(&store).await;
    assert_eq!(found(&location).await, []);
    unsound(&store).await;
    assert_eq!(found(&location).await, UNSOUND);
}
