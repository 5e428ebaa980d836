//! What each kind of element does when it is entered. One `match` dispatches; one file per family.
//!
//! Boundary: a hook takes the draft and calls plain functions of the sibling modules; there is no
//! behaviour object. Leaving and aborting are the same for all and live in `end`.
//! Read first: [`enter`], then `element/service_task.rs`.   Tests: tests/scenarios/

pub(crate) mod call;
mod event;
mod gateway;
pub(crate) mod lock;
mod rule;
mod service_task;
mod sub_process;
mod task;

use bpmn::{Kind, SendSpec};
use feel::{Context, Str};

use crate::draft::Draft;
use crate::event::IncidentKind;
use crate::ids::StepKey;

use super::{end, incident, variables};

/// A thrown BPMN error.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Thrown {
    /// Its code.
    pub(crate) code: Str,
    /// Why it was thrown.
    pub(crate) message: Str,
    /// Local to whatever catches it.
    pub(crate) variables: Context,
}

/// Enters an activated step.
pub(crate) fn enter(draft: &mut Draft<'_, '_>, step: StepKey) {
    let Some(position) = draft.step(step).map(|step| step.element) else { return };
    if let Some(message) = exceeded(draft) {
        incident::raise(draft, step, IncidentKind::StepLimit, message);
        draft.halted = true;
        return;
    }
    if let Err(trouble) = variables::map_inputs(draft, step) {
        return incident::trouble(draft, step, &trouble);
    }
    let element = draft.element(position);
    match &element.kind {
        Kind::Start(_)
        | Kind::EndNone
        | Kind::IntermediateNone
        | Kind::Boundary { .. }
        | Kind::ParallelGateway => end::complete(draft, step),
        Kind::Task | Kind::ManualTask => task::pass(draft, step),
        Kind::ExclusiveGateway { default } => gateway::choose(draft, step, element, *default),
        Kind::ServiceTask(job) => service_task::enter(draft, step, job),
        Kind::Lock(spec) => lock::enter(draft, step, spec),
        Kind::Unlock { name } => lock::unlock(draft, step, name),
        Kind::BusinessRuleTask(spec) => rule::enter(draft, step, spec),
        Kind::ScriptTask(script) => task::script(draft, step, script),
        Kind::SendTask(send) | Kind::IntermediateMessage(send) | Kind::EndMessage(send) => {
            match send {
                SendSpec::Job(job) => service_task::enter(draft, step, job),
                SendSpec::Publish(publication) => event::publish(draft, step, publication),
            }
        }
        Kind::ReceiveTask(_) | Kind::IntermediateCatch(_) => event::wait(draft, step),
        Kind::EndError { code } => event::throw_error(draft, step, code),
        Kind::EndTerminate => event::terminate(draft, step),
        Kind::SubProcess { start } => sub_process::enter(draft, step, *start),
        Kind::CallActivity(spec) => call::enter(draft, step, spec),
        Kind::Process => {}
    }
}

/// Which bound on steps is reached, if one is.
fn exceeded(draft: &Draft<'_, '_>) -> Option<&'static str> {
    let limits = draft.stamp.limits;
    if draft.run > limits.run_steps_max {
        return Some("the instance enters steps without end; does its model loop?");
    }
    let active_max = usize::try_from(limits.active_steps_max).unwrap_or(usize::MAX);
    (draft.state.steps.len() > active_max)
        .then_some("the instance has too many active steps; does its model split in a loop?")
}
