//! The table of shared settings.
//!
//! Boundary: names, bounds, defaults and meanings; a test keeps the defaults equal to those of the
//! program and the guide equal to this table.
//! Read first: [`SETTINGS`].

use host::gate::Policy;

use super::{Kind, Missed, Setting, TakeOver, Values};

const SINCE: &str = "0.1.0";

fn count(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn ms(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

const fn number(least: u64, most: u64, unit: &'static str) -> Kind {
    Kind::Number { least, most, unit }
}

const fn duration(least: &'static str, most: &'static str) -> Kind {
    Kind::Duration { least, most }
}

const fn setting(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
    apply: fn(&mut Values, u64),
) -> Setting {
    Setting { name, kind, default, since: SINCE, meaning, apply }
}

/// Every shared setting, in order of their names.
pub const SETTINGS: &[Setting] = &[
    setting(
        "cluster.beat",
        duration("PT0.01S", "PT60S"),
        "PT0.3S",
        "pause between two signs of life of a server; at most a third of `cluster.lease`",
        |values, value| values.beat_ms = ms(value),
    ),
    setting(
        "cluster.format",
        number(1, 1_000, "formats"),
        "1",
        "the format that servers write; raised when every server runs the new program, never \
         lowered",
        |values, value| values.format = count(value),
    ),
    setting(
        "cluster.lease",
        duration("PT0.5S", "PT180S"),
        "PT1.5S",
        "how long a server lives without a sign of life, before others take its shards over",
        |values, value| values.lease_ms = ms(value),
    ),
    setting(
        "cluster.shards",
        number(0, 256, "shards"),
        "0",
        "how many shards there are: more are made at once, those beyond the number take nothing new \
         and stay until their instances have ended; 0: as many as there are",
        |values, value| values.shards = u16::try_from(value).unwrap_or(u16::MAX),
    ),
    setting(
        "deployment.auto-recover",
        Kind::Choice(&["off", "on"]),
        "on",
        "whether a start-up service that fails brings the whole set back; off: its package is left \
         inactive, with the reason",
        |values, value| values.auto_recover = value == 1,
    ),
    setting(
        "deployment.enabled",
        Kind::Choice(&["off", "on"]),
        "on",
        "whether deployments wait until calls that run have ended; off: new calls run on the new \
         version at once, beside those that run, as with `--strategy side-by-side`",
        |values, value| values.block_and_wait = value == 1,
    ),
    setting(
        "deployment.held-max",
        number(0, 10_000_000, "calls"),
        "10000",
        "new calls that wait on each server while packages are switched; more are refused",
        |values, value| values.held_max = usize::try_from(value).unwrap_or(usize::MAX),
    ),
    setting(
        "deployment.policy",
        Kind::Choice(&["hold", "fail-fast", "run-on-old"]),
        "hold",
        "what new calls do while packages are switched: wait, fail at once, or run on the old version \
         as long as it is there",
        |values, value| {
            values.policy = match value {
                0 => Policy::Hold,
                1 => Policy::FailFast,
                _ => Policy::RunOnOld,
            };
        },
    ),
    setting(
        "deployment.timeout",
        duration("PT0.001S", "P1D"),
        "PT60S",
        "how long a deployment waits until nothing is in flight, before it gives up and the original \
         goes on",
        |values, value| values.deployment_timeout_ms = value,
    ),
    setting(
        "deployment.versions-kept",
        number(1, 1_000, "versions"),
        "10",
        "versions of a package that are kept beside the active one, to roll back to",
        |values, value| values.versions_kept = usize::try_from(value).unwrap_or(usize::MAX),
    ),
    setting(
        "inbox.poll",
        duration("PT0.1S", "PT60S"),
        "PT1S",
        "how often a shard looks for what other shards sent to it, if nobody tells it",
        |values, value| values.inbox_ms = ms(value),
    ),
    setting(
        "instances.hot",
        number(0, 10_000_000, "instances"),
        "20000",
        "instances that each shard keeps in memory although nothing happens to them",
        |values, value| values.hot_instances_max = usize::try_from(value).unwrap_or(usize::MAX),
    ),
    setting(
        "limits.active-steps",
        number(1, 10_000_000, "steps"),
        "200000",
        "active steps of one instance",
        |values, value| values.limits.active_steps_max = count(value),
    ),
    setting(
        "limits.call-depth",
        number(1, 10_000, "processes"),
        "1000",
        "called processes inside of each other",
        |values, value| values.limits.call_depth_max = count(value),
    ),
    setting(
        "limits.expression-steps",
        number(1_000, 1_000_000_000, "steps"),
        "1000000",
        "evaluation steps of one expression",
        |values, value| values.limits.feel_steps_max = count(value),
    ),
    setting(
        "limits.run-steps",
        number(1_000, 1_000_000_000, "steps"),
        "100000",
        "steps that an instance enters without waiting for anything, before an incident stops it",
        |values, value| values.limits.run_steps_max = count(value),
    ),
    setting(
        "limits.turn-steps",
        number(1, 1_000_000, "steps"),
        "1000",
        "steps that an instance enters before others of its shard get their turn",
        |values, value| values.limits.turn_steps_max = count(value),
    ),
    setting(
        "limits.variable-bytes",
        number(1_024, 1 << 30, "bytes"),
        "4194304",
        "size of one variable, roughly",
        |values, value| values.limits.variable_bytes_max = count(value),
    ),
    setting(
        "maintenance",
        Kind::Choice(&["off", "on"]),
        "off",
        "in maintenance mode nothing new starts and nothing is deployed; what runs goes on",
        |values, value| values.is_maintained = value == 1,
    ),
    setting(
        "maintenance.missed",
        Kind::Choice(&["list", "run-late", "skip"]),
        "list",
        "timer start events that were due in maintenance mode: left out and listed when it ends, \
         run late, or left out",
        |values, value| {
            values.missed = match value {
                0 => Missed::List,
                1 => Missed::RunLate,
                _ => Missed::Skip,
            };
        },
    ),
    setting(
        "requests.poll",
        duration("PT0.1S", "PT1H"),
        "PT5S",
        "how often each shard looks for process requests, if nobody tells it",
        |values, value| values.requests_ms = ms(value),
    ),
    setting(
        "retention.duplicates",
        duration("PT0S", "P36500D"),
        "P7D",
        "how long ids of published documents are kept to recognise duplicates",
        |values, value| values.duplicates_ms = ms(value),
    ),
    setting(
        "retention.finished",
        duration("PT0S", "P36500D"),
        "P30D",
        "how long finished instances are kept if their process does not say",
        |values, value| values.retention_ms = ms(value),
    ),
    setting(
        "standby.take-over",
        Kind::Choice(&["manual", "automatic"]),
        "manual",
        "whether a server that stands by serves only when it is told to, or by itself when no other \
         one serves",
        |values, value| {
            values.take_over = if value == 1 { TakeOver::Automatic } else { TakeOver::Manual };
        },
    ),
];
