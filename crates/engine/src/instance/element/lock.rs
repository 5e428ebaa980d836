//! Named locks as steps: acquiring one and waiting for it, giving it back (R49).
//!
//! What is acquired belongs to the instance, whichever scope the step stands in: until an unlocking
//! step of the same name, else until the instance ends. Unlocking gives back the newest
//! acquisition. The errors are `LOCK_TIMEOUT` and, for unlocking what is not held,
//! `LOCK_NOT_HELD`; a lock that an operator took away may still be unlocked.
//!
//! Boundary: who gets the lock when is decided in `lock`, which answers by commands.
//! Invariants: LCK-5 an instance gives back every lock it holds or waits for when it ends, and a
//! step that ends before it was granted one withdraws. LCK-6 a step waits for one lock at most.
//! Read first: [`enter`], then [`take`].   Tests: tests/scenarios/locks/

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bpmn::{Kind, LockSpec};
use feel::{Context, Expression, Number, Str, Value};

use crate::draft::{Draft, invariant};
use crate::effect::Effect;
use crate::event::Event;
use crate::ids::StepKey;
use crate::rejection::Rejection;
use crate::time;

use super::super::state::{HeldLock, LockWait, Wait};
use super::super::subscription::{self, Trouble};
use super::super::{boundary, end, incident, variables};
use super::Thrown;

/// Thrown where a lock was not granted in time.
const TIMEOUT_CODE: &str = "LOCK_TIMEOUT";
/// Thrown where a lock is given back that the instance does not hold.
const NOT_HELD_CODE: &str = "LOCK_NOT_HELD";
/// Bytes that the name of a lock may have.
const NAME_BYTES_MAX: usize = 256;

/// Asks for the lock and waits.
pub(crate) fn enter(draft: &mut Draft<'_, '_>, step: StepKey, spec: &LockSpec) {
    let prepared = prepare(draft, step, spec).and_then(|prepared| {
        subscription::prepare(draft, step).map(|openings| (prepared, openings))
    });
    match prepared {
        Ok(((name, deadline_ms), openings)) => {
            draft.record(Event::StepEntered { step });
            subscription::open(draft, step, openings);
            request(draft, step, name, deadline_ms);
        }
        Err(trouble) => incident::trouble(draft, step, &trouble),
    }
}

/// Asks again for a lock that was not granted in time.
pub(crate) fn retry(draft: &mut Draft<'_, '_>, step: StepKey) {
    let Some(position) = draft.step(step).map(|step| step.element) else { return };
    let Kind::Lock(spec) = &draft.element(position).kind else { return };
    match prepare(draft, step, spec) {
        Ok((name, deadline_ms)) => request(draft, step, name, deadline_ms),
        Err(trouble) => incident::trouble(draft, step, &trouble),
    }
}

fn request(draft: &mut Draft<'_, '_>, step: StepKey, name: Str, deadline_ms: Option<i64>) {
    let waits = draft.step(step).is_some_and(|step| match &step.wait {
        Wait::Nothing => false,
        Wait::Lock(wait) => !wait.timed_out,
        Wait::Job(_) | Wait::Children | Wait::Call | Wait::Child(_) => true,
    });
    invariant!(draft, !waits, "LCK-6: {step} waits for something else already");
    draft.record(Event::LockRequested { step, name: name.clone(), deadline_ms });
    draft.effect(Effect::AcquireLock { step, name, deadline_ms });
}

/// The name, and until when the step waits.
fn prepare(
    draft: &Draft<'_, '_>,
    step: StepKey,
    spec: &LockSpec,
) -> Result<(Str, Option<i64>), Trouble> {
    let name = name_of(draft, step, &spec.name)?;
    let Some(timeout) = &spec.timeout else { return Ok((name, None)) };
    let evaluation = draft.evaluate(timeout, step);
    if evaluation.value == Value::Null && evaluation.failure.is_none() {
        return Ok((name, None));
    }
    let element = draft.step(step).map_or(0, |step| step.element);
    let ms = time::duration_ms(&evaluation.value)
        .map_err(|why| subscription::because(why, &evaluation))
        .map_err(|why| subscription::trouble(draft, element, timeout, &why))?;
    Ok((name, Some(draft.stamp.now_ms.saturating_add(ms))))
}

fn name_of(draft: &Draft<'_, '_>, step: StepKey, expression: &Expression) -> Result<Str, Trouble> {
    let element = draft.step(step).map_or(0, |step| step.element);
    let name = subscription::text_of(draft, step, element, expression)?;
    let why = match name.len() {
        1..=NAME_BYTES_MAX => return Ok(name),
        0 => "the name of the lock is empty".to_string(),
        _ => format!("the name of the lock is longer than {NAME_BYTES_MAX} bytes"),
    };
    Err(subscription::trouble(draft, element, expression, &why))
}

/// The instance has the lock: the step that waited goes on. A grant that comes twice changes
/// nothing; one that is refused is to be given back.
pub(crate) fn take(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    name: &Str,
    fence: u64,
) -> Result<(), Rejection> {
    let is_same = |held: &HeldLock| held.step == step && held.name == *name && held.fence == fence;
    if draft.state.locks.iter().any(is_same) {
        return Ok(());
    }
    awaited(draft, step, name)?;
    draft.record(Event::LockGranted { step, name: name.clone(), fence });
    let position = draft.step(step).map_or(0, |step| step.element);
    if let Kind::Lock(LockSpec { fence_variable: Some(variable), .. }) =
        &draft.element(position).kind
    {
        let number = i64::try_from(fence).unwrap_or(i64::MAX);
        let value = Value::Number(Number::from(number));
        variables::deliver(draft, step, &Context::new([(variable.clone(), value)].into()));
    }
    end::complete(draft, step);
    Ok(())
}

/// The lock was not free in time.
pub(crate) fn time_out(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    name: &Str,
) -> Result<(), Rejection> {
    awaited(draft, step, name)?;
    draft.record(Event::LockTimedOut { step });
    let message = format!("lock `{name}` was not free in time");
    boundary::throw(draft, step, &thrown(TIMEOUT_CODE, &message));
    Ok(())
}

/// Whether the step waits for this lock.
fn awaited(draft: &Draft<'_, '_>, step: StepKey, name: &Str) -> Result<(), Rejection> {
    let found = draft.step(step).ok_or(Rejection::StepGone(step))?;
    match &found.wait {
        Wait::Lock(LockWait { name: wanted, timed_out: false, .. }) if wanted == name => Ok(()),
        Wait::Lock(_)
        | Wait::Nothing
        | Wait::Job(_)
        | Wait::Children
        | Wait::Call
        | Wait::Child(_) => Err(Rejection::Stale),
    }
}

/// An operator took the lock away, or its fencing number is void for another reason. The instance
/// goes on: what the lock protects refuses the number.
pub(crate) fn lose(draft: &mut Draft<'_, '_>, name: &Str, fence: u64) -> Result<(), Rejection> {
    let is_meant = |held: &HeldLock| held.name == *name && held.fence == fence && !held.lost;
    if !draft.state.locks.iter().any(is_meant) {
        return Err(Rejection::Stale);
    }
    draft.record(Event::LockLost { name: name.clone(), fence });
    Ok(())
}

/// Gives a lock back, then goes on.
pub(crate) fn unlock(draft: &mut Draft<'_, '_>, step: StepKey, name: &Expression) {
    let name = match name_of(draft, step, name) {
        Ok(name) => name,
        Err(trouble) => return incident::trouble(draft, step, &trouble),
    };
    let newest = draft.state.locks.iter().rev().find(|held| held.name == name);
    let Some(held) = newest.cloned() else {
        let message = format!("the instance does not hold lock `{name}`");
        return boundary::throw(draft, step, &thrown(NOT_HELD_CODE, &message));
    };
    draft.record(Event::LockReleased { step, name, acquired_by: held.step });
    give_back(draft, held);
    end::complete(draft, step);
}

/// Withdraws the request of a step that ends before it was granted.
pub(crate) fn withdraw(draft: &mut Draft<'_, '_>, step: StepKey, wait: LockWait) {
    let LockWait { name, timed_out, .. } = wait;
    if timed_out {
        return;
    }
    draft.record(Event::LockWithdrawn { step });
    let asked =
        |effect: &Effect| matches!(effect, Effect::AcquireLock { step: by, .. } if *by == step);
    draft.undo(step.0, asked, Effect::ReleaseLock { name, step });
}

/// LCK-5: gives back whatever the instance holds at its end.
pub(crate) fn release_all(draft: &mut Draft<'_, '_>) {
    let held: Vec<HeldLock> = draft.state.locks.clone();
    for held in held {
        give_back(draft, held);
    }
}

fn give_back(draft: &mut Draft<'_, '_>, held: HeldLock) {
    if !held.lost {
        draft.effect(Effect::ReleaseLock { name: held.name, step: held.step });
    }
}

fn thrown(code: &str, message: &str) -> Thrown {
    let message = String::from(message);
    Thrown { code: code.into(), message: message.into(), variables: Context::default() }
}
