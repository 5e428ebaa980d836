//! Decisions that business rule tasks call: deployed alone and in packages, versions, restarts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use feel::{Context, Value};
use host::package::PackageSource;
use node::{Node, Options, Which};
use store::memory::Memory;
use store::{InstanceState, Store};

const PATIENCE: Duration = Duration::from_secs(10);

/// A decision `rate` of a file of this name; `logic` is its expression.
fn rate(logic: &str, tag: &str, import: &str) -> String {
    format!(
        r#"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" name="rates"
  namespace="urn:rates">{import}
<decision id="rate" name="Rate"><extensionElements>
  <z:versionTag xmlns:z="http://camunda.org/schema/zeebe/1.0" value="{tag}"/></extensionElements>
  <variable name="rate"/>
  <literalExpression><text>{logic}</text></literalExpression></decision>
</definitions>"#
    )
}

fn process(id: &str, binding: &str) -> String {
    format!(
        r#"<b:definitions xmlns:b="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:z="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<b:process id="{id}" isExecutable="true"><b:startEvent id="s"/>
<b:sequenceFlow id="f1" sourceRef="s" targetRef="r"/>
<b:businessRuleTask id="r"><b:extensionElements>
  <z:calledDecision decisionId="rate" resultVariable="rate" {binding}/></b:extensionElements>
</b:businessRuleTask>
<b:sequenceFlow id="f2" sourceRef="r" targetRef="w"/>
<b:serviceTask id="w"><b:extensionElements><z:taskDefinition type="w"/></b:extensionElements>
</b:serviceTask>
<b:sequenceFlow id="f3" sourceRef="w" targetRef="e"/><b:endEvent id="e"/>
</b:process></b:definitions>"#
    )
}

async fn open(store: &Arc<dyn Store>) -> (Node, tempfile::TempDir) {
    let scratch = tempfile::tempdir().expect("a directory");
    let node = Node::open(store.clone(), Options::new("test", scratch.path().to_owned()));
    node.ready(PATIENCE).await.expect("ready");
    (node, scratch)
}

async fn deploy(node: &Node, files: &[(&str, String)]) -> Vec<u64> {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), Bytes::from(text.clone())));
    let (keys, _) = node.deploy_resources(files.collect()).await.expect("deploys");
    keys.into_iter().map(|key| key.0).collect()
}

/// What the decision came to in a new instance of the process.
async fn rated(node: &Node, process: &str) -> Value {
    let created = node.create(Which::Enabled(process.into()), Context::default()).await;
    let instance = created.expect("created").instance;
    let state = node.state(instance).await.expect("a state").expect("it runs");
    let found = state.steps.values().find_map(|step| step.variables.get("rate").cloned());
    found.unwrap_or_else(|| {
        let incidents = state.steps.values().filter_map(|step| step.incident.clone());
        panic!("no result: {:?}", incidents.collect::<Vec<_>>())
    })
}

fn package(version: &str, files: &[(&str, &str)]) -> PackageSource {
    let manifest = format!("name = \"shop\"\nversion = \"{version}\"\ndescription = \"d\"\n");
    let mut all = BTreeMap::from([("package.toml".to_owned(), manifest.into_bytes())]);
    all.extend(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())));
    PackageSource::from_files(all).expect("a package")
}

/// Shows CAT-2.
#[tokio::test]
async fn a_version_of_a_decision_is_kept_and_found_again_after_a_restart() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let (node, _scratch) = open(&store).await;
    let first = [
        ("rates.dmn", rate("1", "old", "")),
        ("latest.bpmn", process("latest", "")),
        ("same.bpmn", process("same", r#"bindingType="deployment""#)),
        ("tagged.bpmn", process("tagged", r#"bindingType="versionTag" versionTag="old""#)),
    ];
    let keys = deploy(&node, &first).await;
    assert_eq!(deploy(&node, &first).await, keys, "nothing new");
    for process in ["latest", "same", "tagged"] {
        assert_eq!(rated(&node, process).await, Value::from(1), "{process}");
    }
    let second = deploy(&node, &[("rates.dmn", rate("2", "new", ""))]).await;
    let version = |node: &Node| node.catalog().decision(second[0]).map(|d| d.deployed.version);
    assert_eq!(version(&node), Some(2));
    let after = |process: &str| Value::from(if process == "latest" { 2 } else { 1 });
    for process in ["latest", "same", "tagged"] {
        assert_eq!(rated(&node, process).await, after(process), "{process}");
    }
    node.stop().await;
    let (node, _scratch) = open(&store).await;
    assert_eq!(version(&node), Some(2));
    for process in ["latest", "same", "tagged"] {
        assert_eq!(rated(&node, process).await, after(process), "{process} after a restart");
    }
    assert_eq!(deploy(&node, &first[..1]).await.len(), 1);
    let latest = node.catalog().latest_decision("rate").map(|known| known.deployed.version);
    assert_eq!(latest, Some(3), "what is as it was before the newest version is new");
    node.stop().await;
}

#[tokio::test]
async fn an_incident_of_a_missing_decision_is_resolved_by_deploying_it() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let (node, _scratch) = open(&store).await;
    let files = vec![("p.bpmn".to_owned(), Bytes::from(process("p", "")))];
    let (_, warnings) = node.deploy_resources(files).await.expect("deploys");
    assert_eq!(warnings.iter().map(|found| found.code).collect::<Vec<_>>(), ["PKG-012"]);
    let created = node.create(Which::Enabled("p".into()), Context::default()).await;
    let instance = created.expect("created").instance;
    let state = node.state(instance).await.expect("a state").expect("it runs");
    let mut open_now = state.steps.values().filter_map(|step| step.incident.as_ref());
    let incident = open_now.next().expect("an incident");
    assert_eq!(incident.kind.name(), "CALLED_DECISION_ERROR");
    deploy(&node, &[("rates.dmn", rate("7", "", ""))]).await;
    node.resolve(incident.key, None).await.expect("resolved");
    let state = node.state(instance).await.expect("a state").expect("it runs");
    let rated = state.steps.values().find_map(|step| step.variables.get("rate").cloned());
    assert_eq!(rated, Some(Value::from(7)));
    let row = node.instance(instance).await.expect("a row");
    assert_eq!(row.state, InstanceState::Active);
    node.stop().await;
}

#[tokio::test]
async fn decisions_of_a_package_may_import_each_other_and_change_with_what_they_import() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let (node, _scratch) = open(&store).await;
    let import = r#"<import name="base" namespace="urn:base"
      importType="https://www.omg.org/spec/DMN/20191111/MODEL/"/>"#;
    let rates = rate("base.factor * 2", "", import).replace(
        r#"<variable name="rate"/>"#,
        r#"<variable name="rate"/><informationRequirement>
          <requiredDecision href="urn:base#factor"/></informationRequirement>"#,
    );
    let base = |factor: &str| {
        rate(factor, "", "")
            .replace("urn:rates", "urn:base")
            .replace("\"rate\"", "\"factor\"")
            .replace("\"Rate\"", "\"factor\"")
    };
    let model = process("p", "");
    let source = |version: &str, factor: &str| {
        package(
            version,
            &[
                ("decisions/rates.dmn", &rates),
                ("decisions/base.dmn", &base(factor)),
                ("processes/p.bpmn", &model),
            ],
        )
    };
    node.deploy(vec![source("1.0.0", "5")]).await.expect("deploys");
    assert_eq!(rated(&node, "p").await, Value::from(10));
    node.deploy(vec![source("1.0.1", "6")]).await.expect("deploys");
    node.stop().await;
    let (node, _scratch) = open(&store).await;
    assert_eq!(rated(&node, "p").await, Value::from(12));
    assert_eq!(node.catalog().latest_decision("rate").map(|known| known.deployed.version), Some(2));
    node.stop().await;
}

#[test]
fn what_is_wrong_in_a_decision_is_told_with_file_and_line_when_a_package_is_checked() {
    let shown = |files: &[(&str, &str)]| {
        let found = node::packages::check(vec![package("1.0.0", files)]).expect_err("refused");
        let shown = found.iter().map(|one| format!("{} {}:{}", one.code, one.file, one.line));
        shown.collect::<Vec<_>>()
    };
    let broken = rate("1 +", "", "");
    assert_eq!(shown(&[("decisions/a.dmn", &broken)]), ["DMN-070 shop/decisions/a.dmn:6"]);
    let fine = rate("1", "", "");
    let twice = shown(&[("decisions/a.dmn", &fine), ("decisions/b.dmn", &fine)]);
    assert_eq!(twice, ["PKG-021 shop/decisions/b.dmn:0"]);
}
