//! Failing with a server: what becomes of an instance whose process is not to be resumed when the
//! server that ran it dies (R42).
//!
//! A BPMN error is thrown at every innermost step at once, so that the model's error handling and
//! rollback steps run. What nothing catches fails: its scope, and each one around it, ends without
//! going on as soon as nothing inside is left to do, and the instance ends as failed. Called
//! processes fail first; what they do not catch reaches the caller as an error of its call.
//!
//! Boundary: which instances are told, and that a server died, is the shell's knowledge.
//! Invariants: FLR-1 an instance fails once for each life of a server, however often it is told.
//! FLR-2 no scope that failed is left by its outgoing flows, and none stays with nothing to do.
//! Read first: [`for_server`], then [`settle`].   Tests: tests/scenarios/failure/

use alloc::format;
use alloc::vec::Vec;

use feel::{Context, Str};

use crate::draft::{Draft, Work};
use crate::effect::{Effect, Report};
use crate::event::{Event, IncidentKind};
use crate::ids::{InstanceKey, StepKey};
use crate::rejection::Rejection;

use super::state::{Step, Wait};
use super::{boundary, end, incident, subscription};

/// The code of the error that is thrown.
const CODE: &str = "SERVER_FAILURE";

/// The server that ran the instance died: all that it does fails.
pub(crate) fn for_server(draft: &mut Draft<'_, '_>, server: &Str) -> Result<(), Rejection> {
    if draft.state.failed_servers.contains(server) {
        return Err(Rejection::Stale);
    }
    draft.record(Event::ServerFailed { server: server.clone() });
    let (calls, others) = innermost(draft);
    for step in others {
        if draft.step(step).is_some() && !caught(draft, step) {
            fail(draft, step);
        }
    }
    // Where the call itself was not ended by what was caught around it, the child fails first.
    for (step, child) in calls {
        if draft.step(step).is_some() {
            draft.effect(Effect::FailChild { child, server: server.clone() });
        }
    }
    Ok(())
}

/// The called process failed with a server, and does not run any more.
pub(crate) fn fail_call(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    child: InstanceKey,
    server: &Str,
) -> Result<(), Rejection> {
    let found = draft.step(step).ok_or(Rejection::StepGone(step))?;
    if found.wait != Wait::Child(child) {
        return Err(Rejection::Stale);
    }
    let id = draft.element(found.element).id.clone();
    draft.record(Event::ChildEnded { step });
    if caught(draft, step) {
        return Ok(());
    }
    if draft.state.failed_servers.contains(server) {
        fail(draft, step);
        return Ok(());
    }
    // This instance goes on: a person decides, and may call again.
    subscription::close(draft, step);
    let message = format!("`{id}`: the called process failed because server `{server}` died");
    incident::raise(draft, step, IncidentKind::UnhandledError, &message);
    Ok(())
}

/// Ends a scope that failed and has nothing left to do.
pub(crate) fn settle(draft: &mut Draft<'_, '_>, scope: StepKey) {
    if scope == draft.state.root() {
        return end::finish(draft, end::Ending::Failed);
    }
    let around = draft.step(scope).and_then(|step| step.scope);
    end::terminate(draft, scope);
    draft.work.extend(around.map(Work::Settle));
}

/// Why the instance failed.
pub(crate) fn reason(draft: &Draft<'_, '_>) -> Str {
    let server = draft.state.failed_servers.last();
    format!("server `{}` died", server.map_or("", |server| server)).into()
}

/// What a caller is told of it.
pub(crate) fn report(draft: &Draft<'_, '_>) -> Report {
    let server = draft.state.failed_servers.last().cloned().unwrap_or_else(|| "".into());
    Report::Failed { child: draft.state.key, server }
}

/// The steps that have no others inside: the calls whose child runs, and the others.
fn innermost(draft: &Draft<'_, '_>) -> (Vec<(StepKey, InstanceKey)>, Vec<StepKey>) {
    let mut calls = Vec::new();
    let mut others = Vec::new();
    for (key, step) in &draft.state.steps {
        match step {
            Step { wait: Wait::Child(child), .. } => calls.push((*key, *child)),
            Step { children: 0, .. } => others.push(*key),
            Step { .. } => {}
        }
    }
    (calls, others)
}

/// Whether a boundary event on the way up catches the error of `step`; it has then occurred.
fn caught(draft: &mut Draft<'_, '_>, step: StepKey) -> bool {
    let Some((catching, event)) = boundary::catcher(draft, step, CODE) else { return false };
    boundary::occur(draft, catching, event, &Context::default());
    true
}

/// Ends a step whose failure nothing catches.
fn fail(draft: &mut Draft<'_, '_>, step: StepKey) {
    let Some((element, scope)) = draft.step(step).map(|step| (step.element, step.scope)) else {
        return;
    };
    draft.record(Event::StepFailed { step, element });
    match scope {
        Some(scope) => {
            end::terminate(draft, step);
            draft.work.push_back(Work::Settle(scope));
        }
        None => draft.work.push_back(Work::Settle(step)),
    }
}
