//! Whether what a scenario expects is so.
//!
//! Boundary: reads lists and audit logs as the faces do.
//! Read first: [`check`].

use std::collections::BTreeSet;

use engine::Event;
use engine::ids::{InstanceKey, StepKey};
use feel::Value;
use host::package::scenario::Expectation;
use node::InstanceQuery;
use store::{InstanceRow, InstanceState};

use super::world::World;

/// Rows that are looked at.
const ROWS: u32 = 10_000;

/// What is not as expected: one line each.
///
/// # Errors
/// Why it could not be looked at.
pub(super) async fn check(world: &World, expected: &Expectation) -> Result<Vec<String>, String> {
    let process = expected.process.as_deref();
    let query =
        InstanceQuery { process: process.map(Into::into), limit: ROWS, ..InstanceQuery::default() };
    let rows = world.node.instances(&query).await.map_err(|error| error.to_string())?;
    let mut wrong = Vec::new();
    let of = process.map_or_else(String::new, |process| format!(" of `{process}`"));
    let mut compare = |what: &str, expected: Option<u32>, found: usize| {
        if let Some(expected) = expected
            && usize::try_from(expected) != Ok(found)
        {
            wrong.push(format!("{what}{of}: expected {expected}, found {found}"));
        }
    };
    let in_state = |state| rows.iter().filter(|row| row.state == state).count();
    compare("completed instances", expected.completed, in_state(InstanceState::Completed));
    compare("active instances", expected.active, in_state(InstanceState::Active));
    let incidents: u32 = rows.iter().map(|row| row.incidents).sum();
    compare("open incidents", expected.incidents, usize::try_from(incidents).unwrap_or(0));
    check_jobs(world, expected, &mut wrong).await?;
    check_steps(world, expected, &rows, &mut wrong).await?;
    if !wrong.is_empty() {
        wrong.extend(causes(world).await?);
    }
    Ok(wrong)
}

async fn check_jobs(
    world: &World,
    expected: &Expectation,
    wrong: &mut Vec<String>,
) -> Result<(), String> {
    if expected.jobs.is_empty() {
        return Ok(());
    }
    let types = world.node.store().job_types(engine::ids::ShardId(1)).await;
    let types = types.map_err(|error| error.to_string())?;
    for (job_type, expected) in &expected.jobs {
        let found = types.iter().find(|(known, _)| **known == **job_type);
        let found = found.map_or(0, |(_, count)| *count);
        if u64::from(*expected) != found {
            wrong.push(format!("jobs of type `{job_type}`: expected {expected}, found {found}"));
        }
    }
    Ok(())
}

async fn check_steps(
    world: &World,
    expected: &Expectation,
    rows: &[InstanceRow],
    wrong: &mut Vec<String>,
) -> Result<(), String> {
    let wants_steps = !expected.passed.is_empty() || !expected.not_passed.is_empty();
    if wants_steps {
        let mut passed = BTreeSet::new();
        for row in rows {
            add_passed(world, row, &mut passed).await?;
        }
        for element in expected.passed.iter().filter(|element| !passed.contains(*element)) {
            wrong.push(format!("`{element}` was not passed"));
        }
        for element in expected.not_passed.iter().filter(|element| passed.contains(*element)) {
            wrong.push(format!("`{element}` was passed"));
        }
    }
    if expected.variables.is_empty() {
        return Ok(());
    }
    let Some(newest) = rows.first() else {
        wrong.push("there is no instance whose variables could be looked at".to_owned());
        return Ok(());
    };
    let found = variables(world, newest.key).await?;
    for (name, expected) in &expected.variables {
        let found = found.iter().rev().find(|(known, _)| known == name);
        match found {
            Some((_, found)) if without_nulls(found) == *expected => {}
            Some((_, found)) => wrong.push(format!(
                "variable `{name}`: expected {}, found {}",
                feel::json::to_string(expected),
                feel::json::to_string(found)
            )),
            None => wrong.push(format!("there is no variable `{name}`")),
        }
    }
    Ok(())
}

/// The value without fields that are null: TOML, in which expectations are written, has no null.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Context(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            let kept = kept.map(|(name, value)| (name.clone(), without_nulls(value)));
            Value::Context(feel::Context::new(kept.collect()))
        }
        Value::List(items) => Value::from(items.iter().map(without_nulls).collect::<Vec<Value>>()),
        other => other.clone(),
    }
}

/// The elements that an instance has completed.
async fn add_passed(
    world: &World,
    row: &InstanceRow,
    passed: &mut BTreeSet<String>,
) -> Result<(), String> {
    let records = world.node.audit(row.key).await.map_err(|error| error.to_string())?;
    let catalog = world.node.catalog();
    let Some(definition) = catalog.definitions.get(&row.definition) else { return Ok(()) };
    for record in records {
        if let Event::StepCompleted { element, .. } = record.event
            && let Some(element) = definition.program.elements.get(element as usize)
        {
            passed.insert(element.id.to_string());
        }
    }
    Ok(())
}

/// Every setting of a variable in an instance's own scope, in order.
async fn variables(world: &World, key: InstanceKey) -> Result<Vec<(String, Value)>, String> {
    let records = world.node.audit(key).await.map_err(|error| error.to_string())?;
    let mut settings = Vec::new();
    for record in records {
        if let Event::VariablesSet { step, variables } = record.event
            && step == StepKey(key.0)
        {
            settings.extend(variables.into_iter().map(|(name, value)| (name.to_string(), value)));
        }
    }
    Ok(settings)
}

/// Open incidents and dead letters, which often tell why something is not as expected.
async fn causes(world: &World) -> Result<Vec<String>, String> {
    let incidents = world.node.incidents(None, None, 10).await;
    let incidents = incidents.map_err(|error| error.to_string())?;
    let incidents = incidents.into_iter().map(|(_, row)| {
        format!("incident at `{}` of `{}`: {}", row.element, row.process, row.message)
    });
    let mut causes: Vec<String> = incidents.collect();
    let dead = world.node.entries(store::EntryState::Dead, None, None, 10).await;
    for (_, entry) in dead.map_err(|error| error.to_string())? {
        let reason = entry.reason.map_or_else(String::new, |reason| reason.to_string());
        causes.push(format!("dead letter of `{}`: {reason}", entry.trigger));
    }
    Ok(causes)
}
