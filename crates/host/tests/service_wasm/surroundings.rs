//! What a component finds around it: what its definition grants, and nothing else.

use std::collections::BTreeMap;

use feel::Value;
use host::package::PackageSource;
use host::service::{Activation, Options, Services};

use super::{call_of, json};

const LOOKING: &str = include_str!("looking.wat");

/// What `looking.wat` answers in a package with this service.
async fn seen(rest: &str) -> String {
    let place = tempfile::tempdir().expect("a directory");
    let manifest = format!(
        "name = \"p\"\nversion = \"1.0.0\"\n[settings.values]\ncompany = \"Acme\"\n\
         [services.many]\nkind = \"wasm\"\ncomponent = \"services/looking.wasm\"\n{rest}"
    );
    let files = BTreeMap::from([
        ("package.toml".to_owned(), manifest.into_bytes()),
        ("services/looking.wasm".to_owned(), wat::parse_str(LOOKING).expect("good text")),
        ("data/rates.txt".to_owned(), b"7.7".to_vec()),
    ]);
    let package = PackageSource::from_files(files).unwrap_or_else(|found| panic!("{found:?}"));
    let directory = place.path().join("unpacked");
    package.unpack(&directory).expect("it can be unpacked");
    let mut options = Options::new(place.path().join("scratch"));
    options.wasm.cache = None;
    let services = Services::new(options);
    let activation = Activation {
        directory: Some(directory),
        server: Value::Null,
        settings: BTreeMap::new(),
        now_ms: 0,
    };
    services.install(&package, activation);
    services.invoke(call_of("{}")).await.map(|value| json(&value)).expect("it answers")
}

#[tokio::test]
async fn by_default_there_is_nothing() {
    assert_eq!(seen("").await, r#"{"variables":0,"folders":0}"#);
}

#[tokio::test]
async fn declared_variables_and_folders_are_there() {
    let rest = "environment = { COMPANY = \"=settings.company\", NONE = \"=null\" }\n\
                reach = { files = [\"data\", \"services\"] }";
    assert_eq!(seen(rest).await, r#"{"variables":1,"folders":2}"#);
}
