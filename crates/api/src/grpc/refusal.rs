//! Checks that several calls share, and how a refusal is told.
//!
//! Boundary: statuses only; see [`Problem::to_status`] for the mapping.
//! Read first: [`refuse`].

use feel::Context;
use tonic::Status;

use crate::operation::variables;
use crate::problem::{Kind, Problem};

/// The only tenant.
pub(crate) const TENANT: &str = "<default>";

/// Turns what the node or an operation refuses into a status; `intent` names the command.
pub(super) fn refuse<E: Into<Problem>>(intent: &'static str) -> impl FnOnce(E) -> Status {
    move |error| error.into().to_status(intent)
}

/// Refuses every tenant but the default one.
pub(super) fn check_tenant(tenant: &str, intent: &'static str) -> Result<(), Status> {
    if matches!(tenant, "" | TENANT) {
        return Ok(());
    }
    let detail = format!("no tenant `{tenant}`; there is only `{TENANT}`");
    let hint = "leave the tenant empty";
    let status = http::StatusCode::BAD_REQUEST;
    Err(Problem::new("API-009", Kind::Invalid, status, detail, hint).to_status(intent))
}

/// Refuses what this version does not do, rather than leave it out.
pub(super) fn unsupported(wanted: bool, what: &str) -> Result<(), Status> {
    if !wanted {
        return Ok(());
    }
    let status = http::StatusCode::NOT_IMPLEMENTED;
    let detail = format!("{what} are not supported");
    let hint = "leave them out of the request";
    Err(Problem::new("API-010", Kind::Unsupported, status, detail, hint).to_status(""))
}

/// A field that is wrong.
pub(super) fn invalid(place: &str, detail: &str, intent: &'static str) -> Status {
    Problem::field(place, detail, "correct the field").to_status(intent)
}

/// The answer for a key that can belong to nothing.
pub(super) fn no_key(kind: &'static str, key: i64, intent: &'static str) -> Status {
    let error = node::Error::NotFound { kind, name: key.to_string() };
    Problem::from(error).to_status(intent)
}

/// The variables of a request.
pub(super) fn context(text: &str, intent: &'static str) -> Result<Context, Status> {
    variables::parse(text.as_bytes()).map_err(refuse(intent))
}
