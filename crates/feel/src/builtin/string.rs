//! Functions on strings.
//!
//! Boundary: positions count characters from 1, or from the end if negative; patterns live in
//! `text`.
//! Read first: `TABLE`.

use alloc::string::String;

use crate::builtin::{Arguments, Builtin, Work};
use crate::value::{Number, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin {
        name: "substring",
        parameters: &["string", "start position", "length?"],
        work: Work::Linear(substring),
    },
    Builtin { name: "string length", parameters: &["string"], work: Work::Linear(length) },
    Builtin { name: "upper case", parameters: &["string"], work: Work::Linear(upper_case) },
    Builtin { name: "lower case", parameters: &["string"], work: Work::Linear(lower_case) },
    Builtin {
        name: "substring before",
        parameters: &["string", "match"],
        work: Work::Linear(substring_before),
    },
    Builtin {
        name: "substring after",
        parameters: &["string", "match"],
        work: Work::Linear(substring_after),
    },
    Builtin { name: "contains", parameters: &["string", "match"], work: Work::Linear(contains) },
    Builtin {
        name: "starts with",
        parameters: &["string", "match"],
        work: Work::Linear(starts_with),
    },
    Builtin { name: "ends with", parameters: &["string", "match"], work: Work::Linear(ends_with) },
    Builtin { name: "trim", parameters: &["string"], work: Work::Linear(trim) },
    Builtin { name: "is blank", parameters: &["string"], work: Work::Linear(is_blank) },
    Builtin { name: "to base64", parameters: &["value"], work: Work::Linear(to_base64) },
    Builtin { name: "from base64", parameters: &["value"], work: Work::Linear(from_base64) },
];

fn boolean(truth: bool) -> Option<Value> {
    Some(Value::Boolean(truth))
}

fn substring(arguments: &Arguments<'_>) -> Option<Value> {
    let text = arguments.string(0)?;
    let start = whole(arguments.number(1)?)?;
    let length = match arguments.get(2) {
        Value::Null if !arguments.is_given(2) => None,
        Value::Number(length) => Some(usize::try_from(whole(*length)?.max(0)).ok()?),
        _ => return None,
    };
    let count = i64::try_from(text.chars().count()).ok()?;
    let skipped = match start {
        0 => return None,
        1.. => start - 1,
        _ => count.saturating_add(start).max(0),
    };
    let rest = text.chars().skip(usize::try_from(skipped).ok()?);
    let part: String = match length {
        Some(length) => rest.take(length).collect(),
        None => rest.collect(),
    };
    Some(Value::from(part))
}

fn whole(number: Number) -> Option<i64> {
    number.round(0, crate::value::Rounding::Down)?.to_i64()
}

fn length(arguments: &Arguments<'_>) -> Option<Value> {
    let count = arguments.string(0)?.chars().count();
    Some(Value::from(i64::try_from(count).ok()?))
}

fn upper_case(arguments: &Arguments<'_>) -> Option<Value> {
    Some(Value::from(arguments.string(0)?.to_uppercase()))
}

fn lower_case(arguments: &Arguments<'_>) -> Option<Value> {
    Some(Value::from(arguments.string(0)?.to_lowercase()))
}

fn substring_before(arguments: &Arguments<'_>) -> Option<Value> {
    let (text, part) = (arguments.string(0)?, arguments.string(1)?);
    Some(Value::from(text.split_once(&**part).map_or("", |(before, _)| before)))
}

fn substring_after(arguments: &Arguments<'_>) -> Option<Value> {
    let (text, part) = (arguments.string(0)?, arguments.string(1)?);
    Some(Value::from(text.split_once(&**part).map_or("", |(_, after)| after)))
}

fn contains(arguments: &Arguments<'_>) -> Option<Value> {
    boolean(arguments.string(0)?.contains(&**arguments.string(1)?))
}

fn starts_with(arguments: &Arguments<'_>) -> Option<Value> {
    boolean(arguments.string(0)?.starts_with(&**arguments.string(1)?))
}

fn ends_with(arguments: &Arguments<'_>) -> Option<Value> {
    boolean(arguments.string(0)?.ends_with(&**arguments.string(1)?))
}

fn trim(arguments: &Arguments<'_>) -> Option<Value> {
    Some(Value::from(arguments.string(0)?.trim()))
}

fn is_blank(arguments: &Arguments<'_>) -> Option<Value> {
    boolean(arguments.string(0)?.trim().is_empty())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn to_base64(arguments: &Arguments<'_>) -> Option<Value> {
    let bytes = arguments.string(0)?.as_bytes();
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |position: usize| u32::from(chunk.get(position).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4usize {
            if digit <= chunk.len() {
                out.push(char::from(ALPHABET[(bits >> (18 - 6 * digit) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
    Some(Value::from(out))
}

fn from_base64(arguments: &Arguments<'_>) -> Option<Value> {
    let text = arguments.string(0)?.trim_end_matches('=');
    let mut bytes = alloc::vec::Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        bits = bits << 6 | u32::try_from(digit).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    if count >= 6 {
        return None;
    }
    String::from_utf8(bytes).ok().map(Value::from)
}
