//! A package whose services tell their version, and what the tests do with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use feel::Value;
use host::package::PackageSource;
use node::{Change, DeploymentView, Error, Invocation, Node, Stage, Terms};
use tokio::task::JoinHandle;

use crate::world::{PATIENCE, World};

/// Answers at once, or as soon as it may.
const SCRIPT: &str = "#!/bin/sh\n\
    case \"$1\" in\n\
    slow) echo begun >> \"$2/begun\"; while [ ! -e \"$2/go\" ]; do sleep 0.02; done;;\n\
    start) echo \"start $3 $4\" >> \"$2/life\"; [ ! -e \"$2/fails-$3\" ] || exit 1;;\n\
    stop) echo \"stop $3 $4\" >> \"$2/life\";;\n\
    esac\n\
    printf '%s' \"$3\"\n";

pub(crate) struct Shop {
    pub(crate) files: tempfile::TempDir,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self { files: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Lets slow calls end.
    pub(crate) fn go(&self) {
        std::fs::write(self.path("go"), "").unwrap();
    }

    /// Lets the start-up service of a version fail.
    pub(crate) fn breaks(&self, version: &str) {
        std::fs::write(self.path(&format!("fails-{version}")), "").unwrap();
    }

    /// What start-up and shutdown services did, in order.
    pub(crate) fn life(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("life")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until slow calls have begun.
    pub(crate) async fn begun(&self, number: usize) {
        let begun = async {
            loop {
                let text = std::fs::read_to_string(self.path("begun")).unwrap_or_default();
                if text.lines().count() >= number {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, begun).await.expect("slow calls begin");
    }

    /// A version of a package; `rest` goes to the end of its manifest.
    pub(crate) fn package(&self, name: &str, version: &str, rest: &str) -> PackageSource {
        let log = self.files.path().display();
        let service = |service: &str| {
            format!(
                "[services.{service}]\nkind = \"command\"\nprogram = \"services/run.sh\"\n\
                 args = [\"{service}\", \"{log}\", \"{version}\", \"=server.name\"]\n\
                 output = \"text\"\ntimeout = \"PT60S\"\n"
            )
        };
        let services: String = ["answer", "slow", "start", "stop"].map(service).concat();
        let manifest = format!(
            "name = \"{name}\"\nversion = \"{version}\"\ndescription = \"d\"\n{rest}\n{services}"
        );
        let files = BTreeMap::from([
            ("package.toml".to_owned(), manifest.into_bytes()),
            ("services/run.sh".to_owned(), SCRIPT.as_bytes().to_vec()),
        ]);
        PackageSource::from_files(files).unwrap()
    }

    pub(crate) fn shop(&self, version: &str) -> PackageSource {
        self.package("shop", version, "startup = [\"start\"]\nshutdown = [\"stop\"]")
    }
}

pub(crate) async fn one(world: &World) -> Node {
    let node = world.start_with("a", |options| {
        options.settings.server = feel::json::parse(br#"{"name":"a"}"#).unwrap();
    });
    world.owns(&node, 8).await;
    node
}

/// The version that answers.
pub(crate) async fn ask(node: &Node, service: &str) -> Result<String, Error> {
    let (package, service) = service.split_once('/').unwrap();
    let answered = node.invoke(package, service, Invocation::default()).await?;
    let Value::String(text) = &answered.value else { panic!("{:?} is no text", answered.value) };
    assert_eq!(*answered.version, **text, "the head tells what answered");
    Ok(text.to_string())
}

pub(crate) fn ask_aside(node: &Node, service: &str) -> JoinHandle<Result<String, Error>> {
    let (node, service) = (node.clone(), service.to_owned());
    #[expect(clippy::disallowed_methods, reason = "the handle is joined by the test")]
    tokio::spawn(async move { ask(&node, &service).await })
}

pub(crate) async fn begin(node: &Node, package: PackageSource, terms: Terms) -> DeploymentView {
    node.change(Change::Deploy(vec![package]), terms).await.unwrap()
}

/// Waits until a deployment is as wanted.
pub(crate) async fn until(
    node: &Node,
    begun: &DeploymentView,
    what: impl Fn(&DeploymentView) -> bool,
) -> DeploymentView {
    let waiting = async {
        loop {
            let view = node.deployment(begun.key, Duration::from_millis(20)).await.unwrap();
            if what(&view) {
                return view;
            }
            assert_ne!(view.stage, Stage::Ended, "{}", view.reason);
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it gets there")
}

/// Waits until so many calls are in flight and so many are held.
pub(crate) async fn until_held(
    node: &Node,
    begun: &DeploymentView,
    in_flight: u64,
    held: u64,
) -> DeploymentView {
    until(node, begun, |view| {
        let sum = |of: fn(&node::ServerProgress) -> u64| view.servers.iter().map(of).sum::<u64>();
        view.stage == Stage::Draining
            && sum(|server| server.in_flight) == in_flight
            && sum(|server| server.held) == held
    })
    .await
}
