//! Offsets and time zones.
//!
//! Boundary: the only file that asks `jiff` for zone rules.
//! Read first: [`Zone`], then `Zone::offset_at`.

use alloc::sync::Arc;

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

use crate::temporal::{Date, NANOS_PER_DAY, NANOS_PER_SECOND};
use crate::value::Str;

/// What an offset may be at most, in seconds (18 hours, as in ISO 8601 and Java).
pub(crate) const OFFSET_SECONDS_MAX: i32 = 18 * 3600;

/// Nothing, a fixed offset from UTC, or a zone of the time zone database.
#[derive(Debug, Clone, Default)]
pub struct Zone(Option<Arc<ZoneKind>>);

#[derive(Debug)]
enum ZoneKind {
    Offset(i32),
    Named { name: Str, rules: TimeZone },
}

impl Zone {
    /// No zone: a local time.
    #[must_use]
    pub fn local() -> Self {
        Self(None)
    }

    /// UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self(Some(Arc::new(ZoneKind::Offset(0))))
    }

    /// A fixed offset in seconds; `None` beyond 18 hours.
    #[must_use]
    pub fn offset(seconds: i32) -> Option<Self> {
        (seconds.abs() <= OFFSET_SECONDS_MAX)
            .then(|| Self(Some(Arc::new(ZoneKind::Offset(seconds)))))
    }

    /// A zone of the database, such as `Europe/Berlin`; `None` if there is none of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let rules = TimeZone::get(name).ok()?;
        let name = rules.iana_name().unwrap_or(name).into();
        Some(Self(Some(Arc::new(ZoneKind::Named { name, rules }))))
    }

    /// Whether there is neither offset nor zone.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0.is_none()
    }

    /// The name in the time zone database.
    #[must_use]
    pub fn name(&self) -> Option<&Str> {
        match self.0.as_deref()? {
            ZoneKind::Offset(_) => None,
            ZoneKind::Named { name, .. } => Some(name),
        }
    }

    /// Whether both are the same zone or the same offset; a zone is never an offset.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.name() == other.name() && self.standard_offset() == other.standard_offset()
    }

    /// The fixed offset, or the offset of the zone outside daylight saving time.
    pub(crate) fn standard_offset(&self) -> Option<i32> {
        let at = |month| Date::new(2024, month, 1).and_then(|date| self.offset_at(date, 0));
        match self.0.as_deref()? {
            ZoneKind::Offset(seconds) => Some(*seconds),
            ZoneKind::Named { .. } => Some(at(1)?.min(at(7)?)),
        }
    }

    /// The offset at a local date and time. A time that a change skips takes the offset before
    /// it; of a time that comes twice, the first is meant.
    pub(crate) fn offset_at(&self, date: Date, nanos: u64) -> Option<i32> {
        match self.0.as_deref()? {
            ZoneKind::Offset(seconds) => Some(*seconds),
            ZoneKind::Named { rules, .. } => {
                let civil = civil_date_time(date, nanos)?;
                let zoned = rules.to_ambiguous_timestamp(civil).compatible().ok()?;
                // A skipped time moves forward; its wall clock then differs from what was asked.
                let offset = rules.to_offset(zoned).seconds();
                let wall = i128::from(zoned.as_second()) + i128::from(offset);
                let asked = i128::from(civil_seconds(civil));
                Some(i32::try_from(i128::from(offset) - (wall - asked)).unwrap_or(offset))
            }
        }
    }

    /// The offset at an instant.
    pub(crate) fn offset_at_instant(&self, nanos: i128) -> Option<i32> {
        match self.0.as_deref()? {
            ZoneKind::Offset(seconds) => Some(*seconds),
            ZoneKind::Named { rules, .. } => {
                let days = i64::try_from(nanos.div_euclid(NANOS_PER_DAY)).ok()?;
                let date = within_rules(Date::from_epoch_days(days)?)?;
                let seconds = nanos.rem_euclid(NANOS_PER_DAY) / NANOS_PER_SECOND;
                let instant = date.epoch_days().checked_mul(86_400)?.checked_add(seconds as i64)?;
                Some(rules.to_offset(Timestamp::from_second(instant).ok()?).seconds())
            }
        }
    }
}

/// Equal when they are the same zone, or different names and forms of the same offset.
impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        match (self.0.as_deref(), other.0.as_deref()) {
            (
                Some(ZoneKind::Named { name: left, .. }),
                Some(ZoneKind::Named { name: right, .. }),
            ) if left == right => true,
            (None, None) => true,
            _ => self.standard_offset() == other.standard_offset(),
        }
    }
}

/// The rules repeat every 400 years; the database reaches from -9999 to 9999.
fn within_rules(date: Date) -> Option<Date> {
    if (-9000..9000).contains(&date.year()) {
        return Some(date);
    }
    Date::new(2000 + date.year().rem_euclid(400), date.month(), date.day())
}

fn civil_date_time(date: Date, nanos: u64) -> Option<civil::DateTime> {
    let date = within_rules(date)?;
    let day = civil::Date::new(
        i16::try_from(date.year()).ok()?,
        i8::try_from(date.month()).ok()?,
        i8::try_from(date.day()).ok()?,
    )
    .ok()?;
    let seconds = nanos / 1_000_000_000;
    let time = civil::Time::new(
        i8::try_from(seconds / 3600).ok()?,
        i8::try_from(seconds / 60 % 60).ok()?,
        i8::try_from(seconds % 60).ok()?,
        0,
    )
    .ok()?;
    Some(civil::DateTime::from_parts(day, time))
}

fn civil_seconds(civil: civil::DateTime) -> i64 {
    let date = Date::new(civil.year().into(), civil.month() as u8, civil.day() as u8);
    date.map_or(0, |date| date.epoch_days() * 86_400)
        + i64::from(civil.hour()) * 3600
        + i64::from(civil.minute()) * 60
        + i64::from(civil.second())
}
