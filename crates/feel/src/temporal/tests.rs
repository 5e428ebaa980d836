//! What dates, times and durations promise.
//!
//! Boundary: tests only. Read first: the names of the tests.

use alloc::string::{String, ToString};

use super::parse::{parse_duration, parse_temporal};
use super::{Date, DateTime, DaysDuration, MonthsDuration, Time};
use crate::value::Value;

fn shown(value: Option<Value>) -> String {
    match value {
        Some(Value::Date(date)) => date.to_string(),
        Some(Value::Time(time)) => time.to_string(),
        Some(Value::DateTime(moment)) => moment.to_string(),
        Some(Value::DaysDuration(duration)) => duration.to_string(),
        Some(Value::MonthsDuration(duration)) => duration.to_string(),
        other => alloc::format!("{other:?}"),
    }
}

#[test]
fn text_round_trips() {
    for text in [
        "2026-11-22",
        "-0044-03-15",
        "999999999-12-31",
        "10:30:00",
        "10:30:00.25Z",
        "10:30:00-05:30",
        "10:30:00+05:00:01",
        "2026-11-22T10:30:00",
        "2026-11-22T10:30:00+01:00",
        "2026-07-01T10:30:00@Europe/Berlin",
        "P1Y2M",
        "-P5M",
        "P1DT2H3M4.5S",
        "-PT1H",
        "P0D",
        "P0Y",
    ] {
        assert_eq!(shown(parse_temporal(text)), text);
    }
}

#[test]
fn wrong_text_is_refused() {
    for text in [
        "",
        "2023-02-29",
        "2023-06-31",
        "2023-1-01",
        "24:00:00",
        "10:60:00",
        "10:30:00+19:00",
        "2026-11-22T",
        "2026-11-22T10:30:00@No/Where",
        "P",
        "PT",
        "P1W",
        "P1M1D",
        "P1Y1D",
        "P1.5D",
        "1D",
        "2026-11-22 10:30:00",
        "é",
        "P1é",
    ] {
        assert!(parse_temporal(text).is_none(), "{text}");
    }
}

#[test]
fn the_calendar_counts_days_both_ways() {
    for days in (-800_000..800_000).step_by(37) {
        let date = Date::from_epoch_days(days).expect("a date");
        assert_eq!(date.epoch_days(), days);
    }
    let date = Date::new(2005, 1, 1).expect("a date");
    assert_eq!((date.weekday(), date.week_of_year(), date.day_of_year()), (6, 53, 1));
    assert_eq!(Date::new(1970, 1, 1).map(|d| d.epoch_days()), Some(0));
}

#[test]
fn a_zone_moves_the_instant_over_both_changes() {
    let hour = DaysDuration::from_seconds(3600);
    let spring = DateTime::parse("2026-03-29T01:30:00@Europe/Berlin").expect("a moment");
    let later = spring.plus(hour).expect("a moment");
    assert_eq!(later.to_string(), "2026-03-29T03:30:00@Europe/Berlin");
    assert_eq!(later.offset_seconds(), Some(7200));
    let autumn = DateTime::parse("2026-10-25T02:30:00@Europe/Berlin").expect("a moment");
    assert_eq!(
        autumn.plus(hour).and_then(|m| m.since(&autumn)).map(|d| d.to_string()).as_deref(),
        Some("PT1H")
    );
    let skipped = DateTime::parse("2026-03-29T02:30:00@Europe/Berlin").expect("a moment");
    assert_eq!(skipped.to_string(), "2026-03-29T03:30:00@Europe/Berlin");
}

#[test]
fn months_are_cut_to_the_length_of_the_month() {
    let date = Date::new(2024, 1, 31).expect("a date");
    let month = MonthsDuration::from_months(1);
    assert_eq!(date.plus_months(month).map(|d| d.to_string()).as_deref(), Some("2024-02-29"));
    let later = Date::new(2025, 3, 30).expect("a date");
    assert_eq!(date.months_until(&later).months(), 13);
    assert_eq!(later.months_until(&date).months(), -13);
}

#[test]
fn a_moment_knows_its_instant() {
    let moment = DateTime::parse("1970-01-02T00:00:00+01:00").expect("a moment");
    assert_eq!(moment.epoch_ms(), Some(82_800_000));
    assert_eq!(
        DateTime::from_epoch_ms(82_800_000).map(|m| m.to_string()).as_deref(),
        Some("1970-01-01T23:00:00Z")
    );
    assert_eq!(DateTime::parse("1970-01-02T00:00:00").and_then(|m| m.epoch_ms()), None);
    assert!(Time::parse("10:30").is_some());
    let Some(Value::DaysDuration(duration)) = parse_duration("PT1.5S") else {
        panic!("a duration")
    };
    assert_eq!(duration.millis(), 1500);
}
