//! Adding durations to dates and times, and the spans between them.
//!
//! Boundary: plain calendar arithmetic; which operands FEEL accepts is decided by the evaluator.
//! Invariants: a result outside the calendar is `None`. With a zone, days-and-time durations move
//! the instant, years and months move the wall clock.
//! Read first: `DateTime::plus`, then `Date::months_until`.

use crate::temporal::{Date, DateTime, DaysDuration, MonthsDuration, NANOS_PER_DAY, Time};

impl Date {
    /// The date so many months later; the day is cut to the length of the month.
    #[must_use]
    pub fn plus_months(&self, months: MonthsDuration) -> Option<Self> {
        let total = i64::from(self.year)
            .checked_mul(12)?
            .checked_add(i64::from(self.month) - 1)?
            .checked_add(months.months())?;
        let year = i32::try_from(total.div_euclid(12)).ok()?;
        let month = total.rem_euclid(12) as u8 + 1;
        Self::new(year, month, self.day.min(super::days_in_month(year, month)))
    }

    /// The date after adding the duration to midnight and dropping the time of day.
    #[must_use]
    pub fn plus(&self, duration: DaysDuration) -> Option<Self> {
        let nanos = i128::from(self.epoch_days()) * NANOS_PER_DAY + duration.nanos();
        Self::from_epoch_days(i64::try_from(nanos.div_euclid(NANOS_PER_DAY)).ok()?)
    }

    /// The whole months from this date to `other`; negative if that is earlier.
    #[must_use]
    pub fn months_until(&self, other: &Self) -> MonthsDuration {
        let index = |date: &Self| i64::from(date.year) * 12 + i64::from(date.month);
        let months = index(other) - index(self);
        MonthsDuration::from_months(if months > 0 && other.day < self.day {
            months - 1
        } else if months < 0 && other.day > self.day {
            months + 1
        } else {
            months
        })
    }
}

impl Time {
    /// The time of day after the duration, past midnight if need be.
    #[must_use]
    pub fn plus(&self, duration: DaysDuration) -> Self {
        let nanos = (i128::from(self.nanos) + duration.nanos()).rem_euclid(NANOS_PER_DAY);
        Self { nanos: nanos as u64, zone: self.zone.clone() }
    }
}

impl DateTime {
    /// The moment after the duration.
    #[must_use]
    pub fn plus(&self, duration: DaysDuration) -> Option<Self> {
        match self.epoch_nanos() {
            Some(nanos) => Self::from_epoch_nanos(nanos + duration.nanos(), self.time.zone.clone()),
            None => Self::from_local_nanos(
                self.local_nanos() + duration.nanos(),
                self.time.zone.clone(),
            ),
        }
    }

    /// The moment so many months later at the same time of day.
    #[must_use]
    pub fn plus_months(&self, months: MonthsDuration) -> Option<Self> {
        let moved = Self::new(self.date.plus_months(months)?, self.time.clone());
        match moved.epoch_nanos() {
            Some(nanos) if self.time.zone.name().is_some() => {
                Self::from_epoch_nanos(nanos, self.time.zone.clone())
            }
            _ => Some(moved),
        }
    }

    /// The span from `earlier` to this moment; `None` if only one of them has an offset or zone.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<DaysDuration> {
        let nanos = match (self.epoch_nanos(), earlier.epoch_nanos()) {
            (Some(left), Some(right)) => left - right,
            (None, None) => self.local_nanos() - earlier.local_nanos(),
            _ => return None,
        };
        DaysDuration::from_nanos(nanos)
    }
}
