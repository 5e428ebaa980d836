//! ISO 8601 dates, durations and cycles as BPMN timers use them.
//!
//! Boundary: text and values in, milliseconds since 1970 UTC out; the present time is an
//! argument. Cron expressions are refused by the reader of BPMN.
//! Read first: [`schedule`], then [`next`].   Tests: at the end of this file.

use alloc::format;
use alloc::string::String;

use bpmn::TimerText;
use feel::Value;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use crate::event::Repeat;

const DAY_MS: i64 = 86_400_000;
/// Later times than this (the year 9999) are refused.
const LATEST_MS: i64 = 253_402_207_200_000;

/// When a timer fires, and how it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Milliseconds since 1970 UTC.
    pub due_ms: i64,
    /// How it goes on.
    pub repeat: Repeat,
}

/// Reads a timer definition's value.
///
/// # Errors
/// What was expected and what was found.
pub fn schedule(kind: TimerText, value: &Value, now_ms: i64) -> Result<Schedule, String> {
    let text = text_of(value)?;
    let once = |due_ms| Schedule { due_ms, repeat: Repeat::default() };
    match kind {
        TimerText::Date => date(&text).map(once),
        TimerText::Duration => {
            let (months, ms) = duration(&text)?;
            add(now_ms, months, ms).map(once)
        }
        TimerText::Cycle => cycle(&text, now_ms),
    }
}

/// The next firing of a timer that fired at `due_ms`.
#[must_use]
pub fn next(due_ms: i64, repeat: Repeat) -> Option<(i64, Repeat)> {
    if repeat.left == 0 {
        return None;
    }
    let left = if repeat.left < 0 { repeat.left } else { repeat.left - 1 };
    let due_ms = add(due_ms, repeat.months, repeat.ms).ok()?;
    Some((due_ms, Repeat { left, ..repeat }))
}

/// A duration in milliseconds; months count 30 days.
///
/// # Errors
/// What was expected and what was found.
pub fn duration_ms(value: &Value) -> Result<i64, String> {
    let (months, ms) = duration(&text_of(value)?)?;
    Ok(i64::from(months).saturating_mul(30 * DAY_MS).saturating_add(ms))
}

fn text_of(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.trim().into()),
        Value::Null | Value::Boolean(_) | Value::Number(_) | Value::List(_) | Value::Context(_) => {
            Err(format!("expected ISO 8601 text or a temporal value, found {}", value.kind_name()))
        }
        temporal => {
            let mut json = String::new();
            feel::json::write(temporal, &mut json);
            Ok(json.trim_matches('"').into())
        }
    }
}

fn date(text: &str) -> Result<i64, String> {
    let parsed = text
        .parse::<Timestamp>()
        .or_else(|_| text.parse::<Zoned>().map(|zoned| zoned.timestamp()))
        .or_else(|_| feel_zone(text));
    let due = parsed.map_err(|why| format!("`{text}` is no date and time with zone: {why}"))?;
    bounded(due.as_millisecond())
}

/// FEEL writes a zone as `2026-01-01T10:00:00@Europe/Berlin`; the RFC form has brackets.
fn feel_zone(text: &str) -> Result<Timestamp, jiff::Error> {
    match text.split_once('@') {
        Some((local, zone)) => {
            format!("{local}[{zone}]").parse::<Zoned>().map(|zoned| zoned.timestamp())
        }
        None => text
            .parse::<jiff::civil::DateTime>()
            .and_then(|local| local.to_zoned(TimeZone::UTC))
            .map(|zoned| zoned.timestamp()),
    }
}

/// Months, and milliseconds besides them.
fn duration(text: &str) -> Result<(i32, i64), String> {
    let span: Span = text.parse().map_err(|_| {
        format!("`{text}` is no ISO 8601 duration, for example `PT15M` or `P1DT2H`")
    })?;
    let months = i32::from(span.get_years())
        .checked_mul(12)
        .and_then(|months| months.checked_add(span.get_months()))
        .ok_or_else(|| format!("`{text}` is too long"))?;
    let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let ms = [
        days.checked_mul(DAY_MS),
        i64::from(span.get_hours()).checked_mul(3_600_000),
        span.get_minutes().checked_mul(60_000),
        span.get_seconds().checked_mul(1_000),
        Some(span.get_milliseconds()),
    ]
    .into_iter()
    .try_fold(0_i64, |sum, part| sum.checked_add(part?))
    .ok_or_else(|| format!("`{text}` is too long"))?;
    Ok((months, ms))
}

fn cycle(text: &str, now_ms: i64) -> Result<Schedule, String> {
    let wrong = || format!("`{text}` is no ISO 8601 repetition, for example `R3/PT1H` or `R/P1D`");
    let mut parts = text.split('/');
    let count = parts.next().and_then(|first| first.strip_prefix('R')).ok_or_else(wrong)?;
    let times = match count {
        "" => -1,
        count => count.parse::<i32>().map_err(|_| wrong())?,
    };
    let first = parts.next().ok_or_else(wrong)?;
    let (start_ms, interval) = match parts.next() {
        Some(interval) => (Some(date(first)?), interval),
        None => (None, first),
    };
    if parts.next().is_some() || times == 0 {
        return Err(wrong());
    }
    let (months, ms) = duration(interval)?;
    if months < 0 || ms < 0 || (months == 0 && ms == 0) {
        return Err(format!("`{text}` repeats without a time between"));
    }
    let due_ms = match start_ms {
        Some(start_ms) => start_ms,
        None => add(now_ms, months, ms)?,
    };
    let left = if times < 0 { -1 } else { times - 1 };
    Ok(Schedule { due_ms, repeat: Repeat { months, ms, left } })
}

fn add(from_ms: i64, months: i32, ms: i64) -> Result<i64, String> {
    let far = || "the time is too far away".into();
    let shifted = if months == 0 {
        from_ms
    } else {
        Timestamp::from_millisecond(from_ms)
            .map(|from| from.to_zoned(TimeZone::UTC))
            .and_then(|from| from.checked_add(Span::new().try_months(months)?))
            .map_err(|_| -> String { far() })?
            .timestamp()
            .as_millisecond()
    };
    bounded(shifted.checked_add(ms).ok_or_else(far)?)
}

fn bounded(ms: i64) -> Result<i64, String> {
    if ms > LATEST_MS { Err("the time is too far away".into()) } else { Ok(ms) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(kind: TimerText, text: &str, now_ms: i64) -> Result<Schedule, String> {
        schedule(kind, &Value::String(text.into()), now_ms)
    }

    #[test]
    fn durations_count_from_now() {
        assert_eq!(at(TimerText::Duration, "PT1H30M", 1_000).map(|s| s.due_ms), Ok(5_401_000));
        assert_eq!(at(TimerText::Duration, "P1M", 0).map(|s| s.due_ms), Ok(31 * DAY_MS));
        assert_eq!(at(TimerText::Duration, "PT0S", 7).map(|s| s.due_ms), Ok(7));
        assert_eq!(at(TimerText::Duration, "-PT1S", 7_000).map(|s| s.due_ms), Ok(6_000));
        assert!(at(TimerText::Duration, "soon", 0).is_err());
        assert!(at(TimerText::Duration, "P9999Y", i64::MAX / 2).is_err());
    }

    #[test]
    fn dates_have_a_zone() {
        let utc = at(TimerText::Date, "2026-01-01T10:00:00Z", 0).map(|s| s.due_ms);
        assert_eq!(utc, Ok(1_767_261_600_000));
        assert_eq!(at(TimerText::Date, "2026-01-01T11:00:00+01:00", 0).map(|s| s.due_ms), utc);
        let named = at(TimerText::Date, "2026-01-01T11:00:00[Europe/Berlin]", 0);
        assert_eq!(named.map(|s| s.due_ms), utc);
        let feel = at(TimerText::Date, "2026-01-01T11:00:00@Europe/Berlin", 0);
        assert_eq!(feel.map(|s| s.due_ms), utc);
    }

    #[test]
    fn cycles_repeat_from_the_due_time() {
        let first = at(TimerText::Cycle, "R3/PT1H", 0).expect("a cycle");
        assert_eq!(first.due_ms, 3_600_000);
        let (second, repeat) = next(first.due_ms, first.repeat).expect("a second time");
        let (third, repeat) = next(second, repeat).expect("a third time");
        assert_eq!((second, third), (7_200_000, 10_800_000));
        assert_eq!(next(third, repeat), None);
        let forever = at(TimerText::Cycle, "R/P1D", 0).expect("a cycle");
        assert!(next(forever.due_ms, forever.repeat).is_some());
        assert!(at(TimerText::Cycle, "R/PT0S", 0).is_err());
        assert!(at(TimerText::Cycle, "PT1S", 0).is_err());
        assert!(at(TimerText::Cycle, "R0/PT1S", 0).is_err());
    }
}
