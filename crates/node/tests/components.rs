//! A process step whose service is a component, on a whole server: the example `parcel-numbers`,
//! with the text form of its component.
//!
//! Read first: [`Server`].
#![cfg(feature = "wasm")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use host::package::{Limits, PackageSource};
use node::{Node, Options, Publication};
use store::memory::Memory;
use store::{InstanceFilter, InstanceRow, InstanceState};

const PATIENCE: Duration = Duration::from_secs(20);

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn example(name: &str) -> PackageSource {
    PackageSource::read_directory(&examples().join(name), &Limits::default())
        .unwrap_or_else(|found| panic!("{found:?}"))
}

/// The example with the component as its text form says, whatever was built beside it.
fn parcel_numbers() -> PackageSource {
    let mut source = example("parcel-numbers");
    let text = examples().join("components/parcel-number/parcel-number.wat");
    let component = wat::parse_file(text).expect("good text");
    source.files.insert("services/parcel-number.wasm".to_owned(), component);
    source
}

struct Server {
    node: Node,
}

impl Server {
    async fn open(scratch: &Path) -> Self {
        let options = Options::new("test", scratch.to_owned());
        let node = Node::open(Arc::new(Memory::new()), options);
        node.ready(PATIENCE).await.expect("ready");
        Self { node }
    }

    async fn instances(&self, state: InstanceState) -> Vec<InstanceRow> {
        let process = Some("parcel-numbering".into());
        let filter = InstanceFilter {
            process,
            state: Some(state),
            limit: 1000,
            ..InstanceFilter::default()
        };
        self.node.instances(&filter).await.expect("a list")
    }

    async fn completed(&self, number: usize) -> Vec<InstanceRow> {
        let all = async {
            loop {
                let found = self.instances(InstanceState::Completed).await;
                if found.len() >= number {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("all complete")
    }
}

/// What the component computes.
fn check_digit(text: &str) -> u32 {
    let digits = text.chars().rev().filter_map(|c| c.to_digit(10));
    let sum: u32 = digits
        .enumerate()
        .map(
            |(position, digit)| {
                if position % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
            },
        )
        .sum();
    (10 - sum % 10) % 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_get_a_number_from_a_component() {
    let scratch = tempfile::tempdir().expect("a directory");
    let server = Server::open(scratch.path()).await;
    let set = vec![example("customer-base"), example("order-fulfilment"), parcel_numbers()];
    server.node.deploy(set).await.expect("deploys");
    let orders = std::fs::read_to_string(examples().join("order-fulfilment/data/orders.ndjson"))
        .expect("the orders");
    let orders: Vec<&str> = orders.lines().take(200).collect();
    let express = orders.iter().filter(|order| order.contains("\"express\":true")).count();
    assert!(express > 20, "{express}");
    let publications = orders.iter().map(|order| Publication {
        source: None,
        id: None,
        data: feel::json::parse(order.as_bytes()).expect("JSON"),
    });
    server.node.publish("order-fulfilment/order", publications.collect()).await.expect("accepted");
    for row in server.completed(express).await {
        let records = server.node.audit(row.key).await.expect("an audit log");
        let shown: String = records.iter().map(|record| format!("{:?}", record.event)).collect();
        let id = shown.split("O-").nth(1).and_then(|rest| rest.get(..6)).expect("an id");
        let number = format!("O-{id}-{}", check_digit(id));
        assert!(shown.contains(&number), "{number} in {shown}");
    }
    assert!(server.instances(InstanceState::Active).await.is_empty());
    server.node.stop().await;
}
