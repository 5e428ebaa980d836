//! `package.toml` from text to [`Manifest`].
//!
//! Boundary: keys, types and forms; services have a file of their own.
//! Read first: [`manifest`].

use std::collections::BTreeMap;

use semver::{Version, VersionReq};

use super::{
    Dependency, LoggingLevel, Manifest, OnServerFailure, QualityOfService, Reference, Settings,
    Trigger, TriggerTarget, WhenDisabled, is_name, services,
};
use crate::diagnostic::{self, Diagnostic};
use crate::package::MANIFEST;
use crate::package::table::{Entry, Problems, Section, Subject};
use crate::service::{ServiceDefinition, Template};

pub(super) const NAME: &str = "a name: `a`-`z`, `0`-`9` and `-`, a letter first, at most 64";

pub(super) fn manifest(text: &str) -> Result<Manifest, Vec<Diagnostic>> {
    let mut problems = Problems::new(MANIFEST, text);
    let Some(table) = problems.parse() else { return Err(problems.into_found()) };
    let manifest = root(Section::root(&table), &mut problems);
    let found = problems.into_found();
    match manifest {
        Some(manifest) if found.is_empty() => Ok(manifest),
        _ => Err(found),
    }
}

fn root<'t>(mut root: Section<'t>, problems: &mut Problems<'t>) -> Option<Manifest> {
    let name = root.require("name", problems).and_then(|entry| name_of(&entry, problems));
    let version = root.require("version", problems).and_then(|entry| {
        entry.parse(problems, "a semantic version such as `1.2.0`", |t| Version::parse(t).ok())
    });
    let description = root.take("description").and_then(|entry| entry.text(problems));
    let dependencies = table_of(&mut root, "dependencies", problems);
    let dependencies = dependencies.map(|table| dependencies_of(&table, problems));
    let settings = table_of(&mut root, "settings", problems);
    let settings = settings_of(settings, problems);
    let services = table_of(&mut root, "services", problems);
    let services = services.map(|table| services::read(&table, problems));
    let processes = table_of(&mut root, "processes", problems);
    let processes = processes.map(|table| processes_of(&table, problems));
    let services = services.unwrap_or_default();
    let startup = services_named(root.take("startup"), &services, problems);
    let shutdown = services_named(root.take("shutdown"), &services, problems);
    let triggers = root.take("triggers").and_then(|entry| entry.list(problems));
    let triggers = triggers_of(&triggers.unwrap_or_default(), problems);
    root.finish(problems);
    Some(Manifest {
        name: name?,
        version: version?,
        description: description.unwrap_or_default().to_owned(),
        dependencies: dependencies.unwrap_or_default(),
        settings,
        triggers,
        services,
        startup,
        shutdown,
        processes: processes.unwrap_or_default(),
    })
}

/// Names of the package's own services.
fn services_named<'t>(
    entry: Option<Entry<'t>>,
    services: &[ServiceDefinition],
    problems: &mut Problems<'t>,
) -> Vec<String> {
    let entries = entry.and_then(|entry| entry.list(problems)).unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for entry in entries {
        let Some(name) = entry.text(problems) else { continue };
        if !services.iter().any(|known| known.name == name) {
            let message = format!("the package has no service `{name}`");
            let hint = "declare it in `[services]`; services of other packages are called by it";
            entry.report(problems, diagnostic::UNKNOWN_NAME, (message, hint));
        }
        names.push(name.to_owned());
    }
    names
}

fn table_of<'t>(
    parent: &mut Section<'t>,
    key: &'static str,
    problems: &mut Problems<'t>,
) -> Option<Section<'t>> {
    parent.take(key).and_then(|entry| entry.section(problems))
}

pub(super) fn name_of<'t>(entry: &Entry<'t>, problems: &mut Problems<'t>) -> Option<String> {
    entry.parse(problems, NAME, |text| is_name(text).then(|| text.to_owned()))
}

/// Reports a key that should be a name and is none.
pub(super) fn check_key<'t>(key: &str, entry: &Entry<'t>, problems: &mut Problems<'t>) {
    if !is_name(key) {
        let message = format!("`{key}` is not {NAME}");
        entry.report(problems, diagnostic::BAD_VALUE, (message, "rename it"));
    }
}

fn dependencies_of<'t>(table: &Section<'t>, problems: &mut Problems<'t>) -> Vec<Dependency> {
    let mut dependencies = Vec::new();
    for (name, entry) in table.entries() {
        check_key(name, &entry, problems);
        let expected = "a version requirement such as `^1.2`";
        let requirement = entry.parse(problems, expected, |text| VersionReq::parse(text).ok());
        if let Some(requirement) = requirement {
            let place = entry.place(problems);
            dependencies.push(Dependency { name: name.to_owned(), requirement, place });
        }
    }
    dependencies
}

fn settings_of<'t>(table: Option<Section<'t>>, problems: &mut Problems<'t>) -> Settings {
    let mut settings =
        Settings { auto_enable: true, reload_with_dependencies: true, values: Vec::new() };
    let Some(mut table) = table else { return settings };
    if let Some(entry) = table.take("auto-enable") {
        settings.auto_enable = entry.boolean(problems).unwrap_or(true);
    }
    if let Some(entry) = table.take("reload-with-dependencies") {
        settings.reload_with_dependencies = entry.boolean(problems).unwrap_or(true);
    }
    if let Some(values) = table_of(&mut table, "values", problems) {
        for (name, entry) in values.entries() {
            let identifier = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
            if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.bytes().all(identifier)
            {
                let message = format!("`{name}` cannot be used as `settings.{name}` in FEEL");
                let hint = "use `a`-`z`, `0`-`9` and `_`, a letter first";
                entry.report(problems, diagnostic::BAD_VALUE, (message, hint));
            }
            match entry.template(problems) {
                Some(Template::Secret { .. }) => {
                    let expected = "no secret: these go into headers and environments directly";
                    entry.refuse(problems, expected);
                }
                value => settings.values.extend(value.map(|value| (name.to_owned(), value))),
            }
        }
    }
    table.finish(problems);
    settings
}

fn triggers_of<'t>(entries: &[Entry<'t>], problems: &mut Problems<'t>) -> Vec<Trigger> {
    let mut triggers: Vec<Trigger> = Vec::new();
    for entry in entries {
        let Some(trigger) = trigger_of(entry, problems) else { continue };
        if triggers.iter().any(|known| known.name == trigger.name) {
            let message = format!("the trigger `{}` is declared twice", trigger.name);
            let hint = "a trigger owns a queue by its name; rename one of them";
            entry.report(problems, diagnostic::DUPLICATE_NAME, (message, hint));
        }
        triggers.push(trigger);
    }
    triggers
}

fn trigger_of<'t>(entry: &Entry<'t>, problems: &mut Problems<'t>) -> Option<Trigger> {
    let mut table = entry.section(problems)?;
    let name = table.require("name", problems).and_then(|entry| name_of(&entry, problems));
    let document = table.require("document", problems);
    let document = document.and_then(|entry| reference_of(&entry, problems));
    let target = target_of(&mut table, problems);
    let filter = table.take("filter").and_then(|entry| entry.feel(problems));
    let correlation_key = table.take("correlation-key").and_then(|entry| entry.feel(problems));
    let time_to_live_ms = table.take("time-to-live").and_then(|entry| entry.duration_ms(problems));
    let when_disabled = table.take("when-disabled").and_then(|entry| {
        entry.choice(
            problems,
            &[
                ("acknowledge", WhenDisabled::Acknowledge),
                ("park", WhenDisabled::Park),
                ("dead-letter", WhenDisabled::DeadLetter),
            ],
        )
    });
    let retries = table.take("retries").and_then(|entry| entry.integer(problems, 0..=1000));
    let back_off_ms = table.take("back-off").and_then(|entry| entry.duration_ms(problems));
    table.finish(problems);
    Some(Trigger {
        name: name?,
        document: document?,
        target: target?,
        filter,
        correlation_key,
        time_to_live_ms: time_to_live_ms.unwrap_or(3_600_000),
        when_disabled: when_disabled.unwrap_or(WhenDisabled::Acknowledge),
        retries: retries.unwrap_or(5),
        back_off_ms: back_off_ms.unwrap_or(1000),
        place: entry.place(problems),
    })
}

fn target_of<'t>(table: &mut Section<'t>, problems: &mut Problems<'t>) -> Option<TriggerTarget> {
    match (table.take("process"), table.take("service")) {
        (Some(process), None) => {
            process.text(problems).map(|id| TriggerTarget::Process(id.to_owned()))
        }
        (None, Some(service)) => reference_of(&service, problems).map(TriggerTarget::Service),
        (first, _) => {
            let (found, code) = match first {
                Some(_) => ("both", diagnostic::BAD_VALUE),
                None => ("neither", diagnostic::MISSING_KEY),
            };
            let message = format!("`{}` has {found} of `process` and `service`", table.path);
            let subject = Subject { path: &table.path, span: &table.span };
            problems.report(code, subject, (message, "give exactly one of them"));
            None
        }
    }
}

fn reference_of<'t>(entry: &Entry<'t>, problems: &mut Problems<'t>) -> Option<Reference> {
    entry.parse(problems, "`name` or `package/name`", Reference::parse)
}

fn processes_of<'t>(
    table: &Section<'t>,
    problems: &mut Problems<'t>,
) -> BTreeMap<String, QualityOfService> {
    let mut processes = BTreeMap::new();
    for (id, entry) in table.entries() {
        if let Some(section) = entry.section(problems) {
            processes.insert(id.to_owned(), quality_of(section, problems));
        }
    }
    processes
}

fn quality_of<'t>(mut table: Section<'t>, problems: &mut Problems<'t>) -> QualityOfService {
    let mut quality = QualityOfService::default();
    for (key, value) in [
        ("optimize-locally", &mut quality.optimize_locally),
        ("express-pipeline", &mut quality.express_pipeline),
        ("volatile-transition-documents", &mut quality.volatile_transition_documents),
        ("volatile-tracking", &mut quality.volatile_tracking),
        ("log-pipeline", &mut quality.log_pipeline),
    ] {
        let written = table.take(key).and_then(|entry| entry.boolean(problems));
        *value = written.unwrap_or(*value);
    }
    for (key, value) in [
        ("minimum-logging-level", &mut quality.minimum_logging_level),
        ("logging-level", &mut quality.logging_level),
    ] {
        let written = table.take(key).and_then(|entry| entry.choice(problems, LEVELS));
        *value = written.unwrap_or(*value);
    }
    let on_server_failure = table.take("on-server-failure").and_then(|entry| {
        let choices = [("resume", OnServerFailure::Resume), ("fail", OnServerFailure::Fail)];
        entry.choice(problems, &choices)
    });
    quality.on_server_failure = on_server_failure.unwrap_or(quality.on_server_failure);
    quality.retention_ms = table.take("retention").and_then(|entry| entry.duration_ms(problems));
    if quality.logging_level < quality.minimum_logging_level {
        let message = format!("`{}` logs less than its own minimum", table.path);
        let subject = Subject { path: &table.path, span: &table.span };
        let hint = "raise `logging-level` or lower `minimum-logging-level`";
        problems.report(diagnostic::BAD_VALUE, subject, (message, hint));
    }
    table.finish(problems);
    quality
}

const LEVELS: &[(&str, LoggingLevel)] = &[
    ("none", LoggingLevel::None),
    ("errors", LoggingLevel::Errors),
    ("process", LoggingLevel::Process),
    ("start", LoggingLevel::Start),
    ("all", LoggingLevel::All),
];
