//! Numbers as text, and text as numbers.
//!
//! Boundary: the syntax that JSON and FEEL share, plus leading zeros and a missing whole part,
//! which FEEL allows; `json` refuses those before it comes here.
//! Read first: `Number::parse`.

use core::fmt;

use crate::value::number::{Number, Parts, digits_count};

/// Numbers that would need more zeros than this are written with an exponent.
const ZEROS_MAX: i32 = 40;

impl Number {
    /// Reads `[-+]digits[.digits][e[-+]digits]`; digits beyond the 34th are rounded away.
    /// `None` for anything else and for numbers that are too large.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, digits) = match bytes.first()? {
            b'-' => (true, &bytes[1..]),
            b'+' => (false, &bytes[1..]),
            _ => (false, bytes),
        };
        if digits.len() < 19 && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
            let size = digits.iter().fold(0i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
            return Some(Self::from(if negative { -size } else { size }));
        }
        parse_decimal(negative, digits)
    }
}

fn parse_decimal(negative: bool, text: &[u8]) -> Option<Number> {
    let (mut coefficient, mut exponent) = (0u128, 0i32);
    let (mut any, mut fraction, mut sticky) = (false, false, false);
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'0'..=b'9' => {
                any = true;
                let digit = u128::from(byte - b'0');
                if coefficient < 10u128.pow(36) {
                    coefficient = coefficient * 10 + digit;
                    exponent = exponent.checked_sub(i32::from(fraction))?;
                } else {
                    sticky |= digit != 0;
                    exponent = exponent.checked_add(i32::from(!fraction))?;
                }
            }
            b'.' if !fraction => fraction = true,
            _ => break,
        }
        at += 1;
    }
    if !any {
        return None;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let written = core::str::from_utf8(&text[at + 1..]).ok()?;
        if !written.bytes().any(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // An exponent that is no `i32` still has to be one in form.
        let sane = written.trim_start_matches(['+', '-']).bytes().all(|b| b.is_ascii_digit());
        let signs = written.len() - written.trim_start_matches(['+', '-']).len();
        if !sane || signs > 1 {
            return None;
        }
        let limit = if written.starts_with('-') { -1_000_000 } else { 1_000_000 };
        exponent = exponent.checked_add(written.parse::<i32>().unwrap_or(limit))?;
        at = text.len();
    }
    if at != text.len() {
        return None;
    }
    if sticky && coefficient % 5 == 0 {
        coefficient += 1;
    }
    Number::from_parts(negative, coefficient, exponent)
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(value) = self.to_i64() {
            return fmt::Display::fmt(&value, f);
        }
        let Parts { negative, coefficient, exponent } = self.parts();
        if negative {
            f.write_str("-")?;
        }
        let digits = digits_count(coefficient) as i32;
        if exponent >= 0 {
            if exponent > ZEROS_MAX {
                return write_scientific(f, coefficient, exponent + digits - 1);
            }
            return write!(f, "{coefficient}{:0<1$}", "", exponent as usize);
        }
        let places = -exponent;
        if places - digits > ZEROS_MAX {
            return write_scientific(f, coefficient, exponent + digits - 1);
        }
        if places >= digits {
            return write!(f, "0.{coefficient:0>0$}", places as usize);
        }
        let unit = super::number::power_of_ten(places as u32);
        write!(f, "{}.{:0>2$}", coefficient / unit, coefficient % unit, places as usize)
    }
}

fn write_scientific(f: &mut fmt::Formatter<'_>, coefficient: u128, exponent: i32) -> fmt::Result {
    let unit = super::number::power_of_ten(digits_count(coefficient) - 1);
    let (first, rest) = (coefficient / unit, coefficient % unit);
    if rest == 0 {
        return write!(f, "{first}E{exponent:+}");
    }
    let width = (digits_count(coefficient) - 1) as usize;
    write!(f, "{first}.{rest:0>width$}E{exponent:+}")
}
