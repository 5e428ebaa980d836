//! Regular expressions as XPath (and so the standard) writes them, in the syntax of `regex`.
//!
//! Boundary: classes, escapes and the flag `x`; back-references stay and are refused later.
//! Read first: [`translate`].

use alloc::string::String;

/// Blocks of Unicode that XPath knows by name and `regex` does not.
const BLOCKS: &[(&str, &str)] = &[
    ("BasicLatin", r"\x{0}-\x{7F}"),
    ("Latin-1Supplement", r"\x{80}-\x{FF}"),
    ("LatinExtended-A", r"\x{100}-\x{17F}"),
    ("LatinExtended-B", r"\x{180}-\x{24F}"),
    ("Greek", r"\x{370}-\x{3FF}"),
    ("GreekandCoptic", r"\x{370}-\x{3FF}"),
    ("Cyrillic", r"\x{400}-\x{4FF}"),
    ("Hebrew", r"\x{590}-\x{5FF}"),
    ("Arabic", r"\x{600}-\x{6FF}"),
    ("Thai", r"\x{E00}-\x{E7F}"),
    ("GeneralPunctuation", r"\x{2000}-\x{206F}"),
    ("CurrencySymbols", r"\x{20A0}-\x{20CF}"),
    ("Hiragana", r"\x{3040}-\x{309F}"),
    ("Katakana", r"\x{30A0}-\x{30FF}"),
    ("CJKUnifiedIdeographs", r"\x{4E00}-\x{9FFF}"),
];

/// What a name may start with, and what it may consist of.
const INITIAL: &str = r"_:\p{L}";
const NAME: &str = r"\-.:_·\p{L}\p{M}\p{N}";

/// The same pattern for `regex`. White space counts unless `ignore_space`; within a class it
/// always does.
pub(super) fn translate(pattern: &str, ignore_space: bool) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut class_depth = 0u32;
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        rest = after;
        match first {
            '\\' => rest = escape(after, class_depth > 0, ignore_space, &mut out),
            '[' => {
                class_depth += 1;
                out.push('[');
                if let Some(negated) = rest.strip_prefix('^') {
                    out.push('^');
                    rest = negated;
                }
            }
            ']' => {
                class_depth = class_depth.saturating_sub(1);
                out.push(']');
            }
            '-' if class_depth > 0 && rest.starts_with('[') => out.push_str("--"),
            '&' | '~' if class_depth > 0 => {
                out.push('\\');
                out.push(first);
            }
            space if ignore_space && class_depth == 0 && space.is_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

/// Appends what the escape after a backslash stands for; what follows it is returned.
fn escape<'p>(after: &'p str, in_class: bool, ignore_space: bool, out: &mut String) -> &'p str {
    let after = if ignore_space { after.trim_start() } else { after };
    let Some(letter) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let rest = &after[letter.len_utf8()..];
    let mut set = |members: &str, negated: bool| {
        if in_class && !negated {
            out.push_str(members);
        } else {
            out.push_str(if negated { "[^" } else { "[" });
            out.push_str(members);
            out.push(']');
        }
    };
    match letter {
        'i' => set(INITIAL, false),
        'I' => set(INITIAL, true),
        'c' => set(NAME, false),
        'C' => set(NAME, true),
        'p' | 'P' => {
            let named = rest.strip_prefix("{Is").and_then(|rest| rest.split_once('}'));
            let block = named.and_then(|(name, rest)| {
                let (_, range) = BLOCKS.iter().find(|(known, _)| *known == name)?;
                Some((*range, rest))
            });
            if let Some((range, rest)) = block {
                set(range, letter == 'P');
                return rest;
            }
            out.push('\\');
            out.push(letter);
        }
        other => {
            out.push('\\');
            out.push(other);
        }
    }
    rest
}
