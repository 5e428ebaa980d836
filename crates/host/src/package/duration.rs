//! ISO 8601 durations of fixed length, as manifests and scenarios write them.
//!
//! Boundary: weeks, days, hours, minutes and seconds; years and months have no fixed length and
//! are refused. Calendar arithmetic lives in `feel`.
//! Read first: [`parse_ms`].

/// The length of `text` in milliseconds, if it is a non-negative ISO 8601 duration without years
/// and months, for example `PT1M30S`, `PT0.5S` or `P30D`.
pub(crate) fn parse_ms(text: &str) -> Option<u64> {
    let rest = text.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let date = parts_ms(date, &[('W', 604_800_000), ('D', 86_400_000)])?;
    let time = parts_ms(time, &[('H', 3_600_000), ('M', 60_000), ('S', 1_000)])?;
    date.checked_add(time)
}

/// Sums `12H5M`-like parts; the units must come in the order given, each at most once.
fn parts_ms(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut sum = 0_u64;
    let mut units = units.iter();
    while !text.is_empty() {
        let end = text.find(|c: char| c.is_ascii_alphabetic())?;
        let letter = text[end..].chars().next()?;
        let (_, unit_ms) = units.find(|(known, _)| *known == letter)?;
        sum = sum.checked_add(amount_ms(&text[..end], *unit_ms, letter == 'S')?)?;
        text = &text[end + 1..];
    }
    Some(sum)
}

fn amount_ms(digits: &str, unit_ms: u64, fraction_allowed: bool) -> Option<u64> {
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) if fraction_allowed && !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (digits, ""),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    let part_ms = thousandths.parse::<u64>().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(unit_ms)?.checked_add(part_ms)
}

#[cfg(test)]
mod tests {
    use super::parse_ms;

    #[test]
    fn fixed_lengths_are_read() {
        for (text, ms) in [
            ("PT1H", 3_600_000),
            ("PT1M30S", 90_000),
            ("PT0.25S", 250),
            ("P30D", 2_592_000_000),
            ("P1W", 604_800_000),
            ("P1DT12H", 129_600_000),
            ("PT0S", 0),
        ] {
            assert_eq!(parse_ms(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "P",
            "PT",
            "1H",
            "PT1",
            "P1Y",
            "P1M",
            "PT1S1H",
            "PT-1S",
            "PT1.S",
            "PT1.5H",
            "PT1H2H",
            "P1DT",
            "PTS",
            "PT99999999999999999999S",
            "PT1ü",
            "PT99999999999999999H",
        ] {
            assert_eq!(parse_ms(text), None, "{text}");
        }
    }
}
