//! What a call of the server's handle can fail with, and what a person sees of it.
//!
//! Boundary: one enum for the crate; each variant a person may see has a code with a page in
//! `docs/errors` and a hint. The faces (REST, gRPC, command line) only translate.
//! Read first: [`Error`], then [`CODES`].

use engine::Rejection;

/// The codes of this crate and what they stand for.
pub const CODES: &[(&str, &str)] = &[
    ("NODE-001", "no such thing"),
    ("NODE-002", "the request does not fit the state"),
    ("NODE-003", "a value in the request is wrong"),
    ("NODE-004", "it exists already"),
    ("NODE-005", "the server is overloaded"),
    ("NODE-006", "the server is stopping or not ready"),
    ("NODE-007", "the storage is full"),
    ("NODE-008", "the storage failed"),
    ("NODE-009", "an assumption of the server was broken"),
    ("NODE-010", "the document type is unknown"),
    ("NODE-011", "the document does not fit its type"),
    ("NODE-012", "the package set is refused"),
    ("NODE-013", "it took too long"),
    ("NODE-020", "no such setting"),
    ("NODE-021", "maintenance mode holds it up"),
    ("NODE-022", "the format does not fit all servers"),
    ("NODE-023", "a start-up service failed"),
    ("NODE-024", "the deployment did not happen, the original serves"),
    ("NODE-025", "the package is being switched"),
    ("NODE-026", "the service failed"),
    ("PKG-020", "a version of a package never changes"),
    ("PKG-021", "a process id belongs to another package"),
    ("PKG-022", "the version goes backwards"),
    ("PKG-023", "a needed package is disabled"),
    ("PKG-024", "a package is used that is no declared dependency"),
];

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No such thing.
    #[error("no {kind} `{name}`")]
    NotFound {
        /// What was looked for.
        kind: &'static str,
        /// Its name or key.
        name: String,
    },
    /// The request does not fit the state of its object.
    #[error("{detail}")]
    State {
        /// What stands in the way.
        detail: String,
    },
    /// A value in the request is wrong.
    #[error("{detail}")]
    Invalid {
        /// Which, and what it must be.
        detail: String,
    },
    /// It exists already.
    #[error("{detail}")]
    Exists {
        /// What.
        detail: String,
    },
    /// More requests are waiting than the server takes.
    #[error("the server has more requests waiting than it takes")]
    Overloaded,
    /// The server is stopping, or recovering.
    #[error("the server is {doing}")]
    Unavailable {
        /// What it is doing.
        doing: &'static str,
    },
    /// The storage is full; nothing was accepted.
    #[error("the storage is full: {detail}")]
    Full {
        /// Where.
        detail: String,
    },
    /// The storage failed; whether the request took effect is unknown.
    #[error("the storage failed: {detail}")]
    Storage {
        /// What failed.
        detail: String,
    },
    /// A broken assumption of the server.
    #[error("internal error: {detail}")]
    Internal {
        /// Which.
        detail: String,
    },
    /// No package declares the document type.
    #[error("no package declares the document type `{name}`")]
    UnknownType {
        /// The type asked for.
        name: String,
        /// The nearest known one.
        nearest: Option<String>,
    },
    /// The document does not fit its type.
    #[error("the document does not fit type `{name}`: {detail}")]
    Schema {
        /// The type.
        name: String,
        /// The first violation.
        detail: String,
        /// JSON pointer and message of each violation.
        violations: Vec<(String, String)>,
    },
    /// The package set is refused.
    #[error("the package set is refused: {} problem(s)", .problems.len())]
    Refused {
        /// All problems at once.
        problems: Vec<host::Diagnostic>,
    },
    /// No such setting.
    #[error("there is no setting `{name}`")]
    UnknownSetting {
        /// The name asked for.
        name: String,
        /// The nearest known one.
        nearest: Option<String>,
    },
    /// Nothing new starts and nothing is deployed.
    #[error("nothing new starts and nothing is deployed: {by} turned maintenance mode on {at}")]
    Maintenance {
        /// Who turned it on.
        by: String,
        /// When, ISO 8601 in UTC.
        at: String,
    },
    /// The format of the data does not fit all servers.
    #[error("{detail}")]
    Format {
        /// Which, and whom.
        detail: String,
    },
    /// A start-up service failed while a package was activated.
    #[error("package `{package}` cannot be started: {why}")]
    Startup {
        /// The package.
        package: String,
        /// Which service, and what happened.
        why: String,
    },
    /// A deployment was cancelled or took too long; the original serves.
    #[error("{reason}")]
    NotDeployed {
        /// How it ended.
        outcome: &'static str,
        /// Why.
        reason: String,
    },
    /// The package is being switched, and the call was not held, or not for long enough.
    #[error("package `{package}` is being switched, and {why}")]
    Switching {
        /// The package.
        package: String,
        /// Why the call does not wait.
        why: &'static str,
    },
    /// A service answered with an error.
    #[error("{message}")]
    Service {
        /// The error code of the service, if it gave one.
        code: Option<String>,
        /// What happened.
        message: String,
        /// Whether trying again may help.
        is_transient: bool,
    },
    /// It took longer than the caller waits.
    #[error("{what} took longer than {ms} ms")]
    Timeout {
        /// What.
        what: &'static str,
        /// How long the caller waited.
        ms: u64,
    },
}

/// Whether trying again helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same request fails again.
    Never,
    /// After a pause.
    Later,
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "NODE-001",
            Self::State { .. } => "NODE-002",
            Self::Invalid { .. } => "NODE-003",
            Self::Exists { .. } => "NODE-004",
            Self::Overloaded => "NODE-005",
            Self::Unavailable { .. } => "NODE-006",
            Self::Full { .. } => "NODE-007",
            Self::Storage { .. } => "NODE-008",
            Self::Internal { .. } => "NODE-009",
            Self::UnknownType { .. } => "NODE-010",
            Self::Schema { .. } => "NODE-011",
            Self::Refused { .. } => "NODE-012",
            Self::Timeout { .. } => "NODE-013",
            Self::UnknownSetting { .. } => "NODE-020",
            Self::Maintenance { .. } => "NODE-021",
            Self::Format { .. } => "NODE-022",
            Self::Startup { .. } => "NODE-023",
            Self::NotDeployed { .. } => "NODE-024",
            Self::Switching { .. } => "NODE-025",
            Self::Service { .. } => "NODE-026",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotFound { kind, .. } => {
                format!("list what there is with `pointsman {kind} list`")
            }
            Self::State { .. } | Self::Exists { .. } => {
                "look at the present state, then decide".to_owned()
            }
            Self::Invalid { .. } => "correct the value and send the request again".to_owned(),
            Self::Overloaded => "wait a moment and send the request again".to_owned(),
            Self::Unavailable { .. } => {
                "send the request again when /health/ready says so".to_owned()
            }
            Self::Full { .. } => {
                "make room on the disk; the server goes on by itself as soon as there is some"
                    .to_owned()
            }
            Self::Storage { .. } => {
                "see the server's log; ask for the state before trying again".to_owned()
            }
            Self::Internal { .. } => "please report this with the server's log".to_owned(),
            Self::UnknownType { nearest: Some(nearest), .. }
            | Self::UnknownSetting { nearest: Some(nearest), .. } => {
                format!("did you mean `{nearest}`?")
            }
            Self::UnknownType { nearest: None, .. } => {
                "deploy the package that declares it, with `pointsman deploy PATH`".to_owned()
            }
            Self::Schema { .. } => "correct the document; the pointers say where".to_owned(),
            Self::Refused { .. } => {
                "correct the problems; `pointsman package check PATH` shows them offline".to_owned()
            }
            Self::UnknownSetting { nearest: None, .. } => {
                "list what there is with `pointsman settings list`".to_owned()
            }
            Self::Maintenance { .. } => {
                "send the request again after `pointsman maintenance off`".to_owned()
            }
            Self::Format { .. } => {
                "run the same program on every server, then raise `cluster.format`".to_owned()
            }
            Self::Startup { .. } => {
                "correct the service, then deploy again; the original serves".to_owned()
            }
            Self::NotDeployed { .. } => {
                "nothing has changed; `pointsman deploy --timeout` waits longer".to_owned()
            }
            Self::Switching { .. } => "send the request again in a moment".to_owned(),
            Self::Service { .. } => "the message is the service's own".to_owned(),
            Self::Timeout { .. } => "ask for the state; the work may still go on".to_owned(),
        }
    }

    /// Whether trying again helps.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Overloaded
            | Self::Unavailable { .. }
            | Self::Full { .. }
            | Self::Storage { .. }
            | Self::Maintenance { .. }
            | Self::Switching { .. }
            | Self::Service { is_transient: true, .. }
            | Self::Timeout { .. } => Retry::Later,
            Self::NotFound { .. }
            | Self::State { .. }
            | Self::Invalid { .. }
            | Self::Exists { .. }
            | Self::Internal { .. }
            | Self::UnknownType { .. }
            | Self::UnknownSetting { .. }
            | Self::Format { .. }
            | Self::Startup { .. }
            | Self::NotDeployed { .. }
            | Self::Service { is_transient: false, .. }
            | Self::Schema { .. }
            | Self::Refused { .. } => Retry::Never,
        }
    }

    pub(crate) fn not_found(kind: &'static str, name: &(impl ToString + ?Sized)) -> Self {
        Self::NotFound { kind, name: name.to_string() }
    }
}

/// The owner of a lock, as people see it.
pub(crate) fn show(owner: &engine::lock::Owner) -> String {
    match owner {
        engine::lock::Owner::Instance(instance) => format!("instance `{}`", instance.0),
        engine::lock::Owner::Client(session) => format!("client `{session}`"),
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::InstanceGone(key) => Self::not_found("instance", &key.0),
            Rejection::JobGone(key) => Self::not_found("job", &key.0),
            Rejection::IncidentGone(key) => Self::not_found("incident", &key.0),
            Rejection::StepGone(key) => Self::not_found("step", &key.0),
            Rejection::JobFailed(key) => Self::State {
                detail: format!(
                    "job `{}` has failed and waits for its incident's resolution",
                    key.0
                ),
            },
            Rejection::JobNotLeased(key) => {
                Self::State { detail: format!("job `{}` is not with a worker", key.0) }
            }
            Rejection::NoRetries(key) => Self::State {
                detail: format!("job `{}` has no retries left; set its retries first", key.0),
            },
            Rejection::Called { instance, caller } => Self::State {
                detail: format!(
                    "instance `{}` was called by instance `{}`; cancel that one",
                    instance.0, caller.0
                ),
            },
            Rejection::Stale => {
                Self::State { detail: "the instance does not wait for this any more".to_owned() }
            }
            Rejection::NoStart { wanted } => {
                Self::State { detail: format!("the process has no such start event: {wanted}") }
            }
            Rejection::Duplicate => Self::Exists {
                detail: "a message of this name, correlation key and id is still buffered"
                    .to_owned(),
            },
            Rejection::LockNotHeld { holder: None, .. } => {
                Self::State { detail: "nobody holds the lock".to_owned() }
            }
            Rejection::LockNotHeld { owner, holder: Some(holder) } => Self::State {
                detail: format!("{} does not hold the lock, {} does", show(&owner), show(&holder)),
            },
            Rejection::LockPassedOn { holder: None } => {
                Self::State { detail: "nobody holds the lock any more".to_owned() }
            }
            Rejection::LockPassedOn { holder: Some(holder) } => {
                Self::State { detail: format!("{} holds the lock now", show(&holder)) }
            }
            Rejection::Invalid { detail } => Self::Invalid { detail },
        }
    }
}

impl From<&store::Error> for Error {
    fn from(error: &store::Error) -> Self {
        let mut detail = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            detail.push_str(": ");
            detail.push_str(&cause.to_string());
            source = cause.source();
        }
        match error {
            store::Error::Full { .. } => Self::Full { detail },
            store::Error::Closed => Self::Unavailable { doing: "stopping" },
            store::Error::InUse { .. }
            | store::Error::Foreign { .. }
            | store::Error::Newer { .. }
            | store::Error::Damaged { .. }
            | store::Error::Spoilt { .. }
            | store::Error::Detached { .. }
            | store::Error::Failed { .. } => Self::Storage { detail },
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::from(&error)
    }
}
