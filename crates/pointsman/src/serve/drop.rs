//! The drop folder: archives that are put into `inbox` deploy by themselves (R15); what came of
//! each stands beside it in `done` or `failed`.
//!
//! Boundary: files and their order; deploying is the node's. What is still being written is left
//! alone; the system tells of changes, and a look now and then finds what it did not tell.
//! Invariants: DROP-1 an archive is in one folder at any time, and moves by renaming: a server that
//! dies in the middle loses none. DROP-2 of several servers on one folder one takes a set: under a
//! lock, and as a whole. DROP-3 what was claimed by a server that is gone is claimed again.
//! Read first: [`Folder::run`], then [`inbox`], [`claim`].   Tests: `tests/cli/drop.rs`

mod claim;
mod inbox;
mod sets;

use std::path::{Path, PathBuf};
use std::time::Duration;

use host::package::{Limits, PackageSource};
use node::{Change, DeploymentView, Node, Retry};
use serde_json::{Value, json};

use crate::problem::Failure;

use claim::{Batch, Folders};
use inbox::Inbox;

/// Pause before a set is tried again that the server could not take.
const PAUSE: Duration = Duration::from_secs(1);

/// A drop folder that is watched.
pub(super) struct Folder {
    folders: Folders,
    inbox: Inbox,
}

/// An archive of a batch and what is in it.
struct Read {
    file: PathBuf,
    source: PackageSource,
}

impl Folder {
    /// Makes the folders and begins to watch.
    ///
    /// # Errors
    /// They cannot be made or watched.
    pub(super) fn open(path: &Path, server: &str) -> Result<Self, Failure> {
        let folders = Folders::make(path, server)?;
        let inbox = Inbox::watch(folders.inbox())?;
        Ok(Self { folders, inbox })
    }

    /// Deploys what comes, until it is dropped.
    pub(super) async fn run(mut self, node: Node) {
        loop {
            // DROP-3: this server's own of its life before, and those of others that are gone.
            let left = self.folders.left();
            for batch in left {
                self.deploy(&node, batch).await;
            }
            let names = self.inbox.next().await;
            if let Some(batch) = self.folders.claim(&names) {
                self.deploy(&node, batch).await;
            }
        }
    }

    async fn deploy(&self, node: &Node, batch: Batch) {
        let files = batch.files();
        let reading = tokio::task::spawn_blocking(move || read(files)).await;
        let (read, unreadable) = match reading {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "reading dropped archives broke");
                return;
            }
        };
        for (file, result) in unreadable {
            self.folders.finish(&file, &result, false);
        }
        for set in sets::of(read) {
            self.deploy_set(node, set).await;
        }
        batch.end();
    }

    async fn deploy_set(&self, node: &Node, set: Vec<Read>) {
        let (files, sources): (Vec<_>, Vec<_>) =
            set.into_iter().map(|read| (read.file, read.source)).unzip();
        let ended = loop {
            let begun = node.change(Change::Deploy(sources.clone()), node.terms()).await;
            let ended = match begun {
                Ok(begun) => node.deployment_ended(begun.key).await,
                Err(error) => Err(error),
            };
            match ended {
                // The server is starting, moving or full: the set waits where it is.
                Err(error) if error.retry() == Retry::Later => {
                    tracing::warn!(%error, "dropped archives wait");
                    tokio::time::sleep(PAUSE).await;
                }
                ended => break ended,
            }
        };
        let packages: Vec<Value> = sources.iter().map(package).collect();
        let (result, is_done) = match ended {
            Ok(view) => (done(&view, &packages), true),
            Err(error) => (failed(&error, &packages), false),
        };
        let names = packages.iter().filter_map(|one| one["name"].as_str()).collect::<Vec<_>>();
        tracing::info!(packages = names.join(", "), is_done, "dropped archives were deployed");
        for file in files {
            self.folders.finish(&file, &result, is_done);
        }
    }
}

/// Reads archives; those that are none, with why.
fn read(files: Vec<PathBuf>) -> (Vec<Read>, Vec<(PathBuf, Value)>) {
    let (mut all, mut unreadable) = (Vec::new(), Vec::new());
    for file in files {
        match PackageSource::read(&file, &Limits::default()) {
            Ok(source) => all.push(Read { file, source }),
            Err(problems) => unreadable.push((file, refused(&problems))),
        }
    }
    (all, unreadable)
}

fn package(source: &PackageSource) -> Value {
    let manifest = &source.manifest;
    json!({"name": manifest.name, "version": manifest.version.to_string()})
}

fn done(view: &DeploymentView, packages: &[Value]) -> Value {
    json!({
        "outcome": "done",
        "deployment": view.key.0.to_string(),
        "packages": packages,
        "closedMicros": view.closed_us,
        "warnings": problems(&view.plan.warnings()),
    })
}

fn failed(error: &node::Error, packages: &[Value]) -> Value {
    let found = match error {
        node::Error::Refused { problems: found } => problems(found),
        _ => json!([]),
    };
    json!({
        "outcome": match error {
            node::Error::NotDeployed { outcome, .. } => outcome,
            node::Error::Startup { .. } => "failed",
            _ => "refused",
        },
        "packages": packages,
        "code": error.code(),
        "reason": error.to_string(),
        "hint": error.hint(),
        "problems": found,
    })
}

fn refused(found: &[host::Diagnostic]) -> Value {
    json!({
        "outcome": "refused",
        "code": "NODE-012",
        "reason": "the archive cannot be read",
        "problems": problems(found),
    })
}

fn problems(found: &[host::Diagnostic]) -> Value {
    let found = found.iter().map(crate::finding::Finding::from);
    found.filter_map(|finding| serde_json::to_value(finding).ok()).collect()
}
