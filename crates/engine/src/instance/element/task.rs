//! Tasks without a job: undefined, manual and script tasks.
//!
//! Boundary: they pass through in the turn that enters them, so boundary events of theirs can
//! never occur and are not opened.
//! Read first: [`script`].   Tests: tests/scenarios/tasks/

use bpmn::Script;
use feel::Context;

use crate::draft::{Draft, View};
use crate::ids::StepKey;
use crate::value::plain;

use super::super::{end, incident, subscription, variables};
use super::service_task;

/// Goes on at once.
pub(crate) fn pass(draft: &mut Draft<'_, '_>, step: StepKey) {
    end::complete(draft, step);
}

/// Evaluates the script, or offers it to a worker.
pub(crate) fn script(draft: &mut Draft<'_, '_>, step: StepKey, script: &Script) {
    match script {
        Script::Feel { expression, result_variable } => {
            let view = View { instance: draft.state, step };
            let value = draft.value(expression, step, &view).map(plain);
            match value.and_then(|value| variables::bounded(draft, &value).map(|()| value)) {
                Ok(value) => {
                    let result = Context::new([(result_variable.clone(), value)].into());
                    variables::deliver(draft, step, &result);
                    end::complete(draft, step);
                }
                Err(why) => {
                    let element = draft.step(step).map_or(0, |step| step.element);
                    let trouble = subscription::trouble(draft, element, expression, &why);
                    incident::trouble(draft, step, &trouble);
                }
            }
        }
        Script::Job(job) => service_task::enter(draft, step, job),
    }
}
