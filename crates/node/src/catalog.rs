//! What is deployed: process versions, document types, triggers; an immutable snapshot.
//!
//! Boundary: compiled things and lookups only. A deployment makes a new snapshot; the shard
//! switches to it between two inputs, readers see it after its commit.
//! Invariants: CAT-1 at most one version of a process is enabled (R19).
//! Read first: [`Catalog`], then [`Definition`].

mod decisions;
mod load;

use std::collections::BTreeMap;
use std::sync::Arc;

use bpmn::{ElementIndex, Kind, Program, StartTrigger};
use engine::ids::DefinitionKey;
use engine::instance::Rules;
use engine::message::StartOption;
use feel::{Environment, Expression, NoVariables, Str, Value};
use hashbrown::HashMap;
use host::package::{DocumentType, LoggingLevel, QualityOfService, TriggerTarget, WhenDisabled};

use crate::audit::Logging;

pub use decisions::{Decision, Requirements};
pub(crate) use load::{load, read_package};

/// The prefix of job types that name a service.
pub const SERVICE_PREFIX: &str = "service:";

/// One version of one process, compiled.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its key.
    pub key: DefinitionKey,
    /// The version number, from 1.
    pub version: u32,
    /// What runs.
    pub program: Arc<Program>,
    /// What applies to its instances.
    pub rules: Rules,
    /// The quality of service of its package (R21).
    pub quality: QualityOfService,
    /// The package, or empty for a resource deployed alone.
    pub package: Str,
    /// The package's version.
    pub package_version: Str,
    /// The resource's name.
    pub resource: Str,
    /// The resource's digest.
    pub digest: Str,
    /// The deployment that brought it.
    pub deployment: u64,
    /// Whether new instances start with it.
    pub enabled: bool,
    /// When it was deployed, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// Whether an instance runs from start to end without a split, a wait or a worker, so that
    /// its start document is acknowledged at its end (R22).
    pub straight_through: bool,
}

impl Definition {
    /// The process id.
    #[must_use]
    pub fn process(&self) -> &Str {
        &self.program.id
    }

    /// How much of it is logged: its level, but not below its floor.
    #[must_use]
    pub fn logging(&self) -> Logging {
        let level: LoggingLevel =
            self.quality.logging_level.max(self.quality.minimum_logging_level);
        Logging { level, pipeline: self.quality.log_pipeline && !self.quality.express_pipeline }
    }
}

/// Whether nothing in the program splits, waits or needs a worker.
pub(crate) fn is_straight_through(program: &Program) -> bool {
    program.elements.iter().all(|element| {
        let one_way = element.outgoing.len() <= 1
            || matches!(element.kind, Kind::ExclusiveGateway { .. } | Kind::Process);
        let goes_on = match &element.kind {
            Kind::ServiceTask(job)
            | Kind::SendTask(bpmn::SendSpec::Job(job))
            | Kind::IntermediateMessage(bpmn::SendSpec::Job(job))
            | Kind::EndMessage(bpmn::SendSpec::Job(job))
            | Kind::ScriptTask(bpmn::Script::Job(job))
            | Kind::BusinessRuleTask(bpmn::Rule::Job(job)) => is_service(&job.job_type),
            Kind::IntermediateCatch(_)
            | Kind::ReceiveTask(_)
            | Kind::ParallelGateway
            | Kind::Lock(_)
            | Kind::Unlock { .. }
            | Kind::CallActivity(_) => false,
            Kind::Boundary { catch, .. } => matches!(catch, bpmn::Catch::Error { .. }),
            Kind::Process
            | Kind::SubProcess { .. }
            | Kind::Start(_)
            | Kind::EndNone
            | Kind::EndError { .. }
            | Kind::EndTerminate
            | Kind::EndMessage(_)
            | Kind::IntermediateNone
            | Kind::IntermediateMessage(_)
            | Kind::ExclusiveGateway { .. }
            | Kind::Task
            | Kind::ManualTask
            | Kind::SendTask(_)
            | Kind::ScriptTask(_)
            | Kind::BusinessRuleTask(_) => true,
        };
        one_way && goes_on
    })
}

fn is_service(job_type: &Expression) -> bool {
    matches!(job_type.as_constant(), Some(Value::String(text)) if text.starts_with(SERVICE_PREFIX))
}

/// A subscription of a process or service to a document type.
#[derive(Debug)]
pub struct Trigger {
    /// `package/name`.
    pub name: Str,
    /// The package.
    pub package: Str,
    /// The document type, `package/name`.
    pub document_type: Str,
    /// The document type's own name: the message name for correlation.
    pub message: Str,
    /// What it starts or joins.
    pub target: Target,
    /// Documents for which this is not true are acknowledged and nothing happens.
    pub filter: Option<Expression>,
    /// Yields the correlation key.
    pub correlation_key: Option<Expression>,
    /// How long a document waits for an instance to join, in milliseconds.
    pub time_to_live_ms: i64,
    /// What happens while the process is disabled.
    pub when_disabled: WhenDisabled,
    /// Deliveries after the first.
    pub retries: u32,
    /// Pause before the first redelivery in milliseconds; doubles each time.
    pub back_off_ms: i64,
}

/// What a trigger starts or joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The enabled version of a process.
    Process(Str),
    /// A service: package and name.
    Service(Str, Str),
}

/// An active package.
#[derive(Debug)]
pub struct ActivePackage {
    /// What it was made from, checked.
    pub package: host::package::Package,
    /// The digest of its archive.
    pub digest: Str,
    /// When it was deployed, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// Whether somebody disabled it, or it could not be started: it is not offered.
    pub is_disabled: bool,
    /// Why it is not fully loaded; empty: there is nothing to say.
    pub note: Str,
}

impl ActivePackage {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.package.manifest().name
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> Str {
        self.package.manifest().version.to_string().into()
    }
}

/// What is deployed.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Grows with each change of it; zero: nothing was ever deployed.
    pub revision: u64,
    /// All process versions.
    pub definitions: BTreeMap<DefinitionKey, Arc<Definition>>,
    /// The versions of each process, oldest first.
    pub versions: BTreeMap<Str, Vec<DefinitionKey>>,
    /// The versions of each decision by its id, oldest first.
    pub decisions: BTreeMap<Str, Vec<Arc<Decision>>>,
    /// The versions of each file of decisions by its id, oldest first.
    pub requirements: BTreeMap<Str, Vec<Arc<Requirements>>>,
    /// The enabled version of each process that has one.
    pub enabled: HashMap<Str, DefinitionKey>,
    /// What a message of a name may start, by message name.
    pub message_starts: HashMap<Str, Arc<[StartOption]>>,
    /// Document types by `package/name`.
    pub document_types: BTreeMap<Str, Arc<Type>>,
    /// Triggers by document type.
    pub triggers: HashMap<Str, Vec<Arc<Trigger>>>,
    /// Active packages by name.
    pub packages: BTreeMap<Str, Arc<ActivePackage>>,
}

/// A document type and the package that declares it.
#[derive(Debug)]
pub struct Type {
    /// `package/name`.
    pub name: Str,
    /// The package that declares it.
    pub package: Arc<ActivePackage>,
    /// Its position among the package's document types.
    pub position: usize,
}

impl Type {
    /// The schema.
    #[must_use]
    pub fn schema(&self) -> &DocumentType {
        &self.package.package.documents[self.position]
    }
}

impl Catalog {
    /// Adds a process version; enabling it disables the one before.
    pub fn add(&mut self, definition: Definition) {
        let process = definition.program.id.clone();
        let (key, enabled) = (definition.key, definition.enabled);
        self.definitions.insert(key, Arc::new(definition));
        let versions = self.versions.entry(process.clone()).or_default();
        if !versions.contains(&key) {
            versions.push(key);
            versions.sort_by_key(|key| self.definitions.get(key).map(|known| known.version));
        }
        if enabled {
            self.enable(&process, Some(key));
        }
    }

    /// Enables one version of a process, or none. Answers the versions whose state changed.
    pub fn enable(&mut self, process: &Str, wanted: Option<DefinitionKey>) -> Vec<DefinitionKey> {
        let mut changed = Vec::new();
        for key in self.versions.get(process).cloned().unwrap_or_default() {
            let Some(definition) = self.definitions.get_mut(&key) else { continue };
            let enabled = Some(key) == wanted;
            if definition.enabled != enabled {
                Arc::make_mut(definition).enabled = enabled;
                changed.push(key);
            }
        }
        match wanted {
            Some(key) => self.enabled.insert(process.clone(), key),
            None => self.enabled.remove(process),
        };
        self.index_message_starts();
        changed
    }

    fn index_message_starts(&mut self) {
        let mut starts: HashMap<Str, Vec<StartOption>> = HashMap::new();
        let mut enabled: Vec<_> = self.enabled.iter().collect();
        enabled.sort();
        for (process, key) in enabled {
            let Some(definition) = self.definitions.get(key) else { continue };
            for (name, element) in message_starts(&definition.program) {
                starts.entry(name).or_default().push(StartOption {
                    process: process.clone(),
                    definition: *key,
                    element: element.0,
                });
            }
        }
        self.message_starts =
            starts.into_iter().map(|(name, options)| (name, options.into())).collect();
    }

    /// Puts a package in place of its earlier version: document types and triggers.
    pub fn put_package(&mut self, package: Arc<ActivePackage>) {
        let name: Str = package.package.manifest().name.as_str().into();
        self.packages.insert(name, package);
        self.index_packages();
    }

    /// Takes a package out: its document types and triggers go, its process versions stay for
    /// instances that run.
    pub fn remove_package(&mut self, name: &str) {
        self.packages.remove(name);
        self.index_packages();
    }

    fn index_packages(&mut self) {
        self.document_types.clear();
        self.triggers.clear();
        for (name, package) in &self.packages {
            for (position, schema) in package.package.documents.iter().enumerate() {
                let full: Str = format!("{name}/{}", schema.name).into();
                let package = package.clone();
                let declared = Type { name: full.clone(), package, position };
                self.document_types.insert(full, Arc::new(declared));
            }
            for declared in &package.package.manifest().triggers {
                let trigger = trigger(name, declared);
                // A process says by itself what happens while it is disabled.
                if package.is_disabled && matches!(trigger.target, Target::Service(..)) {
                    continue;
                }
                let document_type = trigger.document_type.clone();
                self.triggers.entry(document_type).or_default().push(Arc::new(trigger));
            }
        }
    }

    /// The enabled version of a process.
    #[must_use]
    pub fn enabled(&self, process: &str) -> Option<&Arc<Definition>> {
        self.definitions.get(self.enabled.get(process)?)
    }

    /// A certain version of a process.
    #[must_use]
    pub fn version(&self, process: &str, version: u32) -> Option<&Arc<Definition>> {
        let versions = self.versions.get(process)?;
        versions
            .iter()
            .filter_map(|key| self.definitions.get(key))
            .find(|known| known.version == version)
    }

    /// The newest version of a process.
    #[must_use]
    pub fn latest(&self, process: &str) -> Option<&Arc<Definition>> {
        self.definitions.get(self.versions.get(process)?.last()?)
    }

    /// The document type `package/name`, or `name` if only one package has it.
    #[must_use]
    pub fn document_type(&self, name: &str) -> Option<&Arc<Type>> {
        if let Some(found) = self.document_types.get(name) {
            return Some(found);
        }
        let mut matching = self
            .document_types
            .values()
            .filter(|known| known.name.rsplit('/').next() == Some(name));
        matching.next().filter(|_| matching.next().is_none())
    }
}

fn trigger(package: &Str, declared: &host::package::Trigger) -> Trigger {
    let owner = declared.document.package.as_deref().unwrap_or(package);
    let target = match &declared.target {
        TriggerTarget::Process(process) => Target::Process(process.as_str().into()),
        TriggerTarget::Service(service) => {
            let owner = service.package.as_deref().unwrap_or(package);
            Target::Service(owner.into(), service.name.as_str().into())
        }
    };
    Trigger {
        name: format!("{package}/{}", declared.name).into(),
        package: package.clone(),
        document_type: format!("{owner}/{}", declared.document.name).into(),
        message: declared.document.name.as_str().into(),
        target,
        filter: declared.filter.clone(),
        correlation_key: declared.correlation_key.clone(),
        time_to_live_ms: i64::try_from(declared.time_to_live_ms).unwrap_or(i64::MAX),
        when_disabled: declared.when_disabled,
        retries: declared.retries,
        back_off_ms: i64::try_from(declared.back_off_ms).unwrap_or(i64::MAX),
    }
}

/// The message names that start a process, with their start events.
pub fn message_starts(program: &Program) -> Vec<(Str, ElementIndex)> {
    let process = program.element(ElementIndex::PROCESS);
    let mut starts = Vec::new();
    for child in &process.children {
        if let Kind::Start(StartTrigger::Message { name }) = &program.element(*child).kind {
            let environment = Environment { now_ms: 0, steps_max: 100_000 };
            if let Value::String(name) = name.evaluate(&NoVariables, &environment).value {
                starts.push((name, *child));
            }
        }
    }
    starts
}

/// Whether a process can be started without a message or timer.
pub(crate) fn has_none_start(program: &Program) -> bool {
    let process = program.element(ElementIndex::PROCESS);
    process
        .children
        .iter()
        .any(|child| matches!(program.element(*child).kind, Kind::Start(StartTrigger::None)))
}

/// The timer start events of a process.
pub(crate) fn timer_starts(program: &Program) -> Vec<(ElementIndex, bpmn::TimerSpec)> {
    let process = program.element(ElementIndex::PROCESS);
    let timers = process.children.iter().filter_map(|child| match &program.element(*child).kind {
        Kind::Start(StartTrigger::Timer(timer)) => Some((*child, timer.clone())),
        _ => None,
    });
    timers.collect()
}
