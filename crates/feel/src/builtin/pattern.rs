//! Regular expressions of `matches`, `replace`, `split` and `extract`.
//!
//! Boundary: linear time and bounded size (`regex`); look-around and back-references do not
//! exist. A constant pattern is compiled with the expression.
//! Read first: [`Pattern`], then [`of_call`].

use alloc::string::String;

use regex::{Regex, RegexBuilder};

use crate::builtin::xpath::translate;
use crate::builtin::{Arguments, Builtin};
use crate::code::Code;
use crate::machine::{Machine, Outcome};
use crate::names::Dialect;
use crate::value::Value;

/// The most memory that a compiled pattern may take, in bytes.
const SIZE_MAX: usize = 1 << 20;
/// Steps that compiling a pattern during an evaluation costs.
const COMPILE_STEPS: u64 = 500;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    regex: Regex,
    flags: String,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str() && self.flags == other.flags
    }
}

impl Pattern {
    /// Compiles a pattern with flags out of `i`, `m`, `s`, `x` and `q`; `None` if it is wrong or
    /// too large.
    fn new(pattern: &str, flags: &str, dialect: Dialect) -> Option<Self> {
        let standard = dialect == Dialect::Standard;
        let mut builder = if flags.contains('q') {
            RegexBuilder::new(&regex::escape(pattern))
        } else if standard {
            RegexBuilder::new(&translate(pattern, flags.contains('x')))
        } else {
            RegexBuilder::new(pattern)
        };
        for flag in flags.chars() {
            match flag {
                'i' => builder.case_insensitive(true),
                'm' => builder.multi_line(true),
                's' => builder.dot_matches_new_line(true),
                'x' => builder.ignore_whitespace(!standard),
                'q' => &mut builder,
                _ => return None,
            };
        }
        let regex = builder.size_limit(SIZE_MAX).nest_limit(50).build().ok()?;
        Some(Self { regex, flags: flags.into() })
    }
}

/// Where a function has its pattern and its flags.
fn places(name: &str) -> Option<(usize, usize)> {
    match name {
        "matches" => Some((1, 2)),
        "replace" => Some((1, 3)),
        "split" | "extract" => Some((1, 2)),
        _ => None,
    }
}

/// The compiled pattern of a call whose pattern and flags are constant. A wrong pattern is not
/// an error here: the call yields null with a warning, as one that is computed.
pub(super) fn of_call(builtin: &Builtin, codes: &[Code], dialect: Dialect) -> Option<Pattern> {
    let (pattern, flags) = places(builtin.name)?;
    let Some(Code::Constant(Value::String(pattern))) = codes.get(pattern) else {
        return None;
    };
    let flags = match codes.get(flags) {
        None | Some(Code::Constant(Value::Null)) => "",
        Some(Code::Constant(Value::String(flags))) => flags,
        Some(_) => return None,
    };
    Pattern::new(pattern, flags, dialect)
}

/// Runs `work` with the pattern of a call: the compiled one, or one compiled now.
pub(super) fn with_pattern<T>(
    machine: &mut Machine<'_>,
    arguments: &Arguments<'_>,
    flags_at: usize,
    work: impl FnOnce(&Regex) -> T,
) -> Outcome<Option<T>> {
    let (Some(text), Some(pattern)) = (arguments.string(0), arguments.string(1)) else {
        return Ok(None);
    };
    // Matching takes time in the product of both lengths at worst.
    machine.charge((text.len() as u64).saturating_mul(pattern.len() as u64) / 128 + 1)?;
    if let Some(pattern) = arguments.pattern {
        return Ok(Some(work(&pattern.regex)));
    }
    let flags = match arguments.get(flags_at) {
        Value::Null => "",
        Value::String(flags) => flags,
        _ => return Ok(None),
    };
    machine.charge(COMPILE_STEPS + pattern.len() as u64 * 4)?;
    Ok(Pattern::new(pattern, flags, machine.dialect()).map(|pattern| work(&pattern.regex)))
}
