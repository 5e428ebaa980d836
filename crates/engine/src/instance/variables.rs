//! Scopes, mappings and propagation (`reference`: Zeebe's variable semantics).
//!
//! Boundary: names and values only; when mappings run is the elements' business.
//! Invariants: VAR-1 a propagated variable lands in the nearest scope upwards that has its name,
//! else in the root.
//! Read first: [`map_inputs`], then [`deliver`].   Tests: tests/scenarios/variables/

use alloc::vec::Vec;

use bpmn::Mapping;
use feel::{Context, Str, Value};

use crate::command::Reach;
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::StepKey;
use crate::rejection::Rejection;
use crate::value::{Variables, from_context, plain};

use super::state::Instance;

/// Runs the input mappings of a step, in order; later ones see the targets of earlier ones.
pub(crate) fn map_inputs(draft: &mut Draft<'_, '_>, step: StepKey) {
    let Some(position) = draft.step(step).map(|step| step.element) else { return };
    for mapping in &draft.element(position).inputs {
        let value = plain(draft.evaluate(&mapping.source, step).value);
        let own = draft.step(step).and_then(|step| step.variables.get(&mapping.target[0]));
        let (name, value) = at_target(own, mapping, value);
        draft.record(Event::VariablesSet { step, variables: one(name, value) });
    }
}

/// Runs the output mappings of a step, in order; targets go to the parent scope.
pub(crate) fn map_outputs(draft: &mut Draft<'_, '_>, step: StepKey) {
    let Some((position, scope)) = draft.step(step).map(|step| (step.element, step.scope)) else {
        return;
    };
    let Some(scope) = scope else { return };
    for mapping in &draft.element(position).outputs {
        let value = plain(draft.evaluate(&mapping.source, step).value);
        let holder = holder_of(draft.state, scope, &mapping.target[0]);
        let held = draft.step(holder).and_then(|step| step.variables.get(&mapping.target[0]));
        let (name, value) = at_target(held, mapping, value);
        draft.record(Event::VariablesSet { step: holder, variables: one(name, value) });
    }
}

/// Hands a result to a step: kept local if it has output mappings, propagated otherwise.
pub(crate) fn deliver(draft: &mut Draft<'_, '_>, step: StepKey, result: &Context) {
    if result.is_empty() {
        return;
    }
    let Some(position) = draft.step(step).map(|step| step.element) else { return };
    if draft.element(position).outputs.is_empty() {
        propagate(draft, step, result);
    } else {
        draft.record(Event::VariablesSet { step, variables: from_context(result) });
    }
}

/// Sets variables from `step` upwards.
pub(crate) fn propagate(draft: &mut Draft<'_, '_>, step: StepKey, values: &Context) {
    let mut by_scope: Vec<(StepKey, Variables)> = Vec::new();
    for (name, value) in values.iter() {
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
        Reach::Propagate => propagate(draft, step, values),
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

fn at_target(held: Option<&Value>, mapping: &Mapping, value: Value) -> (Str, Value) {
    let name = mapping.target[0].clone();
    if mapping.target.len() == 1 {
        return (name, value);
    }
    let base = match held {
        Some(Value::Context(context)) => context.clone(),
        _ => Context::default(),
    };
    (name, Value::Context(base.with_path(&mapping.target[1..], value)))
}

fn one(name: Str, value: Value) -> Variables {
    let mut variables = Variables::new();
    variables.insert(name, value);
    variables
}
