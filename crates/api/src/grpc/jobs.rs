//! Jobs on their way to workers and back.
//!
//! Boundary: translation only; who gets which job is decided in `node`.
//! Read first: [`stream`], then [`complete`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use engine::ids::JobKey;
use engine::instance::Activation;
use feel::{Str, Value};
use futures_util::{Stream, stream};
use node::{JobFailure, JobLease, WorkerRequest};
use prost::Message;
use proto::gateway::{
    ActivateJobsRequest, ActivateJobsResponse, ActivatedJob, CompleteJobRequest,
    CompleteJobResponse, FailJobRequest, FailJobResponse, StreamActivatedJobsRequest,
    ThrowErrorRequest, ThrowErrorResponse, UpdateJobRetriesRequest, UpdateJobRetriesResponse,
    UpdateJobTimeoutRequest, UpdateJobTimeoutResponse,
};
use tonic::Status;

use super::Face;
use super::refusal::{TENANT, check_tenant, context, invalid, no_key, refuse, unsupported};
use crate::accept::stopped;
use crate::operation::variables;

const ACTIVATE: &str = "ACTIVATE";
const COMPLETE: &str = "COMPLETE";
const FAIL: &str = "FAIL";
const THROW_ERROR: &str = "THROW_ERROR";
const UPDATE_RETRIES: &str = "UPDATE_RETRIES";
const UPDATE_TIMEOUT: &str = "UPDATE_TIMEOUT";

/// How long a request waits for a first job if it does not say.
const PATIENCE: Duration = Duration::from_secs(10);
/// Jobs that one request may ask for; more are not given.
const JOBS_MAX: i32 = 10_000;
/// Where a batch is cut: clients take 4 MiB.
const MESSAGE_BYTES: usize = 3 << 20;

/// Leases jobs, waiting for the first one.
pub(super) async fn activate(
    face: Arc<Face>,
    request: ActivateJobsRequest,
) -> Result<impl Stream<Item = Result<ActivateJobsResponse, Status>> + use<>, Status> {
    if request.worker.trim().is_empty() {
        return Err(invalid("worker", "the worker's name is blank", ACTIVATE));
    }
    let most = usize::try_from(request.max_jobs_to_activate.min(JOBS_MAX)).unwrap_or(0);
    if most == 0 {
        let detail = "at least one job must be asked for";
        return Err(invalid("maxJobsToActivate", detail, ACTIVATE));
    }
    for tenant in &request.tenant_ids {
        check_tenant(tenant, ACTIVATE)?;
    }
    unsupported(request.with_lease, "lease tokens")?;
    let patience = match request.request_timeout {
        0 => Some(PATIENCE),
        ms => u64::try_from(ms).ok().map(Duration::from_millis),
    };
    let wanted = (request.r#type, request.worker, request.fetch_variable);
    let worker = worker(wanted, request.timeout)?;
    let mut stop = face.stop.clone();
    let jobs = tokio::select! {
        biased;
        found = face.node.activate_jobs(worker, most, patience) => found.map_err(refuse(ACTIVATE))?,
        // A parked request must not hold the stop up; its worker asks again.
        () = stopped(&mut stop) => Vec::new(),
    };
    let rest = Batches { node: face.node.clone(), batches: batches(jobs).into() };
    let next = async |mut rest: Batches| {
        let (batch, _delivered) = rest.batches.pop_front()?;
        Some((Ok(batch), rest))
    };
    Ok(stream::unfold(rest, next))
}

/// Batches on their way to a worker, with the leases of their jobs. If it does not take them, their
/// jobs go back.
struct Batches {
    node: node::Node,
    batches: VecDeque<(ActivateJobsResponse, Vec<JobLease>)>,
}

impl Drop for Batches {
    fn drop(&mut self) {
        let leases = self.batches.iter().flat_map(|(_, leases)| leases);
        self.node.give_back(leases.copied());
    }
}

/// Jobs in messages that clients take.
fn batches(jobs: Vec<Activation>) -> Vec<(ActivateJobsResponse, Vec<JobLease>)> {
    let mut batches = Vec::new();
    let (mut batch, mut leases, mut bytes) = (Vec::with_capacity(jobs.len()), Vec::new(), 0);
    for job in jobs {
        let lease = JobLease::of(&job);
        let job = activated(&job);
        let size = job.encoded_len() + 8;
        if bytes + size > MESSAGE_BYTES && !batch.is_empty() {
            let jobs = std::mem::take(&mut batch);
            batches.push((ActivateJobsResponse { jobs }, std::mem::take(&mut leases)));
            bytes = 0;
        }
        bytes += size;
        batch.push(job);
        leases.push(lease);
    }
    if !batch.is_empty() {
        batches.push((ActivateJobsResponse { jobs: batch }, leases));
    }
    batches
}

/// Pushes jobs as they become ready, until the client leaves.
pub(super) async fn stream(
    face: Arc<Face>,
    request: StreamActivatedJobsRequest,
) -> Result<impl Stream<Item = Result<ActivatedJob, Status>> + use<>, Status> {
    for tenant in &request.tenant_ids {
        check_tenant(tenant, ACTIVATE)?;
    }
    unsupported(request.with_lease, "lease tokens")?;
    let wanted = (request.r#type, request.worker, request.fetch_variable);
    let worker = worker(wanted, request.timeout)?;
    let jobs = face.node.open_stream(worker).map_err(refuse(ACTIVATE))?;
    // One at a time: what is still in the channel when the worker leaves is given back.
    let next = async |(mut jobs, mut next): (node::JobStream, Vec<Activation>)| {
        jobs.next(&mut next, 1).await;
        let job = next.pop()?;
        Some((Ok(activated(&job)), (jobs, next)))
    };
    Ok(stream::unfold((jobs, Vec::with_capacity(1)), next))
}

fn worker(
    (job_type, worker, fetch): (String, String, Vec<String>),
    timeout_ms: i64,
) -> Result<WorkerRequest, Status> {
    if job_type.trim().is_empty() {
        return Err(invalid("type", "the job type is blank", ACTIVATE));
    }
    if timeout_ms < 1 {
        return Err(invalid("timeout", "the timeout must be at least 1 ms", ACTIVATE));
    }
    Ok(WorkerRequest {
        job_type: job_type.into(),
        worker: worker.into(),
        timeout_ms,
        fetch: fetch.into_iter().map(Str::from).collect(),
    })
}

fn activated(job: &Activation) -> ActivatedJob {
    ActivatedJob {
        key: job.job.to_i64(),
        r#type: job.job_type.to_string(),
        process_instance_key: job.instance.to_i64(),
        bpmn_process_id: job.process.to_string(),
        process_definition_version: job.version.cast_signed(),
        process_definition_key: job.definition.to_i64(),
        element_id: job.element.to_string(),
        element_instance_key: job.step.to_i64(),
        custom_headers: headers(&job.headers),
        worker: job.worker.to_string(),
        retries: job.retries,
        deadline: job.deadline_ms,
        variables: variables::to_text(&job.variables),
        tenant_id: TENANT.to_owned(),
        ..ActivatedJob::default()
    }
}

fn headers(headers: &[(Str, Str)]) -> String {
    let mut out = String::from("{");
    for (position, (name, value)) in headers.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        feel::json::write(&Value::String(name.clone()), &mut out);
        out.push(':');
        feel::json::write(&Value::String(value.clone()), &mut out);
    }
    out.push('}');
    out
}

fn job(key: i64, intent: &'static str) -> Result<JobKey, Status> {
    JobKey::from_i64(key).ok_or_else(|| no_key("job", key, intent))
}

/// A worker is done.
pub(super) async fn complete(
    face: Arc<Face>,
    request: CompleteJobRequest,
) -> Result<CompleteJobResponse, Status> {
    let job = job(request.job_key, COMPLETE)?;
    let variables = context(&request.variables, COMPLETE)?;
    face.node.complete_job(job, variables).await.map_err(refuse(COMPLETE))?;
    Ok(CompleteJobResponse {})
}

/// A worker failed.
pub(super) async fn fail(
    face: Arc<Face>,
    request: FailJobRequest,
) -> Result<FailJobResponse, Status> {
    let job = job(request.job_key, FAIL)?;
    let variables = context(&request.variables, FAIL)?;
    let failure = JobFailure {
        retries: request.retries,
        message: request.error_message.into(),
        back_off_ms: request.retry_back_off.max(0),
        variables,
    };
    face.node.fail_job(job, failure).await.map_err(refuse(FAIL))?;
    Ok(FailJobResponse {})
}

/// A worker found a business error.
pub(super) async fn throw_error(
    face: Arc<Face>,
    request: ThrowErrorRequest,
) -> Result<ThrowErrorResponse, Status> {
    let job = job(request.job_key, THROW_ERROR)?;
    let variables = context(&request.variables, THROW_ERROR)?;
    let (code, message) = (&request.error_code, &request.error_message);
    let thrown = face.node.throw_error(job, code, message, variables).await;
    thrown.map_err(refuse(THROW_ERROR))?;
    Ok(ThrowErrorResponse {})
}

/// Sets the tries left.
pub(super) async fn update_retries(
    face: Arc<Face>,
    request: UpdateJobRetriesRequest,
) -> Result<UpdateJobRetriesResponse, Status> {
    let job = job(request.job_key, UPDATE_RETRIES)?;
    let updated = face.node.update_retries(job, request.retries).await;
    updated.map_err(refuse(UPDATE_RETRIES))?;
    Ok(UpdateJobRetriesResponse {})
}

/// Sets the end of a lease, counted from now.
pub(super) async fn update_timeout(
    face: Arc<Face>,
    request: UpdateJobTimeoutRequest,
) -> Result<UpdateJobTimeoutResponse, Status> {
    let job = job(request.job_key, UPDATE_TIMEOUT)?;
    let updated = face.node.update_timeout(job, request.timeout).await;
    updated.map_err(refuse(UPDATE_TIMEOUT))?;
    Ok(UpdateJobTimeoutResponse {})
}
