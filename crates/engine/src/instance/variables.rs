//! Scopes, mappings and propagation (`reference`: Zeebe's variable semantics).
//!
//! Boundary: names and values only; when mappings run is the elements' business.
//! Invariants: VAR-1 a propagated variable lands in the nearest scope upwards that has its name,
//! else in the root.
//! Read first: [`map_inputs`], then [`deliver`].   Tests: tests/scenarios/variables/

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bpmn::Mapping;
use feel::{Context, Scope, Str, Value};

use crate::command::Reach;
use crate::draft::{Draft, View};
use crate::event::{Event, IncidentKind};
use crate::ids::StepKey;
use crate::rejection::Rejection;
use crate::value::{Variables, from_context, plain};

use super::state::Instance;
use super::subscription::Trouble;

/// What one unit of [`Value::weight`] stands for.
const WEIGHT_BYTES: u64 = 16;
/// Deeper values would not be read back (`value::decode`).
const DEPTH_MAX: u32 = 200;

/// What a mapping sees: the targets of earlier ones at their level, and the variables of the step.
struct Mapped<'a> {
    instance: &'a Instance,
    step: StepKey,
    level: StepKey,
    mapped: &'a Variables,
}

impl Scope for Mapped<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        let own = self.instance.steps.get(&self.step).and_then(|step| step.variables.get(name));
        let own = own.filter(|_| self.level != self.step);
        own.or_else(|| self.mapped.get(name))
            .or_else(|| View { instance: self.instance, step: self.step }.find(name))
    }
}

/// Runs the input mappings of a step, in order; later ones see the targets of earlier ones.
/// All of them happen, or none.
pub(crate) fn map_inputs(draft: &mut Draft<'_, '_>, step: StepKey) -> Result<(), Trouble> {
    let Some(position) = draft.step(step).map(|step| step.element) else { return Ok(()) };
    let inputs = &draft.element(position).inputs;
    if inputs.is_empty() {
        return Ok(());
    }
    let variables = map(draft, step, step, inputs)?;
    draft.record(Event::VariablesSet { step, variables });
    Ok(())
}

/// Runs the output mappings of a step, in order; targets go to the parent scope and upwards.
/// All of them happen, or none.
pub(crate) fn map_outputs(draft: &mut Draft<'_, '_>, step: StepKey) -> Result<(), Trouble> {
    let Some((position, scope)) = draft.step(step).map(|step| (step.element, step.scope)) else {
        return Ok(());
    };
    let (Some(scope), outputs) = (scope, &draft.element(position).outputs) else { return Ok(()) };
    if outputs.is_empty() {
        return Ok(());
    }
    let variables = map(draft, step, scope, outputs)?;
    propagate(draft, scope, variables.iter());
    Ok(())
}

/// Evaluates mappings of `step`; their targets are seen at `level`: the step or its scope.
fn map(
    draft: &Draft<'_, '_>,
    step: StepKey,
    level: StepKey,
    mappings: &[Mapping],
) -> Result<Variables, Trouble> {
    let mut mapped = Variables::new();
    for mapping in mappings {
        let view = Mapped { instance: draft.state, step, level, mapped: &mapped };
        let trouble = |kind, why: &str| {
            let id = draft.step(step).map_or("", |found| &draft.element(found.element).id);
            let text = mapping.source.text();
            Trouble { kind, message: format!("`{id}`: expression `{text}`: {why}") }
        };
        let value = draft
            .value(&mapping.source, step, &view)
            .map_err(|why| trouble(IncidentKind::IoMapping, &why))?;
        let name = &mapping.target[0];
        let holder = if level == step { step } else { holder_of(draft.state, level, name) };
        let held = draft.step(holder).and_then(|holder| holder.variables.get(name));
        let value = at_target(mapped.get(name).or(held), mapping, plain(value));
        bounded(draft, &value).map_err(|why| trouble(IncidentKind::MessageSize, &why))?;
        mapped.insert(name.clone(), value);
    }
    Ok(mapped)
}

/// Whether a value is small enough to be kept.
pub(crate) fn bounded(draft: &Draft<'_, '_>, value: &Value) -> Result<(), String> {
    let bytes_max = u64::from(draft.stamp.limits.variable_bytes_max);
    if value.weight().saturating_mul(WEIGHT_BYTES) > bytes_max {
        return Err(format!("the value is larger than {bytes_max} bytes"));
    }
    if value.depth() > DEPTH_MAX {
        return Err(format!("the value is nested deeper than {DEPTH_MAX}"));
    }
    Ok(())
}

/// Hands a result to a step: kept local if it has output mappings, propagated otherwise.
pub(crate) fn deliver(draft: &mut Draft<'_, '_>, step: StepKey, result: &Context) {
    if result.is_empty() {
        return;
    }
    let Some(position) = draft.step(step).map(|step| step.element) else { return };
    if draft.element(position).outputs.is_empty() {
        propagate(draft, step, result.iter());
    } else {
        draft.record(Event::VariablesSet { step, variables: from_context(result) });
    }
}

/// Sets variables from `step` upwards.
fn propagate<'v>(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    values: impl Iterator<Item = (&'v Str, &'v Value)>,
) {
    let mut by_scope: Vec<(StepKey, Variables)> = Vec::new();
    for (name, value) in values {
        let holder = holder_of(draft.state, step, name);
        match by_scope.iter_mut().find(|(scope, _)| *scope == holder) {
            Some((_, variables)) => {
                variables.insert(name.clone(), value.clone());
            }
            None => by_scope.push((holder, one(name.clone(), value.clone()))),
        }
    }
    for (step, variables) in by_scope {
        draft.record(Event::VariablesSet { step, variables });
    }
}

/// Sets variables on behalf of a client.
pub(crate) fn set(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    values: &Context,
    reach: Reach,
) -> Result<(), Rejection> {
    if draft.step(step).is_none() {
        return Err(Rejection::StepGone(step));
    }
    match reach {
        Reach::Local => draft.record(Event::VariablesSet { step, variables: from_context(values) }),
        Reach::Propagate => propagate(draft, step, values.iter()),
    }
    Ok(())
}

/// Everything that `step` sees; inner scopes win.
pub(crate) fn visible(state: &Instance, step: StepKey) -> Variables {
    let mut chain = Vec::new();
    let mut at = Some(step);
    while let Some(found) = at.and_then(|key| state.steps.get(&key)) {
        chain.push(&found.variables);
        at = found.scope;
    }
    let mut all = Variables::new();
    for variables in chain.into_iter().rev() {
        if all.is_empty() {
            all.clone_from(variables);
        } else {
            all.extend(variables.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
    }
    all
}

fn holder_of(state: &Instance, from: StepKey, name: &str) -> StepKey {
    let mut at = Some(from);
    while let Some((key, step)) = at.and_then(|key| state.steps.get(&key).map(|step| (key, step))) {
        if step.variables.contains_key(name) {
            return key;
        }
        at = step.scope;
    }
    state.root()
}

/// The variable after `value` was put at the mapping's path in it.
fn at_target(held: Option<&Value>, mapping: &Mapping, value: Value) -> Value {
    if mapping.target.len() == 1 {
        return value;
    }
    let base = match held {
        Some(Value::Context(context)) => context.clone(),
        _ => Context::default(),
    };
    Value::Context(base.with_path(&mapping.target[1..], value))
}

fn one(name: Str, value: Value) -> Variables {
    let mut variables = Variables::new();
    variables.insert(name, value);
    variables
}
