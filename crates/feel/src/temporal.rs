//! Dates, times and durations: plain values and their calendar.
//!
//! Boundary: proleptic Gregorian calendar with years of up to nine digits; zone rules come from
//! the time zone database inside `jiff`; there is no clock here.
//! Invariants: fields are always a real date and time; a `Zone::local()` value has no instant.
//! Read first: [`Date`], [`DateTime`], then `parse`.

mod arithmetic;
mod parse;
mod text;
mod zone;

use core::cmp::Ordering;

pub use parse::{parse_duration, parse_temporal};
pub(crate) use text::WithOffset;
pub use zone::Zone;

pub(crate) const NANOS_PER_SECOND: i128 = 1_000_000_000;
pub(crate) const NANOS_PER_DAY: i128 = 86_400 * NANOS_PER_SECOND;
/// Years beyond this are refused.
pub(crate) const YEAR_MAX: i32 = 999_999_999;

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: i32,
    month: u8,
    day: u8,
}

/// A time of day, with or without an offset or zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Time {
    nanos: u64,
    zone: Zone,
}

/// A day and a time of that day, with or without an offset or zone.
#[derive(Debug, Clone, PartialEq)]
pub struct DateTime {
    date: Date,
    time: Time,
    /// What the zone means at this moment: tells the two passes of an hour that comes twice apart.
    offset: Option<i32>,
}

/// A duration of days, hours, minutes and seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DaysDuration {
    seconds: i64,
    nanos: u32,
}

/// A duration of years and months.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonthsDuration(i64);

impl Date {
    /// The date of these fields; `None` if there is no such day.
    #[must_use]
    pub fn new(year: i32, month: u8, day: u8) -> Option<Self> {
        let real = (-YEAR_MAX..=YEAR_MAX).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day);
        real.then_some(Self { year, month, day })
    }

    /// The year.
    #[must_use]
    pub fn year(&self) -> i32 {
        self.year
    }

    /// The month, 1 to 12.
    #[must_use]
    pub fn month(&self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    #[must_use]
    pub fn day(&self) -> u8 {
        self.day
    }

    /// The day of the week: Monday is 1, Sunday is 7.
    #[must_use]
    pub fn weekday(&self) -> u8 {
        (self.epoch_days() + 3).rem_euclid(7) as u8 + 1
    }

    /// The day of the year, from 1.
    #[must_use]
    pub fn day_of_year(&self) -> u16 {
        (1..self.month).map(|month| u16::from(days_in_month(self.year, month))).sum::<u16>()
            + u16::from(self.day)
    }

    /// The week of the year as ISO 8601 counts it.
    #[must_use]
    pub fn week_of_year(&self) -> u8 {
        // The week belongs to the year of its Thursday.
        let thursday = self.epoch_days() - i64::from(self.weekday()) + 4;
        Self::from_epoch_days(thursday).map_or(0, |date| ((date.day_of_year() - 1) / 7 + 1) as u8)
    }

    /// The last day of its month.
    #[must_use]
    pub fn last_day_of_month(&self) -> Self {
        Self { day: days_in_month(self.year, self.month), ..*self }
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn epoch_days(&self) -> i64 {
        // Years that begin in March end with the leap day.
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let year_of_era = year.rem_euclid(400);
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// The date so many days after 1970-01-01; `None` if its year is too large.
    #[must_use]
    pub fn from_epoch_days(days: i64) -> Option<Self> {
        let shifted = days.checked_add(719_468)?;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u8;
        let year = i32::try_from(year_of_era + era * 400 + i64::from(month <= 2)).ok()?;
        Self::new(year, month, day)
    }
}

fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

impl Time {
    /// The time so many nanoseconds after midnight; `None` beyond one day.
    #[must_use]
    pub fn from_nanos(nanos: u64, zone: Zone) -> Option<Self> {
        (i128::from(nanos) < NANOS_PER_DAY).then_some(Self { nanos, zone })
    }

    /// The time of these fields; `None` if there is no such time.
    #[must_use]
    pub fn new(hour: u8, minute: u8, second: u8, nanos: u32, zone: Zone) -> Option<Self> {
        if hour > 23 || minute > 59 || second > 59 || nanos > 999_999_999 {
            return None;
        }
        let seconds = u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second);
        Some(Self { nanos: seconds * 1_000_000_000 + u64::from(nanos), zone })
    }

    /// Nanoseconds since midnight.
    #[must_use]
    pub fn nanos(&self) -> u64 {
        self.nanos
    }

    /// The hour, 0 to 23.
    #[must_use]
    pub fn hour(&self) -> u8 {
        (self.nanos / 3_600_000_000_000) as u8
    }

    /// The minute, 0 to 59.
    #[must_use]
    pub fn minute(&self) -> u8 {
        (self.nanos / 60_000_000_000 % 60) as u8
    }

    /// The second, 0 to 59.
    #[must_use]
    pub fn second(&self) -> u8 {
        (self.nanos / 1_000_000_000 % 60) as u8
    }

    /// The nanoseconds within the second.
    #[must_use]
    pub fn subsecond_nanos(&self) -> u32 {
        (self.nanos % 1_000_000_000) as u32
    }

    /// The offset or zone.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The offset from UTC in seconds; a zone's standard one, since the day is not known.
    #[must_use]
    pub fn offset_seconds(&self) -> Option<i32> {
        self.zone.standard_offset()
    }

    /// Which of two times is earlier; `None` if only one of them has an offset.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        let instant = |time: &Self, offset: i32| {
            i128::from(time.nanos) - i128::from(offset) * NANOS_PER_SECOND
        };
        match (self.offset_seconds(), other.offset_seconds()) {
            (None, None) => Some(self.nanos.cmp(&other.nanos)),
            (Some(left), Some(right)) => Some(instant(self, left).cmp(&instant(other, right))),
            _ => None,
        }
    }
}

impl DateTime {
    /// The date and time of these parts. A time that its zone skips on that day keeps the offset
    /// from before the change; of a time that comes twice, the first is meant.
    #[must_use]
    pub fn new(date: Date, time: Time) -> Self {
        let offset = time.zone.offset_at(date, time.nanos);
        Self { date, time, offset }
    }

    /// The day.
    #[must_use]
    pub fn date(&self) -> Date {
        self.date
    }

    /// The time of day with its zone.
    #[must_use]
    pub fn time(&self) -> &Time {
        &self.time
    }

    /// The offset from UTC in seconds at this moment.
    #[must_use]
    pub fn offset_seconds(&self) -> Option<i32> {
        self.offset
    }

    /// The instant in nanoseconds since 1970 UTC; `None` if it has neither offset nor zone.
    #[must_use]
    pub fn epoch_nanos(&self) -> Option<i128> {
        let offset = self.offset_seconds()?;
        Some(self.local_nanos() - i128::from(offset) * NANOS_PER_SECOND)
    }

    /// The instant in milliseconds since 1970 UTC, rounded down; `None` if it has neither offset
    /// nor zone or is too far away.
    #[must_use]
    pub fn epoch_ms(&self) -> Option<i64> {
        self.epoch_nanos().and_then(|nanos| i64::try_from(nanos.div_euclid(1_000_000)).ok())
    }

    /// The moment so many nanoseconds after 1970 UTC, as seen in `zone` (UTC if it is local).
    #[must_use]
    pub fn from_epoch_nanos(nanos: i128, zone: Zone) -> Option<Self> {
        let zone = if zone.is_local() { Zone::utc() } else { zone };
        let offset = zone.offset_at_instant(nanos)?;
        let local = nanos.checked_add(i128::from(offset) * NANOS_PER_SECOND)?;
        let moment = Self::from_local_nanos(local, zone)?;
        Some(Self { offset: Some(offset), ..moment })
    }

    /// The moment so many milliseconds after 1970, in UTC.
    #[must_use]
    pub fn from_epoch_ms(ms: i64) -> Option<Self> {
        Self::from_epoch_nanos(i128::from(ms) * 1_000_000, Zone::utc())
    }

    /// Which of two moments is earlier; `None` if only one of them has an offset or zone.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self.epoch_nanos(), other.epoch_nanos()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            (None, None) => Some(self.local_nanos().cmp(&other.local_nanos())),
            _ => None,
        }
    }

    pub(crate) fn local_nanos(&self) -> i128 {
        i128::from(self.date.epoch_days()) * NANOS_PER_DAY + i128::from(self.time.nanos)
    }

    pub(crate) fn from_local_nanos(nanos: i128, zone: Zone) -> Option<Self> {
        let days = i64::try_from(nanos.div_euclid(NANOS_PER_DAY)).ok()?;
        let time = Time { nanos: nanos.rem_euclid(NANOS_PER_DAY) as u64, zone };
        Some(Self::new(Date::from_epoch_days(days)?, time))
    }
}

impl DaysDuration {
    /// The duration of so many nanoseconds; `None` if it is too long.
    #[must_use]
    pub fn from_nanos(nanos: i128) -> Option<Self> {
        Some(Self {
            seconds: i64::try_from(nanos.div_euclid(NANOS_PER_SECOND)).ok()?,
            nanos: nanos.rem_euclid(NANOS_PER_SECOND) as u32,
        })
    }

    /// The duration of so many seconds.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// The length in nanoseconds.
    #[must_use]
    pub fn nanos(&self) -> i128 {
        i128::from(self.seconds) * NANOS_PER_SECOND + i128::from(self.nanos)
    }

    /// The length in milliseconds, rounded down; saturates.
    #[must_use]
    pub fn millis(&self) -> i64 {
        let millis = self.nanos().div_euclid(1_000_000);
        i64::try_from(millis).unwrap_or(if millis < 0 { i64::MIN } else { i64::MAX })
    }
}

impl MonthsDuration {
    /// The duration of so many months.
    #[must_use]
    pub fn from_months(months: i64) -> Self {
        Self(months)
    }

    /// The length in months.
    #[must_use]
    pub fn months(&self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
