//! A store with a storage before it keeps the promise of the port, and never refers to what is
//! not there.

#![expect(clippy::unwrap_used, reason = "a test may stop at any error")]

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use engine::ids::{Address, DeploymentKey, ShardId};
use store::blobs::{Blobs, Options};
use store::conformance::differential::{fill, picture};
use store::conformance::postgres::Server;
use store::conformance::{Owner, all, instance};
use store::memory::Memory;
use store::postgres::{self, Postgres};
use store::sqlite::{self, Sqlite};
use store::stored::{Storage, Stored, Unbound, bind};
use store::{
    AggregateChange, Bond, Cluster as _, Committed, DeploymentChange, Deployments as _, Error,
    Store,
};

/// A store with a storage, and whatever goes with it.
struct Fresh {
    store: Stored,
    inner: Arc<dyn Store>,
    storage: tempfile::TempDir,
    _directory: Option<tempfile::TempDir>,
}

impl Fresh {
    fn of(inner: Arc<dyn Store>, directory: Option<tempfile::TempDir>) -> Self {
        let storage = tempfile::tempdir().unwrap();
        let blobs = blobs(storage.path());
        let store = Stored::new(inner.clone(), Some(Storage { blobs, threshold: 2 }));
        Self { store, inner, storage, _directory: directory }
    }

    fn memory() -> Self {
        Self::of(Arc::new(Memory::new()), None)
    }

    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(directory.path(), &sqlite::Options::default()).unwrap();
        Self::of(Arc::new(store), Some(directory))
    }

    async fn postgres() -> Option<Self> {
        let server = Server::shared("stored")?;
        let options = postgres::Options::new(&server.schema().await);
        Some(Self::of(Arc::new(Postgres::open(&options).await.unwrap()), None))
    }

    fn objects(&self) -> Vec<PathBuf> {
        files(&self.storage.path().join("objects"))
    }
}

impl Deref for Fresh {
    type Target = Stored;

    fn deref(&self) -> &Stored {
        &self.store
    }
}

fn blobs(directory: &Path) -> Blobs {
    Blobs::new(&Options::new(&format!("file://{}", directory.display()))).unwrap()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn long(number: u64, content: &Bytes) -> AggregateChange {
    AggregateChange {
        address: Address::Instance(instance(number)),
        snapshot: Some(content.clone()),
    }
}

async fn load(store: &dyn Store, number: u64) -> Result<Option<Bytes>, Error> {
    let of = [Address::Instance(instance(number))];
    Ok(store.load(ShardId(1), &of).await?.remove(0))
}

mod memory {
    use super::*;
    store::conformance_suite!(shared Fresh::memory());
}

mod sqlite_file {
    use super::*;
    store::conformance_suite!(Fresh::sqlite());
}

mod database {
    use super::*;
    store::conformance_suite!(shared match Fresh::postgres().await {
        Some(fresh) => fresh,
        None => return,
    });
}

#[tokio::test]
async fn everything_comes_back_whether_it_is_large_or_not() {
    let plain = Memory::new();
    let mut owner = Owner::of(&plain, 1).await;
    fill(&mut owner, &plain).await;
    let expected = picture(&plain).await;
    let fresh = Fresh::sqlite();
    let mut owner = Owner::of(&*fresh, 1).await;
    fill(&mut owner, &*fresh).await;
    assert_eq!(picture(&*fresh).await, expected);
    assert!(!fresh.objects().is_empty(), "something was large");
    assert_ne!(picture(&*fresh.inner).await, expected, "the rows have references");
}

#[tokio::test]
async fn what_looks_like_a_reference_is_a_value() {
    let fresh = Fresh::memory();
    let mut owner = Owner::of(&*fresh, 1).await;
    let content = Bytes::from_static(b"a long snapshot");
    owner.commit(|unit| unit.aggregates.push(long(1, &content))).await;
    let reference = load(&*fresh.inner, 1).await.unwrap().unwrap();
    assert_ne!(reference, content);
    // MRK-1: somebody stores the very bytes of a reference.
    owner.commit(|unit| unit.aggregates.push(long(2, &reference))).await;
    assert_eq!(load(&*fresh, 2).await.unwrap(), Some(reference.clone()));
    let bare = Stored::new(Arc::new(Memory::new()), None);
    let mut owner = Owner::of(&bare, 1).await;
    for (number, value) in [(1, reference), (2, Bytes::from_static(&[0xFF])), (3, Bytes::new())] {
        owner.commit(|unit| unit.aggregates.push(long(number, &value))).await;
        assert_eq!(load(&bare, number).await.unwrap(), Some(value));
    }
}

/// Whoever aborts holds no shard, under whose name an object could be.
#[tokio::test]
async fn details_of_deployments_stay_in_their_rows() {
    let fresh = Fresh::memory();
    let mut owner = Owner::of(&*fresh, 1).await;
    let key = DeploymentKey(1);
    let details = [&b"\xff\x01like a reference"[..], b"\xff", b"longer than the threshold"];
    let row = async |store: &dyn Store| store.deployment(key).await.unwrap().unwrap().detail;
    for detail in details.map(Bytes::from_static) {
        let open = DeploymentChange::Open { key, detail: detail.clone(), at_ms: 0 };
        owner.commit(|unit| unit.deployments.push(open)).await;
        assert_eq!(row(&*fresh).await, detail);
        let aborted = Bytes::from([b"\xff", &*detail].concat());
        fresh.abort_deployment(key, aborted.clone()).await.unwrap();
        assert_eq!((row(&*fresh).await, row(&*fresh.inner).await), (aborted.clone(), aborted));
        let forget = DeploymentChange::Forget { key };
        owner.commit(|unit| unit.deployments.push(forget)).await;
    }
    assert_eq!(fresh.objects().len(), 0);
}

#[tokio::test]
async fn a_damaged_or_missing_object_is_named() {
    let fresh = Fresh::memory();
    let mut owner = Owner::of(&*fresh, 1).await;
    let content = Bytes::from_static(b"a long snapshot");
    owner.commit(|unit| unit.aggregates.push(long(1, &content))).await;
    let [object] = &fresh.objects()[..] else { panic!("{:?}", fresh.objects()) };
    for (damage, said) in [
        (&b"another content"[..], "another digest"),
        (b"a long snapsho", "14 bytes instead of 15"),
        (b"", "0 bytes instead of 15"),
    ] {
        std::fs::write(object, damage).unwrap();
        // BLO-2
        let error = load(&*fresh, 1).await.unwrap_err();
        let Error::Damaged { object: named, .. } = &error else { panic!("{error:?}") };
        assert!(object.ends_with(named), "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.to_string().contains("from a backup"), "{error}");
    }
    std::fs::remove_file(object).unwrap();
    let error = load(&*fresh, 1).await.unwrap_err();
    assert!(error.to_string().contains("it is not there"), "{error}");
    // Others are not concerned.
    owner.commit(|unit| unit.aggregates.push(long(2, &content))).await;
    assert_eq!(load(&*fresh, 2).await.unwrap(), Some(content));
    // Without its storage the store says where the value is.
    let error = load(&Stored::new(fresh.inner.clone(), None), 2).await.unwrap_err();
    assert!(matches!(error, Error::Detached { .. }), "{error}");
}

#[tokio::test]
async fn no_row_without_its_object() {
    let fresh = Fresh::memory();
    let owner = Owner::of(&*fresh, 1).await;
    // STD-1: the storage has gone. A file stands where its folder would be.
    std::fs::write(fresh.storage.path().join("objects"), "").unwrap();
    let mut unit = owner.next();
    let content = Bytes::from_static(b"a long snapshot");
    unit.aggregates.push(long(1, &content));
    let error = fresh.commit(unit.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Failed { act: "write", .. }), "{error:?}");
    assert_eq!(load(&*fresh, 1).await.unwrap(), None);
    // It comes back: the same unit is taken.
    std::fs::remove_file(fresh.storage.path().join("objects")).unwrap();
    assert_eq!(fresh.commit(unit).await.unwrap(), Committed::Done);
    assert_eq!(load(&*fresh, 1).await.unwrap(), Some(content));
}

#[tokio::test]
async fn a_crash_between_object_and_row_leaves_a_store_without_the_unit() {
    let fresh = Fresh::memory();
    let owner = Owner::of(&*fresh, 1).await;
    let mut unit = owner.next();
    // What a server does before it dies: the object is there, the row is not.
    let content = Bytes::from_static(b"a long snapshot");
    unit.aggregates.push(long(1, &content));
    let twin = Fresh::memory();
    Owner::of(&*twin, 1).await;
    assert_eq!(twin.commit(unit.clone()).await.unwrap(), Committed::Done);
    let [object] = &twin.objects()[..] else { panic!("{:?}", twin.objects()) };
    let place = fresh.storage.path().join(object.strip_prefix(twin.storage.path()).unwrap());
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::copy(object, &place).unwrap();
    assert_eq!(load(&*fresh, 1).await.unwrap(), None);
    // The next owner does the same again, under its own epoch: another object.
    let mut next = Owner::of(&*fresh, 1).await;
    next.commit(|unit| unit.aggregates.push(long(1, &content))).await;
    assert_eq!(load(&*fresh, 1).await.unwrap(), Some(content));
    assert_eq!(fresh.objects().len(), 2);
    assert_eq!(fresh.commit(unit).await.unwrap(), Committed::NotOwner { epoch: 2 });
}

#[tokio::test]
async fn small_units_do_not_overtake_large_ones() {
    let fresh = Fresh::sqlite();
    let owner = Owner::of(&*fresh, 1).await;
    let first = owner.next().sequence;
    let content = Bytes::from(vec![7; 1 << 20]);
    let mut answers = Vec::new();
    for step in 0..40 {
        let mut unit = owner.next();
        unit.sequence = first + step;
        if step % 4 == 0 {
            unit.aggregates.push(long(step, &content));
        }
        answers.push(fresh.commit(unit));
    }
    // STD-2
    for answer in all(answers).await {
        assert_eq!(answer.unwrap(), Committed::Done);
    }
    assert_eq!(load(&*fresh, 36).await.unwrap(), Some(content));
}

#[tokio::test]
async fn whoever_asked_may_go() {
    let fresh = Fresh::sqlite();
    let owner = Owner::of(&*fresh, 1).await;
    let content = Bytes::from(vec![7; 1 << 20]);
    let mut unit = owner.next();
    unit.aggregates.push(long(1, &content));
    drop(fresh.commit(unit));
    fresh.settle().await;
    // A read after the writer's next answer sees it.
    fresh.bond(None).await.unwrap();
    assert_eq!(load(&*fresh, 1).await.unwrap(), Some(content));
}

#[tokio::test]
async fn a_store_and_a_storage_belong_together() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (storage, empty) = (blobs(one.path()), blobs(other.path()));
    let store = Memory::new();
    bind(&store, None).await.unwrap();
    // Two servers at once.
    let both = tokio::join!(bind(&store, Some(&storage)), bind(&store, Some(&storage)));
    assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    assert!(matches!(store.bond(None).await.unwrap(), Some(Bond::Made(_))));
    bind(&store, Some(&storage)).await.unwrap();
    // BON-1: without it, with an empty one, with that of another database.
    assert!(matches!(bind(&store, None).await, Err(Unbound::Missing)));
    let error = bind(&store, Some(&empty)).await.unwrap_err().to_string();
    assert!(error.contains("nothing of any database"), "{error}");
    let second = Memory::new();
    let error = bind(&second, Some(&storage)).await.unwrap_err().to_string();
    assert!(error.contains("another database"), "{error}");
    bind(&second, Some(&empty)).await.unwrap();
    assert!(matches!(bind(&store, Some(&empty)).await, Err(Unbound::Other { .. })));
    // A crash after the wish: the next start fulfils it.
    let third = Memory::new();
    third.bond(Some(Bond::Wanted(5))).await.unwrap();
    bind(&third, None).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let late = blobs(place.path());
    bind(&third, Some(&late)).await.unwrap();
    assert_eq!(third.bond(None).await.unwrap(), Some(Bond::Made(5)));
    assert_eq!(late.owner().await.unwrap(), Some(5));
}

#[tokio::test]
async fn a_storage_that_cannot_be_used_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let absent = format!("file://{}/absent", directory.path().display());
    let error = Blobs::new(&Options::new(&absent)).unwrap_err();
    assert!(matches!(error, Error::Failed { act: "open", .. }), "{error}");
    let storage = blobs(directory.path());
    std::fs::write(directory.path().join("trial"), "").unwrap();
    let error = bind(&Memory::new(), Some(&storage)).await.unwrap_err();
    assert!(matches!(error, Unbound::Failed(Error::Failed { act: "write", .. })), "{error}");
    std::fs::remove_file(directory.path().join("trial")).unwrap();
    std::fs::write(directory.path().join("pointsman-storage"), "mine").unwrap();
    let error = bind(&Memory::new(), Some(&storage)).await.unwrap_err();
    assert!(matches!(error, Unbound::Failed(Error::Foreign { .. })), "{error}");
    // Nobody listens there: it is said in time.
    let options = Options {
        endpoint: Some("http://127.0.0.1:9".into()),
        environment: vec![
            ("AWS_ACCESS_KEY_ID".into(), "key".into()),
            ("AWS_SECRET_ACCESS_KEY".into(), "secret-word".into()),
        ],
        ..Options::new("s3://bucket/prefix")
    };
    assert!(!format!("{options:?}").contains("secret-word"));
    let error = Blobs::new(&options).unwrap().check().await.unwrap_err();
    assert!(matches!(error, Error::Failed { act: "write", .. }), "{error:?}");
    assert!(!format!("{error:?}").contains("secret-word"));
}
