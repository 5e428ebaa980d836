//! Dates, times and durations as ISO 8601 text.
//!
//! Boundary: the form of FEEL's `string()`; the JSON form differs for zones only.
//! Read first: the `Display` implementations.

use core::fmt;

use crate::temporal::{Date, DateTime, DaysDuration, MonthsDuration, NANOS_PER_SECOND, Time};

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.year() < 0 { "-" } else { "" };
        write!(f, "{sign}{:04}-{:02}-{:02}", self.year().unsigned_abs(), self.month(), self.day())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_clock(f)?;
        match self.zone().name() {
            Some(name) => write!(f, "@{name}"),
            None => write_offset(f, self.offset_seconds()),
        }
    }
}

impl Time {
    fn write_clock(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.hour(), self.minute(), self.second())?;
        write_fraction(f, self.subsecond_nanos())
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{}", self.date(), self.time())
    }
}

/// A date and time in Java's form, which JSON values carry: the offset, then the zone in
/// brackets.
pub(crate) struct WithOffset<'a>(pub(crate) &'a DateTime);

impl fmt::Display for WithOffset<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T", self.0.date())?;
        self.0.time().write_clock(f)?;
        write_offset(f, self.0.offset_seconds())?;
        match self.0.time().zone().name() {
            Some(name) => write!(f, "[{name}]"),
            None => Ok(()),
        }
    }
}

fn write_offset(f: &mut fmt::Formatter<'_>, offset: Option<i32>) -> fmt::Result {
    let Some(offset) = offset else {
        return Ok(());
    };
    if offset == 0 {
        return f.write_str("Z");
    }
    let (sign, size) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
    write!(f, "{sign}{:02}:{:02}", size / 3600, size / 60 % 60)?;
    if size % 60 != 0 { write!(f, ":{:02}", size % 60) } else { Ok(()) }
}

fn write_fraction(f: &mut fmt::Formatter<'_>, nanos: u32) -> fmt::Result {
    if nanos == 0 {
        return Ok(());
    }
    let (mut digits, mut width) = (nanos, 9);
    while digits % 10 == 0 {
        digits /= 10;
        width -= 1;
    }
    write!(f, ".{digits:0width$}")
}

impl fmt::Display for DaysDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.nanos().unsigned_abs();
        if size == 0 {
            return f.write_str("P0D");
        }
        let (seconds, nanos) = (
            size / NANOS_PER_SECOND.unsigned_abs(),
            (size % NANOS_PER_SECOND.unsigned_abs()) as u32,
        );
        f.write_str(if self.nanos() < 0 { "-P" } else { "P" })?;
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        if days > 0 {
            write!(f, "{days}D")?;
        }
        if rest == 0 && nanos == 0 {
            return Ok(());
        }
        f.write_str("T")?;
        let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
        if hours > 0 {
            write!(f, "{hours}H")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}M")?;
        }
        if seconds > 0 || nanos > 0 {
            write!(f, "{seconds}")?;
            write_fraction(f, nanos)?;
            f.write_str("S")?;
        }
        Ok(())
    }
}

impl fmt::Display for MonthsDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.months().unsigned_abs();
        if size == 0 {
            return f.write_str("P0Y");
        }
        f.write_str(if self.months() < 0 { "-P" } else { "P" })?;
        if size / 12 > 0 {
            write!(f, "{}Y", size / 12)?;
        }
        if !size.is_multiple_of(12) {
            write!(f, "{}M", size % 12)?;
        }
        Ok(())
    }
}
