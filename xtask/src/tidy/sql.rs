//! SQL stands in the crate `store` and nowhere else.
//!
//! Boundary: recognises statements by their first words, in text literals and `*.sql` files.
//! Read first: [`check`].

use crate::finding::Findings;
use crate::tree::Tree;

/// The crate that may.
const HOME: &str = "crates/store/";

/// First word of a statement and a later word that makes it one.
const STATEMENTS: &[(&str, &str)] = &[
    ("select", "from"),
    ("insert", "into"),
    ("update", "set"),
    ("delete", "from"),
    ("create", "table"),
    ("create", "index"),
    ("alter", "table"),
    ("drop", "table"),
    ("pragma", ""),
    ("vacuum", ""),
];

pub(crate) fn check(tree: &Tree, findings: &mut Findings) {
    let remedy = "move it to `crates/store`, behind the port";
    for (file, source) in tree.rust() {
        let ours = file.path.starts_with("crates/") && !file.path.starts_with(HOME);
        for literal in source.literals.iter().filter(|_| ours) {
            if is_statement(&literal.text) {
                findings.error((&file.path, literal.line), "SQL outside of the store", remedy);
            }
        }
    }
    for file in tree.ending(".sql").filter(|file| !file.path.starts_with(HOME)) {
        findings.error((&file.path, 0), "SQL outside of the store", remedy);
    }
}

fn is_statement(text: &str) -> bool {
    // Statements are written in capitals or in small letters, sentences start with one capital.
    let text = text.trim();
    let mut words = text.split_whitespace();
    let Some(first) = words.next() else { return false };
    let one_case = |word: &str| {
        word.bytes().all(|b| b.is_ascii_uppercase()) || word.bytes().all(|b| b.is_ascii_lowercase())
    };
    let rest: Vec<&str> = words.collect();
    one_case(first)
        && STATEMENTS.iter().any(|(start, later)| {
            let same_case = |word: &&str| one_case(word) && word.eq_ignore_ascii_case(later);
            let shouted = first.bytes().all(|byte| byte.is_ascii_uppercase());
            first.eq_ignore_ascii_case(start)
                && !rest.is_empty()
                && (if later.is_empty() { shouted } else { rest.iter().any(same_case) })
        })
}

#[cfg(test)]
mod tests {
    use super::super::{assert_found, found};
    use super::check;

    #[test]
    fn statements_are_recognised_and_sentences_are_not() {
        let node = "fn f() {\n    q(\"SELECT a FROM b\");\n    q(\"select the first one\");\n    \
                    q(r\"delete from c\");\n    q(\"PRAGMA x\"); // SELECT a FROM b\n}\n";
        let files = [
            ("crates/node/src/a.rs", node),
            ("crates/node/src/b.sql", ""),
            ("crates/store/src/c.rs", "const S: &str = \"SELECT a FROM b\";"),
            ("crates/store/src/sql/d.sql", ""),
        ];
        let expected = [
            "crates/node/src/a.rs:2: SQL outside of the store",
            "crates/node/src/a.rs:4: SQL",
            "crates/node/src/a.rs:5: SQL",
            "crates/node/src/b.sql: SQL",
        ];
        assert_found(&found(check, &files), &expected);
    }
}
