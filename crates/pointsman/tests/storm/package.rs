//! The packages of the storm, in any version: one that is deployed again and again, and one that
//! needs it.
//!
//! Boundary: bytes of archives.
//! Read first: [`storm`].

use std::collections::BTreeMap;

use host::package::PackageSource;

/// How a version is meant to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// It serves.
    Good,
    /// It is refused at prepare.
    Refused,
    /// A start-up service fails.
    Fails,
    /// A slow call outlasts its patience.
    Late,
    /// Somebody cancels it.
    Cancelled,
}

/// The name of a version.
pub(crate) fn version(number: u64) -> String {
    format!("1.0.{number}")
}

/// The number of a version.
pub(crate) fn number(version: &str) -> Option<u64> {
    version.strip_prefix("1.0.")?.parse().ok()
}

/// The archive of a version whose services call the world at `port`.
pub(crate) fn storm(number: u64, sort: Sort, port: u16) -> Vec<u8> {
    let version = version(number);
    let boot = if sort == Sort::Fails { "fails" } else { "works" };
    let world = format!("http://127.0.0.1:{port}");
    let manifest = format!(
        r#"name = "storm"
version = "{version}"
description = "Says which version it is"
startup = ["boot"]

[settings.values]
version = "{version}"
boot = "{boot}"

[services.which]
kind = "http"
concurrency = 256
timeout = "PT60S"
url = "{world}/which"
body = "={{version: settings.version, call: call}}"

[services.slow]
kind = "http"
timeout = "PT60S"
url = "{world}/slow"
body = "={{version: settings.version, call: call}}"

[services.boot]
kind = "http"
url = "{world}/boot"
body = "={{boot: settings.boot}}"

[services.handled]
kind = "http"
concurrency = 256
url = "{world}/handled"
body = "={{version: settings.version, order: order, by: by, process: process}}"

[[triggers]]
name = "orders"
document = "order"
process = "storm-order"
"#
    );
    // What is refused calls what nobody has.
    let service = if sort == Sort::Refused { "none" } else { "handled" };
    archive([
        ("package.toml", manifest),
        ("documents/order.json", r#"{"type":"object"}"#.to_owned()),
        ("processes/order.bpmn", model("storm", service, &version)),
    ])
}

/// The archive of the package that needs the other one.
pub(crate) fn front() -> Vec<u8> {
    let manifest = r#"name = "front"
version = "1.0.0"
description = "Handles the same documents by what the other package offers"

[dependencies]
storm = "^1"

[[triggers]]
name = "orders"
document = "storm/order"
process = "front-order"
"#;
    archive([
        ("package.toml", manifest.to_owned()),
        ("processes/order.bpmn", model("front", "storm/handled", "")),
    ])
}

fn archive<const N: usize>(files: [(&str, String); N]) -> Vec<u8> {
    let files: BTreeMap<String, Vec<u8>> =
        files.into_iter().map(|(path, text)| (path.to_owned(), text.into_bytes())).collect();
    PackageSource::from_files(files).unwrap().archive().unwrap()
}

fn model(package: &str, service: &str, version: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:process id="{package}-order" isExecutable="true">
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="handle"/>
<bpmn:serviceTask id="handle"><bpmn:extensionElements>
<zeebe:taskDefinition type="service:{service}"/>
<zeebe:ioMapping><zeebe:input source="=&quot;{package}&quot;" target="by"/>
<zeebe:input source="=&quot;{version}&quot;" target="process"/></zeebe:ioMapping>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="handle" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#
    )
}
