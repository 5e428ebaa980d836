//! Tasks without a job: undefined, manual and script tasks.
//!
//! Boundary: they pass through in the turn that enters them, so boundary events of theirs can
//! never occur and are not opened.
//! Read first: [`script`].   Tests: tests/scenarios/tasks/

use bpmn::Script;
use feel::Context;

use crate::draft::Draft;
use crate::ids::StepKey;
use crate::value::plain;

use super::super::{end, variables};
use super::service_task;

/// Goes on at once.
pub(crate) fn pass(draft: &mut Draft<'_, '_>, step: StepKey) {
    end::complete(draft, step);
}

/// Evaluates the script, or offers it to a worker.
pub(crate) fn script(draft: &mut Draft<'_, '_>, step: StepKey, script: &Script) {
    match script {
        Script::Feel { expression, result_variable } => {
            let value = plain(draft.evaluate(expression, step).value);
            let result = Context::new([(result_variable.clone(), value)].into());
            variables::deliver(draft, step, &result);
            end::complete(draft, step);
        }
        Script::Job(job) => service_task::enter(draft, step, job),
    }
}
