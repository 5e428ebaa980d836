//! Failures that wait for a person, and trying again.
//!
//! Boundary: at most one incident per step; what is tried again follows from what the step waits
//! for.
//! Read first: [`raise`], then [`resolve`].   Tests: tests/scenarios/incidents/

use alloc::format;

use bpmn::Kind;

use crate::draft::{Draft, Work};
use crate::effect::Effect;
use crate::event::{Event, IncidentKind, ReadyCause};
use crate::ids::{IncidentKey, StepKey};
use crate::rejection::Rejection;

use super::state::{JobState, Status, StepPhase, Wait};
use super::subscription::Trouble;

/// The most bytes of a message that an incident keeps.
const MESSAGE_BYTES_MAX: usize = 10_000;

/// Raises an incident at a step.
pub(crate) fn raise(draft: &mut Draft<'_, '_>, step: StepKey, kind: IncidentKind, message: &str) {
    let Some((element, job)) = draft.step(step).map(|found| {
        let job = match &found.wait {
            Wait::Job(job) => Some(job.key),
            _ => None,
        };
        (found.element, job)
    }) else {
        return;
    };
    let incident = IncidentKey(draft.key());
    let message: feel::Str = cut(message).into();
    draft.record(Event::IncidentRaised { incident, step, kind, message: message.clone() });
    draft.effect(Effect::OpenIncident { incident, step, job, element, kind, message });
}

/// Raises an incident for a step that could not be entered.
pub(crate) fn trouble(draft: &mut Draft<'_, '_>, step: StepKey, trouble: &Trouble) {
    raise(draft, step, trouble.kind, &trouble.message);
}

/// Stops the instance: at its root, whatever else was wrong there.
pub(crate) fn quarantine(draft: &mut Draft<'_, '_>, reason: &str) -> Result<(), Rejection> {
    if draft.state.is_quarantined() || draft.state.status != Status::Active {
        return Err(Rejection::Stale);
    }
    let root = draft.state.root();
    let other = draft.step(root).and_then(|root| root.incident.as_ref()).map(|open| open.key);
    if let Some(incident) = other {
        draft.record(Event::IncidentResolved { incident });
        draft.effect(Effect::CloseIncident { incident });
    }
    raise(draft, root, IncidentKind::Invariant, reason);
    draft.halted = true;
    Ok(())
}

/// Nobody catches the error that `step` threw.
pub(crate) fn uncaught(draft: &mut Draft<'_, '_>, step: StepKey, code: &str, message: &str) {
    let Some(element) = draft.step(step).map(|step| step.element) else { return };
    let id = &draft.element(element).id;
    let text = if message.is_empty() {
        format!("`{id}` threw error `{code}`, which nothing catches")
    } else {
        format!("`{id}` threw error `{code}`, which nothing catches: {message}")
    };
    raise(draft, step, IncidentKind::UnhandledError, &text);
}

/// The callers were asked: none catches the error.
pub(crate) fn leave_uncaught(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    code: &str,
    message: &str,
) -> Result<(), Rejection> {
    let found = draft.step(step).ok_or(Rejection::StepGone(step))?;
    let asked = match &found.wait {
        Wait::Job(job) => job.state == JobState::Failed,
        Wait::Lock(wait) => wait.timed_out,
        Wait::Nothing => {
            let kind = &draft.element(found.element).kind;
            matches!(kind, Kind::EndError { .. } | Kind::Unlock { .. })
        }
        Wait::Children | Wait::Call | Wait::Child(_) => false,
    };
    if !asked || found.incident.is_some() || found.phase != StepPhase::Active {
        return Err(Rejection::Stale);
    }
    uncaught(draft, step, code, message);
    Ok(())
}

/// Tries again what failed.
pub(crate) fn resolve(draft: &mut Draft<'_, '_>, key: IncidentKey) -> Result<(), Rejection> {
    let gone = Rejection::IncidentGone(key);
    let step = *draft.state.owners.get(&key.0).ok_or(gone.clone())?;
    let found = draft.step(step).ok_or(gone.clone())?;
    let incident = found.incident.as_ref().filter(|open| open.key == key).ok_or(gone)?;
    let job = match &found.wait {
        Wait::Job(job) if job.state == JobState::Failed => {
            if incident.kind == IncidentKind::JobNoRetries && job.retries <= 0 {
                return Err(Rejection::NoRetries(job.key));
            }
            Some((job.key, job.job_type.clone()))
        }
        _ => None,
    };
    let waits_for_lock = matches!(found.wait, Wait::Lock(_));
    let waits_for_children = found.wait == Wait::Children && found.phase == StepPhase::Active;
    let kind = incident.kind;
    let leaves = found.wait == Wait::Nothing && found.phase == StepPhase::Active;
    draft.record(Event::IncidentResolved { incident: key });
    draft.effect(Effect::CloseIncident { incident: key });
    if let Some((job, job_type)) = job {
        draft.record(Event::JobReadied { job, cause: ReadyCause::IncidentResolved });
        draft.effect(Effect::OfferJob { job, job_type });
    } else if kind == IncidentKind::Invariant {
        draft.halted = false;
        super::decide::resume(draft);
        draft.work.push_back(Work::Settle(step));
    } else if waits_for_lock {
        super::element::lock::retry(draft, step);
    } else if waits_for_children {
        draft.work.push_back(Work::Settle(step));
    } else if kind == IncidentKind::StepLimit {
        draft.run = 0;
        super::decide::resume(draft);
    } else if leaves && kind != IncidentKind::UnhandledError {
        super::end::complete(draft, step);
    } else {
        draft.work.push_back(Work::Enter(step));
    }
    Ok(())
}

fn cut(message: &str) -> &str {
    let mut end = message.len().min(MESSAGE_BYTES_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}

#[cfg(test)]
mod tests {
    use super::{MESSAGE_BYTES_MAX, cut};

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = "ü".repeat(MESSAGE_BYTES_MAX);
        assert_eq!(cut(&long).len(), MESSAGE_BYTES_MAX);
        let odd = alloc::format!("x{long}");
        assert_eq!(cut(&odd).len(), MESSAGE_BYTES_MAX - 1);
    }
}
