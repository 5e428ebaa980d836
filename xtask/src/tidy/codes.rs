//! Every error code has a page, and every page has a code.
//!
//! Boundary: finds the `CODES` tables in source text, so that it needs no crate of ours.
//! Read first: [`declared`], then [`check`].

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Findings;
use crate::rust::{Source, words};
use crate::tree::{File, Tree};

/// Where the pages stand, one per code.
pub(crate) const PAGES: &str = "docs/errors/";
/// What a page says, in this order.
pub(crate) const SECTIONS: &[&str] = &["## What happened", "## Why", "## What to do"];
/// Stands in a page that `cargo xtask errors --write` started and nobody wrote yet.
pub(crate) const UNWRITTEN: &str = concat!("(not ", "written yet)");
/// How a table of codes starts.
const TABLE: &str = "CODES: &[(&str, &str)]";

/// A code in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) code: String,
    pub(crate) title: String,
    pub(crate) path: String,
    pub(crate) line: usize,
}

/// The path of the page of a code.
pub(crate) fn page_path(code: &str) -> String {
    format!("{PAGES}{code}.md")
}

/// Every code that stands in a table, sorted.
pub(crate) fn declared(tree: &Tree) -> Vec<Declared> {
    let tables = tree.rust().filter(|(file, source)| {
        file.path.starts_with("crates/") && !file.is_test() && source.code.contains(TABLE)
    });
    let mut all: Vec<Declared> = tables.flat_map(|(file, source)| pairs(file, source)).collect();
    all.sort_by(|a, b| (&a.code, &a.path).cmp(&(&b.code, &b.path)));
    all
}

/// The codes with their titles in one file: two text literals, or a constant and a literal.
fn pairs(file: &File, source: &Source) -> Vec<Declared> {
    let constants: BTreeMap<&str, &str> = constants(source).collect();
    let mut found = Vec::new();
    for (index, title) in source.literals.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| &source.literals[index]);
        let adjacent = before.filter(|before| {
            let gap = source.code[before.at..title.at].trim_matches('"').trim();
            is_code(&before.text) && (gap.is_empty() || gap == ",")
        });
        let code = adjacent.map(|before| before.text.as_str()).or_else(|| {
            let head = source.code[..title.at].trim_end().strip_suffix(',')?;
            let name = head.rsplit(['(', ' ', '\n']).next()?;
            constants.get(name).copied()
        });
        if let Some(code) = code.filter(|_| !source.is_test_line(title.line)) {
            found.push(Declared {
                code: code.to_owned(),
                title: title.text.clone(),
                path: file.path.clone(),
                line: title.line,
            });
        }
    }
    found
}

/// The constants of a file that hold a code.
fn constants(source: &Source) -> impl Iterator<Item = (&str, &str)> {
    let literals = source.literals.iter().filter(|literal| is_code(&literal.text));
    literals.filter_map(|literal| {
        let head = source.code[..literal.at].rsplit([';', '{', '}']).next()?;
        let at = words(head, "const").next()?;
        let name = head[at + "const".len()..].split(':').next()?;
        Some((name.trim(), literal.text.as_str()))
    })
}

/// Whether a text looks like `PKG-014`.
fn is_code(text: &str) -> bool {
    text.split_once('-').is_some_and(|(letters, number)| {
        let letters_fit = (2..=8).contains(&letters.len())
            && letters.bytes().all(|byte| byte.is_ascii_uppercase());
        letters_fit && number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

pub(crate) fn check(tree: &Tree, findings: &mut Findings) {
    let declared = declared(tree);
    for pair in declared.windows(2).filter(|pair| pair[0].code == pair[1].code) {
        let what = format!("the code `{}` stands in `{}` too", pair[1].code, pair[0].path);
        let place = (pair[1].path.as_str(), pair[1].line);
        findings.error(place, what, "take a free number; numbers are never reused");
    }
    for code in &declared {
        match tree.file(&page_path(&code.code)) {
            Some(page) => check_page(page, code, findings),
            None => {
                let what = format!("the code `{}` has no page", code.code);
                let remedy = "run `cargo xtask errors --write` and write what it starts";
                findings.error((&code.path, code.line), what, remedy);
            }
        }
    }
    let known: BTreeSet<&str> = declared.iter().map(|code| code.code.as_str()).collect();
    for file in tree.files.iter().filter(|file| file.path.starts_with(PAGES)) {
        let name = file.path[PAGES.len()..].trim_end_matches(".md");
        if !known.contains(name) {
            let what = format!("no table of codes has `{name}`");
            findings.error((&file.path, 0), what, "remove the page, or declare the code");
        }
    }
    check_book(tree, &declared, findings);
    check_uses(tree, &known, findings);
}

/// The book shows every page.
fn check_book(tree: &Tree, declared: &[Declared], findings: &mut Findings) {
    let chapters: Vec<&File> =
        tree.files.iter().filter(|file| file.path.starts_with("docs/src/errors/")).collect();
    for code in declared {
        let page = format!("errors/{}.md", code.code);
        let shown = chapters.iter().any(|file| file.text.contains(&page));
        if !shown && tree.paths.contains(&page_path(&code.code)) {
            let what = format!("the book does not show the page of `{}`", code.code);
            findings.error((&page_path(&code.code), 0), what, "run `cargo xtask errors --write`");
        }
    }
}

fn check_page(page: &File, code: &Declared, findings: &mut Findings) {
    let title = format!("# {}: {}", code.code, code.title);
    if page.text.lines().next() != Some(title.as_str()) {
        let what = "the title is not that of the table of codes";
        findings.error((&page.path, 1), what, &format!("start the page with `{title}`"));
    }
    let sections = page.text.lines().filter(|line| line.starts_with("## "));
    if !sections.eq(SECTIONS.iter().copied()) {
        let remedy = format!("have exactly these, in order: {}", SECTIONS.join(", "));
        findings.error((&page.path, 0), "the page has other sections", &remedy);
    }
    for (index, line) in page.text.lines().enumerate() {
        if line.contains(UNWRITTEN) {
            findings.error((&page.path, index + 1), "this part is not written", "write it");
        }
    }
}

/// A code that a crate reports stands in a table, tests included.
fn check_uses(tree: &Tree, known: &BTreeSet<&str>, findings: &mut Findings) {
    let families: BTreeSet<&str> = known.iter().filter_map(|code| code.split('-').next()).collect();
    for (file, source) in tree.rust().filter(|(file, _)| file.path.starts_with("crates/")) {
        for literal in source.literals.iter().filter(|literal| is_code(&literal.text)) {
            let family = literal.text.split('-').next().unwrap_or_default();
            if families.contains(family) && !known.contains(literal.text.as_str()) {
                let what = format!("the code `{}` stands in no table", literal.text);
                findings.error((&file.path, literal.line), what, "add it to a `CODES` table");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_found, found};
    use super::{Tree, check, declared};

    const TABLES: &[(&str, &str)] = &[
        (
            "crates/a/src/code.rs",
            "macro_rules! m { () => { pub const CODES: &[(&str, &str)] = &[$(($c, $t)),*]; } }\n\
          m! { X \"AAA-001\" \"first\"; Y \"AAA-002\"\n\"second\"; }\n",
        ),
        (
            "crates/b/src/code.rs",
            "pub const CODES: &[(&str, &str)] = &[\n    (ONE, \"third\"),\n    (\"BBB-002\", \
          \"fourth\"),\n];\npub(crate) const ONE: &str = \"BBB-001\";\n",
        ),
    ];

    #[test]
    fn codes_are_found_in_all_ways_to_write_a_table() {
        let all = declared(&Tree::of(TABLES));
        let all: Vec<_> = all.iter().map(|d| (d.code.as_str(), d.title.as_str())).collect();
        let expected = [
            ("AAA-001", "first"),
            ("AAA-002", "second"),
            ("BBB-001", "third"),
            ("BBB-002", "fourth"),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn codes_and_pages_are_paired() {
        let page = "# AAA-001: first\n\n## What happened\n\n## Why\n\n## What to do\n";
        let files = [
            TABLES[0],
            ("crates/a/src/use.rs", "fn f() { x(\"AAA-009\", \"ZZZ-001\") }"),
            ("docs/errors/AAA-001.md", page),
            ("docs/errors/AAA-003.md", ""),
        ];
        let expected = [
            "crates/a/src/code.rs:3: the code `AAA-002` has no page",
            "crates/a/src/use.rs:1: the code `AAA-009` stands in no table",
            "docs/errors/AAA-001.md: the book does not show the page of `AAA-001`",
            "docs/errors/AAA-003.md: no table of codes has `AAA-003`",
        ];
        assert_found(&found(check, &files), &expected);
    }

    #[test]
    fn a_page_has_the_title_and_is_written() {
        let page = format!("# AAA-001: else\n\n## Why\n{}\n", super::UNWRITTEN);
        let one = "pub const CODES: &[(&str, &str)] = &[(\"AAA-001\", \"first\")];";
        let files = [
            ("crates/a/src/code.rs", one),
            ("docs/errors/AAA-001.md", page.as_str()),
            ("docs/src/errors/aaa.md", "{{#include ../../errors/AAA-001.md}}"),
        ];
        let expected = [
            "docs/errors/AAA-001.md: the page has other sections",
            "docs/errors/AAA-001.md:1: the title is not",
            "docs/errors/AAA-001.md:4: this part is not written",
        ];
        assert_found(&found(check, &files), &expected);
    }
}
