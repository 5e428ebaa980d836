//! Functions with regular expressions, and joining strings.
//!
//! Boundary: the patterns themselves live in `pattern`.
//! Read first: `TABLE`.

use alloc::string::String;
use alloc::vec::Vec;

use regex::{Captures, Regex};

use crate::builtin::pattern::with_pattern;
use crate::builtin::{Arguments, Builtin, Work};
use crate::machine::{Machine, Outcome};
use crate::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin {
        name: "matches",
        parameters: &["input", "pattern", "flags?"],
        work: Work::Machine(matches),
    },
    Builtin {
        name: "replace",
        parameters: &["input", "pattern", "replacement", "flags?"],
        work: Work::Machine(replace),
    },
    Builtin { name: "split", parameters: &["string", "delimiter"], work: Work::Machine(split) },
    Builtin { name: "extract", parameters: &["input", "pattern"], work: Work::Machine(extract) },
    Builtin {
        name: "string join",
        parameters: &["list", "delimiter?", "prefix?", "suffix?"],
        work: Work::Linear(join),
    },
];

fn matches(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    let text = arguments.string(0).map_or("", |text| text);
    with_pattern(machine, arguments, 2, |regex| Value::Boolean(regex.is_match(text)))
}

fn replace(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    let Some(replacement) = arguments.string(2) else {
        return Ok(None);
    };
    let text = arguments.string(0).map_or("", |text| text);
    let most = 16 << 20;
    let replaced = with_pattern(machine, arguments, 3, |regex| {
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        for captures in regex.captures_iter(text) {
            let Some(whole) = captures.get(0) else { continue };
            out.push_str(&text[copied..whole.start()]);
            append_replacement(&captures, regex, replacement, &mut out);
            copied = whole.end();
            if out.len() > most {
                return None;
            }
        }
        out.push_str(&text[copied..]);
        Some(Value::from(out))
    })?;
    Ok(replaced.flatten())
}

/// Appends the replacement of one match: `$1` is a group, `$0` everything, `\$` a dollar sign.
fn append_replacement(captures: &Captures<'_>, regex: &Regex, replacement: &str, out: &mut String) {
    let mut rest = replacement;
    while let Some(at) = rest.find(['$', '\\']) {
        out.push_str(&rest[..at]);
        let sign = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if sign == b'\\' {
            match rest.chars().next() {
                Some(escaped @ ('$' | '\\')) => {
                    out.push(escaped);
                    rest = &rest[1..];
                }
                _ => out.push('\\'),
            }
            continue;
        }
        // As many digits as there are groups for.
        let used = (1..=digits)
            .rev()
            .find(|used| {
                rest[..*used].parse().is_ok_and(|group: usize| group < regex.captures_len())
            })
            .unwrap_or(0);
        match rest[..used].parse() {
            Ok(group) => out.push_str(captures.get(group).map_or("", |group| group.as_str())),
            Err(_) => out.push('$'),
        }
        rest = &rest[used..];
    }
    out.push_str(rest);
}

fn split(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    let text = arguments.string(0).map_or("", |text| text);
    with_pattern(machine, arguments, 2, |regex| {
        Value::from(regex.split(text).map(Value::from).collect::<Vec<_>>())
    })
}

fn extract(machine: &mut Machine<'_>, arguments: &Arguments<'_>) -> Outcome<Option<Value>> {
    let text = arguments.string(0).map_or("", |text| text);
    with_pattern(machine, arguments, 2, |regex| {
        Value::from(regex.find_iter(text).map(|found| found.as_str().into()).collect::<Vec<_>>())
    })
}

fn join(arguments: &Arguments<'_>) -> Option<Value> {
    let list = arguments.list(0)?;
    if arguments.values.len() == 3 {
        // A prefix comes with a suffix or not at all.
        return None;
    }
    let part = |position: usize| match arguments.get(position) {
        Value::Null => Some(""),
        Value::String(text) => Some(&**text),
        _ => None,
    };
    let (delimiter, prefix, suffix) = (part(1)?, part(2)?, part(3)?);
    let mut out = String::from(prefix);
    let mut first = true;
    for item in &list {
        match item {
            Value::Null => continue,
            Value::String(text) => {
                out.push_str(if core::mem::take(&mut first) { "" } else { delimiter });
                out.push_str(text);
            }
            _ => return None,
        }
        if out.len() > 64 << 20 {
            return None;
        }
    }
    out.push_str(suffix);
    Some(Value::from(out))
}
