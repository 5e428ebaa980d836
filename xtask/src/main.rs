//! The chores of this repository: `cargo xtask tidy | errors | component | ci`.
//!
//! Boundary: reads the work tree and starts cargo; no crate of ours is a dependency, so that it
//! still runs when one of them does not compile.
//! Read first: [`tidy`], then [`ci`].
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod ci;
mod component;
mod errors;
mod finding;
mod rust;
mod tidy;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy              check the rules of STYLE.md that no compiler checks
  errors [--write]  list error codes and their pages; --write starts missing pages and
                    brings the list in the book up to date
  component FROM TO assemble a component from its text form
  ci [STAGE]        everything a change must pass: tidy, fmt, deny, pure, clippy, test";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[&str]) -> Result<ExitCode> {
    let root = &root()?;
    match words {
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        ["tidy"] => tidy::run(root),
        ["errors"] => errors::list(root),
        ["errors", "--write"] => errors::write(root),
        ["component", from, to] => component::assemble(Path::new(from), Path::new(to)),
        ["ci"] => ci::run(root, None),
        ["ci", stage] => ci::run(root, Some(stage)),
        _ => bail!("unknown command `{}`\n{USAGE}", words.join(" ")),
    }
}

/// The top of the work tree: the nearest directory that holds this program's sources. Asked when
/// the program runs, because a build directory may be shared by several clones.
fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("cannot read the current directory")?;
    let top = here.ancestors().find(|path| path.join("xtask/Cargo.toml").is_file());
    top.map(Path::to_owned).context("this is not a work tree: there is no `xtask` above")
}
