//! Events that do something: waiting, publishing, throwing, terminating.
//!
//! Boundary: what they wait for is opened by `subscription`; who catches is found by `boundary`.
//! Read first: [`wait`].   Tests: tests/scenarios/events/

use alloc::format;

use bpmn::{Publication, Target};
use feel::{Context, Expression, Str};

use crate::draft::Draft;
use crate::effect::Effect;
use crate::event::Event;
use crate::ids::StepKey;
use crate::time;
use crate::value::to_context;

use super::super::state::Step;
use super::super::subscription::{self, Trouble};
use super::super::{boundary, end, failure, incident, variables};
use super::Thrown;

/// Waits for the event's own timer or message (and its boundary events').
pub(crate) fn wait(draft: &mut Draft<'_, '_>, step: StepKey) {
    match subscription::prepare(draft, step) {
        Ok(openings) => {
            draft.record(Event::StepEntered { step });
            subscription::open(draft, step, openings);
        }
        Err(trouble) => incident::trouble(draft, step, &trouble),
    }
}

/// Throws a BPMN error.
pub(crate) fn throw_error(draft: &mut Draft<'_, '_>, step: StepKey, code: &Expression) {
    let element = draft.step(step).map_or(0, |step| step.element);
    match subscription::text_of(draft, step, element, code) {
        Ok(code) => {
            let thrown = Thrown { code, message: "".into(), variables: Context::default() };
            boundary::throw(draft, step, &thrown);
        }
        Err(trouble) => incident::trouble(draft, step, &trouble),
    }
}

/// Ends everything in its scope; the scope then counts as completed (BPMN 2.0, 10.5.3).
pub(crate) fn terminate(draft: &mut Draft<'_, '_>, step: StepKey) {
    let Some(Step { scope: Some(inside), element, .. }) = draft.step(step) else { return };
    let (inside, element) = (*inside, *element);
    draft.record(Event::StepCompleted { step, element });
    end::terminate_inside(draft, inside);
    if draft.step(inside).is_some_and(|scope| scope.failing) {
        return failure::settle(draft, inside);
    }
    if inside == draft.state.root() {
        end::finish(draft, end::Ending::Completed);
    } else {
        end::complete(draft, inside);
    }
}

/// Publishes a message or document, then goes on.
pub(crate) fn publish(draft: &mut Draft<'_, '_>, step: StepKey, publication: &Publication) {
    match prepare(draft, step, publication) {
        Ok((name, effect)) => {
            draft.record(Event::Published { step, name });
            draft.effect(effect);
            end::complete(draft, step);
        }
        Err(trouble) => incident::trouble(draft, step, &trouble),
    }
}

fn prepare(
    draft: &Draft<'_, '_>,
    step: StepKey,
    publication: &Publication,
) -> Result<(Str, Effect), Trouble> {
    let element = draft.step(step).map_or(0, |step| step.element);
    let name = subscription::text_of(draft, step, element, &publication.name)?;
    let content = content(draft, step);
    let effect = match &publication.target {
        Target::Document => {
            let id: Str = format!("{step}").into();
            Effect::PublishDocument { document_type: name.clone(), id, content }
        }
        Target::Message { correlation_key, message_id, time_to_live } => {
            let key = subscription::text_of(draft, step, element, correlation_key)?;
            let id = match message_id {
                Some(expression) => subscription::text_of(draft, step, element, expression)?,
                None => "".into(),
            };
            let time_to_live_ms = match time_to_live {
                Some(expression) => {
                    let value = draft.evaluate(expression, step).value;
                    time::duration_ms(&value)
                        .map_err(|why| subscription::trouble(draft, element, expression, &why))?
                }
                None => 0,
            };
            let name = name.clone();
            Effect::PublishMessage { name, key, id, time_to_live_ms, variables: content }
        }
    };
    Ok((name, effect))
}

/// The element's local variables, or all visible ones if it maps no inputs.
fn content(draft: &Draft<'_, '_>, step: StepKey) -> Context {
    let Some(found) = draft.step(step) else { return Context::default() };
    if draft.element(found.element).inputs.is_empty() {
        to_context(&variables::visible(draft.state, step))
    } else {
        to_context(&found.variables)
    }
}
