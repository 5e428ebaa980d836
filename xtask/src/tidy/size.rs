//! Lines per file, per function, and characters per line.
//!
//! Boundary: test code does not count for a file; blank lines and comments not for a function.
//! Read first: [`check`].

use crate::finding::Findings;
use crate::tree::{File, Tree};

/// From here on a file is worth a look.
const FILE_LINES_SOFT: usize = 400;
/// More than this fails.
const FILE_LINES_HARD: usize = 700;
/// Lines of code in a function.
const FUNCTION_LINES_MAX: usize = 70;
/// Characters in a line of Rust.
const COLUMNS_MAX: usize = 100;
/// Lines of documents that are read from the first line to the last.
const DOCUMENTS: &[(&str, usize)] = &[("ARCHITECTURE.md", 400), ("STYLE.md", 300)];

pub(crate) fn check(tree: &Tree, findings: &mut Findings) {
    for (file, source) in tree.rust() {
        check_file(file, findings);
        for function in source.functions() {
            if function.lines > FUNCTION_LINES_MAX {
                let (name, lines) = (&function.name, function.lines);
                let what = format!("`{name}` has {lines} lines of code, at most 70 are allowed");
                findings.error((&file.path, function.line), what, "move a part that has a name");
            }
        }
        for (index, (line, code)) in file.text.lines().zip(source.code.lines()).enumerate() {
            let columns = line.chars().count();
            // The inside of a text of several lines, such as an expected output, stays as it is.
            let code = code.trim();
            let inside_text = !code.is_empty() && code.bytes().all(|byte| byte == b'"');
            if columns > COLUMNS_MAX && !inside_text {
                let what = format!("the line has {columns} columns, at most 100 are allowed");
                findings.error((&file.path, index + 1), what, "break it");
            }
        }
    }
    for (path, most) in DOCUMENTS {
        let lines = tree.file(path).map_or(0, |file| file.text.lines().count());
        if lines > *most {
            let what = format!("the document has {lines} lines, at most {most} are allowed");
            findings.error((path, 0), what, "say less, or link to a page in docs");
        }
    }
}

fn check_file(file: &File, findings: &mut Findings) {
    let lines = file.code_lines().count();
    let remedy = "split it by noun or case, never into leftovers";
    if lines > FILE_LINES_HARD {
        let what = format!("the file has {lines} lines without tests, at most 700 are allowed");
        findings.error((&file.path, 0), what, remedy);
    } else if lines > FILE_LINES_SOFT {
        let what = format!("the file has {lines} lines without tests, more than 400");
        findings.warning((&file.path, 0), what, remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_found, found};
    use super::check;

    #[test]
    fn long_files_warn_and_then_fail() {
        let warns = "//\n".repeat(401);
        let fails = "//\n".repeat(701);
        let files = [("a.rs", warns.as_str()), ("b.rs", &fails), ("generated/c.rs", &fails)];
        let expected = ["a.rs: warning: the file has 401", "b.rs: the file has 701"];
        assert_found(&found(check, &files), &expected);
    }

    #[test]
    fn test_lines_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "//\n".repeat(800));
        let all = "//\n".repeat(800);
        let files = [("a.rs", tests.as_str()), ("tests/b.rs", &all), ("src/c/tests.rs", &all)];
        assert_found(&found(check, &files), &[]);
    }

    #[test]
    fn long_functions_lines_and_documents_fail() {
        let function = format!("fn f() {{\n{}}}\n", "    x();\n\n".repeat(71));
        let long = "ü".repeat(98);
        let line = format!("// {long}\nlet a = \"\n{long}xxx\n\";\n");
        let document = "\n".repeat(301);
        let files = [("STYLE.md", document.as_str()), ("a.rs", function.as_str()), ("b.rs", &line)];
        let expected =
            ["STYLE.md: the document has 301", "a.rs:1: `f` has 71", "b.rs:1: the line has 101"];
        assert_found(&found(check, &files), &expected);
    }
}
