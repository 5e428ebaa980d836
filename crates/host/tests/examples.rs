//! The packages in `examples/` are right, and their services do what the scenarios rely on.
//!
//! Read first: [`examples`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use host::package::scenario::Action;
use host::package::{Limits, PackageSource, Resolved, resolve};
use host::service::{Activation, Call, Failure, Options, Services};

fn directory(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

fn source(name: &str) -> PackageSource {
    PackageSource::read_directory(&directory(name), &Limits::default())
        .unwrap_or_else(|found| panic!("{}", shown(&found)))
}

fn shown(found: &[host::Diagnostic]) -> String {
    found.iter().map(|problem| format!("{problem}\n")).collect::<Vec<_>>().concat()
}

/// Both packages, in the wrong order on purpose.
fn examples() -> Vec<Resolved> {
    let set = vec![source("order-fulfilment"), source("customer-base")];
    resolve(set, &[]).unwrap_or_else(|found| panic!("{}", shown(&found)))
}

#[test]
fn they_resolve_in_order_without_a_warning() {
    let examples = examples();
    let names: Vec<_> =
        examples.iter().map(|resolved| resolved.package.manifest().name.as_str()).collect();
    assert_eq!(names, ["customer-base", "order-fulfilment"]);
    assert_eq!(examples[1].dependencies["customer-base"].to_string(), "1.2.0");
    for resolved in &examples {
        assert_eq!(shown(&resolved.package.warnings), "");
    }
}

#[test]
fn every_order_of_the_data_is_a_valid_order() {
    let examples = examples();
    let order = examples[1].package.document("order").unwrap();
    let orders = std::fs::read_to_string(directory("order-fulfilment/data/orders.ndjson")).unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for line in orders.lines() {
        let document: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(order.validate_json(&document), Ok(()), "{line}");
        assert!(ids.insert(document["orderId"].to_string()), "{line}");
    }
    assert_eq!(ids.len(), 1000);
    assert!(orders.len() < 400_000);
}

#[test]
fn violations_point_at_what_is_wrong() {
    let examples = examples();
    let order = examples[1].package.document("order").unwrap();
    let document = std::fs::read(directory("order-fulfilment/data/one-order.json")).unwrap();
    let mut document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    document["items"][1]["quantity"] = "three".into();
    document["placedAt"] = "yesterday".into();
    let violations = order.validate_json(&document).unwrap_err();
    let pointers: Vec<_> = violations.iter().map(|v| v.pointer.as_str()).collect();
    assert!(pointers.contains(&"/items/1/quantity"), "{violations:?}");
    assert!(pointers.contains(&"/placedAt"), "{violations:?}");
    let value = feel::json::parse(document.to_string().as_bytes()).unwrap();
    assert_eq!(order.validate(&value).unwrap_err().len(), violations.len());
}

#[test]
fn every_document_that_a_scenario_publishes_is_valid() {
    let examples = examples();
    let mut published = 0;
    for resolved in &examples {
        for scenario in &resolved.package.scenarios {
            assert!(!scenario.description.is_empty(), "{}", scenario.file);
            for step in &scenario.steps {
                let Action::Publish { document, data } = &step.action else { continue };
                let document = resolved.package.document(&document.name).unwrap();
                assert_eq!(document.validate(data), Ok(()), "{}", scenario.file);
                published += 1;
            }
        }
    }
    assert!(published >= 10);
}

#[tokio::test]
async fn the_command_services_answer() {
    let place = tempfile::tempdir().unwrap();
    let services = Services::new(Options::new(place.path().join("scratch")));
    for resolved in &examples() {
        let source = &resolved.package.source;
        let directory = place.path().join(&source.manifest.name);
        source.unpack(&directory).unwrap();
        let activation = Activation {
            directory: Some(directory),
            server: feel::json::parse(br#"{"url":"http://127.0.0.1:1"}"#).unwrap(),
            settings: BTreeMap::new(),
            now_ms: 0,
        };
        services.install(source, activation);
    }
    let call = |package: &str, service: &str, input: &str| {
        let call = Call {
            package: package.to_owned(),
            service: service.to_owned(),
            input: feel::json::parse(input.as_bytes()).unwrap(),
            idempotency_key: "key".to_owned(),
            deadline_ms: 10_000,
            now_ms: 0,
            attempt: 1,
            chain: host::gate::Chain::default(),
            depth: 0,
        };
        services.invoke(call)
    };
    let customer = r#"{"customer":{"id":"C-0042","since":2018,"openInvoices":0},"orderValue":500}"#;
    let value = call("customer-base", "score", customer).await.unwrap();
    assert_eq!(value, feel::json::parse(br#"{"score":81,"level":"gold"}"#).unwrap());
    let stranger = r#"{"customer":{"id":"G-1","since":2018,"openInvoices":0},"orderValue":500}"#;
    let failure = call("customer-base", "score", stranger).await.unwrap_err();
    let Failure::Error { code, message } = failure else { panic!("{failure:?}") };
    assert_eq!(code, "UNKNOWN_CUSTOMER");
    assert!(message.ends_with("exit code 3: no customer has the id G-1"), "{message}");
    let order = r#"{"orderId":"O-100042","totals":{"value":69.3},
        "shipTo":{"country":"DE"},"quote":{"carrier":"parcel"}}"#;
    let value = call("order-fulfilment", "invoice", order).await.unwrap();
    let invoice = br#"{"invoice":{"number":"I-100042","from":"Pointsman Trading",
        "net":69.30,"tax":13.17,"gross":82.47}}"#;
    assert_eq!(value, feel::json::parse(invoice).unwrap());
    let value = call("order-fulfilment", "label", order).await.unwrap();
    let label =
        br#"{"shipment":{"method":"parcel","carrier":"Rail & Road","tracking":"DE-100042"}}"#;
    assert_eq!(value, feel::json::parse(label).unwrap());
}
