//! Which of our crates may depend on which, that all have the same lints, and that
//! ARCHITECTURE.md names them.
//!
//! Boundary: reads `Cargo.toml` files; a new crate needs a line in [`ARROWS`].
//! Read first: [`ARROWS`].

use std::collections::BTreeSet;

use crate::finding::Findings;
use crate::tree::{File, Tree};

/// The crates of ours, and what each may depend on. The compiler sees to it that there is no cycle.
const ARROWS: &[(&str, &[&str])] = &[
    ("feel", &[]),
    ("markup", &["feel"]),
    ("dmn", &["markup", "feel"]),
    ("bpmn", &["markup", "feel"]),
    ("engine", &["bpmn", "dmn", "feel"]),
    ("proto", &[]),
    ("store", &["engine", "feel"]),
    ("host", &["feel"]),
    ("node", &["host", "store", "engine", "bpmn", "dmn", "feel"]),
    ("sim", &["node", "host", "store", "engine", "feel"]),
    ("api", &["node", "host", "store", "proto", "engine", "feel"]),
    ("pointsman", &["api", "node", "host", "store", "engine", "dmn", "bpmn", "feel", "proto"]),
    ("xtask", &[]),
];

/// Crates that only one of ours may use: SQL lives in `store`, errors without a type in tools.
const OWNED: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("tokio-postgres", &["store"]),
    ("anyhow", &["pointsman", "xtask"]),
];

/// Where the code map stands.
const CODE_MAP: &str = "ARCHITECTURE.md";

pub(crate) fn check(tree: &Tree, findings: &mut Findings) {
    for file in tree.ending("/Cargo.toml") {
        let Some(name) = crate_of(&file.path) else { continue };
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
            let what = format!("the crate `{name}` has no line in the table of arrows");
            findings.error((&file.path, 0), what, "add it to `xtask/src/tidy/arrows.rs`");
            continue;
        };
        check_crate(file, (name, allowed), findings);
    }
    check_code_map(tree, findings);
}

/// The name of the crate whose `Cargo.toml` this is.
fn crate_of(path: &str) -> Option<&str> {
    let directory = path.strip_suffix("/Cargo.toml")?;
    let name = directory.strip_prefix("crates/").unwrap_or(directory);
    (!name.contains('/') && (name == "xtask" || name.len() < directory.len())).then_some(name)
}

fn check_crate(file: &File, arrows: (&str, &[&str]), findings: &mut Findings) {
    let (name, allowed) = arrows;
    let manifest = match file.text.parse::<toml::Table>() {
        Ok(manifest) => manifest,
        Err(error) => {
            return findings.error((&file.path, 0), error.message(), "write valid TOML");
        }
    };
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    if lints.and_then(toml::Value::as_bool) != Some(true) {
        let what = format!("`{name}` does not have the lints of the workspace");
        findings.error((&file.path, 0), what, "add `[lints]` with `workspace = true`");
    }
    for (dependency, for_tests) in dependencies(&manifest) {
        let place = (file.path.as_str(), line_with(&file.text, &dependency));
        let ours = ARROWS.iter().any(|(known, _)| *known == dependency);
        let itself = for_tests && dependency == name;
        if ours && !itself && !allowed.contains(&dependency.as_str()) {
            let what = format!("`{name}` must not depend on `{dependency}`");
            findings.error(place, what, "dependencies run downwards; see ARCHITECTURE.md");
        }
        let owners = OWNED.iter().find(|(owned, _)| *owned == dependency).map(|(_, who)| *who);
        if owners.is_some_and(|owners| !for_tests && !owners.contains(&name)) {
            let what = format!("`{name}` must not depend on `{dependency}`");
            let remedy = format!("only {} may", owners.unwrap_or_default().join(" and "));
            findings.error(place, what, &remedy);
        }
    }
}

/// Every dependency with whether it serves tests only.
fn dependencies(manifest: &toml::Table) -> Vec<(String, bool)> {
    let mut tables = vec![manifest];
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    tables.extend(targets.into_iter().flat_map(|all| all.values().filter_map(|t| t.as_table())));
    let mut found = Vec::new();
    for table in tables {
        for (kind, for_tests) in
            [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
        {
            let section = table.get(kind).and_then(toml::Value::as_table);
            found.extend(section.into_iter().flatten().map(|(name, _)| (name.clone(), for_tests)));
        }
    }
    found
}

fn line_with(text: &str, name: &str) -> usize {
    text.lines().position(|line| line.starts_with(name)).map_or(0, |index| index + 1)
}

/// The code map has a heading such as ``### `crates/feel` `` for each crate, and no other.
fn check_code_map(tree: &Tree, findings: &mut Findings) {
    let crates: BTreeSet<String> = tree
        .ending("/Cargo.toml")
        .filter(|file| crate_of(&file.path).is_some())
        .map(|file| file.path.replace("/Cargo.toml", ""))
        .collect();
    let Some(file) = tree.file(CODE_MAP) else {
        return findings.error((CODE_MAP, 0), "the file is missing", "write it");
    };
    let mut named = BTreeSet::new();
    let mut inside = false;
    for (index, line) in file.text.lines().enumerate() {
        if line.starts_with("## ") {
            inside = line.contains("Code map");
        }
        let Some(heading) = line.strip_prefix("### `").filter(|_| inside) else { continue };
        let name = heading.split('`').next().unwrap_or_default();
        if !crates.contains(name) {
            let what = format!("the code map names `{name}`, which is no crate");
            findings.error((CODE_MAP, index + 1), what, "remove the heading, or correct it");
        }
        named.insert(name.to_owned());
    }
    for name in crates.difference(&named) {
        let what = format!("the code map does not name the crate `{name}`");
        findings.error((CODE_MAP, 0), what, &format!("add a heading ### `{name}` and its text"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_found, found};
    use super::check;

    const LINTS: &str = "[lints]\nworkspace = true\n";
    const MAP: &str = "## 6 Code map\n### `crates/feel`\n### `crates/engine`\n## 7\n### `x`\n";

    #[test]
    fn arrows_run_downwards() {
        let engine = "[dependencies]\nfeel.workspace = true\n[dev-dependencies]\n\
                      engine = { path = \".\" }\nstore = { path = \"../store\" }\n";
        let engine = format!("{engine}{LINTS}");
        let feel = "[target.x.dependencies]\nrusqlite = \"1\"\n";
        let files = [
            ("ARCHITECTURE.md", MAP),
            ("crates/engine/Cargo.toml", engine.as_str()),
            ("crates/feel/Cargo.toml", feel),
            ("Cargo.toml", "[workspace]\n"),
        ];
        let expected = [
            "crates/engine/Cargo.toml:5: `engine` must not depend on `store`: dependencies run",
            "crates/feel/Cargo.toml: `feel` does not have the lints of the workspace",
            "crates/feel/Cargo.toml:2: `feel` must not depend on `rusqlite`: only store may",
        ];
        assert_found(&found(check, &files), &expected);
    }

    #[test]
    fn the_code_map_and_the_crates_agree() {
        let files = [
            ("ARCHITECTURE.md", MAP),
            ("crates/feel/Cargo.toml", LINTS),
            ("crates/misc/Cargo.toml", ""),
        ];
        let expected = [
            "ARCHITECTURE.md: the code map does not name the crate `crates/misc`",
            "ARCHITECTURE.md:3: the code map names `crates/engine`, which is no crate",
            "crates/misc/Cargo.toml: the crate `misc` has no line in the table",
        ];
        assert_found(&found(check, &files), &expected);
    }
}
