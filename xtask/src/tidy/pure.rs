//! Pure crates have no I/O, no clock, no randomness and no randomly seeded maps.
//!
//! Boundary: `#![no_std]` proves it for most; the others are searched for what `std` offers.
//! Read first: [`PURE`].

use crate::finding::Findings;
use crate::tree::{File, Tree};

/// Why a pure crate is not `#![no_std]`; none if it is.
type Exception = Option<&'static str>;

/// The pure crates.
const PURE: &[(&str, Exception)] = &[
    ("feel", None),
    ("markup", Some("its XML reader, quick-xml, needs std")),
    ("dmn", Some("markup needs std")),
    ("bpmn", Some("markup needs std")),
    ("engine", None),
];

/// What a pure crate on `std` must not touch.
const IMPURE: &[&str] = &[
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
    "Instant::now",
    "SystemTime::now",
    "HashMap::new",
    "HashSet::new",
];

pub(crate) fn check(tree: &Tree, findings: &mut Findings) {
    for (name, exception) in PURE {
        let root = format!("crates/{name}/src/lib.rs");
        let Some(file) = tree.file(&root) else { continue };
        if exception.is_none() && !file.code_lines().any(|(_, line)| is_no_std(line)) {
            let what = format!("the pure crate `{name}` is not `#![no_std]`");
            findings.error((&root, 1), what, "add it behind the module text");
        }
        let sources = format!("crates/{name}/src/");
        for (file, _) in tree.rust().filter(|(file, _)| file.path.starts_with(&sources)) {
            check_file(file, name, findings);
        }
    }
}

fn is_no_std(line: &str) -> bool {
    line.trim_start().starts_with("#![no_std]")
}

fn check_file(file: &File, name: &str, findings: &mut Findings) {
    for (number, line) in file.code_lines() {
        let found = IMPURE.iter().find(|impure| line.contains(*impure));
        if let Some(impure) = found {
            let what = format!("the pure crate `{name}` uses `{impure}`");
            let remedy = "let the caller hand it in; for maps use BTreeMap or hashbrown with a \
                          fixed hasher";
            findings.error((&file.path, number), what, remedy);
        } else if line.contains("extern crate std") {
            let what = format!("the pure crate `{name}` brings back std");
            findings.error((&file.path, number), what, "use alloc and core");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_found, found};
    use super::check;

    #[test]
    fn pure_crates_stay_pure() {
        let tested = "#![no_std]\n#[cfg(test)]\nextern crate std;\n";
        let files = [
            ("crates/feel/src/lib.rs", "//! Not #![no_std]\n"),
            ("crates/engine/src/lib.rs", tested),
            ("crates/engine/src/a.rs", "use hashbrown::HashMap;\nextern crate std;\n"),
            ("crates/bpmn/src/lib.rs", "use std::time::Instant; // std::fs\n"),
            ("crates/bpmn/src/tests.rs", "use std::fs;\n"),
            ("crates/node/src/lib.rs", "use std::fs;\n"),
        ];
        let expected = [
            "crates/bpmn/src/lib.rs:1: the pure crate `bpmn` uses `std::time`",
            "crates/engine/src/a.rs:2: the pure crate `engine` brings back std",
            "crates/feel/src/lib.rs:1: the pure crate `feel` is not `#![no_std]`",
        ];
        assert_found(&found(check, &files), &expected);
    }
}
