//! Decisions: deployed alone and in packages, called by business rule tasks and by clients;
//! versions, restarts, several servers.

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use feel::{Context, Value};
use host::package::PackageSource;
use node::{Error, Node, Options, Which, WhichDecision};
use store::memory::Memory;
use store::sqlite::Sqlite;
use store::{InstanceState, Store};

use world::World;

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
    let directory = tempfile::tempdir().expect("a directory");
    let sqlite =
        Sqlite::open(directory.path(), &store::sqlite::Options::default()).expect("a store");
    let stores: [Arc<dyn Store>; 2] = [Arc::new(Memory::new()), Arc::new(sqlite)];
    for store in stores {
        versions_are_kept(&store).await;
    }
}

async fn versions_are_kept(store: &Arc<dyn Store>) {
    let (node, _scratch) = open(store).await;
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
    let file = |node: &Node| {
        let catalog = node.catalog();
        let latest = catalog.latest_decision("rate").expect("it is deployed").clone();
        catalog.requirements_of(&latest).map(|file| (file.key, file.version, file.name.clone()))
    };
    let before = file(&node);
    assert_eq!(before.as_ref().map(|file| (file.1, &*file.2)), Some((2, "rates")));
    node.stop().await;
    let (node, _scratch) = open(store).await;
    assert_eq!(version(&node), Some(2));
    assert_eq!(file(&node), before);
    for process in ["latest", "same", "tagged"] {
        assert_eq!(rated(&node, process).await, after(process), "{process} after a restart");
    }
    assert_eq!(deploy(&node, &first[..1]).await.len(), 2, "the decision, and its file");
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

/// Shows DPL-2.
#[tokio::test]
async fn what_a_process_is_bound_to_comes_with_it() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let (node, _scratch) = open(&store).await;
    let bound = || ("bound.bpmn", process("bound", r#"bindingType="deployment""#));
    let alone = node.deploy_resources(vec![("bound.bpmn".to_owned(), bound().1.into())]).await;
    let Err(Error::Refused { problems }) = alone else { panic!("{alone:?}") };
    assert_eq!(problems[0].code, "PKG-012", "{problems:?}");
    let first = deploy(&node, &[bound(), ("rates.dmn", rate("1", "", ""))]).await;
    assert_eq!(rated(&node, "bound").await, Value::from(1));
    // Only the decision changes; the process becomes a new version with it.
    let second = deploy(&node, &[bound(), ("rates.dmn", rate("2", "", ""))]).await;
    assert!(first.iter().all(|key| !second.contains(key)), "{first:?} {second:?}");
    assert_eq!(rated(&node, "bound").await, Value::from(2));
    // Only the process changes; the decision becomes a new version with it.
    let other = ("bound.bpmn", bound().1.replace("targetNamespace=\"t\"", "targetNamespace=\"u\""));
    let third = deploy(&node, &[other.clone(), ("rates.dmn", rate("2", "", ""))]).await;
    assert!(second.iter().all(|key| !third.contains(key)), "{second:?} {third:?}");
    assert_eq!(rated(&node, "bound").await, Value::from(2));
    // Deployed alone, it is the newest one, but not that of the process.
    deploy(&node, &[("rates.dmn", rate("4", "", ""))]).await;
    assert_eq!(rated(&node, "bound").await, Value::from(2));
    // Nothing is new, but it did not come together.
    let fifth = deploy(&node, &[other.clone(), ("rates.dmn", rate("4", "", ""))]).await;
    assert!(third.iter().all(|key| !fifth.contains(key)), "{third:?} {fifth:?}");
    assert_eq!(rated(&node, "bound").await, Value::from(4));
    assert_eq!(deploy(&node, &[other, ("rates.dmn", rate("4", "", ""))]).await, fifth);
    node.stop().await;
}

/// Shows DPL-2.
#[tokio::test]
async fn an_unchanged_resource_of_a_package_is_new_only_if_something_is_bound_to_it() {
    for (binding, versions) in [("", (1, 2)), (r#"bindingType="deployment""#, (2, 2))] {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let (node, _scratch) = open(&store).await;
        let model = process("p", binding);
        let source = |version: &str, logic: &str| {
            let rates = rate(logic, "", "");
            package(version, &[("decisions/r.dmn", &rates), ("processes/p.bpmn", &model)])
        };
        node.deploy(vec![source("1.0.0", "1")]).await.expect("deploys");
        node.deploy(vec![source("1.0.1", "2")]).await.expect("deploys");
        let catalog = node.catalog();
        let process = catalog.latest("p").map(|known| known.version);
        let decision = catalog.latest_decision("rate").map(|known| known.deployed.version);
        assert_eq!((process, decision), (Some(versions.0), Some(versions.1)), "{binding}");
        assert_eq!(rated(&node, "p").await, Value::from(2), "{binding}");
        node.stop().await;
    }
}

/// A decision that never ends by itself is ended by its budget; so many at once take turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_have_decisions_evaluated_within_a_budget() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let (node, _scratch) = open(&store).await;
    let long = "count(for i in 1..1000000000 return i)";
    let files = [
        ("rates.dmn", rate("x * 2", "", "")),
        ("long.dmn", rate(long, "", "").replace("\"rate\"", "\"long\"")),
    ];
    deploy(&node, &files).await;
    let which = WhichDecision::Latest("rate".into());
    let input = || Context::builder().with("x", 21).build();
    let evaluation = node.evaluate_decision(&which, input()).await.expect("evaluated");
    assert_eq!(evaluation.outcome.value, Value::from(42));
    assert_eq!(evaluation.versions[0].as_ref().map(|known| &*known.id), Some("rate"));
    let endless = WhichDecision::Latest("long".into());
    let all = futures_util::future::join_all(
        (0..12).map(|_| node.evaluate_decision(&endless, Context::default())),
    );
    for evaluation in all.await {
        let outcome = evaluation.expect("evaluated").outcome;
        assert_eq!((outcome.value, outcome.failures.len()), (Value::Null, 1));
    }
    let gone = node.evaluate_decision(&WhichDecision::Key(7), input()).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    node.stop().await;
}

#[tokio::test]
async fn what_one_server_deploys_all_evaluate_also_after_it_died() {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    for node in [&a, &b] {
        node.ready(PATIENCE).await.expect("ready");
    }
    let bound = process("bound", r#"bindingType="deployment""#);
    deploy(&a, &[("rates.dmn", rate("1", "", "")), ("bound.bpmn", bound.clone())]).await;
    let which = WhichDecision::Latest("rate".into());
    let value = async |node: &Node| {
        let evaluation = node.evaluate_decision(&which, Context::default()).await;
        let evaluation = evaluation.expect("evaluated");
        (evaluation.outcome.value, evaluation.decision.deployed.version)
    };
    assert_eq!(value(&b).await, (Value::from(1), 1), "known at once");
    for node in [&a, &b, &a, &b] {
        assert_eq!(rated(node, "bound").await, Value::from(1));
    }
    deploy(&b, &[("rates.dmn", rate("2", "", "")), ("bound.bpmn", bound)]).await;
    assert_eq!(value(&a).await, (Value::from(2), 2), "the newest version is one for all");
    world.kill("a", a).await;
    b.ready(PATIENCE).await.expect("ready");
    assert_eq!(value(&b).await, (Value::from(2), 2));
    let c = world.start("c");
    c.ready(PATIENCE).await.expect("ready");
    assert_eq!(value(&c).await, (Value::from(2), 2), "loaded from the store");
    for node in [b, c] {
        node.stop().await;
    }
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
