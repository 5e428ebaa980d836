//! Compiled code on disk.

use std::path::{Path, PathBuf};

use super::Bench;

/// A server whose compiled components are below `place`.
async fn started(place: &Path) -> Bench {
    let cache = place.join("components");
    let bench = Bench::with("", |options| options.wasm.cache = Some(cache));
    assert_eq!(bench.call(r#"{"do":"s"}"#).await.expect("it answers"), r#"{"n":1}"#);
    bench
}

/// The file with the code of the one component.
fn code(place: &Path) -> PathBuf {
    let mut directories = vec![place.join("components/code")];
    let mut found = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)
            .expect("the file system does")
            .map(|entry| entry.expect("an entry"))
        {
            match entry.path() {
                path if path.is_dir() => directories.push(path),
                path if path.extension().is_none() => found.push(path),
                _ => {}
            }
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[tokio::test]
async fn a_restart_compiles_nothing() {
    let place = tempfile::tempdir().expect("the file system does");
    assert_eq!(started(place.path()).await.services.cached(), (0, 1));
    assert_eq!(started(place.path()).await.services.cached(), (1, 0));
}

#[tokio::test]
async fn code_that_was_changed_is_not_used() {
    let place = tempfile::tempdir().expect("the file system does");
    started(place.path()).await;
    let path = code(place.path());
    let written = std::fs::read(&path).expect("the file system does");
    let middle = written.len() / 2;
    let mut flipped = written.clone();
    flipped[middle] ^= 1;
    for bad in [&flipped[..], &written[..middle], b""] {
        std::fs::write(&path, bad).expect("the file system does");
        assert_eq!(started(place.path()).await.services.cached(), (0, 1));
        assert_eq!(started(place.path()).await.services.cached(), (1, 0));
    }
}

#[tokio::test]
async fn code_from_elsewhere_is_not_used() {
    let (place, elsewhere) = (
        tempfile::tempdir().expect("the file system does"),
        tempfile::tempdir().expect("the file system does"),
    );
    started(place.path()).await;
    started(elsewhere.path()).await;
    // Another server's code with that server's seal, at the right place.
    std::fs::copy(code(elsewhere.path()), code(place.path())).expect("the file system does");
    let seals = |place: &Path| {
        std::fs::read_dir(place.join("components/seals")).expect("the file system does")
    };
    for seal in seals(elsewhere.path()).map(|entry| entry.expect("an entry")) {
        let target = place.path().join("components/seals").join(seal.file_name());
        std::fs::copy(seal.path(), target).expect("the file system does");
    }
    assert_eq!(started(place.path()).await.services.cached(), (0, 1));
}

#[tokio::test]
async fn a_lost_key_or_seal_costs_a_compilation() {
    let place = tempfile::tempdir().expect("the file system does");
    for lost in ["components/key", "components/seals"] {
        started(place.path()).await;
        let path = place.path().join(lost);
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
            .expect("the file system does");
        assert_eq!(started(place.path()).await.services.cached(), (0, 1), "{lost}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_enter_and_a_bad_place_is_done_without() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().expect("the file system does");
    let cache = place.path().join("components");
    std::fs::create_dir(&cache).expect("the file system does");
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777))
        .expect("the file system does");
    started(place.path()).await;
    assert_eq!(
        std::fs::metadata(&cache).expect("the file system does").permissions().mode() & 0o777,
        0o700
    );
    let blocked = tempfile::tempdir().expect("the file system does");
    std::fs::write(blocked.path().join("components"), "a file").expect("the file system does");
    assert_eq!(started(blocked.path()).await.services.cached(), (0, 0));
}
