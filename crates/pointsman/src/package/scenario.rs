//! `pointsman package test`: runs the scenarios of packages, each on an empty server in memory.
//!
//! Boundary: the server is the real one, on a store in memory with a clock that stands still
//! until a scenario moves it. Services really run unless the scenario answers for them.
//! Read first: [`run`], then `scenario/world.rs`.

mod expect;
mod world;

use std::path::PathBuf;

use host::package::scenario::{Action, Scenario, Step};
use host::package::{LoggingLevel, Package, PackageSource};
use serde_json::json;

use crate::finding::Finding;
use crate::output::{self, Format};
use crate::problem::{Exit, Failure};

use super::{add_neighbours, load, tell};
use world::World;

/// What became of a scenario.
struct Outcome {
    package: String,
    scenario: String,
    description: String,
    /// Where it failed and why; none if it did not.
    failure: Option<(String, Vec<String>)>,
}

/// Runs scenarios and says what became of each.
///
/// # Errors
/// A package cannot be read or is wrong, or a scenario failed.
pub(super) fn run(paths: &[PathBuf], only: Option<&str>, format: Format) -> Result<(), Failure> {
    let mut loaded = load(paths)?;
    let given = loaded.packages.len();
    add_neighbours(&mut loaded, paths);
    if let Err(problems) = node::packages::check(loaded.packages.clone()) {
        let findings: Vec<Finding> = problems.iter().map(Finding::from).collect();
        tell(&findings, &loaded.sources, format)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::internal("cannot start the runtime".to_owned()).because(&error)
    })?;
    let packages: Vec<PackageSource> = loaded.packages.iter().cloned().map(fully_logged).collect();
    let mut outcomes = Vec::new();
    for source in &packages[..given] {
        let package = Package::check(source.clone())
            .map_err(|_| Failure::internal("a checked package is wrong".to_owned()))?;
        for scenario in &package.scenarios {
            if only.is_some_and(|only| !scenario.name.contains(only)) {
                continue;
            }
            let outcome = runtime.block_on(play(source, &packages, scenario));
            if format == Format::Table {
                output::print(&outcome.shown())?;
            }
            outcomes.push(outcome);
        }
    }
    conclude(&outcomes, format)
}

fn conclude(outcomes: &[Outcome], format: Format) -> Result<(), Failure> {
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let rows = outcomes.iter().map(|outcome| {
        let (place, reasons) = outcome.failure.clone().unwrap_or_default();
        json!({
            "package": outcome.package, "scenario": outcome.scenario,
            "passed": outcome.failure.is_none(), "place": place, "reasons": reasons,
        })
    });
    let data = json!({"scenarios": rows.collect::<serde_json::Value>(), "failed": failed});
    output::show(format, &data, || {
        format!("\n{}, {failed} failed", output::count(outcomes.len(), "scenario"))
    })?;
    if failed > 0 { Err(Failure::told(Exit::Refused)) } else { Ok(()) }
}

impl Outcome {
    fn shown(&self) -> String {
        let Self { package, scenario, description, failure } = self;
        let state = if failure.is_some() { "FAILED" } else { "ok" };
        let mut out = format!("{state:<6}  {package}/{scenario}: {description}");
        if let Some((place, reasons)) = failure {
            out.push_str(&format!("\n        at {place}"));
            for reason in reasons {
                out.push_str(&format!("\n        {reason}"));
            }
        }
        out
    }
}

/// The package with everything logged, so that expectations can look at steps and variables.
fn fully_logged(mut source: PackageSource) -> PackageSource {
    let models = source
        .files_in("processes")
        .filter_map(|(_, bytes)| bpmn::read(bytes, &bpmn::Limits::default()).ok());
    let ids: Vec<String> =
        models.flat_map(|model| model.programs).map(|program| program.id.to_string()).collect();
    for id in ids {
        let mut quality = source.manifest.quality_of_service(&id);
        quality.logging_level = LoggingLevel::All;
        quality.log_pipeline = true;
        quality.express_pipeline = false;
        quality.volatile_tracking = false;
        source.manifest.processes.insert(id, quality);
    }
    source
}

/// Runs one scenario from an empty server on which the package and what it needs is loaded.
async fn play(package: &PackageSource, all: &[PackageSource], scenario: &Scenario) -> Outcome {
    let name = &package.manifest.name;
    let failure = match World::new(name, needed(package, all), scenario).await {
        Ok(mut world) => {
            let failure = play_steps(&mut world, &scenario.steps).await;
            world.end().await;
            failure
        }
        Err(reason) => Some((0, vec![reason])),
    };
    Outcome {
        package: name.clone(),
        scenario: scenario.name.clone(),
        description: scenario.description.clone(),
        failure: failure
            .map(|(line, reasons)| (format!("{name}/{}:{line}", scenario.file), reasons)),
    }
}

async fn play_steps(world: &mut World, steps: &[Step]) -> Option<(u32, Vec<String>)> {
    for step in steps {
        let done = match &step.action {
            Action::Expect(expectation) => match expect::check(world, expectation).await {
                Ok(reasons) if reasons.is_empty() => Ok(()),
                Ok(reasons) => return Some((step.place.line, reasons)),
                Err(reason) => Err(reason),
            },
            action => world.act(action).await,
        };
        if let Err(reason) = done {
            return Some((step.place.line, vec![reason]));
        }
    }
    None
}

/// The package with those that it depends on, directly or not.
fn needed(package: &PackageSource, all: &[PackageSource]) -> Vec<PackageSource> {
    let mut needed = vec![package.clone()];
    let mut next = 0;
    while next < needed.len() {
        for dependency in needed[next].manifest.dependencies.clone() {
            let is_there = needed.iter().any(|known| known.manifest.name == dependency.name);
            let found = all.iter().find(|known| known.manifest.name == dependency.name);
            if let (false, Some(found)) = (is_there, found) {
                needed.push(found.clone());
            }
        }
        next += 1;
    }
    needed
}
