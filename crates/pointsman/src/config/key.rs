//! Every key of the configuration, once.
//!
//! Boundary: the reference, the environment's names and the checks all read this list.
//! Read first: [`KEYS`].

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// As it stands in the file; dots separate tables.
    pub(crate) name: &'static str,
    /// The environment's variable.
    pub(crate) environment: &'static str,
    pub(crate) default: &'static str,
    /// Whether it is written as a number in the file.
    pub(crate) is_number: bool,
    /// The version that has it first.
    pub(crate) since: &'static str,
    /// What it means, with its unit.
    pub(crate) meaning: &'static str,
}

const fn text(
    name: &'static str,
    environment: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key { name, environment, default, is_number: false, since: "0.1.0", meaning }
}

const fn number(
    name: &'static str,
    environment: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key { name, environment, default, is_number: true, since: "0.1.0", meaning }
}

/// Every key. None can be changed while the server runs.
pub(crate) const KEYS: &[Key] = &[
    text("name", "POINTSMAN_NAME", "pointsman", "the server's name, up to 100 bytes"),
    text(
        "data",
        "POINTSMAN_DATA",
        "pointsman-data",
        "the directory with the database; made if it is not there",
    ),
    text(
        "http",
        "POINTSMAN_HTTP",
        "127.0.0.1:8080",
        "where REST, health and metrics are served; loopback only; port 0 takes a free one",
    ),
    text(
        "grpc",
        "POINTSMAN_GRPC",
        "127.0.0.1:26500",
        "where job workers and clients of the gateway connect; loopback only; port 0 takes a free \
         one",
    ),
    text(
        "log.level",
        "POINTSMAN_LOG",
        "info",
        "error, warn, info, debug or trace; for one crate as in `info,node=debug`",
    ),
    text(
        "log.format",
        "POINTSMAN_LOG_FORMAT",
        "auto",
        "text, json, or auto: text on a terminal and JSON elsewhere",
    ),
    number(
        "limits.variable-bytes",
        "POINTSMAN_LIMITS_VARIABLE_BYTES",
        "4194304",
        "bytes of one variable, roughly, from 1,024 to 1,073,741,824",
    ),
    number(
        "limits.service-calls",
        "POINTSMAN_LIMITS_SERVICE_CALLS",
        "64",
        "calls of `http` and `command` services at a time, from 1 to 10,000",
    ),
    number(
        "limits.storage-bytes",
        "POINTSMAN_LIMITS_STORAGE_BYTES",
        "0",
        "bytes of the database file, from 1,048,576; beyond it the storage is full; 0 is as many as \
         the disk has",
    ),
    number(
        "retention.finished-days",
        "POINTSMAN_RETENTION_FINISHED_DAYS",
        "30",
        "days for which finished instances are kept if their process does not say, up to 36,500",
    ),
];
