//! Decimal numbers: 64-bit integers where possible, otherwise up to 34 digits and an exponent.
//!
//! Boundary: representation, order and rounding; arithmetic in `number_math`, text in
//! `number_text`.
//! Invariants: NUM-1 equal numbers have one representation (no trailing zeros in a coefficient,
//! an integer that fits `i64` is one), so equality is structural. Rounding is half-even.
//! Read first: [`Number`], then `Number::from_parts`.

use core::cmp::Ordering;

/// The most significant digits that a number keeps.
pub(crate) const DIGITS_MAX: u32 = 34;
/// The largest and the (negated) smallest exponent of a coefficient.
pub(crate) const EXPONENT_MAX: i32 = 6144;

/// A decimal number with up to 34 digits; integers that fit 64 bits take the fast path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number(Repr);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Repr {
    Integer(i64),
    Decimal { exponent: i16, negative: bool, high: u64, low: u64 },
}

/// How a digit that is cut off changes the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Towards positive infinity.
    Ceiling,
    /// Towards negative infinity.
    Floor,
    /// Away from zero.
    Up,
    /// Towards zero.
    Down,
    /// To the nearest; a half goes away from zero.
    HalfUp,
    /// To the nearest; a half goes towards zero.
    HalfDown,
    /// To the nearest; a half goes to the even digit.
    HalfEven,
}

/// Sign, coefficient and exponent: `(-1)^negative * coefficient * 10^exponent`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    pub(crate) negative: bool,
    pub(crate) coefficient: u128,
    pub(crate) exponent: i32,
}

impl From<i64> for Number {
    #[inline]
    fn from(value: i64) -> Self {
        Self(Repr::Integer(value))
    }
}

impl From<i32> for Number {
    fn from(value: i32) -> Self {
        Self(Repr::Integer(i64::from(value)))
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self(Repr::Integer(i64::from(value)))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::from_i128(i128::from(value))
    }
}

impl Number {
    /// Zero.
    pub const ZERO: Self = Self(Repr::Integer(0));
    /// One.
    pub const ONE: Self = Self(Repr::Integer(1));

    /// The number as an `i64`, if it is an integer in that range.
    #[must_use]
    #[inline]
    pub fn to_i64(&self) -> Option<i64> {
        if let Repr::Integer(value) = self.0 { Some(value) } else { None }
    }

    /// The nearest binary floating point number.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        match self.0 {
            Repr::Integer(value) => value as f64,
            Repr::Decimal { .. } => alloc::string::ToString::to_string(self).parse().unwrap_or(0.0),
        }
    }

    /// The shortest decimal that reads back as `value`; `None` for infinities and NaN.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        if value.is_finite() { Self::parse(&alloc::format!("{value:e}")) } else { None }
    }

    /// Whether it has no fractional part.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        match self.0 {
            Repr::Integer(_) => true,
            Repr::Decimal { exponent, .. } => exponent >= 0,
        }
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        match self.0 {
            Repr::Integer(value) => value < 0,
            Repr::Decimal { negative, .. } => negative,
        }
    }

    /// Whether it is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0 == Repr::Integer(0)
    }

    /// A constant with a fraction, already without trailing zeros.
    pub(super) const fn fraction(coefficient: u128, exponent: i16) -> Self {
        let (high, low) = ((coefficient >> 64) as u64, coefficient as u64);
        Self(Repr::Decimal { exponent, negative: false, high, low })
    }

    pub(crate) fn from_i128(value: i128) -> Self {
        match i64::try_from(value) {
            Ok(value) => Self(Repr::Integer(value)),
            Err(_) => Self::from_parts(value < 0, value.unsigned_abs(), 0).unwrap_or(Self::ZERO),
        }
    }

    /// The number as an `i128`, if it is an integer in that range.
    pub(crate) fn to_i128(self) -> Option<i128> {
        let Parts { negative, coefficient, exponent } = self.parts();
        let scale = u32::try_from(exponent).ok()?;
        if scale > 38 {
            return None;
        }
        let size = i128::try_from(coefficient.checked_mul(power_of_ten(scale))?).ok()?;
        Some(if negative { -size } else { size })
    }

    pub(crate) fn parts(&self) -> Parts {
        match self.0 {
            Repr::Integer(value) => Parts {
                negative: value < 0,
                coefficient: u128::from(value.unsigned_abs()),
                exponent: 0,
            },
            Repr::Decimal { exponent, negative, high, low } => Parts {
                negative,
                coefficient: u128::from(high) << 64 | u128::from(low),
                exponent: i32::from(exponent),
            },
        }
    }

    /// The number of these parts, rounded to 34 digits; `None` if it is too large. Too small a
    /// number becomes zero.
    pub(crate) fn from_parts(negative: bool, coefficient: u128, exponent: i32) -> Option<Self> {
        let (mut coefficient, mut exponent) = (coefficient, exponent);
        let digits = digits_count(coefficient);
        if digits > DIGITS_MAX {
            let cut = digits - DIGITS_MAX;
            coefficient = cut_digits(coefficient, cut, negative, Rounding::HalfEven);
            exponent = exponent.saturating_add(cut as i32);
        }
        if coefficient == 0 {
            return Some(Self::ZERO);
        }
        (coefficient, exponent) = without_trailing_zeros(coefficient, exponent);
        if (0..19).contains(&exponent)
            && let Some(whole) = coefficient.checked_mul(power_of_ten(exponent as u32))
            && let Some(value) = signed_i64(negative, whole)
        {
            return Some(Self(Repr::Integer(value)));
        }
        if exponent > EXPONENT_MAX {
            return None;
        }
        if exponent < -EXPONENT_MAX {
            return Some(Self::ZERO);
        }
        Some(Self(Repr::Decimal {
            exponent: exponent as i16,
            negative,
            high: (coefficient >> 64) as u64,
            low: coefficient as u64,
        }))
    }

    /// Rounds to `scale` digits after the decimal point (before it where negative).
    #[must_use]
    pub fn round(&self, scale: i32, rounding: Rounding) -> Option<Self> {
        let Parts { negative, coefficient, exponent } = self.parts();
        let cut = i64::from(exponent) + i64::from(scale);
        if cut >= 0 {
            return Some(*self);
        }
        let cut = u32::try_from(-cut).unwrap_or(u32::MAX);
        Self::from_parts(negative, cut_digits(coefficient, cut, negative, rounding), -scale)
    }

    /// The same number without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        if self.is_negative() { self.negated() } else { *self }
    }

    /// The number with the opposite sign.
    #[must_use]
    pub fn negated(&self) -> Self {
        match self.0 {
            Repr::Integer(value) => Self::from_i128(-i128::from(value)),
            Repr::Decimal { .. } => {
                let Parts { negative, coefficient, exponent } = self.parts();
                Self::from_parts(!negative, coefficient, exponent).unwrap_or(*self)
            }
        }
    }
}

impl PartialOrd for Number {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Repr::Integer(left), Repr::Integer(right)) = (self.0, other.0) {
            return left.cmp(&right);
        }
        compare(self.parts(), other.parts())
    }
}

fn compare(left: Parts, right: Parts) -> Ordering {
    if left.coefficient == 0 || right.coefficient == 0 || left.negative != right.negative {
        let rank = |parts: &Parts| match (parts.coefficient, parts.negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        };
        return rank(&left).cmp(&rank(&right));
    }
    let size = compare_size(left, right);
    if left.negative { size.reverse() } else { size }
}

fn compare_size(left: Parts, right: Parts) -> Ordering {
    if left.exponent == right.exponent {
        return left.coefficient.cmp(&right.coefficient);
    }
    let top = |parts: &Parts| parts.exponent + digits_count(parts.coefficient) as i32;
    match top(&left).cmp(&top(&right)) {
        Ordering::Equal => {}
        unequal => return unequal,
    }
    // The same magnitude: the exponents differ by less than 34, and so both fit when aligned.
    if left.exponent > right.exponent {
        let shift = (left.exponent - right.exponent) as u32;
        left.coefficient.saturating_mul(power_of_ten(shift)).cmp(&right.coefficient)
    } else {
        let shift = (right.exponent - left.exponent) as u32;
        left.coefficient.cmp(&right.coefficient.saturating_mul(power_of_ten(shift)))
    }
}

pub(crate) fn digits_count(coefficient: u128) -> u32 {
    coefficient.checked_ilog10().map_or(1, |log| log + 1)
}

/// `10^exponent`; saturates above `10^38`.
#[inline]
pub(crate) fn power_of_ten(exponent: u32) -> u128 {
    const SMALL: [u64; 20] = {
        let mut table = [1; 20];
        let mut at = 1;
        while at < 20 {
            table[at] = table[at - 1] * 10;
            at += 1;
        }
        table
    };
    match exponent {
        0..20 => u128::from(SMALL[exponent as usize]),
        20..39 => u128::from(SMALL[19]) * u128::from(SMALL[exponent as usize - 19]),
        _ => u128::MAX,
    }
}

/// Removes the last `cut` digits and rounds.
pub(crate) fn cut_digits(coefficient: u128, cut: u32, negative: bool, rounding: Rounding) -> u128 {
    if cut == 0 || coefficient == 0 {
        return coefficient;
    }
    let (kept, rest, half) = if cut > 38 {
        (0, coefficient, Ordering::Less)
    } else {
        let unit = power_of_ten(cut);
        let rest = coefficient % unit;
        (coefficient / unit, rest, rest.cmp(&(unit / 2)))
    };
    let up = match rounding {
        _ if rest == 0 => false,
        Rounding::Ceiling => !negative,
        Rounding::Floor => negative,
        Rounding::Up => true,
        Rounding::Down => false,
        Rounding::HalfUp => half != Ordering::Less,
        Rounding::HalfDown => half == Ordering::Greater,
        Rounding::HalfEven => {
            half == Ordering::Greater || (half == Ordering::Equal && kept % 2 == 1)
        }
    };
    kept + u128::from(up)
}

fn without_trailing_zeros(coefficient: u128, exponent: i32) -> (u128, i32) {
    let (mut coefficient, mut exponent) = (coefficient, exponent);
    while coefficient > u128::from(u64::MAX) && coefficient % 10 == 0 {
        coefficient /= 10;
        exponent += 1;
    }
    if let Ok(mut small) = u64::try_from(coefficient) {
        while small % 10 == 0 && small != 0 {
            small /= 10;
            exponent += 1;
        }
        coefficient = u128::from(small);
    }
    (coefficient, exponent)
}

fn signed_i64(negative: bool, size: u128) -> Option<i64> {
    let size = i128::try_from(size).ok()?;
    i64::try_from(if negative { -size } else { size }).ok()
}

#[cfg(test)]
mod tests;
