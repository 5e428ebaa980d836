//! A server with one package whose documents each start an instance that waits for a worker.
//!
//! Boundary: what all cases share: how it starts, and how it is shown that nothing was lost.
//! Read first: [`Shop::open`], then [`Shop::goes_on`].

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proto::gateway::gateway_client::GatewayClient;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use super::server::{Server, Start, shown, wait_for};

pub(crate) const ORDER: &str = "shop/order";

const MANIFEST: &str = r#"name = "shop"
version = "1.0.0"
description = "Orders that wait for a worker"

[[triggers]]
name = "orders"
document = "order"
process = "order"
"#;

const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "n": { "type": "integer" },
    "lines": { "type": "array", "items": {
      "type": "object", "properties": { "sku": { "type": "string" } }, "required": ["sku"]
    } }
  },
  "required": ["n"]
}"#;

/// A model with this inside of its process.
pub(crate) fn model(process: &str, inside: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:process id="{process}" isExecutable="true">
{inside}
</bpmn:process>
</bpmn:definitions>
"#
    )
}

/// A start, one task of this kind, and an end.
pub(crate) fn one_task(process: &str, kind: &str, extension: &str) -> String {
    let inside = format!(
        r#"<bpmn:startEvent id="begin"/>
<bpmn:sequenceFlow id="f1" sourceRef="begin" targetRef="task"/>
<bpmn:{kind} id="task"><bpmn:extensionElements>
{extension}
</bpmn:extensionElements></bpmn:{kind}>
<bpmn:sequenceFlow id="f2" sourceRef="task" targetRef="finish"/>
<bpmn:endEvent id="finish"/>"#
    );
    model(process, &inside)
}

/// A running server, and how many documents it has accepted.
pub(crate) struct Shop {
    pub(crate) server: Server,
    pub(crate) directory: TempDir,
    pub(crate) accepted: Cell<u64>,
}

impl Shop {
    /// A server on a new directory with the package.
    pub(crate) fn open() -> Self {
        Self::with(&[])
    }

    /// The same with settings of the environment.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = start(&directory.path().join("data"), settings);
        let shop = Self { server, directory, accepted: Cell::new(0) };
        shop.furnish();
        shop
    }

    /// Deploys the package.
    pub(crate) fn furnish(&self) {
        let work = r#"<zeebe:taskDefinition type="work"/>"#;
        let model = one_task("order", "serviceTask", work);
        let text = self.deploy("shop", MANIFEST, Some(&model));
        assert!(text.contains("shop"), "{text}");
        assert!(!text.contains("error"), "{text}");
    }

    /// Writes a package and deploys it; what the command said.
    pub(crate) fn deploy(&self, name: &str, manifest: &str, model: Option<&str>) -> String {
        let package = self.package(name, manifest);
        if let Some(model) = model {
            std::fs::write(package.join("processes/model.bpmn"), model).unwrap();
        }
        shown(&self.server.command(&["deploy", package.to_str().unwrap()]))
    }

    /// Deploys a model in a package of its own.
    pub(crate) fn deploy_model(&self, name: &str, model: &str) -> String {
        self.deploy(name, &manifest(name), Some(model))
    }

    /// Writes a package without a model.
    pub(crate) fn package(&self, name: &str, manifest: &str) -> PathBuf {
        let package = self.directory.path().join(name);
        std::fs::create_dir_all(package.join("processes")).unwrap();
        std::fs::write(package.join("package.toml"), manifest).unwrap();
        if name == "shop" {
            std::fs::create_dir_all(package.join("documents")).unwrap();
            std::fs::write(package.join("documents/order.json"), SCHEMA).unwrap();
        }
        package
    }

    /// A document with a number of its own and `more` in it.
    pub(crate) fn order(&self, more: &str) -> Value {
        json!({"n": self.accepted.get(), "more": more})
    }

    /// Counts a document that the server has accepted.
    pub(crate) fn count(&self) {
        self.accepted.set(self.accepted.get() + 1);
    }

    /// Takes another document, and each that was accepted has its one instance.
    pub(crate) fn goes_on(&self) {
        self.server.get("/health/ready").expect(200);
        self.server.publish(ORDER, &self.order("")).expect(202);
        self.count();
        self.nothing_is_lost();
    }

    /// Each document that was accepted has one instance, with what was in it.
    pub(crate) fn nothing_is_lost(&self) {
        let wanted = self.accepted.get();
        let path = "/api/instances?process=order&state=active&";
        let rows = wait_for(&format!("{wanted} instances"), || {
            let rows = self.server.all(path);
            (rows.len() as u64 >= wanted).then_some(rows)
        });
        let numbers: Vec<u64> = rows
            .iter()
            .map(|row| self.server.instance(row["key"].as_str().unwrap()))
            .map(|instance| instance["variables"]["n"].as_u64().unwrap())
            .collect();
        let different: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(numbers.len() as u64, wanted, "one instance for each document: {numbers:?}");
        assert_eq!(different, (0..wanted).collect());
    }

    /// A client of the gateway.
    pub(crate) async fn gateway(&self) -> GatewayClient<Channel> {
        let address = format!("http://{}", self.server.grpc);
        let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
        GatewayClient::new(channel).max_encoding_message_size(usize::MAX)
    }
}

/// A server on `data` with settings of the environment.
pub(crate) fn start(data: &Path, settings: &[(&str, &str)]) -> Server {
    let mut start = Start::on(data);
    start.command.envs(settings.iter().copied());
    start.ready()
}

/// A package that needs nothing.
pub(crate) fn manifest(name: &str) -> String {
    format!("name = \"{name}\"\nversion = \"1.0.0\"\ndescription = \"x\"\n")
}
