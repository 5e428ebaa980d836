//! JSON text to values and back, without loss of digits.
//!
//! Boundary: RFC 8259, strictly; depth is bounded; numbers stay decimal; no intermediate tree.
//! Invariants: never panics, never overflows the stack, whatever the bytes are.
//! Read first: [`parse`], then [`write`].

mod write;

use alloc::string::String;
use alloc::vec::Vec;

use crate::value::{Context, Number, Str, Value};

pub use write::{to_string, write};

/// How deep arrays and objects may be nested.
pub const DEPTH_MAX: u32 = 128;

/// How many names are remembered while reading.
const NAMES: usize = 32;

/// Why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Byte offset into the text.
    pub offset: usize,
    /// What is wrong there.
    pub message: String,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} at byte {}", self.message, self.offset)
    }
}

impl core::error::Error for Error {}

/// Parses one JSON text. Depth is limited to [`DEPTH_MAX`]; of entries with the same name the
/// last one wins; digits of a number beyond the 34th are rounded away.
///
/// # Errors
/// An [`Error`] with the position.
pub fn parse(text: &[u8]) -> Result<Value, Error> {
    let text = core::str::from_utf8(text)
        .map_err(|error| failure(error.valid_up_to(), "expected valid UTF-8"))?;
    let mut parser =
        Parser { text, bytes: text.as_bytes(), at: 0, depth: 0, names: [const { None }; NAMES] };
    parser.skip_space();
    let value = parser.value()?;
    parser.skip_space();
    if parser.at < text.len() {
        return Err(failure(parser.at, "expected the end of the text"));
    }
    Ok(value)
}

fn failure(offset: usize, message: &str) -> Error {
    Error { offset, message: message.into() }
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    /// Names read lately, by a hash: the objects of an array share theirs.
    names: [Option<Str>; NAMES],
}

impl<'a> Parser<'a> {
    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn wrong<T>(&self, message: &str) -> Result<T, Error> {
        Err(failure(self.at, message))
    }

    fn value(&mut self) -> Result<Value, Error> {
        match self.peek() {
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Boolean(true)),
            Some(b'f') => self.word("false", Value::Boolean(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => self.wrong("expected a value"),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Error> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.wrong("expected a value");
        }
        self.at += word.len();
        Ok(value)
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Error>) -> Result<Value, Error> {
        if self.depth == DEPTH_MAX {
            return self.wrong("nested deeper than 128 levels");
        }
        self.depth += 1;
        self.at += 1;
        self.skip_space();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn array(&mut self) -> Result<Value, Error> {
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::from(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                }
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::from(items));
                }
                _ => return self.wrong("expected `,` or `]`"),
            }
        }
    }

    fn object(&mut self) -> Result<Value, Error> {
        let mut entries: Vec<(Str, Value)> = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Context(Context::new(entries)));
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.wrong("expected a name in double quotes");
            }
            let name = self.name()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return self.wrong("expected `:`");
            }
            self.at += 1;
            self.skip_space();
            entries.push((name, self.value()?));
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                }
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Context(Context::new(entries)));
                }
                _ => return self.wrong("expected `,` or `}`"),
            }
        }
    }

    fn number(&mut self) -> Result<Value, Error> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.wrong("expected a digit"),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        match Number::parse(&self.text[start..self.at]) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(failure(start, "the number is too large")),
        }
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), Error> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.wrong("expected a digit");
        }
        self.digits();
        Ok(())
    }

    /// Reads the name of an entry; the opening quote is next.
    fn name(&mut self) -> Result<Str, Error> {
        let start = self.at + 1;
        let rest = &self.bytes[start..];
        let length = rest.iter().take(32).position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
        let Some(length) = length.filter(|length| rest[*length] == b'"') else {
            return self.string();
        };
        let text = &self.text[start..start + length];
        self.at = start + length + 1;
        let ends = rest[0].wrapping_mul(7) ^ rest[length.saturating_sub(1)].wrapping_mul(31);
        let known = &mut self.names[(usize::from(ends) ^ length) % NAMES];
        if let Some(name) = known
            && **name == *text
        {
            return Ok(name.clone());
        }
        let name = Str::from(text);
        *known = Some(name.clone());
        Ok(name)
    }

    /// Reads a string; the opening quote is next.
    fn string(&mut self) -> Result<Str, Error> {
        self.at += 1;
        let start = self.at;
        self.plain()?;
        if self.peek() == Some(b'"') {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(text.into());
        }
        let mut out = String::from(&self.text[start..self.at]);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out.into());
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => {
                    let start = self.at;
                    self.plain()?;
                    out.push_str(&self.text[start..self.at]);
                }
            }
        }
    }

    /// Skips to the next quote or backslash.
    fn plain(&mut self) -> Result<(), Error> {
        loop {
            match self.peek() {
                Some(b'"' | b'\\') => return Ok(()),
                Some(0..=0x1f) => return self.wrong("a control character must be escaped"),
                Some(_) => self.at += 1,
                None => return self.wrong("expected `\"` at the end of the string"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let start = self.at;
        self.at += 1;
        let simple = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode(start);
            }
            _ => return Err(failure(start, "unknown escape")),
        };
        self.at += 1;
        Ok(simple)
    }

    fn unicode(&mut self, start: usize) -> Result<char, Error> {
        let first = self.four_hex(start)?;
        let code = match first {
            0xd800..=0xdbff => {
                if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                    return Err(failure(start, "half a surrogate pair"));
                }
                self.at += 2;
                let second = self.four_hex(start)?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(failure(start, "half a surrogate pair"));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| failure(start, "half a surrogate pair"))
    }

    fn four_hex(&mut self, start: usize) -> Result<u32, Error> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(failure(start, "expected four hexadecimal digits after `\\u`"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests;
