//! Adjacent steps on one logical server, without coming back in between (R20).
//!
//! A logical server gets the snapshot of an instance with a job that it leased there. It works the
//! job, and finds out on its copy which step comes next: as long as the next thing to do is one job
//! for the same logical server and nothing that needs the owner, it works that as well. Then the
//! verdicts go back in one document, and the owner applies them to the real state one by one, as if
//! each job had been leased and answered by itself.
//!
//! Boundary: pure. What the copy comes to is thrown away: only verdicts travel, and the owner
//! decides. Leases, documents and calls of services are the shell's business.
//! Invariants: TRN-1 the owner ends in the same state whether it was told one by one or at once.
//! TRN-2 a verdict is applied only to a job of the element that it was made for, at the same
//! logical server; what does not fit any more is dropped, and its job is offered as any other.
//! Read first: [`Transition`], then [`replay`].   Tests: tests/transition.rs

mod replay;
mod verdict;

use alloc::vec::Vec;

use bpmn::Program;
use feel::Str;

use crate::command::Command;
use crate::decisions::NoDecisions;
use crate::effect::Effect;
use crate::ids::{Blocks, JobKey, ShardId};
use crate::instance::{self, Activation, Decision, Instance, JobState, Rules};
use crate::job::Destination;
use crate::limits::{Limits, Stamp};

pub use replay::{Replayed, Run, replay};
pub use verdict::{StepVerdict, Verdict};

/// A run of steps on one logical server.
#[derive(Debug)]
pub struct Transition<'a> {
    state: Instance,
    program: &'a Program,
    rules: &'a Rules,
    limits: &'a Limits,
    server: Str,
    current: Activation,
    verdicts: Vec<StepVerdict>,
}

/// What comes after a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Another step here.
    Step(Activation),
    /// Nothing more here: the verdicts go back to the owner.
    Return,
}

impl<'a> Transition<'a> {
    /// Begins at a job that is leased for a logical server; none if `job` is no such job of this
    /// instance.
    #[must_use]
    pub fn begin(
        state: Instance,
        program: &'a Program,
        rules: &'a Rules,
        limits: &'a Limits,
        job: JobKey,
    ) -> Option<Self> {
        let (_, found) = state.job(job)?;
        let JobState::Leased { worker, deadline_ms } = &found.state else { return None };
        let server = Destination::parse(&found.job_type).server?.into();
        let (worker, deadline_ms) = (worker.clone(), *deadline_ms);
        let current = instance::describe(&state, program, job, worker, deadline_ms)?;
        Some(Self { state, program, rules, limits, server, current, verdicts: Vec::new() })
    }

    /// The logical server.
    #[must_use]
    pub fn server(&self) -> &Str {
        &self.server
    }

    /// The step that is to be worked.
    #[must_use]
    pub fn current(&self) -> &Activation {
        &self.current
    }

    /// The verdicts so far, one for each step that was worked.
    #[must_use]
    pub fn verdicts(&self) -> &[StepVerdict] {
        &self.verdicts
    }

    /// The verdicts, to be sent to the owner.
    #[must_use]
    pub fn into_verdicts(self) -> Vec<StepVerdict> {
        self.verdicts
    }

    /// Notes what came of the current step, and tells what comes next. After [`Next::Return`]
    /// nothing more is to be told.
    pub fn conclude(&mut self, verdict: Verdict, now_ms: i64) -> Next {
        let job = self.current.job;
        let element = element_of(&self.state, job);
        let completed = matches!(verdict, Verdict::Completed { .. });
        let command = verdict.clone().command(job);
        self.verdicts.extend(element.map(|element| StepVerdict { element, verdict }));
        if !completed {
            return Next::Return;
        }
        match self.decide(command, now_ms).and_then(|decision| self.follow(&decision, now_ms)) {
            Some(activation) => {
                self.current = activation.clone();
                Next::Step(activation)
            }
            None => Next::Return,
        }
    }

    /// The only job that the decision offers, leased, if it is for the same logical server and
    /// nothing else has to be done.
    fn follow(&mut self, decision: &Decision, now_ms: i64) -> Option<Activation> {
        let done = self.current.job;
        let mut offered = None;
        for effect in &decision.effects {
            match effect {
                Effect::DropJob { job, .. } if *job == done => {}
                Effect::OfferJob { job, job_type }
                    if offered.is_none() && is_at(job_type, &self.server) =>
                {
                    offered = Some(*job);
                }
                _ => return None,
            }
        }
        let (worker, deadline_ms) = (self.current.worker.clone(), self.current.deadline_ms);
        let command = Command::LeaseJob { job: offered?, worker, deadline_ms };
        self.decide(command, now_ms)?.activation
    }

    fn decide(&mut self, command: Command, now_ms: i64) -> Option<Decision> {
        // A block taken here is never used: taking one is an effect, so the run returns.
        let mut blocks = Blocks::new(ShardId(0), 1);
        // Decisions are evaluated by the owner: without them the run returns at one.
        let decisions = &NoDecisions;
        let mut stamp = Stamp { now_ms, limits: self.limits, blocks: &mut blocks, decisions };
        instance::decide(&mut self.state, self.program, self.rules, command, &mut stamp).ok()
    }
}

/// Whether a job of this type is for the logical server.
fn is_at(job_type: &str, server: &str) -> bool {
    Destination::parse(job_type).server == Some(server)
}

/// Position of the element of a job.
fn element_of(state: &Instance, job: JobKey) -> Option<u32> {
    let (step, _) = state.job(job)?;
    state.steps.get(&step).map(|step| step.element)
}
