//! What numbers promise: one representation, exact decimals, half-even rounding, no panics.
//!
//! Boundary: tests only. Read first: the names of the tests.

use alloc::string::{String, ToString};
use core::cmp::Ordering;

use proptest::prelude::{any, proptest};

use super::{Number, Rounding};

fn number(text: &str) -> Number {
    Number::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
}

#[test]
fn text_round_trips() {
    for text in [
        "0",
        "-1",
        "0.1",
        "123.456",
        "-0.000001",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "1E+50",
        "1.5E-60",
        "100000000000000000000",
        "1234567890123456789012345678901234",
        "0.1234567890123456789012345678901234",
    ] {
        assert_eq!(number(text).to_string(), text);
    }
    for (text, shown) in
        [("1e3", "1000"), ("1.50", "1.5"), (".5", "0.5"), ("02.40", "2.4"), ("-0", "0")]
    {
        assert_eq!(number(text).to_string(), shown);
    }
    for wrong in ["", "-", ".", "1e", "1e+-1", "1.2.3", "abc", "1 ", "--1", "1e5x"] {
        assert_eq!(Number::parse(wrong), None, "{wrong:?}");
    }
}

#[test]
fn decimals_are_exact() {
    let sum = number("0.1").add(&number("0.2")).map(|n| n.to_string());
    assert_eq!(sum.as_deref(), Some("0.3"));
    assert_eq!(number("1.10").mul(&number("3")).map(|n| n.to_string()).as_deref(), Some("3.3"));
    let third = number("1").div(&number("3")).expect("a number");
    assert_eq!(third.to_string(), alloc::format!("0.{}", "3".repeat(34)));
    let two_thirds = number("2").div(&number("3")).expect("a number");
    assert_eq!(two_thirds.to_string(), alloc::format!("0.{}7", "6".repeat(33)));
    assert_eq!(number("1").div(&number("0")), None);
    assert_eq!(number("10").div(&number("4")), Some(number("2.5")));
    assert_eq!(
        number("1e30").sub(&number("1e-10")).map(|n| n.to_string()).as_deref(),
        Some("1000000000000000000000000000000")
    );
}

#[test]
fn integers_beyond_64_bits_come_back() {
    let large = number("9223372036854775807").add(&Number::ONE).expect("a number");
    assert_eq!(large.to_string(), "9223372036854775808");
    assert_eq!(large.sub(&Number::ONE).and_then(|n| n.to_i64()), Some(i64::MAX));
    assert_eq!(number("1.5").mul(&number("2")).and_then(|n| n.to_i64()), Some(3));
}

#[test]
fn rounding_follows_its_mode() {
    for (text, scale, rounding, result) in [
        ("2.5", 0, Rounding::HalfEven, "2"),
        ("-2.5", 0, Rounding::HalfUp, "-3"),
        ("-2.5", 0, Rounding::HalfDown, "-2"),
        ("-1.56", 1, Rounding::Floor, "-1.6"),
        ("-1.56", 1, Rounding::Ceiling, "-1.5"),
        ("1.121", 2, Rounding::Up, "1.13"),
        ("15", -1, Rounding::HalfEven, "20"),
        ("5.5", 6176, Rounding::HalfDown, "5.5"),
        ("7", -3, Rounding::Up, "1000"),
    ] {
        assert_eq!(
            number(text).round(scale, rounding),
            Some(number(result)),
            "{text} {rounding:?}"
        );
    }
}

#[test]
fn roots_and_powers() {
    assert_eq!(number("16").sqrt(), Some(number("4")));
    assert_eq!(number("-1").sqrt(), None);
    assert!(
        number("2").sqrt().expect("a number").to_string().starts_with("1.41421356237309504880")
    );
    assert_eq!(number("2").power(&number("10")), Some(number("1024")));
    assert_eq!(number("2").power(&number("-2")), Some(number("0.25")));
    assert!(number("10").ln().expect("a number").to_string().starts_with("2.302585092994045684"));
    assert!(number("5").exp().expect("a number").to_string().starts_with("148.41315910257660342"));
    assert!(
        number("2")
            .power(&number("3.1"))
            .expect("a number")
            .to_string()
            .starts_with("8.57418770029034")
    );
    for (text, ln) in [
        ("0.9999", "-0.00010000500033335"),
        ("1e-3000", "-6907.755278982137"),
        ("123456789.5", "18.63140177021801806184768355622433"),
        ("1.0000000000001", "0.00000000000009999999999999"),
    ] {
        let shown = number(text).ln().expect("a number").to_string();
        assert!(shown.starts_with(ln), "{text} {shown}");
    }
    for (text, exp) in [
        ("-0.5", "0.606530659712633423603799534991"),
        ("1000", "1.970071114017046993888879352243"),
        ("-13999", "2.0490277324621737132963997"),
    ] {
        let shown = number(text).exp().expect("a number").to_string();
        assert!(shown.starts_with(exp), "{text} {shown}");
    }
    assert_eq!(number("10").power(&number("4000")).and_then(|n| n.power(&number("2"))), None);
}

#[test]
fn order_is_by_value() {
    let sorted =
        ["-1e40", "-3", "-2.5", "0", "1e-40", "0.5", "1", "1.5", "2", "1e18", "1e19", "1e40"];
    for (i, left) in sorted.iter().enumerate() {
        for (j, right) in sorted.iter().enumerate() {
            assert_eq!(number(left).cmp(&number(right)), i.cmp(&j), "{left} {right}");
        }
    }
}

proptest! {
    #[test]
    fn arithmetic_never_panics_and_is_canonical(
        a in any::<i64>(), b in any::<i64>(), x in -60i32..60, y in -60i32..60,
    ) {
        let make = |n: i64, e: i32| number(&alloc::format!("{n}e{e}"));
        let (left, right) = (make(a, x), make(b, y));
        let results = [
            left.add(&right), left.sub(&right), left.mul(&right), left.div(&right),
            left.modulo(&right), left.power(&right), left.sqrt(), left.ln(), left.exp(),
            left.round(y, Rounding::HalfEven),
        ];
        for result in results.into_iter().flatten() {
            let text: String = result.to_string();
            assert_eq!(Number::parse(&text), Some(result), "NUM-1 {text}");
        }
        assert_eq!(left.add(&right), right.add(&left));
        let (f, g) = (left.to_f64(), right.to_f64());
        if (f - g).abs() > (f.abs() + g.abs()) * 1e-9 {
            assert_eq!(left.cmp(&right), f.partial_cmp(&g).unwrap_or(Ordering::Equal));
        }
    }
}
