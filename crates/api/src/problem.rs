//! What a caller sees when a call fails: one shape for every face.
//!
//! Boundary: made from the errors of `node` and from what this crate refuses itself; written as
//! RFC 9457 problem details for HTTP and as a status for gRPC.
//! Read first: [`Problem`], then [`Problem::to_value`] and [`Problem::to_status`].

use std::fmt;

use axum::response::{IntoResponse, Response};
use feel::{Context, Value};
use http::{HeaderValue, StatusCode, header};
use node::Retry;
use tonic::Status;

use crate::rest::json::{object, text};

/// The codes of this crate and what they stand for.
pub const CODES: &[(&str, &str)] = &[
    ("API-001", "the body is not JSON"),
    ("API-002", "the request is too large"),
    ("API-003", "no such address"),
    ("API-004", "the method is not allowed here"),
    ("API-005", "the media type is not understood"),
    ("API-006", "a field or parameter is wrong"),
    ("API-007", "the listening address is not protected"),
    ("API-008", "the request comes from another site"),
    ("API-009", "there is one tenant only"),
    ("API-010", "this part of the protocol is not supported"),
    ("API-011", "the request did not arrive completely"),
    ("API-020", "the request carries no good token"),
    ("API-021", "the token's role is too small"),
    ("API-022", "the files for TLS cannot be used"),
];

/// What kind of failure it is; faces choose their own statuses from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No such thing.
    NotFound,
    /// The request does not fit the state of its object.
    State,
    /// A value in the request is wrong.
    Invalid,
    /// It exists already.
    Exists,
    /// There is no room, or too much to do.
    Exhausted,
    /// The server is not ready or stopping.
    Unavailable,
    /// It took too long.
    Late,
    /// The server failed.
    Broken,
    /// Not allowed.
    Forbidden,
    /// The caller has not shown who it is.
    Unauthenticated,
    /// Known, but not supported.
    Unsupported,
}

/// One of several things that are wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A document does not fit its schema.
    Violation {
        /// JSON pointer to what is wrong.
        pointer: String,
        /// What is wrong.
        message: String,
    },
    /// An asset of a package is wrong.
    Asset(host::Diagnostic),
    /// Something that programs look at, as a field of its own.
    Field {
        /// Its name.
        name: &'static str,
        /// What it says.
        value: String,
    },
}

/// Why a call failed, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable code, with a page in `docs/errors`.
    pub code: &'static str,
    /// What kind of failure it is.
    pub kind: Kind,
    /// The HTTP status.
    pub status: StatusCode,
    /// What happened, in this case.
    pub detail: String,
    /// All the things that are wrong, where there may be several.
    pub causes: Vec<Cause>,
    /// What the request was about, such as a file.
    pub subject: Option<Box<str>>,
    /// Where in the request: a field, a parameter, a line.
    pub place: Option<Box<str>>,
    /// What to do.
    pub hint: Box<str>,
    /// Whether trying again helps.
    pub retry: Retry,
}

impl Problem {
    pub(crate) fn new(
        code: &'static str,
        kind: Kind,
        status: StatusCode,
        detail: impl Into<String>,
        hint: &str,
    ) -> Self {
        Self {
            code,
            kind,
            status,
            detail: detail.into(),
            causes: Vec::new(),
            subject: None,
            place: None,
            hint: hint.into(),
            retry: Retry::Never,
        }
    }

    /// A field, parameter or header that is wrong.
    pub(crate) fn field(place: &str, detail: impl Into<String>, hint: &str) -> Self {
        Self::new("API-006", Kind::Invalid, StatusCode::BAD_REQUEST, detail, hint).at(place)
    }

    /// A body that is not JSON.
    pub(crate) fn not_json(detail: impl Into<String>) -> Self {
        let hint = "send JSON in UTF-8 as RFC 8259 says";
        Self::new("API-001", Kind::Invalid, StatusCode::BAD_REQUEST, detail, hint)
    }

    /// A body, or a line of it, with more than `most` bytes.
    pub(crate) fn too_large(most: usize) -> Self {
        let detail = format!("more than {most} bytes");
        let hint = "send less at once, or raise the server's limit";
        Self::new("API-002", Kind::Invalid, StatusCode::PAYLOAD_TOO_LARGE, detail, hint)
    }

    pub(crate) fn at(mut self, place: impl Into<Box<str>>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// What the code stands for.
    #[must_use]
    pub fn title(&self) -> &'static str {
        let tables = CODES.iter().chain(node::CODES);
        let mut found = tables.filter(|(code, _)| *code == self.code);
        found.next().map_or("error", |(_, title)| title)
    }

    /// The problem as problem details.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut entries = Context::builder()
            .with("type", format!("urn:pointsman:problem:{}", self.code))
            .with("title", self.title())
            .with("status", i64::from(self.status.as_u16()))
            .with("detail", self.detail.as_str())
            .with("code", self.code)
            .with("hint", &*self.hint)
            .with("retry", self.retry == Retry::Later);
        if let Some(subject) = &self.subject {
            entries.push("subject", &**subject);
        }
        if let Some(place) = &self.place {
            entries.push("place", &**place);
        }
        let (mut violations, mut problems) = (Vec::new(), Vec::new());
        for cause in &self.causes {
            match cause {
                Cause::Violation { pointer, message } => violations
                    .push(object([("pointer", text(pointer)), ("message", text(message))])),
                Cause::Asset(diagnostic) => problems.push(diagnostic_value(diagnostic)),
                Cause::Field { name, value } => entries.push(*name, value.as_str()),
            }
        }
        if !violations.is_empty() {
            entries.push("violations", violations);
        }
        if !problems.is_empty() {
            entries.push("problems", problems);
        }
        Value::Context(entries.build())
    }

    /// The problem as gRPC's clients expect it; `intent` names the refused command.
    #[must_use]
    pub fn to_status(&self, intent: &str) -> Status {
        let rejected = |kind: &str| {
            format!("Command '{intent}' rejected with code '{kind}': {}", self.reason())
        };
        match self.kind {
            Kind::NotFound => Status::not_found(rejected("NOT_FOUND")),
            Kind::State => Status::failed_precondition(rejected("INVALID_STATE")),
            Kind::Invalid => Status::invalid_argument(rejected("INVALID_ARGUMENT")),
            Kind::Exists => Status::already_exists(rejected("ALREADY_EXISTS")),
            Kind::Exhausted => Status::resource_exhausted(self.reason()),
            Kind::Unavailable => Status::unavailable(self.reason()),
            Kind::Late => Status::deadline_exceeded(self.reason()),
            Kind::Broken => Status::internal(self.reason()),
            Kind::Forbidden => Status::permission_denied(self.advice()),
            Kind::Unauthenticated => Status::unauthenticated(self.advice()),
            Kind::Unsupported => Status::unimplemented(self.reason()),
        }
    }

    /// The detail with its code and what to do, in one line.
    fn advice(&self) -> String {
        format!("{}: {} ({})", self.code, self.detail, self.hint)
    }

    /// The detail and every cause, as text of several lines.
    fn reason(&self) -> String {
        let mut reason = self.detail.clone();
        for cause in &self.causes {
            reason.push('\n');
            match cause {
                Cause::Violation { pointer, message } => {
                    reason.push_str(&format!("at `{pointer}`: {message}"));
                }
                Cause::Asset(diagnostic) => reason.push_str(&diagnostic.to_string()),
                Cause::Field { name, value } => reason.push_str(&format!("{name}: {value}")),
            }
        }
        reason
    }
}

/// A diagnostic of a package.
pub(crate) fn diagnostic_value(diagnostic: &host::Diagnostic) -> Value {
    let severity = match diagnostic.severity {
        host::Severity::Warning => "warning",
        host::Severity::Error => "error",
    };
    object([
        ("file", text(&diagnostic.file)),
        ("line", Value::from(i64::from(diagnostic.line))),
        ("column", Value::from(i64::from(diagnostic.column))),
        ("element", diagnostic.element.clone().map_or(Value::Null, Value::from)),
        ("code", text(diagnostic.code)),
        ("severity", text(severity)),
        ("message", text(&diagnostic.message)),
        ("hint", text(&diagnostic.hint)),
    ])
}

impl From<node::Error> for Problem {
    fn from(error: node::Error) -> Self {
        use node::Error as E;
        let (kind, status) = match &error {
            E::NotFound { .. } => (Kind::NotFound, StatusCode::NOT_FOUND),
            E::State { .. } => (Kind::State, StatusCode::CONFLICT),
            E::Invalid { .. } => (Kind::Invalid, StatusCode::BAD_REQUEST),
            E::Exists { .. } => (Kind::Exists, StatusCode::CONFLICT),
            E::Overloaded => (Kind::Exhausted, StatusCode::SERVICE_UNAVAILABLE),
            E::Unavailable { .. } => (Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
            E::Full { .. } => (Kind::Exhausted, StatusCode::INSUFFICIENT_STORAGE),
            E::Storage { .. } | E::Internal { .. } => {
                (Kind::Broken, StatusCode::INTERNAL_SERVER_ERROR)
            }
            E::UnknownSetting { .. } => (Kind::NotFound, StatusCode::NOT_FOUND),
            E::Maintenance { .. } => (Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
            E::Format { .. } => (Kind::State, StatusCode::CONFLICT),
            E::UnknownType { .. } => (Kind::Invalid, StatusCode::NOT_FOUND),
            E::Schema { .. } | E::Refused { .. } => {
                (Kind::Invalid, StatusCode::UNPROCESSABLE_ENTITY)
            }
            E::Timeout { .. } => (Kind::Late, StatusCode::GATEWAY_TIMEOUT),
            E::Startup { .. } => (Kind::State, StatusCode::UNPROCESSABLE_ENTITY),
            E::NotDeployed { .. } => (Kind::State, StatusCode::CONFLICT),
            E::Switching { .. } => (Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
            // The service's own answer: what it says, what may work later, what it cannot do.
            E::Service { code: Some(_), .. } => (Kind::State, StatusCode::UNPROCESSABLE_ENTITY),
            E::Service { is_transient: true, .. } => {
                (Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE)
            }
            E::Service { .. } => (Kind::Broken, StatusCode::BAD_GATEWAY),
        };
        let mut problem = Self::new(error.code(), kind, status, error.to_string(), &error.hint());
        problem.retry = error.retry();
        problem.causes = match error {
            E::Schema { violations, .. } => violations
                .into_iter()
                .map(|(pointer, message)| Cause::Violation { pointer, message })
                .collect(),
            E::Refused { problems } => problems.into_iter().map(Cause::Asset).collect(),
            E::Service { code: Some(code), .. } => {
                vec![Cause::Field { name: "serviceError", value: code }]
            }
            E::NotDeployed { outcome, .. } => {
                vec![Cause::Field { name: "outcome", value: outcome.to_owned() }]
            }
            _ => Vec::new(),
        };
        problem
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = feel::json::to_string(&self.to_value()).into_response();
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if self.kind == Kind::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.retry == Retry::Later {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
