//! The processes and the package that the load generator deploys.
//!
//! Boundary: text and archives; deploys nothing.
//! Read first: [`process`], then [`package`].   Tests: `tests.rs`.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::anyhow;
use bytes::Bytes;

/// The document type of profile D1.
pub(super) const DOCUMENT: &str = "bench-order";
/// The process whose instances wait for a job that nobody takes.
pub(super) const WAITING: &str = "bench-waiting";

/// The BPMN file of a process with this many jobs in sequence, of the type [`job_type`] names;
/// without jobs it runs one script.
pub(super) fn process(id: &str, jobs: u32) -> Vec<u8> {
    let mut xml = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
    id="{id}-definitions" targetNamespace="http://bpmn.io/schema/bpmn">
  <bpmn:process id="{id}" isExecutable="true">
    <bpmn:startEvent id="start" />
"#
    );
    for job in 1..=jobs {
        flow(&mut xml, job, &format!("step{job}"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            xml,
            r#"    <bpmn:serviceTask id="step{job}"><bpmn:extensionElements>
      <zeebe:taskDefinition type="{}" />
    </bpmn:extensionElements></bpmn:serviceTask>"#,
            job_type(id)
        );
    }
    if jobs == 0 {
        flow(&mut xml, 1, "script");
        xml.push_str(
            r#"    <bpmn:scriptTask id="script"><bpmn:extensionElements>
      <zeebe:script expression="=n + 1" resultVariable="next" />
    </bpmn:extensionElements></bpmn:scriptTask>
"#,
        );
    }
    flow(&mut xml, jobs.max(1) + 1, "end");
    xml.push_str("    <bpmn:endEvent id=\"end\" />\n  </bpmn:process>\n</bpmn:definitions>\n");
    xml.into_bytes()
}

fn flow(xml: &mut String, number: u32, target: &str) {
    let source = match number {
        1 => "start".to_owned(),
        _ if target == "end" && !xml.contains("\"step1\"") => "script".to_owned(),
        _ => format!("step{}", number - 1),
    };
    let _ = writeln!(
        xml,
        r#"    <bpmn:sequenceFlow id="flow{number}" sourceRef="{source}" targetRef="{target}" />"#
    );
}

/// The type of the jobs of a process.
pub(super) fn job_type(process: &str) -> String {
    format!("{process}-job")
}

/// The archive of the package of profile D1: a document type and a process that it starts.
pub(super) fn package() -> anyhow::Result<Bytes> {
    let files = BTreeMap::from([
        ("package.toml".to_owned(), include_bytes!("package/package.toml").to_vec()),
        (
            format!("documents/{DOCUMENT}.json"),
            include_bytes!("package/documents/bench-order.json").to_vec(),
        ),
        ("processes/bench-d1.bpmn".to_owned(), process("bench-d1", 0)),
    ]);
    let source = host::package::PackageSource::from_files(files).map_err(|found| {
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        anyhow!("the built-in package is wrong:\n{}", found.join("\n"))
    })?;
    Ok(source.archive()?.into())
}
