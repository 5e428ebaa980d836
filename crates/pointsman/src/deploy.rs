//! `pointsman deploy PATH…`: packages from disk into a server, all of them or none.
//!
//! Boundary: reads and archives; the server checks, compiles and activates.
//! Read first: [`run`].

use std::path::PathBuf;

use clap::Args;
use http::Method;

use crate::client::{Body, Remote};
use crate::follow::{Terms, Wish};
use crate::output::{self, Format, text};
use crate::package::{Loaded, load};
use crate::problem::Failure;

/// Which packages, and how.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Package directories or archives.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    terms: Terms,
    #[command(flatten)]
    remote: Remote,
}

/// Deploys packages together and shows what is active.
///
/// # Errors
/// A package cannot be read, or the set is not deployed; every problem is shown.
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
    let wish = Wish {
        remote: &options.remote,
        method: Method::POST,
        path: "/api/deployments".to_owned(),
        more: Vec::new(),
        body: Body::Archives(archives),
        terms: &options.terms,
        sources: &sources,
    };
    wish.run_and_show(format, |ended| {
        let packages = packages.iter().map(|package| {
            let manifest = &package.manifest;
            ["package".into(), manifest.name.clone(), manifest.version.to_string(), String::new()]
        });
        let processes = output::items(&ended["processes"]).iter().map(|process| {
            let from = text(process, "package");
            ["process".into(), text(process, "id"), text(process, "version"), from]
        });
        output::table(["kind", "name", "version", "of"], packages.chain(processes).collect())
    })
}
