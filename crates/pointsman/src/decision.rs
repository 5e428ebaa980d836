//! `pointsman decision`: evaluates decisions of files and of servers, and runs conformance tests.
//!
//! Boundary: reads files and asks servers; what a decision is and means is `dmn`'s.
//! Read first: [`Command`], then [`run`].

mod conformance;
mod deployed;
mod evaluate;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::output::Format;
use crate::problem::Failure;

/// Time of an evaluation, and how many steps it may take.
const STEPS_MAX: u32 = 20_000_000;

/// What to do with decisions.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Deployed(deployed::Act),
    /// Evaluate a decision of a DMN file, or of a server.
    Evaluate(evaluate::Options),
    /// Run conformance tests in the layout of the DMN TCK.
    Test {
        /// Files of tests, or directories that are searched for them.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
}

/// Runs a `decision` command.
///
/// # Errors
/// A file cannot be read, a model is refused, a server refuses or cannot be reached, an evaluation
/// or a test fails.
pub(crate) fn run(command: &Command, format: Format) -> Result<(), Failure> {
    match command {
        Command::Deployed(act) => deployed::run(act, format),
        Command::Evaluate(options) => evaluate::run(options, format),
        Command::Test { paths } => conformance::run(paths, format),
    }
}

/// A file with its name and content.
pub(crate) type File = (String, Vec<u8>);

/// The files of `directory` with this extension, by name.
fn files(directory: &Path, extension: &str) -> Result<Vec<File>, Failure> {
    let unreadable = |error| Failure::file("read", directory, &error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() && path.extension().is_some_and(|found| found == extension) {
            files.push((path.display().to_string(), read(&path)?));
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::file("read", path, &error))
}

fn sources(files: &[File]) -> Vec<dmn::Source<'_>> {
    files.iter().map(|(name, xml)| dmn::Source { name, xml }).collect()
}
