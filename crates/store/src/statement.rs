//! Takes one statement out of a file of `sql/`, while compiling.
//!
//! Boundary: text only. In the files every statement follows a line `-- name: <name>` and ends
//! before the next empty line.
//! Read first: [`named`].   Tests: at the end of this file.

/// The statement `name` of `file`; a name that is not there does not compile.
pub(crate) const fn named(file: &'static str, name: &str) -> &'static str {
    let (bytes, mut at) = (file.as_bytes(), 0);
    while at < bytes.len() {
        let line = line_end(bytes, at);
        if is_heading(bytes, at, line, name.as_bytes()) {
            let start = line + 1;
            let mut end = start;
            while end < bytes.len() && !(bytes[end] == b'\n' && is_newline(bytes, end + 1)) {
                end += 1;
            }
            return file.split_at(end).0.split_at(start).1;
        }
        at = line + 1;
    }
    panic!("the file has no statement of this name")
}

const fn line_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'\n' {
        at += 1;
    }
    at
}

const fn is_newline(bytes: &[u8], at: usize) -> bool {
    at >= bytes.len() || bytes[at] == b'\n'
}

/// Whether the line `from..to` is the heading of `name`.
const fn is_heading(bytes: &[u8], from: usize, to: usize, name: &[u8]) -> bool {
    let heading = b"-- name: ";
    if to - from != heading.len() + name.len() {
        return false;
    }
    let mut at = 0;
    while at < to - from {
        let expected = if at < heading.len() { heading[at] } else { name[at - heading.len()] };
        if bytes[from + at] != expected {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_before_the_next_empty_line() {
        const FILE: &str = "-- name: one\nSELECT 1;\n\n-- name: two\nSELECT 2,\n    3;\n";
        const ONE: &str = named(FILE, "one");
        assert_eq!(ONE, "SELECT 1;");
        assert_eq!(named(FILE, "two"), "SELECT 2,\n    3;");
    }
}
