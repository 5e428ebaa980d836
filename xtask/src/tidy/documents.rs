//! Links in Markdown lead somewhere, and no file names a place on somebody's machine.
//!
//! Boundary: looks at links into the work tree; the web is not asked.
//! Read first: [`check`].

use std::collections::BTreeSet;

use crate::finding::Findings;
use crate::tree::{File, Tree};

/// Places on a developer's machine. Written in two parts so that this file passes.
const MACHINES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/tmp", "/h/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

pub(crate) fn check(tree: &Tree, findings: &mut Findings) {
    for file in &tree.files {
        check_machines(file, findings);
    }
    for file in tree.ending(".md") {
        for (line, target) in links(&file.text) {
            check_link(tree, file, (line, target), findings);
        }
    }
}

fn check_machines(file: &File, findings: &mut Findings) {
    for machine in MACHINES.iter().filter(|machine| file.text.contains(*machine)) {
        for (index, line) in file.text.lines().enumerate() {
            let starts = line.match_indices(machine).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric() && !"._-~}/".contains(c))
            });
            if starts {
                let what = format!("`{machine}` is a path of one machine");
                findings.error((&file.path, index + 1), what, "use a path relative to the root");
            }
        }
    }
}

/// The targets of inline links and of reference definitions, outside of code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let in_code = line[..at].matches('`').count() % 2 == 1;
            let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
            if !in_code {
                found.push((index + 1, target));
            }
        }
        let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        found.extend(definition.map(|(_, target)| (index + 1, target.trim())));
        let include = line.trim().strip_prefix("{{#include ");
        found.extend(include.map(|path| (index + 1, path.trim_end_matches("}}").trim())));
    }
    found
}

fn check_link(tree: &Tree, file: &File, link: (usize, &str), findings: &mut Findings) {
    let (line, target) = link;
    if target.contains("://") || target.starts_with("mailto:") {
        return;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let place = (file.path.as_str(), line);
    let path = if path.is_empty() { file.path.clone() } else { resolve(&file.path, path) };
    if !tree.paths.contains(&path) {
        let what = format!("the link leads to `{path}`, which does not exist");
        return findings.error(place, what, "correct the path");
    }
    let headings = tree.file(&path).filter(|_| path.ends_with(".md")).map(anchors);
    if headings.is_some_and(|all| !anchor.is_empty() && !all.contains(anchor)) {
        let what = format!("`{path}` has no heading for `#{anchor}`");
        findings.error(place, what, "correct the anchor");
    }
}

/// `path` as seen from the file `from`, relative to the root.
fn resolve(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The anchors of all headings, as GitHub and mdBook make them.
fn anchors(file: &File) -> BTreeSet<String> {
    let headings = file.text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{assert_found, found};
    use super::check;

    #[test]
    fn links_lead_somewhere() {
        let text = "# A b: `c`\n[x](../b.md#top) [y](gone.md) [z](#a-b-c) [w](#no)\n\
                    `[v](no.md)` [u](https://example.org/no.md)\n```\n[t](no.md)\n```\n\
                    [s]: ../src\n{{#include no.md}}\n";
        let files = [("docs/a.md", text), ("b.md", "## Top\n"), ("src/x.rs", "")];
        let expected = [
            "docs/a.md:2: `docs/a.md` has no heading for `#no`",
            "docs/a.md:2: the link leads to `docs/gone.md`",
            "docs/a.md:8: the link leads to `docs/no.md`",
        ];
        assert_found(&found(check, &files), &expected);
    }

    #[test]
    fn paths_of_a_machine_fail() {
        let place = concat!("/wo", "rk/x");
        let text = format!("see {place}\nhttps://example.org{place}\n$HOME{place} a{place}\n");
        let files = [("a.toml", text.as_str())];
        assert_found(&found(check, &files), &["a.toml:1: `/"]);
    }
}
