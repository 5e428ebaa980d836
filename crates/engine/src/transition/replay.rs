//! Applying at the owner what a logical server worked in one go.
//!
//! Boundary: as `transition`. The effects of all decisions come back as one list, without those of
//! jobs that were offered and answered within it.
//! Read first: [`replay`].

use alloc::vec::Vec;

use bpmn::Program;
use feel::Str;

use crate::command::Command;
use crate::effect::Effect;
use crate::ids::JobKey;
use crate::instance::{self, Decision, Instance, Rules};
use crate::job::Destination;
use crate::limits::Stamp;
use crate::rejection::Rejection;

use super::{StepVerdict, element_of, is_at};

/// What the owner made of the verdicts.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// All that happened and has to be done, in order, as of one decision.
    pub decision: Decision,
    /// How many verdicts were applied. The rest did not fit any more and is dropped (TRN-2).
    pub applied: usize,
}

/// A run of steps that a logical server worked.
#[derive(Debug, Clone, PartialEq)]
pub struct Run<'a> {
    /// The job that it began with.
    pub job: JobKey,
    /// Who worked it.
    pub worker: Str,
    /// What came of each step, in order.
    pub verdicts: &'a [StepVerdict],
}

/// Applies the verdicts of a run. That the lease of its first job ran out does not matter, as long
/// as the job is there.
///
/// # Errors
/// The [`Rejection`] of the first verdict: the job is gone or failed. [`Rejection::Stale`] if it is
/// not a job of the element that the first verdict speaks of, or not at a logical server. The state
/// is then unchanged.
pub fn replay(
    state: &mut Instance,
    program: &Program,
    rules: &Rules,
    run: &Run<'_>,
    stamp: &mut Stamp<'_>,
) -> Result<Replayed, Rejection> {
    let (_, first) = state.job(run.job).ok_or(Rejection::JobGone(run.job))?;
    let server: Str = Destination::parse(&first.job_type).server.ok_or(Rejection::Stale)?.into();
    let (verdict, verdicts) = run.verdicts.split_first().ok_or(Rejection::Stale)?;
    if element_of(state, run.job) != Some(verdict.element) {
        return Err(Rejection::Stale);
    }
    let command = verdict.verdict.clone().command(run.job);
    let mut decision = instance::decide(state, program, rules, command, stamp)?;
    let mut fresh = decision.effects.clone();
    let mut applied = 1;
    for verdict in verdicts {
        let Some(job) = offered(state, &fresh, &server, verdict.element) else { break };
        // It is answered in the same unit; should it not be, its lease is over at once.
        let (worker, deadline_ms) = (run.worker.clone(), stamp.now_ms);
        let lease = Command::LeaseJob { job, worker, deadline_ms };
        let Ok(leased) = instance::decide(state, program, rules, lease, stamp) else { break };
        append(&mut decision, leased);
        let answer = verdict.verdict.clone().command(job);
        let Ok(answered) = instance::decide(state, program, rules, answer, stamp) else { break };
        fresh.clone_from(&answered.effects);
        append(&mut decision, answered);
        forget(&mut decision.effects, job, state);
        applied += 1;
    }
    Ok(Replayed { decision, applied })
}

fn append(decision: &mut Decision, next: Decision) {
    decision.events.extend(next.events);
    decision.effects.extend(next.effects);
}

/// The job that was just offered for this element at this logical server.
fn offered(state: &Instance, effects: &[Effect], server: &str, element: u32) -> Option<JobKey> {
    effects.iter().find_map(|effect| match effect {
        Effect::OfferJob { job, job_type }
            if is_at(job_type, server) && element_of(state, *job) == Some(element) =>
        {
            Some(*job)
        }
        _ => None,
    })
}

/// Nobody but this run has seen the job: if it is gone, it was never offered.
fn forget(effects: &mut Vec<Effect>, done: JobKey, state: &Instance) {
    if state.job(done).is_some() {
        return;
    }
    effects.retain(|effect| {
        !matches!(
            effect,
            Effect::OfferJob { job, .. }
            | Effect::KeepLease { job, .. }
            | Effect::DropJob { job, .. } if *job == done
        )
    });
}
