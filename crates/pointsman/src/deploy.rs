//! `pointsman deploy PATH…`: packages from disk into a server, all of them or none.
//!
//! Boundary: reads and archives; the server checks, compiles and activates.
//! Read first: [`run`].

use std::path::PathBuf;

use clap::Args;
use http::Method;
use serde_json::Value;

use crate::client::{Body, Remote};
use crate::finding::Finding;
use crate::output::{self, Format, remark, text};
use crate::package::{Loaded, load};
use crate::problem::{Exit, Failure};

/// Which packages.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Package directories or archives.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

/// Deploys packages in one request and shows what is active.
///
/// # Errors
/// A package cannot be read, or the server refuses the set; every problem is shown.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    let Loaded { packages, sources } = load(&options.paths)?;
    let mut archives = Vec::new();
    for package in &packages {
        let bytes = package.archive().map_err(|error| {
            Failure::internal("the archive cannot be built".to_owned()).because(&error)
        })?;
        let manifest = &package.manifest;
        archives.push((format!("{}-{}.tar.zst", manifest.name, manifest.version), bytes));
    }
    let deployed = options.remote.talk(async |client| {
        client.send(Method::POST, "/api/deployments", Body::Archives(archives)).await?.json()
    });
    let deployed = deployed.map_err(|failure| explain(failure, &sources))?;
    for warning in findings(&deployed["warnings"]) {
        remark(&sources.render(&warning));
    }
    output::show(format, &deployed, || {
        let packages = packages.iter().map(|package| {
            let manifest = &package.manifest;
            ["package".into(), manifest.name.clone(), manifest.version.to_string(), String::new()]
        });
        let processes = output::items(&deployed["processes"]).iter().map(|process| {
            let from = text(process, "package");
            ["process".into(), text(process, "id"), text(process, "version"), from]
        });
        output::table(["kind", "name", "version", "of"], packages.chain(processes).collect())
    })
}

fn explain(mut failure: Failure, sources: &crate::finding::Sources) -> Failure {
    let Some(problem) = failure.problem.take() else { return failure };
    if problem.findings.is_empty() {
        failure.problem = Some(problem);
        return failure;
    }
    for finding in findings(&Value::Array(problem.findings.clone())) {
        remark(&sources.render(&finding));
    }
    remark(&problem.to_string());
    Failure::told(Exit::Refused)
}

fn findings(list: &Value) -> Vec<Finding> {
    let list = list.as_array().cloned().unwrap_or_default();
    list.into_iter().filter_map(|finding| serde_json::from_value(finding).ok()).collect()
}
