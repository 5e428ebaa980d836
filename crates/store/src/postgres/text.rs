//! Text as PostgreSQL can store it: all of Unicode but U+0000.
//!
//! A zero comes from a client's JSON (`"\u0000"`) and must neither stop a shard nor change on the
//! way, so it is written as two characters, of which the first is one that nobody uses.
//!
//! Boundary: both directions, and nothing else.
//! Read first: [`encode`].   Tests: at the end of this file.

use std::borrow::Cow;

/// Says that the next character stands for another one: the first of the private use area.
const ESCAPE: char = '\u{e000}';

/// What is stored for `text`.
pub(crate) fn encode(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => out.extend([ESCAPE, '0']),
            ESCAPE => out.extend([ESCAPE, ESCAPE]),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// The text that was stored as `stored`.
pub(crate) fn decode(stored: &str) -> Cow<'_, str> {
    if !stored.contains(ESCAPE) {
        return Cow::Borrowed(stored);
    }
    let mut out = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        match (character, characters.clone().next()) {
            (ESCAPE, Some('0')) => out.push('\0'),
            (ESCAPE, Some(ESCAPE)) => out.push(ESCAPE),
            (other, _) => {
                out.push(other);
                continue;
            }
        }
        characters.next();
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_none_has_a_zero() {
        for text in ["", "plain", "a\0b", "\0", "\u{e000}", "\u{e000}0", "\0\u{e000}\0", "ä\0€"]
        {
            let stored = encode(text);
            assert!(!stored.contains('\0'));
            assert_eq!(decode(&stored), text);
        }
        assert!(matches!(encode("plain"), Cow::Borrowed(_)));
    }
}
