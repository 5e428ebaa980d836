//! One line of the text form to tokens.
//!
//! Boundary: knows characters, not elements.
//! Read first: [`Token`], then [`tokens`].

use std::borrow::Cow;

use crate::source::Text;

/// A piece of a line.
#[derive(Debug)]
pub(super) enum Token<'a> {
    /// A bare word.
    Word(Text<'a>),
    /// Quoted text.
    Quoted(Text<'a>),
    /// `key=value`
    Pair(Text<'a>, Text<'a>),
    /// `@word`
    Host(Text<'a>),
    /// `->`
    Arrow(u32),
    /// `,`
    Comma(u32),
    /// `=` alone
    Equals(u32),
    /// `{`
    Open(u32),
    /// `}`
    Close(u32),
}

impl Token<'_> {
    /// Where it stands.
    pub(super) fn at(&self) -> u32 {
        match self {
            Self::Word(text) | Self::Quoted(text) | Self::Pair(text, _) | Self::Host(text) => {
                text.at
            }
            Self::Arrow(at)
            | Self::Comma(at)
            | Self::Equals(at)
            | Self::Open(at)
            | Self::Close(at) => *at,
        }
    }

    /// How it looks, for messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(text) => text.to_string(),
            Self::Quoted(text) => format!("\"{}\"", &**text),
            Self::Pair(key, value) => format!("{}={}", &**key, &**value),
            Self::Host(text) => format!("@{}", &**text),
            Self::Arrow(_) => "->".to_owned(),
            Self::Comma(_) => ",".to_owned(),
            Self::Equals(_) => "=".to_owned(),
            Self::Open(_) => "{".to_owned(),
            Self::Close(_) => "}".to_owned(),
        }
    }
}

/// What cannot be read, and where.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) at: u32,
    pub(super) message: &'static str,
}

/// The tokens of `line`, which begins at the offset `start`.
pub(super) fn tokens(line: &str, start: u32) -> Result<Vec<Token<'_>>, Unreadable> {
    let mut cursor = Cursor { rest: line, at: start };
    let mut tokens = Vec::new();
    loop {
        cursor.skip_spaces();
        let at = cursor.at;
        let Some(first) = cursor.rest.chars().next() else { return Ok(tokens) };
        let token = match first {
            '#' => return Ok(tokens),
            ',' => cursor.one(Token::Comma(at)),
            '=' => cursor.one(Token::Equals(at)),
            '{' => cursor.one(Token::Open(at)),
            '}' => cursor.one(Token::Close(at)),
            '"' | '\'' => Token::Quoted(cursor.quoted(first)?),
            '-' if cursor.rest.starts_with("->") => {
                cursor.skip(2);
                Token::Arrow(at)
            }
            '@' => {
                cursor.skip(1);
                Token::Host(cursor.word(is_word))
            }
            _ => cursor.word_or_pair()?,
        };
        tokens.push(token);
    }
}

struct Cursor<'a> {
    rest: &'a str,
    at: u32,
}

impl<'a> Cursor<'a> {
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or("");
        self.at = self.at.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    fn skip_spaces(&mut self) {
        let trimmed = self.rest.trim_start();
        self.skip(self.rest.len() - trimmed.len());
    }

    fn one(&mut self, token: Token<'a>) -> Token<'a> {
        self.skip(1);
        token
    }

    /// Everything up to the first character that does not belong.
    fn word(&mut self, belongs: fn(char) -> bool) -> Text<'a> {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let text = Text::new(&self.rest[..end], self.at);
        self.skip(end);
        text
    }

    fn word_or_pair(&mut self) -> Result<Token<'a>, Unreadable> {
        let word = self.word(is_word);
        if !self.rest.starts_with('=') {
            return Ok(Token::Word(word));
        }
        self.skip(1);
        let value = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            Some(_) | None => self.word(is_value),
        };
        Ok(Token::Pair(word, value))
    }

    /// Text between quotes; between double quotes `\"` and `\\` are escapes.
    fn quoted(&mut self, quote: char) -> Result<Text<'a>, Unreadable> {
        let at = self.at;
        self.skip(1);
        let mut value = Cow::Borrowed("");
        loop {
            let Some(end) = self.rest.find([quote, '\\']) else {
                return Err(Unreadable { at, message: "this quote is not closed on the line" });
            };
            append(&mut value, &self.rest[..end]);
            self.skip(end);
            if self.rest.starts_with(quote) {
                self.skip(1);
                return Ok(Text { value, at: at + 1 });
            }
            let escaped = self.rest[1..].chars().next();
            match escaped {
                Some(c @ ('"' | '\\')) if quote == '"' => {
                    append(&mut value, if c == '"' { "\"" } else { "\\" });
                    self.skip(2);
                }
                Some(_) | None => {
                    append(&mut value, "\\");
                    self.skip(1);
                }
            }
        }
    }
}

fn append<'a>(value: &mut Cow<'a, str>, more: &'a str) {
    if value.is_empty() {
        *value = Cow::Borrowed(more);
    } else {
        value.to_mut().push_str(more);
    }
}

fn is_word(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '"' | '\'' | ',' | '{' | '}' | '=')
}

fn is_value(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, ',' | '{' | '}')
}
