//! What deployments bring, and shared settings.
//!
//! Boundary: small lists that are read whole.
//! Read first: [`definitions_and_packages_are_replaced`].

use engine::ids::DefinitionKey;

use super::Owner;
use crate::{DefinitionRow, PackageRow, Store};

fn definition(key: u64, enabled: bool) -> DefinitionRow {
    DefinitionRow {
        key: DefinitionKey(key),
        process: "order".into(),
        version: 2,
        package: "orders".into(),
        package_version: "1.0.0".into(),
        resource: "processes/order.bpmn".into(),
        digest: "aa".into(),
        deployment: u64::MAX,
        enabled,
        at_ms: 5,
    }
}

fn package(name: &str, version: &str, active: bool) -> PackageRow {
    PackageRow {
        name: name.into(),
        version: version.into(),
        digest: "bb".into(),
        active,
        disabled: false,
        note: "".into(),
        at_ms: 6,
    }
}

/// By key, and by name and version.
pub async fn definitions_and_packages_are_replaced(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    owner
        .commit(|unit| {
            unit.definitions = vec![definition(9, true), definition(8, true)];
            unit.packages = vec![package("b", "1.0.0", true), package("a", "1.0.0", true)];
        })
        .await;
    owner
        .commit(|unit| {
            unit.definitions = vec![definition(8, false)];
            unit.packages = vec![package("b", "1.0.0", false), package("b", "1.1.0", true)];
        })
        .await;
    let definitions = store.definitions().await.unwrap();
    assert_eq!(definitions, [definition(8, false), definition(9, true)]);
    let expected =
        [package("a", "1.0.0", true), package("b", "1.0.0", false), package("b", "1.1.0", true)];
    assert_eq!(store.packages().await.unwrap(), expected);
}

/// What an operator and a loader say about a version stays with it; forgetting comes last.
pub async fn versions_are_disabled_noted_and_forgotten(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let noted = PackageRow {
        disabled: true,
        note: "no component `tax`\0".into(),
        ..package("b", "1.1.0", true)
    };
    owner
        .commit(|unit| {
            unit.packages = vec![package("b", "1.0.0", false), noted.clone()];
            unit.packages.push(package("a", "1.0.0", true));
        })
        .await;
    assert_eq!(store.packages().await.unwrap()[2], noted);
    let before = store.pulse().await.unwrap().catalog;
    owner
        .commit(|unit| {
            let forgotten = [("b", "1.0.0"), ("b", "2.0.0"), ("c", "1.0.0"), ("", "")];
            unit.packages_forgotten =
                forgotten.map(|(name, version)| (name.into(), version.into())).into();
        })
        .await;
    assert!(store.pulse().await.unwrap().catalog > before);
    assert_eq!(store.packages().await.unwrap(), [package("a", "1.0.0", true), noted.clone()]);
    owner
        .commit(|unit| {
            unit.packages = vec![package("a", "1.0.0", false), package("a", "2.0.0", true)];
            unit.packages_forgotten = vec![("a".into(), "1.0.0".into())];
        })
        .await;
    assert_eq!(store.packages().await.unwrap(), [package("a", "2.0.0", true), noted]);
}

/// Also a large one.
pub async fn blobs_and_settings_stay(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let large = bytes::Bytes::from(vec![7; 1 << 20]);
    owner
        .commit(|unit| {
            unit.blobs = vec![("aa".into(), large.clone()), ("bb".into(), "".into())];
            unit.settings = vec![("b".into(), Some("1".into())), ("a".into(), Some("2".into()))];
        })
        .await;
    assert_eq!(store.blob("aa").await.unwrap(), Some(large));
    assert_eq!(store.blob("bb").await.unwrap(), Some("".into()));
    assert_eq!(store.blob("cc").await.unwrap(), None);
    owner
        .commit(|unit| {
            unit.settings =
                vec![("b".into(), None), ("a".into(), Some("3".into())), ("z".into(), None)];
        })
        .await;
    assert_eq!(store.settings().await.unwrap(), [("a".into(), "3".into())]);
}

/// Of stores that keep everything in rows.
pub async fn what_is_stored_takes_room(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let large = bytes::Bytes::from(vec![7; 1 << 20]);
    owner.commit(|unit| unit.blobs = vec![("aa".into(), large)]).await;
    assert!(store.health().await.unwrap().bytes >= 1 << 20);
}

/// All of Unicode, also what some databases cannot store as it is.
pub async fn any_text_comes_back(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let texts = ["", "a\0b", "\0", "\u{e000}0", "\u{e000}\u{e000}", "\u{10ffff}", "ä'\"\\{},NULL"];
    owner
        .commit(|unit| {
            for (text, number) in texts.iter().zip(0..) {
                unit.settings.push((format!("s{number}").into(), Some((*text).into())));
                unit.seen.push(crate::Seen {
                    source: (*text).into(),
                    id: (*text).into(),
                    document: engine::ids::DocumentKey(number),
                    at_ms: 0,
                });
            }
        })
        .await;
    let settings = store.settings().await.unwrap();
    let values: Vec<_> = settings.iter().map(|(_, value)| &**value).collect();
    assert_eq!(values, texts);
    let pairs = texts.map(|text| (text.into(), text.into()));
    let seen = store.seen(&pairs).await.unwrap();
    let keys: Vec<_> = seen.iter().map(|key| key.map(|key| key.0)).collect();
    assert_eq!(keys, (0..texts.len() as u64).map(Some).collect::<Vec<_>>());
}
