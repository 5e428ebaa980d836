//! `cargo xtask errors`: the error codes and their pages.
//!
//! Boundary: starts pages and keeps the lists in the book; what a page says is written by people,
//! and `tidy` fails until they have.
//! Read first: [`write`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::tidy::{Declared, PAGE_SECTIONS, PAGE_UNWRITTEN, declared, page_path};
use crate::tree::Tree;

/// Where the book lists the pages, one file per family of codes.
const BOOK: &str = "docs/src/errors";

/// What the families are about, for the headings of the book.
const FAMILIES: &[(&str, &str)] = &[
    ("API", "Requests"),
    ("BPMN", "Process models"),
    ("CLI", "The command line"),
    ("DMN", "Decision models"),
    ("NODE", "The running server"),
    ("PKG", "Packages"),
    ("SVC", "Services"),
];

/// Prints every code with its title and whether it has a page.
///
/// # Errors
/// The work tree cannot be read.
pub(crate) fn list(root: &Path) -> Result<ExitCode> {
    let tree = Tree::read(root)?;
    for code in declared(&tree) {
        let page = page_path(&code.code);
        let state = if tree.paths.contains(&page) { page.as_str() } else { "no page" };
        println!("{}  {} ({state})", code.code, code.title);
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts missing pages, corrects titles, and writes the lists of the book.
///
/// # Errors
/// The work tree cannot be read or written.
pub(crate) fn write(root: &Path) -> Result<ExitCode> {
    let tree = Tree::read(root)?;
    let codes = declared(&tree);
    let mut changed = 0;
    for code in &codes {
        let path = page_path(&code.code);
        let old = tree.file(&path).map(|file| file.text.as_str());
        changed += put(root, &path, (old, &page(code, old)))?;
    }
    for (family, text) in chapters(&codes) {
        let path = format!("{BOOK}/{}.md", family.to_lowercase());
        let old = tree.file(&path).map(|file| file.text.as_str());
        changed += put(root, &path, (old, &text))?;
    }
    println!("errors: {} codes, {changed} files written", codes.len());
    Ok(ExitCode::SUCCESS)
}

/// The page as it should be: the title from the table, the rest as people wrote it.
fn page(code: &Declared, old: Option<&str>) -> String {
    let title = format!("# {}: {}\n", code.code, code.title);
    match old.and_then(|text| text.split_once('\n')) {
        Some((_, rest)) => title + rest,
        None => PAGE_SECTIONS
            .iter()
            .fold(title, |page, section| format!("{page}\n{section}\n\n{PAGE_UNWRITTEN}\n")),
    }
}

/// One chapter per family, which shows all of its pages.
fn chapters(codes: &[Declared]) -> BTreeMap<&str, String> {
    let mut chapters: BTreeMap<&str, String> = BTreeMap::new();
    for code in codes {
        let family = code.code.split('-').next().unwrap_or_default();
        let chapter = chapters.entry(family).or_insert_with(|| {
            let about = FAMILIES.iter().find(|(known, _)| *known == family);
            let title = about.map_or(family, |(_, title)| *title);
            format!("<!-- Written by `cargo xtask errors --write`. -->\n# {title}\n")
        });
        // Writing to a text cannot fail.
        let _ = write!(chapter, "\n{{{{#include ../../errors/{}.md}}}}\n", code.code);
    }
    chapters
}

/// Writes a file if it differs; how many were written.
fn put(root: &Path, path: &str, texts: (Option<&str>, &str)) -> Result<usize> {
    let (old, new) = texts;
    if old == Some(new) {
        return Ok(0);
    }
    let full = root.join(path);
    if let Some(directory) = full.parent() {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make `{path}`"))?;
    }
    std::fs::write(&full, new).with_context(|| format!("cannot write `{path}`"))?;
    println!("wrote {path}");
    Ok(1)
}

#[cfg(test)]
mod tests {
    use super::{chapters, page};
    use crate::tidy::Declared;

    fn code(code: &str, title: &str) -> Declared {
        let (path, line) = (String::new(), 0);
        Declared { code: code.to_owned(), title: title.to_owned(), path, line }
    }

    #[test]
    fn a_page_keeps_what_people_wrote_below_its_title() {
        let new = page(&code("AAA-001", "new"), Some("# AAA-001: old\n\ntext\n"));
        assert_eq!(new, "# AAA-001: new\n\ntext\n");
        let started = page(&code("AAA-001", "new"), None);
        assert!(started.starts_with("# AAA-001: new\n\n## What happened\n"));
    }

    #[test]
    fn a_chapter_shows_the_pages_of_its_family() {
        let codes = [code("AAA-001", "one"), code("PKG-001", "two")];
        let chapters = chapters(&codes);
        assert_eq!(chapters.keys().copied().collect::<Vec<_>>(), ["AAA", "PKG"]);
        assert!(chapters["PKG"].contains("# Packages\n\n{{#include ../../errors/PKG-001.md}}"));
    }
}
