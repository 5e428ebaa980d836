//! The rules of STYLE.md that no compiler and no clippy checks.
//!
//! Boundary: every check is a function of the [`Tree`] and adds to [`Findings`]; none reads files.
//! Read first: [`CHECKS`], then [`run`].   Tests: at the end of each check's file.

mod arrows;
mod codes;
mod documents;
mod invariants;
mod module_text;
mod pure;
mod size;
mod sql;
mod words;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

pub(crate) use codes::{
    Declared, SECTIONS as PAGE_SECTIONS, UNWRITTEN as PAGE_UNWRITTEN, declared, page_path,
};

use crate::finding::{Finding, Findings, Weight};
use crate::tree::Tree;

/// A rule or a few that belong together.
type Check = fn(&Tree, &mut Findings);

/// Every check, by name.
const CHECKS: &[(&str, Check)] = &[
    ("size", size::check),
    ("module text", module_text::check),
    ("invariants", invariants::check),
    ("arrows", arrows::check),
    ("pure", pure::check),
    ("sql", sql::check),
    ("words", words::check),
    ("codes", codes::check),
    ("documents", documents::check),
];

/// Prints what the checks find; the exit code says whether that fails the run.
///
/// # Errors
/// The work tree cannot be read.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let tree = Tree::read(root)?;
    let found = findings(&tree);
    for finding in &found {
        println!("{finding}");
    }
    let errors = found.iter().filter(|finding| finding.weight == Weight::Error).count();
    let warnings = found.len() - errors;
    let files = tree.paths.len();
    let names: Vec<_> = CHECKS.iter().map(|(name, _)| *name).collect();
    println!("tidy: {files} paths, {} checks ({})", names.len(), names.join(", "));
    println!("tidy: {errors} errors, {warnings} warnings");
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn findings(tree: &Tree) -> Vec<Finding> {
    let mut findings = Findings::default();
    for (_, check) in CHECKS {
        check(tree, &mut findings);
    }
    findings.sorted()
}

/// What `check` finds in a few small files, one text each; for tests of checks.
#[cfg(test)]
fn found(check: Check, files: &[(&str, &str)]) -> Vec<String> {
    let mut findings = Findings::default();
    check(&Tree::of(files), &mut findings);
    findings.sorted().iter().map(ToString::to_string).collect()
}

/// Fails unless `found` has one text per entry of `expected`, each of which it starts with.
#[cfg(test)]
fn assert_found(found: &[String], expected: &[&str]) {
    let alike = found.iter().zip(expected).all(|(found, start)| found.starts_with(start));
    assert!(alike && found.len() == expected.len(), "found {found:#?}, expected {expected:#?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_tree_is_tidy() {
        let root = crate::root().expect("tests run inside of the work tree");
        let tree = Tree::read(&root).expect("the work tree is readable");
        let found = findings(&tree);
        let errors: Vec<_> = found
            .iter()
            .filter(|finding| finding.weight == Weight::Error)
            .map(ToString::to_string)
            .collect();
        assert!(errors.is_empty(), "{} errors:\n{}", errors.len(), errors.join("\n"));
    }
}
