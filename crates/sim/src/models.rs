//! The package that every world deploys: small processes that together use what crosses shards.
//!
//! Boundary: text only. Versions differ in a comment, so that each deployment brings new ones.
//! Read first: [`package`].

use std::collections::BTreeMap;

use host::package::PackageSource;

/// The name of the package.
pub(crate) const PACKAGE: &str = "shop";
/// Types of jobs.
pub(crate) const JOB_TYPES: [&str; 4] = ["a", "b", "kid", "slow"];

const MANIFEST: &str = r#"
name = "shop"
version = "1.0.VERSION"
description = "Simulation"

[[triggers]]
name = "order-work"
document = "order"
process = "work"

[[triggers]]
name = "order-calc"
document = "order"
process = "calc"

[[triggers]]
name = "paid"
document = "paid"
process = "fork"
correlation-key = "=ref"

[processes.work]
log-pipeline = true
[processes.calc]
log-pipeline = true
[processes.fork]
log-pipeline = true
[processes.child]
log-pipeline = true
[processes.late]
log-pipeline = true
[processes.wait]
log-pipeline = true
[processes.join]
log-pipeline = true
[processes.tell]
log-pipeline = true
optimize-locally = false
[processes.guard]
log-pipeline = true
"#;

const SCHEMA: &str =
    r#"{"type":"object","required":["ref"],"properties":{"ref":{"type":"string"}}}"#;

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:message id="paid" name="paid"><bpmn:extensionElements>
<zeebe:subscription correlationKey="=ref"/></bpmn:extensionElements></bpmn:message>
<bpmn:message id="go" name="go"><bpmn:extensionElements>
<zeebe:subscription correlationKey="=ref"/></bpmn:extensionElements></bpmn:message>
<bpmn:message id="open" name="open"/>
"#;

/// Where a step that takes a lock puts its number.
const FENCE: &str =
    "<zeebe:taskHeaders><zeebe:header key=\"fence-variable\" value=\"fence\"/></zeebe:taskHeaders>";

/// Elements of a process, one after the other: what stands between two arrows is an element.
struct Model(String);

impl Model {
    fn new() -> Self {
        Self(String::new())
    }

    fn flow(mut self, from: &str, to: &str) -> Self {
        self.0.push_str(&format!(
            "<bpmn:sequenceFlow id=\"{from}-{to}\" sourceRef=\"{from}\" targetRef=\"{to}\"/>\n"
        ));
        self
    }

    fn start(mut self) -> Self {
        self.0.push_str("<bpmn:startEvent id=\"s\"/>\n");
        self
    }

    fn message_start(mut self, message: &str) -> Self {
        self.0.push_str(&format!(
            "<bpmn:startEvent id=\"s\"><bpmn:messageEventDefinition messageRef=\"{message}\"/>\
             </bpmn:startEvent>\n"
        ));
        self
    }

    fn end(mut self, id: &str) -> Self {
        self.0.push_str(&format!("<bpmn:endEvent id=\"{id}\"/>\n"));
        self
    }

    fn task(mut self, id: &str, job_type: &str) -> Self {
        self.0.push_str(&format!(
            "<bpmn:serviceTask id=\"{id}\"><bpmn:extensionElements><zeebe:taskDefinition \
             type=\"{job_type}\"/></bpmn:extensionElements></bpmn:serviceTask>\n"
        ));
        self
    }

    fn script(mut self, id: &str) -> Self {
        self.0.push_str(&format!(
            "<bpmn:scriptTask id=\"{id}\"><bpmn:extensionElements><zeebe:script \
             expression=\"=1 + 1\" resultVariable=\"two\"/></bpmn:extensionElements>\
             </bpmn:scriptTask>\n"
        ));
        self
    }

    fn fork(mut self, id: &str) -> Self {
        self.0.push_str(&format!("<bpmn:parallelGateway id=\"{id}\"/>\n"));
        self
    }

    fn catch_message(mut self, id: &str, message: &str) -> Self {
        self.0.push_str(&format!(
            "<bpmn:intermediateCatchEvent id=\"{id}\"><bpmn:messageEventDefinition \
             messageRef=\"{message}\"/></bpmn:intermediateCatchEvent>\n"
        ));
        self
    }

    fn catch_timer(mut self, id: &str, after: &str) -> Self {
        self.0.push_str(&format!(
            "<bpmn:intermediateCatchEvent id=\"{id}\"><bpmn:timerEventDefinition>\
             <bpmn:timeDuration>{after}</bpmn:timeDuration></bpmn:timerEventDefinition>\
             </bpmn:intermediateCatchEvent>\n"
        ));
        self
    }

    fn boundary_timer(mut self, id: &str, of: &str, after: &str, interrupting: &str) -> Self {
        self.0.push_str(&format!(
            "<bpmn:boundaryEvent id=\"{id}\" attachedToRef=\"{of}\" \
             cancelActivity=\"{interrupting}\"><bpmn:timerEventDefinition><bpmn:timeDuration>\
             {after}</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:boundaryEvent>\n"
        ));
        self
    }

    fn call(mut self, id: &str, process: &str) -> Self {
        self.0.push_str(&format!(
            "<bpmn:callActivity id=\"{id}\"><bpmn:extensionElements><zeebe:calledElement \
             processId=\"{process}\"/></bpmn:extensionElements></bpmn:callActivity>\n"
        ));
        self
    }

    /// Tells a process that waits for `go` under another reference.
    fn tell(mut self, id: &str) -> Self {
        self.0.push_str(&format!(
            "<bpmn:intermediateThrowEvent id=\"{id}\"><bpmn:extensionElements>\
             <zeebe:publishMessage correlationKey=\"=told\" timeToLive=\"PT1H\"/>\
             </bpmn:extensionElements><bpmn:messageEventDefinition messageRef=\"go\"/>\
             </bpmn:intermediateThrowEvent>\n"
        ));
        self
    }

    /// Takes or gives back the lock that the variable `lock` names.
    fn lock(mut self, id: &str, act: &str) -> Self {
        self.0.push_str(&format!(
            "<bpmn:serviceTask id=\"{id}\"><bpmn:extensionElements><zeebe:taskDefinition \
             type=\"pointsman:{act}\"/><zeebe:ioMapping><zeebe:input source=\"=lock\" \
             target=\"name\"/></zeebe:ioMapping>{FENCE}</bpmn:extensionElements>\
             </bpmn:serviceTask>\n",
            FENCE = if act == "lock" { FENCE } else { "" }
        ));
        self
    }

    fn process(self, id: &str) -> String {
        let Self(elements) = self;
        format!("<bpmn:process id=\"{id}\" isExecutable=\"true\">\n{elements}</bpmn:process>\n")
    }
}

fn line(model: Model, ids: &[&str]) -> Model {
    ids.windows(2).fold(model, |model, pair| model.flow(pair[0], pair[1]))
}

fn processes() -> String {
    let work = Model::new().start().task("ta", "a").task("tb", "b").end("e");
    let calc = Model::new().start().script("c").end("e");
    let fork = Model::new()
        .start()
        .fork("g")
        .task("ta", "a")
        .catch_timer("t", "PT0.3S")
        .catch_message("m", "paid")
        .fork("j")
        .call("c", "child")
        .end("e")
        .flow("s", "g");
    let fork = ["ta", "t", "m"].iter().fold(fork, |model, arm| model.flow("g", arm).flow(arm, "j"));
    let child = Model::new().start().task("k", "kid").end("e");
    let late = Model::new()
        .start()
        .task("ts", "slow")
        .boundary_timer("remind", "ts", "PT0.2S", "false")
        .boundary_timer("give-up", "ts", "PT0.9S", "true")
        .task("tb", "b")
        .end("e")
        .end("e2")
        .end("e3");
    let late =
        line(line(line(late, &["s", "ts", "e"]), &["remind", "tb", "e2"]), &["give-up", "e3"]);
    let wait = Model::new().start().catch_message("m", "go").end("e");
    let join = Model::new().message_start("open").task("ta", "a").end("e");
    let tell = Model::new().start().task("ta", "a").tell("n").end("e");
    let guard = Model::new().start().lock("l", "lock").task("ta", "a").lock("u", "unlock").end("e");
    [
        line(work, &["s", "ta", "tb", "e"]).process("work"),
        line(calc, &["s", "c", "e"]).process("calc"),
        line(fork, &["j", "c", "e"]).process("fork"),
        line(child, &["s", "k", "e"]).process("child"),
        late.process("late"),
        line(wait, &["s", "m", "e"]).process("wait"),
        line(join, &["s", "ta", "e"]).process("join"),
        line(tell, &["s", "ta", "n", "e"]).process("tell"),
        line(guard, &["s", "l", "ta", "u", "e"]).process("guard"),
    ]
    .concat()
}

/// The package in one of its versions.
#[must_use]
pub(crate) fn package(version: u32) -> PackageSource {
    let model = format!("{HEAD}<!-- {version} -->\n{}</bpmn:definitions>", processes());
    let manifest = MANIFEST.replace("VERSION", &version.to_string());
    let files = BTreeMap::from([
        ("package.toml".to_owned(), manifest.into_bytes()),
        ("documents/order.json".to_owned(), SCHEMA.as_bytes().to_vec()),
        ("documents/paid.json".to_owned(), SCHEMA.as_bytes().to_vec()),
        ("processes/shop.bpmn".to_owned(), model.into_bytes()),
    ]);
    PackageSource::from_files(files).expect("the package is as it should be")
}
