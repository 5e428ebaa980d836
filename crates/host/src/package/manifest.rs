//! What `package.toml` says, read and checked on its own.
//!
//! Boundary: this file only; whether the things it names exist is asked in `package.rs` (within
//! the package) and `resolve.rs` (in other packages). Process ids are checked by `node`, which
//! compiles BPMN.
//! Read first: [`Manifest`], then [`Trigger`].   Tests: `manifest/tests.rs`

mod read;
mod services;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use feel::Expression;
use semver::{Version, VersionReq};

use crate::diagnostic::{Diagnostic, Place};
use crate::service::{ServiceDefinition, Template};

/// The manifest of one package, every expression compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// `[a-z][a-z0-9-]*`, at most 64 characters.
    pub name: String,
    /// Semantic version.
    pub version: Version,
    /// One sentence for people.
    pub description: String,
    /// The packages it uses.
    pub dependencies: Vec<Dependency>,
    /// The package's own settings.
    pub settings: Settings,
    /// Subscriptions to document types.
    pub triggers: Vec<Trigger>,
    /// What can be invoked by name.
    pub services: Vec<ServiceDefinition>,
    /// Services that run on each server before the package is offered there, in this order.
    pub startup: Vec<String>,
    /// Services that run on each server before the package is replaced, disabled or removed there,
    /// or the server stops, in this order.
    pub shutdown: Vec<String>,
    /// Quality of service by process id; a process that is not named has the defaults.
    pub processes: BTreeMap<String, QualityOfService>,
}

/// A package that another one uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The name of the used package.
    pub name: String,
    /// Which versions will do; `^1.2` is any 1.x from 1.2 on.
    pub requirement: VersionReq,
    /// Where it stands in the manifest.
    pub place: Place,
}

/// `[settings]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether a new version of a process is enabled when it is deployed. Default true.
    pub auto_enable: bool,
    /// Whether shutdown and start-up services run when a package that this one depends on is
    /// replaced. Default true.
    pub reload_with_dependencies: bool,
    /// `[settings.values]`: what the package's services see as `settings.<name>`. A FEEL value
    /// sees `server` and is evaluated once, when the package is activated.
    pub values: Vec<(String, Template)>,
}

/// A subscription of a process or a service to a document type.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// Unique within the package.
    pub name: String,
    /// The document type.
    pub document: Reference,
    /// What it starts or joins.
    pub target: TriggerTarget,
    /// Documents for which this is not true are acknowledged and nothing happens. Sees the
    /// fields of the document's data, and `event` with the CloudEvents attributes.
    pub filter: Option<Expression>,
    /// Yields the correlation key; sees what the filter sees. None starts a new instance each time.
    pub correlation_key: Option<Expression>,
    /// How long a document waits for an instance to join, in milliseconds. Default one hour.
    pub time_to_live_ms: u64,
    /// What happens to documents while the process is disabled.
    pub when_disabled: WhenDisabled,
    /// Deliveries after the first before the document goes to the dead-letter queue. Default 5.
    pub retries: u32,
    /// Pause before the first redelivery in milliseconds; doubles each time. Default one second.
    pub back_off_ms: u64,
    /// Where it stands in the manifest.
    pub place: Place,
}

/// The name of an asset, of this package or of another one (`package/name`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The other package; None is the package that says it.
    pub package: Option<String>,
    /// The asset's name.
    pub name: String,
}

/// What a trigger starts or joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerTarget {
    /// The BPMN process id.
    Process(String),
    /// A service, called with the document's data.
    Service(Reference),
}

/// What happens to documents while the process is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenDisabled {
    /// They are acknowledged and dropped (R18).
    Acknowledge,
    /// They wait until it is enabled.
    Park,
    /// They go to the dead-letter queue.
    DeadLetter,
}

/// `[processes.<id>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QualityOfService {
    /// Adjacent steps of the same server go on in memory within one unit; off: every transition
    /// is durable before the next step is entered. Default true.
    pub optimize_locally: bool,
    /// Pipelines are kept out of the audit log, whatever `log_pipeline` says. Default false.
    pub express_pipeline: bool,
    /// Without local optimisation: the next step is entered without waiting for its transition
    /// to be durable. Default false.
    pub volatile_transition_documents: bool,
    /// Running instances live in memory only: a crash loses them, unless their start document
    /// was not acknowledged yet and comes again; their timers are not recovered. Default false.
    pub volatile_tracking: bool,
    /// The logging level below which nobody may set it. Default none.
    pub minimum_logging_level: LoggingLevel,
    /// What goes to the audit log. Default all.
    pub logging_level: LoggingLevel,
    /// Whether the audit log holds the variables. Default false.
    pub log_pipeline: bool,
    /// What becomes of running instances when their server dies. Default resume.
    pub on_server_failure: OnServerFailure,
    /// How long finished instances are kept, in milliseconds; None is the server's setting.
    pub retention_ms: Option<u64>,
}

/// What goes to the audit log; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoggingLevel {
    /// Nothing.
    None,
    /// Errors.
    Errors,
    /// The start and end of instances.
    Process,
    /// The start of steps.
    Start,
    /// Everything.
    All,
}

/// What becomes of running instances when their server dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnServerFailure {
    /// Another server carries on from the last finished step.
    Resume,
    /// The instance fails and its error handling runs.
    Fail,
}

impl Default for QualityOfService {
    fn default() -> Self {
        Self {
            optimize_locally: true,
            express_pipeline: false,
            volatile_transition_documents: false,
            volatile_tracking: false,
            minimum_logging_level: LoggingLevel::None,
            logging_level: LoggingLevel::All,
            log_pipeline: false,
            on_server_failure: OnServerFailure::Resume,
            retention_ms: None,
        }
    }
}

impl Manifest {
    /// Reads the text of a `package.toml`.
    ///
    /// # Errors
    /// Every problem of the file, in the order of the lines.
    pub fn read(text: &str) -> Result<Self, Vec<Diagnostic>> {
        read::manifest(text)
    }

    /// The quality of service of the process `id`.
    #[must_use]
    pub fn quality_of_service(&self, id: &str) -> QualityOfService {
        self.processes.get(id).copied().unwrap_or_default()
    }
}

impl Reference {
    /// Reads `name` or `package/name`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (package, name) = match text.split_once('/') {
            Some((package, name)) => (Some(package), name),
            None => (None, text),
        };
        let valid = is_name(name) && package.is_none_or(is_name);
        valid.then(|| Self { package: package.map(str::to_owned), name: name.to_owned() })
    }
}

/// Whether `text` can name a package, document type, service or trigger.
pub(crate) fn is_name(text: &str) -> bool {
    let rest = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    text.len() <= 64
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
        && text.bytes().all(rest)
}
