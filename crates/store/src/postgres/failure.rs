//! What PostgreSQL's errors mean: to the callers of the port, and to whoever may try again.
//!
//! Boundary: translation only. No text has a password in it: only what the server and the system
//! said is quoted.
//! Read first: [`Trouble`].   Tests: `tests/postgres_faults`, `link/tests.rs`

use std::error::Error as _;

use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::port::Error;

/// Our own state: the fence of a unit did not let it pass.
const FENCED: &str = "PM001";
/// Our own state: a deployment that a unit commits is not open. The detail has its key.
const DECIDED: &str = "PM002";

/// What to do about an error.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection is gone or of no use; what was under way may have happened.
    Lost(String),
    /// Nothing happened, because of others; the same may pass now.
    Again(String),
    /// Nothing happened: the epoch or the sequence is another one.
    Fenced,
    /// Nothing happened: the deployment with this key is not open.
    Decided(u64),
    /// Nothing happened, and it would not do so next time.
    Refused(tokio_postgres::Error),
}

impl Trouble {
    /// What `error` means on a connection that `is_closed` or is not.
    pub(super) fn of(error: tokio_postgres::Error, is_closed: bool) -> Self {
        let Some(cause) = error.as_db_error() else {
            if is_closed || error.is_closed() {
                return Self::Lost(text_of(&error));
            }
            return Self::Refused(error);
        };
        let code = cause.code();
        if ends(cause) || *code == SqlState::READ_ONLY_SQL_TRANSACTION {
            // The second: the server that we knew is a standby now.
            return Self::Lost(text_of(&error));
        }
        if code.code() == FENCED {
            return Self::Fenced;
        }
        let deployment = || cause.detail()?.parse::<i64>().ok();
        if code.code() == DECIDED
            && let Some(key) = deployment()
        {
            return Self::Decided(key.cast_unsigned());
        }
        if *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE
        {
            return Self::Again(text_of(&error));
        }
        // On a connection that is gone, what came behind the error is not known.
        if is_closed { Self::Lost(text_of(&error)) } else { Self::Refused(error) }
    }
}

/// Whether the connection ends with it. A pool of connections says so in the text only, in one
/// language; a server's text may be in another, but it has a field that is not.
fn ends(cause: &DbError) -> bool {
    let is_end = match cause.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        None => matches!(cause.severity(), "FATAL" | "PANIC"),
    };
    // Of the connection; of an administrator who ends it.
    let code = cause.code().code();
    is_end || code.starts_with("08") || code.starts_with("57P")
}

/// The error and its causes in one line.
pub(crate) fn text_of(error: &tokio_postgres::Error) -> String {
    if let Some(cause) = error.as_db_error() {
        let mut text =
            format!("{}: {} ({})", cause.severity(), cause.message(), cause.code().code());
        if let Some(detail) = cause.detail() {
            text.push_str(": ");
            text.push_str(detail);
        }
        return text;
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The port's error for what happened while trying to `act` on `place`.
pub(crate) fn translate(act: &'static str, place: &str, error: &tokio_postgres::Error) -> Error {
    let source = text_of(error).into();
    if error.code() == Some(&SqlState::DISK_FULL) {
        return Error::Full { place: place.into(), source };
    }
    Error::Failed { act, place: place.into(), source }
}

/// The port's error for what is only known as text.
pub(crate) fn failed(act: &'static str, place: &str, text: impl Into<String>) -> Error {
    Error::Failed { act, place: place.into(), source: text.into().into() }
}
