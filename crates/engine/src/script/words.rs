//! The words of an input line: bare, quoted, `key=value`, `#alias`, and JSON to its end.
//!
//! Boundary: text only.
//! Read first: [`Words`].

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use feel::{Context, Value};

/// The words of an input line, taken one by one.
#[derive(Debug, Default)]
pub(super) struct Words {
    words: Vec<String>,
    pairs: Vec<(String, String)>,
    /// The JSON at the end of the line; empty if there is none.
    pub(super) json: Context,
}

impl Words {
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let mut words = Self::default();
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            if rest.starts_with('{') {
                words.json = context(rest)?;
                break;
            }
            let (word, key_end, after) = word(rest)?;
            match key_end {
                Some(end) => words.pairs.push((word[..end].to_string(), word[end..].to_string())),
                None => words.words.push(word),
            }
            rest = after.trim_start();
        }
        words.words.reverse();
        Ok(words)
    }

    /// The next word.
    pub(super) fn take(&mut self, what: &str) -> Result<String, String> {
        self.words.pop().ok_or_else(|| format!("{what} is missing"))
    }

    /// The next word, if there is one.
    pub(super) fn maybe(&mut self) -> Option<String> {
        self.words.pop()
    }

    /// The word that begins with `mark`, without it.
    pub(super) fn marked(&mut self, mark: char) -> Option<String> {
        let position = self.words.iter().position(|word| word.starts_with(mark))?;
        let word = self.words.remove(position);
        word.strip_prefix(mark).map(ToString::to_string)
    }

    /// The value of `key=`.
    pub(super) fn pair(&mut self, key: &str) -> Option<String> {
        let position = self.pairs.iter().position(|(known, _)| known == key)?;
        Some(self.pairs.remove(position).1)
    }

    /// Fails if anything is left over.
    pub(super) fn finish(self) -> Result<(), String> {
        match (self.words.last(), self.pairs.first()) {
            (Some(word), _) => Err(format!("`{word}` means nothing here")),
            (None, Some((key, _))) => Err(format!("`{key}=` means nothing here")),
            (None, None) => Ok(()),
        }
    }
}

fn context(text: &str) -> Result<Context, String> {
    match feel::json::parse(text.as_bytes()) {
        Ok(Value::Context(context)) => Ok(context),
        Ok(_) => Err("expected a JSON object".to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// One word without its quotes, where its key ends, and the rest of the line.
fn word(rest: &str) -> Result<(String, Option<usize>, &str), String> {
    let mut word = String::new();
    let mut key_end = None;
    let mut quoted = false;
    for (at, c) in rest.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '=' if !quoted && key_end.is_none() => key_end = Some(word.len()),
            c if c.is_whitespace() && !quoted => return Ok((word, key_end, &rest[at..])),
            c => word.push(c),
        }
    }
    if quoted { Err("a quote is not closed".to_string()) } else { Ok((word, key_end, "")) }
}

/// Milliseconds of `500ms`, `30s`, `5m`, `2h` or `1d`, with or without a sign.
pub(super) fn duration_ms(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no duration like 30s, 5m, 2h, 1d or 500ms");
    let unsigned = text.trim_start_matches(['+', '-']);
    let split = unsigned.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = unsigned.split_at(split);
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let ms = number.checked_mul(factor).ok_or_else(wrong)?;
    Ok(if text.starts_with('-') { -ms } else { ms })
}

/// A time from now, in the form that [`duration_ms`] reads, several units at once if need be.
pub(super) fn from_now(ms: i64) -> String {
    let mut text = String::from(if ms < 0 { "-" } else { "+" });
    let mut rest = ms.unsigned_abs();
    for (unit, length) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if rest >= length {
            text.push_str(&format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if rest > 0 {
        text.push_str(&format!("{rest}ms"));
    }
    if text.len() == 1 { String::from("now") } else { text }
}
