//! What a worker gets together with a job.
//!
//! Boundary: a copy of the state at the moment of the lease; later changes do not reach it.
//! Read first: [`Activation`].

use alloc::vec::Vec;

use bpmn::{ElementIndex, Kind, Program};
use feel::Str;

use crate::ids::{DefinitionKey, InstanceKey, JobKey, StepKey};
use crate::job::Destination;
use crate::value::Variables;

use super::state::Instance;

/// A job as its worker sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Activation {
    /// The job.
    pub job: JobKey,
    /// Its type, without the logical server that it may be bound to.
    pub job_type: Str,
    /// The instance.
    pub instance: InstanceKey,
    /// The process id.
    pub process: Str,
    /// The version number.
    pub version: u32,
    /// The process version.
    pub definition: DefinitionKey,
    /// The BPMN id of the element.
    pub element: Str,
    /// The step.
    pub step: StepKey,
    /// `zeebe:taskHeaders`.
    pub headers: Vec<(Str, Str)>,
    /// Who got it.
    pub worker: Str,
    /// Tries left.
    pub retries: i32,
    /// Earlier leases; with the job's key this names the lease (JOB-4).
    pub attempt: u32,
    /// Until when it is theirs, milliseconds since 1970 UTC.
    pub deadline_ms: i64,
    /// All variables visible at the step.
    pub variables: Variables,
}

/// Describes a job for `worker`, if it is still there.
pub(crate) fn describe(
    state: &Instance,
    program: &Program,
    job: JobKey,
    worker: Str,
    deadline_ms: i64,
) -> Option<Activation> {
    let (step, job) = state.job(job)?;
    let element = program.element(ElementIndex(state.steps.get(&step)?.element));
    let headers = match &element.kind {
        Kind::ServiceTask(job)
        | Kind::SendTask(bpmn::SendSpec::Job(job))
        | Kind::IntermediateMessage(bpmn::SendSpec::Job(job))
        | Kind::EndMessage(bpmn::SendSpec::Job(job))
        | Kind::ScriptTask(bpmn::Script::Job(job))
        | Kind::BusinessRuleTask(bpmn::Rule::Job(job)) => job.headers.clone(),
        _ => Vec::new(),
    };
    let job_type = match Destination::parse(&job.job_type) {
        Destination { server: None, .. } => job.job_type.clone(),
        Destination { job_type, .. } => job_type.into(),
    };
    Some(Activation {
        job: job.key,
        job_type,
        instance: state.key,
        process: state.process.clone(),
        version: state.version,
        definition: state.definition,
        element: element.id.clone(),
        step,
        headers,
        worker,
        retries: job.retries,
        attempt: job.attempt,
        deadline_ms,
        variables: super::variables::visible(state, step),
    })
}
