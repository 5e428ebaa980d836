//! Package archives: reproducible, whole or refused, and nothing escapes.
//!
//! Read first: [`refused`].

use std::collections::BTreeMap;

use host::package::{Limits, PackageSource, digest};

const MANIFEST: &str = "name = \"a\"\nversion = \"1.0.0\"\n";

fn package() -> PackageSource {
    let files = BTreeMap::from([
        ("package.toml".to_owned(), MANIFEST.as_bytes().to_vec()),
        ("processes/main.bpmn".to_owned(), b"<x/>".to_vec()),
        ("services/run.sh".to_owned(), b"#!/bin/sh\n".to_vec()),
        (format!("data/{}.txt", "long-name-".repeat(15)), b"long".to_vec()),
    ]);
    PackageSource::from_files(files).expect("the package is right")
}

/// A tar archive made without any of the checks of a builder.
fn tar_of(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        if *kind == tar::EntryType::Symlink {
            header.as_mut_bytes()[157..159].copy_from_slice(b"..");
        }
        header.set_mode(0o777);
        header.set_cksum();
        builder.append(&header, *content).expect("memory takes it");
    }
    let tar = builder.into_inner().expect("memory takes it");
    zstd::encode_all(tar.as_slice(), 1).expect("memory takes it")
}

/// The one diagnostic that reading gives.
fn refused(bytes: &[u8], limits: &Limits) -> String {
    let found = PackageSource::read_archive(bytes, limits).expect_err("it must be refused");
    assert_eq!(found.len(), 1, "{found:?}");
    format!("{} {}", found[0].code, found[0].message)
}

#[test]
fn the_same_package_gives_the_same_bytes_and_comes_back_whole() {
    let package = package();
    let bytes = package.archive().unwrap();
    assert_eq!(bytes, package.archive().unwrap());
    assert_eq!(digest(&bytes).len(), "sha256:".len() + 64);
    let back = PackageSource::read_archive(&bytes, &Limits::default()).unwrap();
    assert_eq!(back, package);
}

#[test]
fn a_directory_and_its_archive_are_the_same_package() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("unpacked/a-1.0.0");
    let package = package();
    package.unpack(&target).unwrap();
    let read = PackageSource::read_directory(&target, &Limits::default()).unwrap();
    assert_eq!(read, package);
    assert_eq!(read.archive().unwrap(), package.archive().unwrap());
    let mode = std::fs::metadata(target.join("services/run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    assert!(package.unpack(&target).is_err(), "an unpacked package is never overwritten");
    let left = std::fs::read_dir(place.path().join("unpacked")).unwrap().count();
    assert_eq!(left, 1, "no staging directory is left");
}

#[test]
fn digests_are_those_of_sha256() {
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(digest(b""), empty);
}

#[test]
fn paths_that_lead_outside_are_refused() {
    use tar::EntryType::Regular;
    let limits = Limits::default();
    for path in ["../evil", "/etc/evil", "a/../../evil", "a//b", "./a", "a\\b", "c:evil", "a/"] {
        let bytes = tar_of(&[("package.toml", Regular, MANIFEST.as_bytes()), (path, Regular, b"")]);
        let message = refused(&bytes, &limits);
        assert!(message.starts_with("PKG-008"), "{path}: {message}");
    }
}

#[test]
fn links_and_devices_are_refused() {
    use tar::EntryType;
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Fifo,
        EntryType::Char,
        EntryType::Block,
        EntryType::GNUSparse,
    ] {
        let message = refused(&tar_of(&[("link", kind, b"")]), &Limits::default());
        assert!(
            message.starts_with("PKG-008") || message.starts_with("PKG-009"),
            "{kind:?}: {message}"
        );
    }
}

#[test]
fn a_link_in_a_directory_is_refused() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("package.toml"), MANIFEST).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", place.path().join("README.md")).unwrap();
    let found = PackageSource::read_directory(place.path(), &Limits::default()).unwrap_err();
    assert_eq!(found[0].code, "PKG-008");
    let nowhere = place.path().join("nowhere");
    let found = PackageSource::read_directory(&nowhere, &Limits::default()).unwrap_err();
    assert_eq!(found[0].code, "PKG-001");
}

#[test]
fn a_file_that_comes_twice_is_refused() {
    let entry = ("package.toml", tar::EntryType::Regular, MANIFEST.as_bytes());
    assert!(refused(&tar_of(&[entry, entry]), &Limits::default()).starts_with("PKG-009"));
}

#[test]
fn damaged_and_foreign_bytes_are_refused() {
    let limits = Limits::default();
    let whole = package().archive().unwrap();
    for end in 0..whole.len() {
        refused(&whole[..end], &limits);
    }
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        // A flipped bit is found, or was in a part that says nothing.
        if let Ok(read) = PackageSource::read_archive(&bytes, &limits) {
            assert_eq!(read, package(), "bit flipped at {position}");
        }
    }
    for foreign in [b"PK\x03\x04".as_slice(), b"", b"hello"] {
        assert!(refused(foreign, &limits).starts_with("PKG-0"));
    }
}

#[test]
fn limits_hold_before_memory_is_used() {
    use tar::EntryType::Regular;
    let small = Limits { files_max: 2, file_bytes_max: 100, bytes_max: 150, path_bytes_max: 20 };
    let many: Vec<_> = ["a", "b", "c"].map(|path| (path, Regular, b"".as_slice())).into();
    assert!(refused(&tar_of(&many), &small).contains("more than 2 files"));
    let large = [("a", Regular, [0; 101].as_slice())];
    assert!(refused(&tar_of(&large), &small).contains("101 bytes"));
    let sum = [("a", Regular, [0; 90].as_slice()), ("b", Regular, [0; 90].as_slice())];
    assert!(refused(&tar_of(&sum), &small).contains("more than 150 bytes"));
    let long = [("a-path-of-22-characters", Regular, b"".as_slice())];
    assert!(refused(&tar_of(&long), &small).starts_with("PKG-008"));
    let bomb = zstd::encode_all(std::io::Read::take(std::io::repeat(0), 100_000_000), 1).unwrap();
    assert!(refused(&bomb, &small).contains("unpacks to more than"));
}
