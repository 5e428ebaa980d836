//! Words that hide what something is, and marks of unfinished work.
//!
//! Boundary: names of files, modules and types; macros and comments. Clippy sees a part of this
//! too, but not in code that is compiled out.
//! Read first: [`check`].

use crate::finding::Findings;
use crate::rust::{Source, line_of, words};
use crate::tree::{File, Tree};

/// A file or module of this name collects what nobody named.
const NAMES: &[&str] =
    &["common", "helper", "helpers", "manager", "managers", "misc", "shared", "util", "utils"];
/// A type with this ending does not say what it does.
const ENDINGS: &[&str] = &["Helper", "Helpers", "Manager", "Util", "Utils"];
/// Macros of unfinished work. Written in two parts so that this file passes.
const MACROS: &[&str] = &["dbg", "todo", "unimplemented"];

pub(crate) fn check(tree: &Tree, findings: &mut Findings) {
    for (file, source) in tree.rust() {
        check_names(file, source, findings);
        check_macros(file, source, findings);
        check_marks(file, findings);
    }
}

fn check_names(file: &File, source: &Source, findings: &mut Findings) {
    let remedy = "name it after what it does, or move its parts to what they are about";
    if file.stem() == "mod" {
        let what = "a module's file is called `mod.rs`";
        findings.error((&file.path, 0), what, "use `foo.rs` beside `foo/`");
    }
    for part in file.path.trim_end_matches(".rs").split('/') {
        if NAMES.contains(&part) {
            findings.error((&file.path, 0), format!("`{part}` says nothing"), remedy);
        }
    }
    for at in words(&source.code, "mod") {
        let name = name_behind(&source.code, at + 3);
        let inline = source.code[at..].find(['{', ';']).map(|end| &source.code[at + end..]);
        if NAMES.contains(&name) && inline.is_some_and(|rest| rest.starts_with('{')) {
            let place = (file.path.as_str(), line_of(&source.code, at));
            findings.error(place, format!("the module name `{name}` says nothing"), remedy);
        }
    }
    for keyword in ["struct", "enum", "trait", "type"] {
        for at in words(&source.code, keyword) {
            let name = name_behind(&source.code, at + keyword.len());
            if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                let place = (file.path.as_str(), line_of(&source.code, at));
                findings.error(place, format!("the type name `{name}` says nothing"), remedy);
            }
        }
    }
}

/// The name that follows, if only blanks are between.
fn name_behind(code: &str, at: usize) -> &str {
    let rest = code[at..].trim_start();
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    &rest[..end]
}

fn check_macros(file: &File, source: &Source, findings: &mut Findings) {
    for name in MACROS {
        for at in words(&source.code, name) {
            if source.code[at + name.len()..].starts_with('!') {
                let place = (file.path.as_str(), line_of(&source.code, at));
                findings.error(place, format!("`{name}!` in the code"), "finish it, or remove it");
            }
        }
    }
    for (at, _) in source.code.match_indices("#[ignore") {
        let place = (file.path.as_str(), line_of(&source.code, at));
        findings.error(place, "an ignored test", "make it pass, or remove it");
    }
}

fn check_marks(file: &File, findings: &mut Findings) {
    let (fix, todo) = (concat!("FIX", "ME"), concat!("TO", "DO"));
    for (index, line) in file.text.lines().enumerate() {
        let place = (file.path.as_str(), index + 1);
        if words(line, fix).next().is_some() {
            findings.error(place, format!("`{fix}` in the file"), "fix it");
        }
        for at in words(line, todo) {
            if !names_an_issue(&line[at + todo.len()..]) {
                let remedy = format!("write `{todo}(#N)` with the number of an issue");
                findings.error(place, format!("a `{todo}` without an issue"), &remedy);
            }
        }
    }
}

/// Whether `rest` starts with `(#N)`.
fn names_an_issue(rest: &str) -> bool {
    let number = rest.strip_prefix("(#").and_then(|rest| rest.split_once(')'));
    number.is_some_and(|(n, _)| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::super::{assert_found, found};
    use super::check;

    #[test]
    fn names_that_say_nothing_fail() {
        let files = [
            ("src/helpers.rs", ""),
            ("src/lexer.rs", "struct Token; mod util { } mod lexer;\npub struct JobManager;\n"),
            ("src/package/mod.rs", ""),
        ];
        let expected = [
            "src/helpers.rs: `helpers` says nothing",
            "src/lexer.rs:1: the module name `util` says nothing",
            "src/lexer.rs:2: the type name `JobManager` says nothing",
            "src/package/mod.rs: a module's file is called `mod.rs`",
        ];
        assert_found(&found(check, &files), &expected);
    }

    #[test]
    fn unfinished_work_fails() {
        let mark = concat!("TO", "DO");
        let text = format!(
            "fn f() {{ todo!() }}\n// {mark}: x\n// {mark}(#12): y\n// {}\n#[ignore]\n\
             fn g() {{ x(\"dbg!\"); todos!() }}\n",
            concat!("FIX", "ME")
        );
        let expected = [
            "a.rs:1: `todo!` in the code",
            "a.rs:2: a `TO",
            "a.rs:4: `FIX",
            "a.rs:5: an ignored test",
        ];
        assert_found(&found(check, &[("a.rs", &text)]), &expected);
    }
}
