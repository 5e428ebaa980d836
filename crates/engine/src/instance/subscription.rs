//! Timers and messages that a step and its boundary events wait for.
//!
//! Boundary: reads expressions, arms and fires; what happens then is in `boundary` and `end`.
//! Invariants: SUB-1 either all that a step waits for is opened or nothing is, so that a failed
//! expression leaves nothing behind.
//! Read first: [`prepare`], then [`open`] and [`fire`].
//! Tests: tests/scenarios/timers/, tests/scenarios/messages/

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bpmn::{Catch, ElementIndex, Kind, MessageSpec};
use feel::{Context, Evaluation, Expression, Str, Value};

use crate::draft::Draft;
use crate::effect::Effect;
use crate::event::{Event, IncidentKind, Repeat};
use crate::ids::StepKey;
use crate::rejection::Rejection;
use crate::time::{self, Schedule};

use super::state::{Subscription, Timer};
use super::{boundary, end, variables};

/// Why a step could not be entered.
pub(crate) struct Trouble {
    pub(crate) kind: IncidentKind,
    pub(crate) message: String,
}

/// What a step is about to wait for, with all expressions evaluated.
pub(crate) enum Opening {
    Timer { element: u32, schedule: Schedule },
    Message { element: u32, name: Str, key: Str, once: bool },
}

/// Evaluates what the step's own event and its boundary events wait for.
pub(crate) fn prepare(draft: &Draft<'_, '_>, step: StepKey) -> Result<Vec<Opening>, Trouble> {
    let Some(position) = draft.step(step).map(|step| step.element) else { return Ok(Vec::new()) };
    let element = draft.element(position);
    let mut openings = Vec::new();
    match &element.kind {
        Kind::IntermediateCatch(catch) => {
            openings.extend(prepare_catch(draft, step, position, catch, true)?);
        }
        Kind::ReceiveTask(message) => {
            openings.push(prepare_message(draft, step, position, message, true)?);
        }
        _ => {}
    }
    for index in &element.boundary {
        if let Kind::Boundary { catch, interrupting, .. } = &draft.program.element(*index).kind {
            openings.extend(prepare_catch(draft, step, index.0, catch, *interrupting)?);
        }
    }
    Ok(openings)
}

/// Opens what [`prepare`] evaluated.
pub(crate) fn open(draft: &mut Draft<'_, '_>, step: StepKey, openings: Vec<Opening>) {
    for opening in openings {
        match opening {
            Opening::Timer { element, schedule } => {
                arm(draft, step, element, schedule.due_ms, schedule.repeat);
            }
            Opening::Message { element, name, key, once } => {
                draft.record(Event::SubscriptionOpened {
                    step,
                    element,
                    name: name.clone(),
                    key: key.clone(),
                });
                draft.effect(Effect::Subscribe { name, key, step, element, once });
            }
        }
    }
}

/// Closes all that the step waits for.
pub(crate) fn close(draft: &mut Draft<'_, '_>, step: StepKey) {
    let Some(found) = draft.step(step) else { return };
    let timers = found.timers.clone();
    let subscriptions = found.subscriptions.clone();
    for Timer { key, due_ms, .. } in timers {
        draft.record(Event::TimerDisarmed { timer: key });
        let armed =
            |effect: &Effect| matches!(effect, Effect::ArmTimer { timer, .. } if *timer == key);
        draft.undo(key, armed, Effect::DisarmTimer { timer: key, due_ms });
    }
    for Subscription { element, name, key } in subscriptions {
        draft.record(Event::SubscriptionClosed { step, element });
        let asked = |effect: &Effect| {
            let Effect::Subscribe { step: by, element: at, .. } = effect else { return false };
            (*by, *at) == (step, element)
        };
        draft.undo(step.0, asked, Effect::Unsubscribe { name, key, step, element });
    }
}

fn prepare_catch(
    draft: &Draft<'_, '_>,
    step: StepKey,
    element: u32,
    catch: &Catch,
    once: bool,
) -> Result<Option<Opening>, Trouble> {
    match catch {
        Catch::Message(message) => prepare_message(draft, step, element, message, once).map(Some),
        Catch::Timer(timer) => {
            let evaluation = draft.evaluate(&timer.expression, step);
            let schedule = time::schedule(timer.text, &evaluation.value, draft.stamp.now_ms)
                .map_err(|why| because(why, &evaluation))
                .map_err(|why| trouble(draft, element, &timer.expression, &why))?;
            Ok(Some(Opening::Timer { element, schedule }))
        }
        Catch::Error { .. } => Ok(None),
    }
}

fn prepare_message(
    draft: &Draft<'_, '_>,
    step: StepKey,
    element: u32,
    message: &MessageSpec,
    once: bool,
) -> Result<Opening, Trouble> {
    let name = text_of(draft, step, element, &message.name)?;
    let key = text_of(draft, step, element, &message.correlation_key)?;
    Ok(Opening::Message { element, name, key, once })
}

/// Evaluates to text; numbers count as their text.
pub(crate) fn text_of(
    draft: &Draft<'_, '_>,
    step: StepKey,
    element: u32,
    expression: &Expression,
) -> Result<Str, Trouble> {
    let evaluation = draft.evaluate(expression, step);
    match &evaluation.value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string().into()),
        other => {
            let why = format!("expected text or a number, found {}", other.kind_name());
            Err(trouble(draft, element, expression, &because(why, &evaluation)))
        }
    }
}

/// The reason, and what went wrong or was tolerated in the evaluation before.
pub(crate) fn because(why: String, evaluation: &Evaluation) -> String {
    let warning = evaluation.warnings.first().map(|warning| &warning.message);
    match evaluation.failure.as_ref().or(warning) {
        Some(cause) => format!("{why}: {cause}"),
        None => why,
    }
}

/// A failed expression, with the element and the text that failed.
pub(crate) fn trouble(
    draft: &Draft<'_, '_>,
    element: u32,
    expression: &Expression,
    why: &str,
) -> Trouble {
    let id = &draft.element(element).id;
    let message = format!("`{id}`: expression `{}`: {why}", expression.text());
    Trouble { kind: IncidentKind::ExtractValue, message }
}

fn arm(draft: &mut Draft<'_, '_>, step: StepKey, element: u32, due_ms: i64, interval: Repeat) {
    let timer = draft.key();
    draft.record(Event::TimerArmed { step, timer, element, due_ms, interval });
    draft.effect(Effect::ArmTimer { timer, due_ms });
}

/// A wake-up is due: a timer, or the end of a job's back-off.
pub(crate) fn fire(draft: &mut Draft<'_, '_>, id: u64, due_ms: i64) -> Result<(), Rejection> {
    let step = *draft.state.owners.get(&id).ok_or(Rejection::Stale)?;
    let armed = draft.step(step).and_then(|step| step.timers.iter().find(|t| t.key == id));
    let Some(timer) = armed.copied() else {
        return super::job::end_back_off(draft, step, id, due_ms);
    };
    if timer.due_ms != due_ms {
        return Err(Rejection::Stale);
    }
    draft.record(Event::TimerFired { timer: id });
    draft.effect(Effect::DisarmTimer { timer: id, due_ms });
    repeat(draft, step, &timer);
    arrive(draft, step, timer.element, &Context::default());
    Ok(())
}

/// Arms the next firing, counted from the due time and not from now (R27).
fn repeat(draft: &mut Draft<'_, '_>, step: StepKey, fired: &Timer) {
    if let Some((due_ms, interval)) = time::next(fired.due_ms, fired.repeat) {
        arm(draft, step, fired.element, due_ms, interval);
    }
}

/// A message came for a subscription.
pub(crate) fn correlate(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    element: u32,
    variables: &Context,
) -> Result<(), Rejection> {
    let waits = draft
        .step(step)
        .is_some_and(|step| step.subscriptions.iter().any(|open| open.element == element));
    if !waits {
        return Err(Rejection::Stale);
    }
    draft.record(Event::MessageCorrelated { step, element });
    arrive(draft, step, element, variables);
    Ok(())
}

fn arrive(draft: &mut Draft<'_, '_>, step: StepKey, element: u32, variables: &Context) {
    if draft.step(step).is_some_and(|step| step.element == element) {
        variables::deliver(draft, step, variables);
        end::complete(draft, step);
    } else {
        boundary::occur(draft, step, ElementIndex(element), variables);
    }
}
