//! Every setting that all servers share: its name, what it may be, and what it does.
//!
//! Boundary: one table; the reference in the guide, the checks and the values in force all read
//! it. Where settings are stored and how servers learn of changes is `shared.rs`'s business.
//! Invariants: SET-1 a value that is not what its setting must be is never stored. SET-2 a value
//! in the store that this program cannot read counts as the default, and is logged.
//! Read first: [`SETTINGS`], then [`check`].   Tests: `tests.rs`

mod stored;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use engine::Limits;
use feel::{Str, Value};
use host::gate::Policy;

use crate::cluster::Options;
use crate::deployment::TIMEOUT;
use crate::error::Error;
use crate::shard::{Maintenance, Settings};

pub use stored::Stored;
pub use table::SETTINGS;

/// A shared setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// Its value if nobody has set it.
    pub default: &'static str,
    /// The version that has it first.
    pub since: &'static str,
    /// What it means.
    pub meaning: &'static str,
    apply: fn(&mut Values, u64),
}

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number of something.
    Number {
        /// The smallest one.
        least: u64,
        /// The greatest one.
        most: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// An ISO 8601 duration without years and months.
    Duration {
        /// The shortest one.
        least: &'static str,
        /// The longest one.
        most: &'static str,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// What to do with timer start events that were missed during maintenance mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// They are left out; whoever ends maintenance mode sees which.
    List,
    /// They start late.
    RunLate,
    /// They are left out.
    Skip,
}

/// Who makes a server that stands by serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeOver {
    /// A person.
    Manual,
    /// The server itself, when no other one serves.
    Automatic,
}

/// The values in force, as the program uses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// Bounds of decisions.
    pub limits: Limits,
    /// Instances that a shard keeps in memory when nothing happens to them.
    pub hot_instances_max: usize,
    /// How long finished instances are kept if their process does not say, in milliseconds.
    pub retention_ms: i64,
    /// How long published ids are kept, in milliseconds.
    pub duplicates_ms: i64,
    /// How often a shard looks into its inbox unasked, in milliseconds.
    pub inbox_ms: i64,
    /// How often a shard looks for process requests unasked, in milliseconds.
    pub requests_ms: i64,
    /// How long a server lives without a sign of life, in milliseconds.
    pub lease_ms: i64,
    /// Pause between signs of life, in milliseconds.
    pub beat_ms: i64,
    /// How many shards are wanted; 0: as many as there are.
    pub shards: u16,
    /// The format that servers write.
    pub format: u32,
    /// Whether nothing new may start.
    pub is_maintained: bool,
    /// What to do with timer start events that were missed meanwhile.
    pub missed: Missed,
    /// Who makes a server that stands by serve.
    pub take_over: TakeOver,
    /// Whether deployments wait for calls that run, if they do not say.
    pub block_and_wait: bool,
    /// How long they wait, in milliseconds.
    pub deployment_timeout_ms: u64,
    /// Whether a start-up service that fails brings the whole set back.
    pub auto_recover: bool,
    /// What new calls do meanwhile.
    pub policy: Policy,
    /// Calls that wait for gates at once, on each server.
    pub held_max: usize,
    /// Versions of a package that are kept beside the active one.
    pub versions_kept: usize,
}

impl Values {
    /// What a server was opened with: what nobody has set is as it says.
    pub(crate) fn of(settings: &Settings, cluster: &Options) -> Self {
        Self {
            limits: settings.limits,
            hot_instances_max: settings.hot_instances_max,
            retention_ms: settings.retention_ms,
            duplicates_ms: settings.duplicates_ms,
            inbox_ms: settings.inbox_ms,
            requests_ms: settings.requests_ms,
            lease_ms: cluster.lease_ms,
            beat_ms: i64::try_from(cluster.beat.as_millis()).unwrap_or(i64::MAX),
            shards: 0,
            format: 1,
            is_maintained: false,
            missed: Missed::List,
            take_over: TakeOver::Manual,
            block_and_wait: true,
            deployment_timeout_ms: u64::try_from(TIMEOUT.as_millis()).unwrap_or(u64::MAX),
            auto_recover: true,
            policy: Policy::Hold,
            held_max: 10_000,
            versions_kept: 10,
        }
    }

    /// The pause between signs of life.
    pub(crate) fn beat(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.beat_ms).unwrap_or(0))
    }
}

/// The settings in force on a server.
#[derive(Debug, Clone)]
pub struct InForce {
    /// What was set, by name; also names that this program does not know.
    pub stored: BTreeMap<Str, Stored>,
    /// The values.
    pub values: Values,
    /// What shards work with.
    pub settings: Settings,
}

impl InForce {
    /// What follows from the rows of the store; `base` and `local` are what the server was opened
    /// with.
    pub(crate) fn new(base: &Values, local: &Settings, rows: Vec<(Str, Str)>) -> Self {
        let stored: BTreeMap<Str, Stored> =
            rows.into_iter().map(|(name, row)| (name, Stored::read(&row))).collect();
        let mut values = base.clone();
        for (name, row) in &stored {
            let Some(setting) = find(name) else { continue };
            match setting.kind.read(&row.value) {
                Some(read) => (setting.apply)(&mut values, read),
                // SET-2: perhaps a newer program knows more values.
                None => tracing::warn!(setting = %name, value = %row.value, "not understood"),
            }
        }
        let maintained = stored.get("maintenance").filter(|_| values.is_maintained);
        let settings = Settings {
            limits: values.limits,
            hot_instances_max: values.hot_instances_max,
            retention_ms: values.retention_ms,
            duplicates_ms: values.duplicates_ms,
            inbox_ms: values.inbox_ms,
            requests_ms: values.requests_ms,
            maintenance: maintained
                .map(|row| Maintenance { by: row.by.clone(), since_ms: row.at_ms }),
            ..local.clone()
        };
        Self { stored, values, settings }
    }
}

/// The setting of a name.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// The setting of a name.
///
/// # Errors
/// [`Error::UnknownSetting`] with the nearest known one.
pub fn known(name: &str) -> Result<&'static Setting, Error> {
    find(name).ok_or_else(|| {
        let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        let nearest = host::package::nearest(name, &names).map(str::to_owned);
        Error::UnknownSetting { name: name.to_owned(), nearest }
    })
}

/// Checks a value for a setting (SET-1).
///
/// # Errors
/// [`Error::UnknownSetting`], or [`Error::Invalid`] with what the value must be.
pub fn check(name: &str, value: &str) -> Result<(), Error> {
    let setting = known(name)?;
    match setting.kind.read(value) {
        Some(_) => Ok(()),
        None => Err(Error::Invalid {
            detail: format!("setting `{name}` cannot be `{value}`: it must be {}", setting.kind),
        }),
    }
}

/// Checks values that must fit each other, as they would be.
///
/// # Errors
/// [`Error::Invalid`].
pub(crate) fn check_together(values: &Values) -> Result<(), Error> {
    if values.beat_ms.saturating_mul(3) > values.lease_ms {
        let detail = format!(
            "`cluster.beat` ({} ms) must be at most a third of `cluster.lease` ({} ms), so that one \
             late sign of life costs no server its shards",
            values.beat_ms, values.lease_ms
        );
        return Err(Error::Invalid { detail });
    }
    Ok(())
}

/// Whether the format may be raised: every server must be able to write it, and what was written
/// in a newer one cannot be taken back.
///
/// # Errors
/// [`Error::Format`] with the servers that cannot.
pub(crate) fn check_format<'a>(
    in_force: u32,
    wanted: u32,
    members: impl Iterator<Item = (&'a str, u32)>,
) -> Result<(), Error> {
    if wanted < in_force {
        let detail = format!("format {in_force} is in force and cannot be lowered to {wanted}");
        return Err(Error::Format { detail });
    }
    let unable: Vec<String> = members
        .filter(|(_, most)| *most < wanted)
        .map(|(name, most)| format!("`{name}` up to {most}"))
        .collect();
    if unable.is_empty() {
        return Ok(());
    }
    let detail = format!("not every server writes format {wanted}: {}", unable.join(", "));
    Err(Error::Format { detail })
}

impl Kind {
    /// A value as a number: of milliseconds for a duration, its place for a choice.
    fn read(self, text: &str) -> Option<u64> {
        match self {
            Self::Number { least, most, .. } => {
                let number = text.replace('_', "").parse().ok()?;
                (least..=most).contains(&number).then_some(number)
            }
            Self::Duration { least, most } => {
                let ms = duration_ms(text)?;
                (duration_ms(least)?..=duration_ms(most)?).contains(&ms).then_some(ms)
            }
            Self::Choice(words) => {
                let place = words.iter().position(|word| *word == text)?;
                u64::try_from(place).ok()
            }
        }
    }
}

fn duration_ms(text: &str) -> Option<u64> {
    match feel::parse_duration(text)? {
        Value::DaysDuration(duration) => u64::try_from(duration.millis()).ok(),
        _ => None,
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number { least, most, unit } => {
                write!(out, "a number of {unit} from {least} to {most}")
            }
            Self::Duration { least, most } => {
                write!(out, "an ISO 8601 duration from {least} to {most}")
            }
            Self::Choice(words) => write!(out, "{}", words.join(" or ")),
        }
    }
}
