//! A Rust file without its comments and literals, so that a plain text search finds code only.
//!
//! Boundary: no parser. It knows comments, literals, braces and `#[cfg(test)]`, and trusts that
//! the file compiles.
//! Invariants: TDY-1 the code has the same lines as the file.
//! Read first: [`Source::read`], then [`Source::functions`].

/// One text literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Literal {
    /// Where it starts, from 1.
    pub(crate) line: usize,
    /// Byte offset of the opening quote or prefix in the code.
    pub(crate) at: usize,
    /// What stands between the quotes, escapes not resolved.
    pub(crate) text: String,
}

/// One function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Where `fn` stands, from 1.
    pub(crate) line: usize,
    /// Lines of the body that hold code; comments and the inside of texts are none.
    pub(crate) lines: usize,
}

/// A Rust file as the checks see it.
#[derive(Debug)]
pub(crate) struct Source {
    /// The file with comments blanked and the content of literals turned into quotes.
    pub(crate) code: String,
    /// The text literals, in order.
    pub(crate) literals: Vec<Literal>,
    /// First and last line of each item under `#[cfg(test)]`.
    tests: Vec<(usize, usize)>,
}

impl Source {
    pub(crate) fn read(text: &str) -> Self {
        let mut scanner = Scanner { rest: text, code: String::new(), line: 1, literals: vec![] };
        while scanner.step() {}
        let Scanner { code, literals, .. } = scanner;
        debug_assert_eq!(code.lines().count(), text.lines().count(), "TDY-1");
        let tests = test_items(&code);
        Self { code, literals, tests }
    }

    /// Whether the line lies inside of an item under `#[cfg(test)]`.
    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.tests.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// Every function with a body, in order.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for at in words(&self.code, "fn") {
            let rest = &self.code[at + 2..];
            let name: String = rest
                .trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let Some((open, close)) = body(&self.code, at) else { continue };
            if name.is_empty() {
                continue;
            }
            let inner = self.code[open + 1..close].lines();
            let lines = inner.filter(|line| line.trim().bytes().any(|byte| byte != b'"')).count();
            functions.push(Function { name, line: line_of(&self.code, at), lines });
        }
        functions
    }
}

/// Line of the byte `at`, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// Offsets of `word` where it is not a part of a longer name.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let free_before = !code[..*at].ends_with(part);
        let free_behind = !code[*at + word.len()..].starts_with(part);
        free_before && free_behind
    })
}

/// First and last line of each item under `#[cfg(test)]`.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    let attribute = "#[cfg(test)]";
    let item = |at: usize| {
        let behind = at + attribute.len();
        let end = match body(code, behind) {
            Some((_, close)) => close,
            None => behind + code[behind..].find(';').unwrap_or(0),
        };
        (line_of(code, at), line_of(code, end))
    };
    code.match_indices(attribute).map(|(at, _)| item(at)).collect()
}

/// The braces of the item that starts at `from`; none if it ends with a semicolon.
fn body(code: &str, from: usize) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    let mut open = None;
    for (offset, byte) in code[from..].bytes().enumerate() {
        let at = from + offset;
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' if depth == 0 && open.is_none() => {
                open = Some(at);
                depth = 1;
            }
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if let (0, Some(open)) = (depth, open) {
                    return Some((open, at));
                }
            }
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

struct Scanner<'t> {
    rest: &'t str,
    code: String,
    line: usize,
    literals: Vec<Literal>,
}

impl Scanner<'_> {
    /// Takes the next comment, literal or character; false at the end.
    fn step(&mut self) -> bool {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.skip(rest.find('\n').unwrap_or(rest.len()), ' ');
        } else if rest.starts_with("/*") {
            self.skip(block_comment(rest), ' ');
        } else if let Some((prefix, inner, behind)) = self.literal() {
            let (line, at) = (self.line, self.code.len());
            self.literals.push(Literal { line, at, text: rest[prefix..inner].to_owned() });
            self.skip(behind, '"');
        } else if let Some(length) = character(rest) {
            self.skip(length, '\'');
        } else {
            return self.copy();
        }
        true
    }

    /// Offsets of the text, its end, and what follows it, if a text literal starts here.
    fn literal(&self) -> Option<(usize, usize, usize)> {
        let rest = self.rest;
        let prefix = rest.find(|c| !matches!(c, 'b' | 'c' | 'r')).filter(|length| *length <= 2)?;
        let raw = rest[..prefix].contains('r');
        let hashes = rest[prefix..].bytes().take_while(|byte| raw && *byte == b'#').count();
        let start = prefix + hashes;
        let inside = rest[start..].strip_prefix('"')?;
        let length =
            if raw { inside.find(&format!("\"{}", "#".repeat(hashes)))? } else { quoted(inside)? };
        Some((start + 1, start + 1 + length, start + 2 + length + hashes))
    }

    fn skip(&mut self, length: usize, filler: char) {
        let (taken, rest) = self.rest.split_at(length);
        for character in taken.chars() {
            let newline = character == '\n';
            self.line += usize::from(newline);
            self.code.push(if newline { '\n' } else { filler });
        }
        self.rest = rest;
    }

    /// Takes a whole name, a run of blanks, or one other character; false at the end.
    fn copy(&mut self) -> bool {
        let rest = self.rest;
        let Some(next) = rest.chars().next() else { return false };
        let length = if next.is_alphanumeric() || next == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if next.is_whitespace() {
            rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len())
        } else {
            next.len_utf8()
        };
        let (taken, rest) = rest.split_at(length);
        self.line += taken.bytes().filter(|byte| *byte == b'\n').count();
        self.code.push_str(taken);
        self.rest = rest;
        true
    }
}

/// The length of a text up to its closing quote.
fn quoted(inside: &str) -> Option<usize> {
    let mut escaped = false;
    inside.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// The length of a block comment, nested ones included.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let bytes = &rest.as_bytes()[at..];
        if bytes.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of a character literal, if one starts here and not a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let mut characters = inside.char_indices();
    let (_, first) = characters.next()?;
    if first == '\\' {
        let end = inside[2..].find('\'')?;
        return Some(1 + 2 + end + 1);
    }
    let (next, second) = characters.next()?;
    (second == '\'').then_some(1 + next + 1)
}

#[cfg(test)]
mod tests;
