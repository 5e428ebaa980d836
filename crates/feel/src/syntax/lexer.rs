//! Text to tokens.
//!
//! Boundary: words are not classified here; a keyword is a keyword by its place.
//! Read first: [`tokenize`].

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::expression::Diagnostic;

/// Longer texts are refused, in bytes.
pub(crate) const TEXT_MAX: usize = 1 << 20;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or keyword.
    Word,
    /// A name in back-ticks.
    Quoted,
    Number,
    String,
    At,
    Question,
    Plus,
    Minus,
    Star,
    StarStar,
    Slash,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    OpenParen,
    CloseParen,
    OpenBracket,
    CloseBracket,
    OpenBrace,
    CloseBrace,
    Comma,
    Colon,
    Dot,
    DotDot,
    Arrow,
    End,
}

/// A piece of the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The tokens of `text`, closed by one [`Kind::End`].
pub(crate) fn tokenize(text: &str) -> Result<Vec<Token>, Diagnostic> {
    if text.len() > TEXT_MAX {
        return Err(wrong(TEXT_MAX, format!("expected at most {TEXT_MAX} bytes")));
    }
    let mut tokens = Vec::with_capacity(text.len() / 4 + 2);
    let mut at = 0;
    loop {
        at = skip_space(text, at)?;
        let Some(first) = text[at..].chars().next() else {
            tokens.push(Token { kind: Kind::End, start: at, end: at });
            return Ok(tokens);
        };
        let (kind, end) = token(text, at, first)?;
        tokens.push(Token { kind, start: at, end });
        at = end;
    }
}

fn wrong(offset: usize, message: String) -> Diagnostic {
    Diagnostic { offset, message }
}

fn skip_space(text: &str, start: usize) -> Result<usize, Diagnostic> {
    let mut at = start;
    loop {
        let rest = &text[at..];
        let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        at = text.len() - trimmed.len();
        if trimmed.starts_with("//") {
            at += trimmed.find('\n').unwrap_or(trimmed.len());
        } else if let Some(comment) = trimmed.strip_prefix("/*") {
            match comment.find("*/") {
                Some(end) => at += end + 4,
                None => return Err(wrong(at, "expected `*/` to end the comment".into())),
            }
        } else {
            return Ok(at);
        }
    }
}

fn token(text: &str, at: usize, first: char) -> Result<(Kind, usize), Diagnostic> {
    let rest = &text[at..];
    for (symbol, kind) in [
        ("**", Kind::StarStar),
        ("..", Kind::DotDot),
        ("!=", Kind::NotEqual),
        ("<=", Kind::LessOrEqual),
        (">=", Kind::GreaterOrEqual),
        ("->", Kind::Arrow),
    ] {
        if rest.starts_with(symbol) {
            return Ok((kind, at + 2));
        }
    }
    let kind = match first {
        '"' => return string(text, at).map(|end| (Kind::String, end)),
        '`' => return quoted(text, at).map(|end| (Kind::Quoted, end)),
        '0'..='9' => return Ok((Kind::Number, number(text, at))),
        '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            return Ok((Kind::Number, number(text, at)));
        }
        first if starts_word(first) => return Ok((Kind::Word, word(text, at))),
        '@' => Kind::At,
        '?' => Kind::Question,
        '+' => Kind::Plus,
        '-' | '−' => Kind::Minus,
        '*' => Kind::Star,
        '^' => Kind::StarStar,
        '/' => Kind::Slash,
        '=' => Kind::Equal,
        '<' => Kind::Less,
        '>' => Kind::Greater,
        '(' => Kind::OpenParen,
        ')' => Kind::CloseParen,
        '[' => Kind::OpenBracket,
        ']' => Kind::CloseBracket,
        '{' => Kind::OpenBrace,
        '}' => Kind::CloseBrace,
        ',' => Kind::Comma,
        ':' => Kind::Colon,
        '.' => Kind::Dot,
        other => return Err(wrong(at, format!("expected an expression, found `{other}`"))),
    };
    Ok((kind, at + first.len_utf8()))
}

fn starts_word(first: char) -> bool {
    first.is_alphabetic()
        || first == '_'
        || first == '$'
        || (!first.is_ascii() && !first.is_whitespace() && !first.is_control() && first != '−')
}

fn word(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    at + rest.find(|c: char| !(starts_word(c) || c.is_numeric() || c == '\'')).unwrap_or(rest.len())
}

fn number(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let digits =
        |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(at);
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits(end + 1);
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1 + sign);
        }
    }
    end
}

fn string(text: &str, at: usize) -> Result<usize, Diagnostic> {
    let bytes = text.as_bytes();
    let mut end = at + 1;
    loop {
        match bytes.get(end) {
            Some(b'"') => return Ok(end + 1),
            Some(b'\\') => end += 2,
            Some(_) => end += 1,
            None => return Err(wrong(at, "expected `\"` to end the string".into())),
        }
    }
}

fn quoted(text: &str, at: usize) -> Result<usize, Diagnostic> {
    match text[at + 1..].find('`') {
        Some(length) if length > 0 => Ok(at + length + 2),
        Some(_) => Err(wrong(at, "expected a name between back-ticks".into())),
        None => Err(wrong(at, "expected a back-tick to end the name".into())),
    }
}

/// The text that a string literal (with its quotes) stands for. Unknown escapes stay as they
/// are, so that patterns such as `"\d+"` need no doubling.
pub(crate) fn unescape(literal: &str) -> String {
    let inner = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (text, used) = escape(after);
        match text {
            Some(character) => out.push(character),
            None => out.push_str(&rest[at..at + 1 + used]),
        }
        rest = &after[used..];
    }
    out.push_str(rest);
    out
}

/// The character that an escape stands for and the bytes after the backslash that it takes.
fn escape(after: &str) -> (Option<char>, usize) {
    let hex = |from: usize, length: usize| {
        after.get(from..from + length).and_then(|digits| u32::from_str_radix(digits, 16).ok())
    };
    match after.bytes().next() {
        Some(b'n') => (Some('\n'), 1),
        Some(b'r') => (Some('\r'), 1),
        Some(b't') => (Some('\t'), 1),
        Some(b'f') => (Some('\u{c}'), 1),
        Some(b'b') => (None, 1),
        Some(b'"') => (Some('"'), 1),
        Some(b'\'') => (Some('\''), 1),
        Some(b'\\') => (Some('\\'), 1),
        Some(b'u') => match hex(1, 4) {
            Some(high @ 0xd800..=0xdbff) if after.get(5..7) == Some("\\u") => match hex(7, 4) {
                Some(low @ 0xdc00..=0xdfff) => {
                    (char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)), 11)
                }
                _ => (None, 1),
            },
            Some(code) => (char::from_u32(code), 5),
            None => (None, 1),
        },
        Some(b'U') => match hex(1, 6) {
            Some(code) => (char::from_u32(code), 7),
            None => (None, 1),
        },
        _ => (None, 0),
    }
}
