//! Every file starts with a text that says what it is for, what it may rely on, where to read.
//!
//! Boundary: the shape only. Test files need the first sentence and no more.
//! Read first: [`check`].

use crate::finding::Findings;
use crate::tree::Tree;

/// Longer texts are not read.
const LINES_MAX: usize = 25;

pub(crate) fn check(tree: &Tree, findings: &mut Findings) {
    for (file, _) in tree.rust() {
        let text: Vec<&str> =
            file.text.lines().map_while(|line| line.strip_prefix("//!")).collect();
        let place = (file.path.as_str(), 1);
        if text.is_empty() {
            let remedy = "start with `//! <what this is for>`, `//! Boundary:`, `//! Read first:`";
            findings.error(place, "the module text is missing", remedy);
            continue;
        }
        if text.len() > LINES_MAX {
            let what = format!("the module text has {} lines, at most 25 are allowed", text.len());
            findings.error(place, what, "say less");
        }
        if file.is_test() || file.stem() == "build" {
            continue;
        }
        for part in ["Boundary:", "Read first:"] {
            if !text.iter().any(|line| line.trim_start().starts_with(part)) {
                let what = format!("the module text has no line that starts with `{part}`");
                findings.error(place, what, "add it; see STYLE.md, section Module text");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_found, found};
    use super::check;

    #[test]
    fn the_shape_is_demanded() {
        let long = "//! x\n".repeat(26);
        let files = [
            ("a.rs", "use x;\n//! late\n"),
            ("b.rs", "//! What.\n//!\n//! Boundary: b\n//! Read first: c\n"),
            ("c.rs", "//! What.\n"),
            ("tests/d.rs", "//! What.\n"),
            ("tests/e.rs", &long),
        ];
        let expected = [
            "a.rs:1: the module text is missing",
            "c.rs:1: the module text has no line that starts with `Boundary:`",
            "c.rs:1: the module text has no line that starts with `Read first:`",
            "tests/e.rs:1: the module text has 26 lines",
        ];
        assert_found(&found(check, &files), &expected);
    }
}
