//! `pointsman package check`: everything that is wrong with packages, at once.
//!
//! Boundary: dependencies are looked for among the given packages and beside them.
//! Read first: [`run`].

use std::path::PathBuf;

use crate::finding::Finding;
use crate::output::Format;
use crate::problem::Failure;

use super::{Loaded, add_neighbours, load, tell};

/// Checks packages.
///
/// # Errors
/// A package cannot be read or is wrong.
pub(super) fn run(paths: &[PathBuf], format: Format) -> Result<(), Failure> {
    let mut loaded = load(paths)?;
    add_neighbours(&mut loaded, paths);
    let Loaded { packages, sources } = loaded;
    let found = node::packages::check(packages);
    let mut findings: Vec<Finding> =
        found.unwrap_or_else(|problems| problems).iter().map(Finding::from).collect();
    let place = |finding: &Finding| (finding.file.clone(), finding.line, finding.column);
    findings.sort_by_key(place);
    tell(&findings, &sources, format)
}
