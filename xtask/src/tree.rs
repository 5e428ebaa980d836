//! The files of the work tree, read once; every check looks at this and at nothing else.
//!
//! Boundary: lists what git tracks or would track; what is ignored does not exist here.
//! Read first: [`Tree`], then [`File`].

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::rust::Source;

/// Larger files are data, and no check reads them, in bytes.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// One text file.
#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Present for `*.rs`.
    pub(crate) rust: Option<Source>,
}

/// All files.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The text files, sorted by path.
    pub(crate) files: Vec<File>,
    /// Every path, of text or not, and every directory on the way to one.
    pub(crate) paths: BTreeSet<String>,
}

impl File {
    fn new(path: &str, text: String) -> Self {
        let rust = path.ends_with(".rs").then(|| Source::read(&text));
        Self { path: path.to_owned(), text, rust }
    }

    /// The name without directories and `.rs`.
    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.strip_suffix(".rs").unwrap_or(name)
    }

    /// Whether the whole file is test code: integration tests, benchmarks, `foo/tests.rs`.
    pub(crate) fn is_test(&self) -> bool {
        let mut parts = self.path.split('/');
        parts.any(|part| matches!(part, "tests" | "tests.rs" | "benches"))
    }

    /// Whether a program wrote it: `generated` on the path, or `@generated` near its top.
    pub(crate) fn is_generated(&self) -> bool {
        let marker = concat!("@", "generated");
        self.path.split('/').any(|part| part == "generated" || part == "generated.rs")
            || self.text.lines().take(5).any(|line| line.contains(marker))
    }

    /// The lines of a Rust file that are not inside of `#[cfg(test)]`, with numbers from 1.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let source = self.rust.as_ref();
        let code = source.map_or("", |source| source.code.as_str());
        let tested = move |number: usize| {
            self.is_test() || source.is_some_and(|source| source.is_test_line(number))
        };
        code.lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(move |(number, _)| !tested(*number))
    }
}

impl Tree {
    /// Reads the work tree at `root`.
    ///
    /// # Errors
    /// git does not run there, or a listed file cannot be read.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        for path in listed(root)? {
            let full = root.join(&path);
            // A tracked file may be deleted in the work tree; a link to a directory is no file.
            let Ok(data) = std::fs::metadata(&full) else { continue };
            if !data.is_file() {
                continue;
            }
            tree.add_path(&path);
            if data.len() > TEXT_BYTES_MAX {
                continue;
            }
            let bytes = std::fs::read(&full).with_context(|| format!("cannot read `{path}`"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                tree.files.push(File::new(&path, text));
            }
        }
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    /// A tree of a few small files, for tests of checks.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.add_path(path);
            tree.files.push(File::new(path, (*text).to_owned()));
        }
        tree
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The Rust files that people wrote.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&File, &Source)> {
        let written = self.files.iter().filter(|file| !file.is_generated());
        written.filter_map(|file| file.rust.as_ref().map(|source| (file, source)))
    }

    /// The files with this ending, for example `.md`.
    pub(crate) fn ending(&self, ending: &'static str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.path.ends_with(ending))
    }

    fn add_path(&mut self, path: &str) {
        for (at, _) in path.match_indices('/') {
            self.paths.insert(path[..at].to_owned());
        }
        self.paths.insert(path.to_owned());
    }
}

fn listed(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot start `git`")?;
    if !output.status.success() {
        bail!("`git ls-files`: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8(output.stdout).context("a path is not UTF-8")?;
    let mut paths: Vec<_> = text.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    Ok(paths.into_iter().map(str::to_owned).collect())
}
