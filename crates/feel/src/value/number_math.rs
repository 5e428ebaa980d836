//! Arithmetic of decimal numbers.
//!
//! Boundary: 64-bit and 128-bit fast paths are ours; wide products and roots come from
//! `fastnum`, always without its traps, so that nothing panics.
//! Invariants: a result that is no number (division by zero, overflow) is `None`.
//! Read first: `Number::add`, then `Number::div`.

use fastnum::D128;
use fastnum::decimal::{Context, RoundingMode, Sign};

use crate::value::number::{Number, Parts, Rounding, digits_count, power_of_ten};

const LN_2: Number = Number::fraction(6_931_471_805_599_453_094_172_321_214_581_766, -34);
const LN_10: Number = Number::fraction(2_302_585_092_994_045_684_017_991_454_684_364, -33);

/// Powers with larger integer exponents go through logarithms.
const POWER_LOOP_MAX: i64 = 4096;

impl Number {
    /// The sum; `None` if it is too large.
    #[must_use]
    #[inline]
    pub fn add(&self, other: &Self) -> Option<Self> {
        if let (Some(left), Some(right)) = (self.to_i64(), other.to_i64()) {
            return Some(match left.checked_add(right) {
                Some(sum) => Self::from(sum),
                None => Self::from_i128(i128::from(left) + i128::from(right)),
            });
        }
        add_parts(self.parts(), other.parts())
    }

    /// The difference; `None` if it is too large.
    #[must_use]
    #[inline]
    pub fn sub(&self, other: &Self) -> Option<Self> {
        if let (Some(left), Some(right)) = (self.to_i64(), other.to_i64()) {
            return Some(match left.checked_sub(right) {
                Some(difference) => Self::from(difference),
                None => Self::from_i128(i128::from(left) - i128::from(right)),
            });
        }
        let mut right = other.parts();
        right.negative = !right.negative;
        add_parts(self.parts(), right)
    }

    /// The product; `None` if it is too large.
    #[must_use]
    #[inline]
    pub fn mul(&self, other: &Self) -> Option<Self> {
        if let (Some(left), Some(right)) = (self.to_i64(), other.to_i64()) {
            return Some(match left.checked_mul(right) {
                Some(product) => Self::from(product),
                None => Self::from_i128(i128::from(left) * i128::from(right)),
            });
        }
        let (left, right) = (self.parts(), other.parts());
        match left.coefficient.checked_mul(right.coefficient) {
            Some(product) => Self::from_parts(
                left.negative != right.negative,
                product,
                left.exponent + right.exponent,
            ),
            None => from_decimal(to_decimal(self) * to_decimal(other)),
        }
    }

    /// The quotient to 34 digits; `None` for a division by zero.
    #[must_use]
    pub fn div(&self, other: &Self) -> Option<Self> {
        if let (Some(left), Some(right)) = (self.to_i64(), other.to_i64())
            && right != 0
            && left.checked_rem(right) == Some(0)
        {
            return left.checked_div(right).map(Self::from);
        }
        let (left, right) = (self.parts(), other.parts());
        if right.coefficient == 0 {
            return None;
        }
        let (quotient, digits, exact) = long_division(left.coefficient, right.coefficient);
        // One more digit makes the final rounding to 34 digits see that something was cut off.
        let sticky = !exact && quotient % 5 == 0;
        Self::from_parts(
            left.negative != right.negative,
            quotient + u128::from(sticky),
            left.exponent - right.exponent - digits,
        )
    }

    /// The remainder with the sign of the divisor (`a - b * floor(a / b)`); `None` for zero.
    #[must_use]
    pub fn modulo(&self, other: &Self) -> Option<Self> {
        if let (Some(left), Some(right)) = (self.to_i64(), other.to_i64()) {
            if right == 0 {
                return None;
            }
            let rest = left.wrapping_rem(right);
            let differs = rest != 0 && (rest < 0) != (right < 0);
            return Some(Self::from(if differs { rest + right } else { rest }));
        }
        let whole = self.div(other)?.round(0, Rounding::Floor)?;
        self.sub(&other.mul(&whole)?)
    }

    /// `self` to the power of `exponent`; `None` where that is no real number or too large.
    #[must_use]
    pub fn power(&self, exponent: &Self) -> Option<Self> {
        match exponent.to_i64() {
            Some(whole) if whole.abs() <= POWER_LOOP_MAX => {
                let mut result = Self::ONE;
                let (mut base, mut left) = (*self, whole.unsigned_abs());
                while left > 0 {
                    if left & 1 == 1 {
                        result = result.mul(&base)?;
                    }
                    left >>= 1;
                    if left > 0 {
                        base = base.mul(&base)?;
                    }
                }
                if whole < 0 { Self::ONE.div(&result) } else { Some(result) }
            }
            _ if self.is_negative() => None,
            _ if self.is_zero() => (!exponent.is_negative()).then_some(Self::ZERO),
            _ => exponent.mul(&self.ln()?)?.exp(),
        }
    }

    /// The square root; `None` below zero.
    #[must_use]
    pub fn sqrt(&self) -> Option<Self> {
        if self.is_negative() {
            return None;
        }
        if let Some(value) = self.to_i64() {
            let root = value.isqrt();
            if root * root == value {
                return Some(Self::from(root));
            }
        }
        from_decimal(to_decimal(self).sqrt())
    }

    /// The natural logarithm; `None` for zero and below. About 32 digits are right.
    #[must_use]
    pub fn ln(&self) -> Option<Self> {
        if self.is_negative() || self.is_zero() {
            return None;
        }
        // self = m * 10^tens * 2^twos with m near 1; ln m = 2 artanh((m - 1) / (m + 1)).
        let Parts { coefficient, exponent, .. } = self.parts();
        let digits = digits_count(coefficient) as i32;
        let mut m = Self::from_parts(false, coefficient, -digits)?;
        let (mut tens, mut twos) = (exponent + digits, 0);
        if m < Self::from_parts(false, 3, -1)? {
            m = m.mul(&Self::from(10))?;
            tens -= 1;
        }
        while m > Self::from_parts(false, 14, -1)? {
            m = m.div(&Self::from(2))?;
            twos += 1;
        }
        while m < Self::from_parts(false, 7, -1)? {
            m = m.mul(&Self::from(2))?;
            twos -= 1;
        }
        let z = m.sub(&Self::ONE)?.div(&m.add(&Self::ONE)?)?;
        let square = z.mul(&z)?;
        let (mut power, mut sum) = (z, z);
        for n in 1..40i32 {
            power = power.mul(&square)?;
            let next = sum.add(&power.div(&Self::from(2 * n + 1))?)?;
            if next == sum {
                break;
            }
            sum = next;
        }
        let scaled = LN_10.mul(&Self::from(tens))?.add(&LN_2.mul(&Self::from(twos))?)?;
        scaled.add(&sum.add(&sum)?)
    }

    /// `e` to the power of the number; `None` if it is too large. About 30 digits are right.
    #[must_use]
    pub fn exp(&self) -> Option<Self> {
        if self.cmp(&Self::from(14_200)).is_gt() {
            return None;
        }
        if self.cmp(&Self::from(-14_200)).is_lt() {
            return Some(Self::ZERO);
        }
        // self = tens * ln 10 + r, so that the series of e^r is short.
        let tens = self.div(&LN_10)?.round(0, Rounding::HalfEven)?;
        let r = self.sub(&LN_10.mul(&tens)?)?;
        let (mut term, mut sum) = (Self::ONE, Self::ONE);
        for n in 1..60i32 {
            term = term.mul(&r)?.div(&Self::from(n))?;
            let next = sum.add(&term)?;
            if next == sum {
                break;
            }
            sum = next;
        }
        let Parts { negative, coefficient, exponent } = sum.parts();
        Self::from_parts(negative, coefficient, exponent + i32::try_from(tens.to_i64()?).ok()?)
    }
}

fn add_parts(left: Parts, right: Parts) -> Option<Number> {
    let (high, low) = if left.exponent >= right.exponent { (left, right) } else { (right, left) };
    if high.coefficient == 0 {
        return Number::from_parts(low.negative, low.coefficient, low.exponent);
    }
    let shift = (high.exponent - low.exponent) as u32;
    let aligned = if shift < 39 { high.coefficient.checked_mul(power_of_ten(shift)) } else { None };
    let signed = |negative: bool, size: u128| {
        i128::try_from(size).ok().map(|size| if negative { -size } else { size })
    };
    if let Some(sum) = aligned
        .and_then(|size| signed(high.negative, size))
        .zip(signed(low.negative, low.coefficient))
        .and_then(|(high, low)| high.checked_add(low))
    {
        return Number::from_parts(sum < 0, sum.unsigned_abs(), low.exponent);
    }
    // Too far apart to align: keep 37 digits of the larger one and what remains of the other.
    let room = 37 - digits_count(high.coefficient).min(37);
    let exponent = high.exponent - room as i32;
    let cut = u32::try_from(exponent - low.exponent).unwrap_or(0);
    let rest = super::number::cut_digits(low.coefficient, cut, false, Rounding::HalfEven);
    let size = high.coefficient.saturating_mul(power_of_ten(room));
    if high.negative == low.negative {
        Number::from_parts(high.negative, size.saturating_add(rest), exponent)
    } else {
        let flipped = rest > size;
        Number::from_parts(high.negative != flipped, size.abs_diff(rest), exponent)
    }
}

/// `numerator / denominator` as digits, the number of decimal places among them, and whether
/// nothing was cut off. At least 35 significant digits unless exact.
fn long_division(numerator: u128, denominator: u128) -> (u128, i32, bool) {
    let (mut quotient, mut rest) = (numerator / denominator, numerator % denominator);
    let mut places = 0;
    // The rest is below the denominator (at most 34 digits), so four more digits always fit;
    // a denominator of 64 bits leaves room for nineteen.
    let chunk = if denominator <= u128::from(u64::MAX) { 19 } else { 4 };
    while rest != 0 {
        let room = 36u32.saturating_sub(if quotient == 0 { 0 } else { digits_count(quotient) });
        let step = chunk.min(room);
        if step == 0 {
            break;
        }
        let scaled = rest * power_of_ten(step);
        quotient = quotient * power_of_ten(step) + scaled / denominator;
        rest = scaled % denominator;
        places += step as i32;
    }
    (quotient, places, rest == 0)
}

fn calm() -> Context {
    Context::default().without_traps().with_rounding_mode(RoundingMode::HalfEven)
}

fn to_decimal(number: &Number) -> D128 {
    let Parts { negative, coefficient, exponent } = number.parts();
    let digits = fastnum::U128::from_u128(coefficient).unwrap_or_default();
    D128::from_parts(digits, exponent, if negative { Sign::Minus } else { Sign::Plus }, calm())
}

fn from_decimal(decimal: D128) -> Option<Number> {
    if !decimal.is_finite() {
        return None;
    }
    let coefficient = decimal.digits().to_u128().ok()?;
    Number::from_parts(
        decimal.is_sign_negative(),
        coefficient,
        -i32::from(decimal.fractional_digits_count()),
    )
}
