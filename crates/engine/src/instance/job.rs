//! Jobs: offered, leased, completed, failed, thrown, timed out.
//!
//! Boundary: who works them and how leases are watched is `node`'s business.
//! Invariants: JOB-1 a job has at most one holder. JOB-2 completing a job whose lease ran out is
//! accepted as long as the job is still there: the first completion wins, later ones find it gone.
//! JOB-3 a step has one job at most. JOB-4 each lease of a job has a number of its own, the
//! attempt, and whoever gives a lease back says which one: what comes late ends no later lease.
//! Read first: [`create`], then [`lease`].   Tests: tests/scenarios/jobs/

use alloc::string::ToString;

use feel::{Context, Str};

use crate::draft::{Draft, invariant};
use crate::effect::Effect;
use crate::event::{Event, IncidentKind, ReadyCause};
use crate::ids::{JobKey, StepKey};
use crate::rejection::Rejection;
use crate::value::from_context;

use super::activation::{self, Activation};
use super::element::Thrown;
use super::state::{Job, JobState, Wait};
use super::{boundary, end, incident, variables};

/// How a worker failed.
pub(crate) struct Failure {
    pub(crate) retries: i32,
    pub(crate) message: Str,
    pub(crate) back_off_ms: i64,
}

/// Creates the job of a step and offers it.
pub(crate) fn create(draft: &mut Draft<'_, '_>, step: StepKey, job_type: Str, retries: i32) {
    let is_free = draft.step(step).is_some_and(|step| step.wait == Wait::Nothing);
    invariant!(draft, is_free, "JOB-3: {step} waits for something else already");
    let job = JobKey(draft.key());
    draft.record(Event::JobCreated { step, job, job_type: job_type.clone(), retries });
    draft.effect(Effect::OfferJob { job, job_type });
}

/// Hands a ready job to a worker.
pub(crate) fn lease(
    draft: &mut Draft<'_, '_>,
    key: JobKey,
    worker: Str,
    deadline_ms: i64,
) -> Result<Activation, Rejection> {
    let (_, job) = draft.state.job(key).ok_or(Rejection::JobGone(key))?;
    if job.state != JobState::Ready {
        return Err(Rejection::Stale);
    }
    let job_type = job.job_type.clone();
    let (state, program) = (&*draft.state, draft.program);
    let activation = activation::describe(state, program, key, worker.clone(), deadline_ms)
        .ok_or(Rejection::JobGone(key))?;
    draft.record(Event::JobLeased { job: key, worker, deadline_ms });
    draft.effect(Effect::KeepLease { job: key, job_type, deadline_ms });
    Ok(activation)
}

/// The worker is done: its step takes the result and goes on.
pub(crate) fn complete(
    draft: &mut Draft<'_, '_>,
    key: JobKey,
    result: &Context,
) -> Result<(), Rejection> {
    let (step, job) = workable(draft, key)?;
    retract(draft, &job);
    draft.record(Event::JobCompleted { job: key });
    variables::deliver(draft, step, result);
    end::complete(draft, step);
    Ok(())
}

/// The worker failed: tried again at once, later, or not at all.
pub(crate) fn fail(
    draft: &mut Draft<'_, '_>,
    key: JobKey,
    failure: &Failure,
    result: &Context,
) -> Result<(), Rejection> {
    let (step, job) = workable(draft, key)?;
    if !matches!(job.state, JobState::Leased { .. }) {
        return Err(Rejection::JobNotLeased(key));
    }
    let retries = failure.retries.max(0);
    let until_ms = (retries > 0 && failure.back_off_ms > 0)
        .then(|| draft.stamp.now_ms.saturating_add(failure.back_off_ms));
    if !result.is_empty() {
        draft.record(Event::VariablesSet { step, variables: from_context(result) });
    }
    draft.record(Event::JobFailed {
        job: key,
        retries,
        message: failure.message.clone(),
        back_off_until_ms: until_ms,
    });
    match until_ms {
        Some(due_ms) => {
            retract(draft, &job);
            draft.effect(Effect::ArmTimer { timer: key.0, due_ms });
        }
        None if retries > 0 => {
            draft.effect(Effect::OfferJob { job: key, job_type: job.job_type });
        }
        None => {
            retract(draft, &job);
            let message = match failure.message.trim() {
                "" => "the worker failed without a message",
                message => message,
            };
            incident::raise(draft, step, IncidentKind::JobNoRetries, message);
        }
    }
    Ok(())
}

/// The worker found a business error.
pub(crate) fn throw(
    draft: &mut Draft<'_, '_>,
    key: JobKey,
    thrown: &Thrown,
) -> Result<(), Rejection> {
    let (step, job) = workable(draft, key)?;
    draft.record(Event::JobErrorThrown {
        job: key,
        code: thrown.code.clone(),
        message: thrown.message.clone(),
    });
    retract(draft, &job);
    boundary::throw(draft, step, thrown);
    Ok(())
}

/// The lease may have run out: if so, the job waits for a worker again. Retries are kept.
pub(crate) fn expire(draft: &mut Draft<'_, '_>, key: JobKey) -> Result<(), Rejection> {
    let (_, job) = draft.state.job(key).ok_or(Rejection::JobGone(key))?;
    match job.state {
        JobState::Leased { deadline_ms, .. } if deadline_ms <= draft.stamp.now_ms => {}
        _ => return Err(Rejection::Stale),
    }
    let attempt = job.attempt;
    release(draft, key, attempt)
}

/// The holder is gone: the job waits for a worker again. Retries are kept (JOB-4).
pub(crate) fn release(
    draft: &mut Draft<'_, '_>,
    key: JobKey,
    attempt: u32,
) -> Result<(), Rejection> {
    let (_, job) = draft.state.job(key).ok_or(Rejection::JobGone(key))?;
    if !matches!(job.state, JobState::Leased { .. }) || job.attempt != attempt {
        return Err(Rejection::Stale);
    }
    let job_type = job.job_type.clone();
    draft.record(Event::JobReadied { job: key, cause: ReadyCause::LeaseExpired });
    draft.effect(Effect::OfferJob { job: key, job_type });
    Ok(())
}

/// The back-off of the job `id` of `step` is over.
pub(crate) fn end_back_off(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    id: u64,
    due_ms: i64,
) -> Result<(), Rejection> {
    let job = match draft.step(step).map(|step| &step.wait) {
        Some(Wait::Job(job)) if job.key.0 == id => job,
        _ => return Err(Rejection::Stale),
    };
    if job.state != (JobState::BackingOff { until_ms: due_ms }) {
        return Err(Rejection::Stale);
    }
    let (job, job_type) = (job.key, job.job_type.clone());
    draft.record(Event::JobReadied { job, cause: ReadyCause::BackOffOver });
    draft.effect(Effect::DisarmTimer { timer: id, due_ms });
    draft.effect(Effect::OfferJob { job, job_type });
    Ok(())
}

/// Sets the tries left.
pub(crate) fn update_retries(
    draft: &mut Draft<'_, '_>,
    key: JobKey,
    retries: i32,
) -> Result<(), Rejection> {
    if draft.state.job(key).is_none() {
        return Err(Rejection::JobGone(key));
    }
    if retries < 1 {
        let detail = "retries must be at least 1".to_string();
        return Err(Rejection::Invalid { detail });
    }
    draft.record(Event::RetriesUpdated { job: key, retries });
    Ok(())
}

/// Gives the lease another end.
pub(crate) fn update_deadline(
    draft: &mut Draft<'_, '_>,
    key: JobKey,
    deadline_ms: i64,
) -> Result<(), Rejection> {
    let (_, job) = draft.state.job(key).ok_or(Rejection::JobGone(key))?;
    if !matches!(job.state, JobState::Leased { .. }) {
        return Err(Rejection::JobNotLeased(key));
    }
    let job_type = job.job_type.clone();
    draft.record(Event::DeadlineUpdated { job: key, deadline_ms });
    draft.effect(Effect::KeepLease { job: key, job_type, deadline_ms });
    Ok(())
}

fn workable(draft: &Draft<'_, '_>, key: JobKey) -> Result<(StepKey, Job), Rejection> {
    let (step, job) = draft.state.job(key).ok_or(Rejection::JobGone(key))?;
    match job.state {
        JobState::Failed => Err(Rejection::JobFailed(key)),
        JobState::Ready | JobState::Leased { .. } | JobState::BackingOff { .. } => {
            Ok((step, job.clone()))
        }
    }
}

/// Takes the job from wherever the shell keeps it.
pub(crate) fn retract(draft: &mut Draft<'_, '_>, job: &Job) {
    let Job { key, job_type, state, .. } = job;
    match state {
        JobState::Ready | JobState::Leased { .. } => {
            let offered =
                |effect: &Effect| matches!(effect, Effect::OfferJob { job, .. } if job == key);
            let effect = Effect::DropJob { job: *key, job_type: job_type.clone() };
            draft.undo(key.0, offered, effect);
        }
        JobState::BackingOff { until_ms } => {
            draft.effect(Effect::DisarmTimer { timer: key.0, due_ms: *until_ms });
        }
        JobState::Failed => {}
    }
}
