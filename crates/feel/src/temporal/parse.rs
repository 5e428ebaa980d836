//! ISO 8601 text, with FEEL's `@zone`, as dates, times and durations.
//!
//! Boundary: text in, value or nothing out; which function accepts what is decided by its caller.
//! Read first: `Date::parse`, `Time::parse`, `DateTime::parse`, [`parse_duration`].

use crate::temporal::{Date, DateTime, DaysDuration, MonthsDuration, NANOS_PER_SECOND, Time, Zone};
use crate::value::Value;

/// What remains to be read.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn eat(&mut self, prefix: char) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The digits that come next: at least `min`, at most `max`.
    fn digits(&mut self, min: usize, max: usize) -> Option<&'a str> {
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if count < min || count > max {
            return None;
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        Some(digits)
    }

    fn two(&mut self) -> Option<u8> {
        self.digits(2, 2)?.parse().ok()
    }

    fn date(&mut self) -> Option<Date> {
        let negative = self.eat('-');
        let digits = self.digits(4, 9)?;
        if digits.len() > 4 && digits.starts_with('0') {
            return None;
        }
        let year: i32 = digits.parse().ok()?;
        let month = self.eat('-').then(|| self.two())??;
        let day = self.eat('-').then(|| self.two())??;
        Date::new(if negative { -year } else { year }, month, day)
    }

    fn time(&mut self) -> Option<Time> {
        let hour = self.two()?;
        let minute = self.eat(':').then(|| self.two())??;
        let (mut second, mut nanos) = (0, 0);
        if self.eat(':') {
            second = self.two()?;
            if self.eat('.') {
                nanos = nanoseconds(self.digits(1, 32)?)?;
            }
        }
        let zone = self.zone()?;
        Time::new(hour, minute, second, nanos, zone)
    }

    /// `24:00`, `24:00:00`, `24:00:00.000`.
    fn midnight(&mut self) -> Option<Time> {
        self.rest = self.rest.strip_prefix("24:00")?;
        if self.eat(':') {
            let seconds = self.two()?;
            let fraction = if self.eat('.') { nanoseconds(self.digits(1, 32)?)? } else { 0 };
            if seconds != 0 || fraction != 0 {
                return None;
            }
        }
        Time::new(0, 0, 0, 0, self.zone()?)
    }

    fn zone(&mut self) -> Option<Zone> {
        if self.eat('@') {
            let name = core::mem::take(&mut self.rest);
            return Zone::named(name);
        }
        if self.eat('Z') || self.eat('z') {
            return self.bracketed(Zone::utc());
        }
        let negative = match self.rest.bytes().next() {
            Some(b'+') => false,
            Some(b'-') => true,
            _ => return Some(Zone::local()),
        };
        self.rest = &self.rest[1..];
        let hours = i32::from(self.two()?);
        let minutes = i32::from(self.eat(':').then(|| self.two())??);
        let seconds = if self.eat(':') { i32::from(self.two()?) } else { 0 };
        if minutes > 59 || seconds > 59 {
            return None;
        }
        let offset = hours * 3600 + minutes * 60 + seconds;
        self.bracketed(Zone::offset(if negative { -offset } else { offset })?)
    }

    /// Java's form: the offset is followed by the zone that it comes from.
    fn bracketed(&mut self, offset: Zone) -> Option<Zone> {
        if !self.eat('[') {
            return Some(offset);
        }
        let name = self.rest.strip_suffix(']')?;
        self.rest = "";
        Zone::named(name)
    }
}

fn nanoseconds(digits: &str) -> Option<u32> {
    let kept = &digits[..digits.len().min(9)];
    let value: u32 = kept.parse().ok()?;
    Some(value * 10u32.pow(9 - kept.len() as u32))
}

fn whole<'a, T>(text: &'a str, read: impl FnOnce(&mut Reader<'a>) -> Option<T>) -> Option<T> {
    let mut reader = Reader { rest: text };
    let value = read(&mut reader)?;
    reader.rest.is_empty().then_some(value)
}

impl Date {
    /// Reads `2026-11-22`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        whole(text, Reader::date)
    }
}

impl Time {
    /// Reads `10:30[:00[.5]]`, followed by nothing, `Z`, `+01:00` or `@Europe/Berlin`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        whole(text.strip_prefix('T').unwrap_or(text), Reader::time)
    }
}

impl DateTime {
    /// Reads a date, `T` and a time.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        whole(text, |reader| {
            let date = reader.date()?;
            reader.eat('T').then_some(())?;
            // Hour 24 is the midnight at the end of the day.
            let end_of_day = reader.rest.starts_with("24:00");
            let date =
                if end_of_day { Date::from_epoch_days(date.epoch_days() + 1)? } else { date };
            let time = if end_of_day { reader.midnight()? } else { reader.time()? };
            let result = Self::new(date, time);
            // A time that the zone skips on that day reads as the moment it stands for.
            match (result.time().zone().name(), result.epoch_nanos()) {
                (Some(_), Some(nanos)) => {
                    Self::from_epoch_nanos(nanos, result.time().zone().clone())
                }
                _ => Some(result),
            }
        })
    }
}

/// Reads `P1Y2M`, `P1DT2H3M4.5S`, `-PT1H`. The kind of duration follows from its parts.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Value> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let rest = rest.strip_prefix('P')?;
    let (day_part, time_part) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, Some(time)),
        None => (rest, None),
    };
    let sign = if negative { -1 } else { 1 };
    if time_part.is_none() && day_part.ends_with(['Y', 'M']) {
        let [years, months] = units(day_part, ['Y', 'M'])?;
        let months = years.0.checked_mul(12)?.checked_add(months.0)?;
        return Some(Value::MonthsDuration(MonthsDuration::from_months(
            i64::try_from(months * sign).ok()?,
        )));
    }
    let [days] = units(day_part, ['D'])?;
    let [hours, minutes, seconds] = match time_part {
        Some(time) => units(time, ['H', 'M', 'S'])?,
        None if day_part.is_empty() => return None,
        None => [(0, 0); 3],
    };
    if days.1 != 0 || hours.1 != 0 || minutes.1 != 0 {
        return None;
    }
    let total = days.0 * 86_400 + hours.0 * 3600 + minutes.0 * 60 + seconds.0;
    let nanos = total.checked_mul(NANOS_PER_SECOND)?.checked_add(seconds.1)?;
    DaysDuration::from_nanos(nanos * sign).map(Value::DaysDuration)
}

/// The amounts before each unit, in that order: whole part and nanoseconds of a fraction.
fn units<const N: usize>(text: &str, names: [char; N]) -> Option<[(i128, i128); N]> {
    let mut reader = Reader { rest: text };
    let mut amounts = [(0, 0); N];
    let mut next = 0;
    while !reader.rest.is_empty() {
        let negative = reader.eat('-');
        let whole: i128 = reader.digits(1, 18)?.parse().ok()?;
        let fraction =
            if reader.eat('.') { i128::from(nanoseconds(reader.digits(1, 32)?)?) } else { 0 };
        let unit = reader.rest.chars().next()?;
        let at = next + names[next..].iter().position(|name| *name == unit)?;
        reader.rest = &reader.rest[1..];
        amounts[at] = if negative { (-whole, -fraction) } else { (whole, fraction) };
        if fraction != 0 && unit != 'S' {
            return None;
        }
        next = at + 1;
    }
    Some(amounts)
}

/// Reads what may stand in an `@"..."` literal: a date, time, date and time or duration.
#[must_use]
pub fn parse_temporal(text: &str) -> Option<Value> {
    if text.trim_start_matches('-').starts_with('P') {
        return parse_duration(text);
    }
    if let Some(date) = Date::parse(text) {
        return Some(Value::Date(date));
    }
    if let Some(moment) = DateTime::parse(text) {
        return Some(Value::from(moment));
    }
    Time::parse(text).map(Value::Time)
}
