//! Whether a constant timer text is ISO 8601, as far as timers use it.
//!
//! Boundary: only says yes or what is wrong; the points in time are computed by the engine.
//! Read first: [`duration`], [`date_time`], [`cycle`].

/// `P1Y2M3W4DT5H6M7.5S`, at least one part.
pub(super) fn duration(text: &str) -> Result<(), String> {
    let wrong = || format!("`{text}` is no ISO 8601 duration such as `PT15M` or `P1DT12H`");
    if text.starts_with('-') {
        return Err(format!("the duration `{text}` is negative"));
    }
    let body = text.strip_prefix('P').ok_or_else(wrong)?;
    let (days, time) = match body.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (body, None),
    };
    let days_count = parts(days, "YMWD", false).ok_or_else(wrong)?;
    let time_count = match time {
        None => 0,
        Some(time) => match parts(time, "HMS", true) {
            Some(count) if count > 0 => count,
            _ => return Err(wrong()),
        },
    };
    if days_count + time_count == 0 { Err(wrong()) } else { Ok(()) }
}

/// `2030-01-31T08:00:00Z` or with an offset, seconds and fraction optional, zone name optional.
pub(super) fn date_time(text: &str) -> Result<(), String> {
    let wrong = || format!("`{text}` is no ISO 8601 date and time such as `2030-01-31T08:00:00Z`");
    let text = match text.split_once('[') {
        Some((text, zone)) if zone.len() > 1 && zone.ends_with(']') => text,
        Some(_) => return Err(wrong()),
        None => text,
    };
    let (date, time) = text.split_once('T').ok_or_else(wrong)?;
    check_date(date).ok_or_else(wrong)?;
    let zone_at = time.find(['Z', '+', '-']).ok_or_else(|| {
        format!("`{text}` has no time zone: add `Z` or an offset such as `+02:00`")
    })?;
    let (time, zone) = time.split_at(zone_at);
    check_time(time).and_then(|()| check_zone(zone)).ok_or_else(wrong)
}

/// `R3/PT1H`, `R/PT1H`, `R3/<date and time>/PT1H`.
pub(super) fn cycle(text: &str) -> Result<(), String> {
    let wrong = || format!("`{text}` is no ISO 8601 cycle such as `R3/PT1H` or `R/PT1H`");
    let (count, rest) = text.strip_prefix('R').and_then(|r| r.split_once('/')).ok_or_else(wrong)?;
    if !count.is_empty() && (!digits(count) || count.parse::<u32>().is_err()) {
        return Err(wrong());
    }
    match rest.split_once('/') {
        Some((start, every)) => {
            date_time(start)?;
            duration(every)
        }
        None => duration(rest),
    }
}

/// Whether `text` looks like a cron text: five or more fields, or `@daily` and its like.
pub(super) fn is_cron(text: &str) -> bool {
    text.starts_with('@') || text.split_whitespace().count() >= 5
}

/// The number of `<number><unit>` parts, the units in this order and each at most once.
fn parts(text: &str, units: &str, fraction_allowed: bool) -> Option<usize> {
    let mut rest = text;
    let mut units_left = units;
    let mut count = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')?;
        let (number, tail) = rest.split_at(end);
        let unit = tail.chars().next()?;
        let position = units_left.find(unit)?;
        units_left = &units_left[position + 1..];
        let whole = match number.split_once(['.', ',']) {
            Some((whole, fraction)) if fraction_allowed && unit == 'S' && digits(fraction) => whole,
            Some(_) => return None,
            None => number,
        };
        if !digits(whole) || whole.len() > 12 {
            return None;
        }
        rest = &tail[1..];
        count += 1;
    }
    Some(count)
}

fn check_date(date: &str) -> Option<()> {
    let mut fields = date.split('-');
    let year: u32 = field(fields.next()?, 4)?;
    let month = field(fields.next()?, 2)?;
    let day = field(fields.next()?, 2)?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    ((1..=days).contains(&day) && fields.next().is_none()).then_some(())
}

fn check_time(time: &str) -> Option<()> {
    let (time, fraction) = match time.split_once(['.', ',']) {
        Some((time, fraction)) => (time, Some(fraction)),
        None => (time, None),
    };
    let mut fields = time.split(':');
    let hour = field(fields.next()?, 2)?;
    let minute = field(fields.next()?, 2)?;
    let second = fields.next();
    let second_value = second.map_or(Some(0), |text| field(text, 2))?;
    let fraction_fits = fraction.is_none_or(|f| second.is_some() && digits(f) && f.len() <= 9);
    let fits = hour < 24 && minute < 60 && second_value < 60 && fraction_fits;
    (fits && fields.next().is_none()).then_some(())
}

fn check_zone(zone: &str) -> Option<()> {
    if zone == "Z" {
        return Some(());
    }
    let (hour, minute) = match zone[1..].split_once(':') {
        Some((hour, minute)) => (field(hour, 2)?, field(minute, 2)?),
        None => (field(&zone[1..], 2)?, 0),
    };
    (!zone.starts_with('Z') && hour <= 18 && minute < 60).then_some(())
}

fn field(text: &str, length: usize) -> Option<u32> {
    (text.len() == length && digits(text)).then(|| text.parse().ok()).flatten()
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{cycle, date_time, duration, is_cron};

    #[test]
    fn durations() {
        for good in ["PT1H", "P1D", "P1Y2M3W4DT5H6M7.5S", "PT0S", "P2W", "PT0.25S"] {
            assert_eq!(duration(good), Ok(()), "{good}");
        }
        for bad in ["", "P", "PT", "1H", "PT1", "PT1.5H", "PT1M1H", "P1H", "-PT1H", "P1DT", "PTü"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dates() {
        for good in [
            "2030-01-31T08:00:00Z",
            "2028-02-29T08:00Z",
            "2030-01-31T08:00:00.123+02:00",
            "2030-01-31T08:00:00-05",
            "2030-01-31T08:00:00+02:00[Europe/Berlin]",
        ] {
            assert_eq!(date_time(good), Ok(()), "{good}");
        }
        for bad in [
            "2030-01-31",
            "2030-02-29T08:00:00Z",
            "2030-13-01T08:00:00Z",
            "2030-01-31T24:00:00Z",
            "2030-01-31T08:00:00Zx",
            "2030-01-31T08:00:00+2",
            "2030-01-31T08:00:00Z[",
            "2030-01-31TZ",
            "ü-01-31T08:00:00Z",
            "2030-01-31T08:00:00+ü",
        ] {
            assert!(date_time(bad).is_err(), "{bad}");
        }
        assert!(date_time("2030-01-31T08:00:00").unwrap_err().contains("time zone"));
    }

    #[test]
    fn cycles() {
        for good in ["R/PT1H", "R3/PT1H", "R0/P1D", "R2/2030-01-31T08:00:00Z/PT1H"] {
            assert_eq!(cycle(good), Ok(()), "{good}");
        }
        for bad in ["PT1H", "R", "R/", "Rx/PT1H", "R-1/PT1H", "R99999999999/PT1H", "R3/PT1H/x"] {
            assert!(cycle(bad).is_err(), "{bad}");
        }
        assert!(is_cron("0 0 9-17 * * MON-FRI"));
        assert!(is_cron("@hourly"));
        assert!(!is_cron("R/PT1H"));
    }
}
