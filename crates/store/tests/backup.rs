//! Stores are saved while they are used, brought back, and rid of what nothing refers to.

#![expect(clippy::unwrap_used, reason = "a test may stop at any error")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use engine::ids::Address;
use store::blobs::{self, Blobs};
use store::conformance::differential::{fill, picture};
use store::conformance::postgres::Server;
use store::conformance::{LONG_MS, Owner, instance, member, take};
use store::postgres::{Options, Postgres};
use store::sqlite::Sqlite;
use store::stored::{Storage, Stored, bind};
use store::transfer::{
    Cleaned, Location, Mode, Progress, SAFE_AGE_MIN_MS, backup, check, clean, opaque, restore,
};
use store::{AggregateChange, Cluster as _, Error, Store};

/// A store in a directory with a storage.
struct Place {
    root: tempfile::TempDir,
    store: Arc<Stored>,
}

fn storage(directory: &Path) -> Blobs {
    fs::create_dir_all(directory).unwrap();
    Blobs::new(&blobs::Options::new(&format!("file://{}", directory.display()))).unwrap()
}

fn open(directory: &Path) -> Arc<dyn Store> {
    Arc::new(Sqlite::open(directory, &store::sqlite::Options::default()).unwrap())
}

async fn behind(inner: Arc<dyn Store>, blobs: Blobs) -> Arc<Stored> {
    bind(&*inner, Some(&blobs)).await.unwrap();
    Arc::new(Stored::new(inner, Some(Storage { blobs, threshold: 2 })))
}

impl Place {
    /// With something of everything.
    async fn filled() -> Self {
        let root = tempfile::tempdir().unwrap();
        let blobs = storage(&root.path().join("storage"));
        let store = behind(open(&root.path().join("data")), blobs).await;
        for shard in [2, 1] {
            let mut owner = Owner::of(&*store, shard).await;
            fill(&mut owner, &*store).await;
        }
        Self { root, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn data(&self) -> Location {
        Location::Directory(self.path("data"))
    }

    fn storage(&self) -> Blobs {
        storage(&self.path("storage"))
    }

    fn objects(&self) -> Vec<PathBuf> {
        files(&self.path("storage/objects"))
    }

    /// A backup under this name.
    async fn saved(&self, name: &str) -> PathBuf {
        let to = self.path(name);
        backup(&self.data(), Some(&self.storage()), &to, &mut |_| ()).await.unwrap();
        to
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

async fn restored(from: &Path, to: &Path, into: Option<&Blobs>) -> Result<(), Error> {
    restore(from, &Location::Directory(to.into()), into, &mut |_| ()).await.map(drop)
}

#[tokio::test]
async fn what_was_saved_comes_back_with_and_without_a_storage() {
    let place = Place::filled().await;
    let expected = picture(&*place.store).await;
    let mut steps: Vec<Progress> = Vec::new();
    let to = place.path("backup");
    let from = place.data();
    let (blobs, mut note) = (place.storage(), |step| steps.push(step));
    let saved = backup(&from, Some(&blobs), &to, &mut note).await.unwrap();
    assert_eq!(saved.objects as usize, files(&to.join("objects")).len());
    assert!(saved.objects > 5 && saved.bytes > 20, "{saved:?}");
    assert_eq!(steps.last().unwrap().table, "objects");
    // Without a storage the values are in the rows again.
    let rows = place.path("rows");
    restored(&to, &rows, None).await.unwrap();
    assert_eq!(picture(&*open(&rows)).await, expected);
    bind(&*open(&rows), None).await.unwrap();
    // With another one, they are there.
    let (data, objects) = (place.path("second"), storage(&place.path("other")));
    restored(&to, &data, Some(&objects)).await.unwrap();
    let second = behind(open(&data), objects).await;
    assert_eq!(picture(&*second).await, expected);
    // Servers and leases of that time are not there; who had a shard did not give it back.
    assert!(second.pulse().await.unwrap().members.is_empty());
    let key = second.join(&member("next"), LONG_MS).await.unwrap();
    assert!(take(&*second, 1, key).await.1);
}

#[tokio::test]
async fn a_backup_is_of_one_moment_while_units_are_written() {
    let place = Place::filled().await;
    let mut owner = Owner::of(&*place.store, 1).await;
    let write = async {
        for number in 0..150_u64 {
            // Two rows that always say the same.
            let content = Bytes::from(format!("snapshot {number:06}"));
            owner
                .commit(|unit| {
                    for key in [1, 2] {
                        let address = Address::Instance(instance(key));
                        let snapshot = Some(content.clone());
                        unit.aggregates.push(AggregateChange { address, snapshot });
                    }
                    unit.settings.push(("zzz".into(), Some(format!("{number:06}").into())));
                })
                .await;
            tokio::task::yield_now().await;
        }
    };
    let save = async {
        let mut saved = Vec::new();
        for number in 0..4 {
            saved.push(place.saved(&format!("backup-{number}")).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        saved
    };
    let ((), saved) = tokio::join!(write, save);
    let mut seen = Vec::new();
    for (number, from) in saved.iter().enumerate() {
        let rows = place.path(&format!("rows-{number}"));
        restored(from, &rows, None).await.unwrap();
        let store = open(&rows);
        let of = [1, 2].map(|key| Address::Instance(instance(key)));
        let found = store.load(engine::ids::ShardId(1), &of).await.unwrap();
        assert_eq!(found[0], found[1]);
        let settings = store.settings().await.unwrap();
        if let Some((_, value)) = settings.iter().find(|(name, _)| &**name == "zzz") {
            let content = String::from_utf8(found[0].clone().unwrap().to_vec()).unwrap();
            assert!(content.ends_with(&**value), "{content} {value}");
            seen.push(value.clone());
        }
    }
    assert!(seen.is_sorted(), "{seen:?}");
}

#[tokio::test]
async fn a_database_is_saved_and_brought_back() {
    let Some(server) = Server::shared("a_database_is_saved_and_brought_back") else { return };
    let root = tempfile::tempdir().unwrap();
    let blobs = storage(&root.path().join("storage"));
    let options = Options::new(&server.schema().await);
    let inner = Arc::new(Postgres::open(&options).await.unwrap());
    let store = behind(inner, blobs.clone()).await;
    let mut owner = Owner::of(&*store, 1).await;
    fill(&mut owner, &*store).await;
    let expected = picture(&*store).await;
    // A server is there.
    store.join(&member("one"), LONG_MS).await.unwrap();
    let from = Location::Postgres(options);
    let to = root.path().join("backup");
    backup(&from, Some(&blobs), &to, &mut |_| ()).await.unwrap();
    let cleaned = clean(&from, &blobs, (0, Mode::Remove), &mut |_| ()).await.unwrap();
    assert!(cleaned.unused == 0 && cleaned.used > 5, "{cleaned:?}");
    let options = Options::new(&server.schema().await);
    let other = storage(&root.path().join("other"));
    let target = Location::Postgres(options.clone());
    restore(&to, &target, Some(&other), &mut |_| ()).await.unwrap();
    // What does not fit together there does not do so here, and nothing else.
    let findings = check(&from, Some(&blobs), &opaque).await.unwrap();
    assert_eq!(check(&target, Some(&other), &opaque).await.unwrap(), findings);
    assert!(!findings.iter().any(|finding| finding.what.contains("objects/")), "{findings:?}");
    let inner = Arc::new(Postgres::open(&options).await.unwrap());
    let again = behind(inner, other.clone()).await;
    assert_eq!(picture(&*again).await, expected);
    // Once more: it is not empty now.
    let error = restore(&to, &target, Some(&other), &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    assert_eq!(picture(&*again).await, expected);
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_nothing_is_brought_back() {
    let place = Place::filled().await;
    let other = storage(&place.path("other"));
    let (rows, spoil) = (place.path("target"), place.path("second-target"));
    let damage = |name: &str, change: fn(&Path)| {
        let from = place.path(name);
        (from, change)
    };
    let an_object = |from: &Path| files(&from.join("objects")).remove(0);
    for (from, change) in [
        damage("no-manifest", |from| fs::remove_file(from.join("backup.txt")).unwrap()),
        damage("cut", |from| {
            let file = File::options().write(true).open(from.join("backup.txt")).unwrap();
            file.set_len(90).unwrap();
        }),
        damage("rows", |from| {
            let path = from.join("pointsman.db");
            let mut bytes = fs::read(&path).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        damage("no-rows", |from| fs::remove_file(from.join("pointsman.db")).unwrap()),
        damage("newer", |from| {
            let path = from.join("backup.txt");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text.replace("backup 1", "backup 2")).unwrap();
        }),
    ] {
        place.saved(from.file_name().unwrap().to_str().unwrap()).await;
        change(&from);
        let error = restored(&from, &rows, None).await.unwrap_err();
        let is_told =
            matches!(error, Error::Foreign { .. } | Error::Spoilt { .. } | Error::Newer { .. });
        assert!(is_told, "{from:?}: {error:?}");
    }
    let from = place.saved("objects").await;
    fs::write(an_object(&from), "something else").unwrap();
    let error = restored(&from, &rows, None).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    let error = restored(&from, &spoil, Some(&other)).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    fs::remove_file(an_object(&from)).unwrap();
    let error = restored(&from, &rows, None).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    for directory in [rows, spoil] {
        let picture = picture(&*open(&directory)).await;
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(picture, self::picture(&*open(empty.path())).await);
    }
}

#[tokio::test]
async fn a_backup_that_would_lack_something_is_not_made() {
    let place = Place::filled().await;
    let to = place.path("backup");
    let error = backup(&place.data(), None, &to, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, Error::Detached { .. }), "{error}");
    assert!(!to.join("backup.txt").exists());
    let other = storage(&place.path("other"));
    for (to, blobs, said) in [
        (to, place.storage(), "not empty"),
        (place.path("wrong"), other, "not the storage of this store"),
    ] {
        let error = backup(&place.data(), Some(&blobs), &to, &mut |_| ()).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    // Objects are missing in the storage itself.
    fs::remove_dir_all(place.path("storage/objects")).unwrap();
    let to = place.path("third");
    let error = backup(&place.data(), Some(&place.storage()), &to, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(!to.join("backup.txt").exists());
    let Place { root, store } = place;
    drop(store);
    let data = Location::Directory(root.path().join("data"));
    let blobs = storage(&root.path().join("storage"));
    let found = check(&data, Some(&blobs), &opaque).await.unwrap();
    assert!(found.iter().any(|finding| finding.what.contains("is damaged")), "{found:?}");
}

#[tokio::test]
async fn only_what_is_old_and_of_no_use_is_removed() {
    let place = Place::filled().await;
    let (from, blobs) = (place.data(), place.storage());
    let run = async |mode| clean(&from, &blobs, (0, mode), &mut |_| ()).await.unwrap();
    let before = picture(&*place.store).await;
    let first = run(Mode::Remove).await;
    let unused = first.young;
    assert!(first.used > 5 && unused > 0 && first.unused == 0, "{first:?}");
    // Time passes.
    let now = File::open(place.root.path()).unwrap().metadata().unwrap().modified().unwrap();
    let long_ago = now - Duration::from_millis(SAFE_AGE_MIN_MS as u64 + 60_000);
    assert!(long_ago > UNIX_EPOCH);
    for path in place.objects() {
        File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
    }
    fs::write(place.path("storage/objects/mine.txt"), "not of this program").unwrap();
    let counted = run(Mode::Count).await;
    let all = place.objects().len();
    assert_eq!((counted.used, counted.young, counted.unused), (first.used, 0, unused));
    assert_eq!(place.objects().len(), all);
    assert_eq!(run(Mode::Remove).await, counted);
    assert_eq!(place.objects().len() as u64, all as u64 - unused);
    assert!(place.path("storage/objects/mine.txt").exists());
    let none = Cleaned { used: first.used, ..Cleaned::default() };
    assert_eq!(run(Mode::Remove).await, none);
    assert_eq!(picture(&*place.store).await, before);
    // The storage of another store is left alone.
    let second = Place::filled().await;
    let error = clean(&second.data(), &blobs, (0, Mode::Remove), &mut |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("not the storage of this store"), "{error}");
}
