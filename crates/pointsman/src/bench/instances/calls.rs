//! The gateway calls of the load, prepared once.
//!
//! Boundary: builds and starts calls; what their ends mean stands in `instances.rs`.
//! Read first: [`Calls`].   Tests: at the end of this file.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use bytes::Bytes;
use proto::gateway::{
    ActivateJobsRequest, CompleteJobRequest, CreateProcessInstanceRequest, DeployResourceRequest,
    Resource, StreamActivatedJobsRequest,
};
use tonic::{Code, Status};

use crate::bench::report::Progress;
use crate::bench::wire::{Event, Method, Wire};
use crate::bench::{Options, Profile, Until, model};
use crate::client::Route;

const WORKER: &str = "pointsman-bench";
/// How long a job is leased, in milliseconds: longer than any healthy run makes it wait.
const LEASE_MS: i64 = 60_000;
/// Jobs taken at once when asking for those that were not pushed.
const BACKLOG: i32 = 1_000;

/// What a call was for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tag {
    /// Creates the instance of this number.
    Create(u64),
    /// Completes a job of an instance, perhaps its last.
    Complete { number: u64, last: bool },
    /// Completes a job that is not of this run.
    Foreign,
    /// The stream of pushed jobs.
    Jobs,
    /// A question for jobs that were not pushed.
    Backlog,
}

/// The calls of one run.
pub(super) struct Calls {
    create: Method,
    complete: Method,
    stream: Method,
    activate: Method,
    creation: CreateProcessInstanceRequest,
    job_type: String,
    /// The element of the last job.
    pub(super) last: String,
    /// Tells the instances of this run from those of others.
    pub(super) run: u64,
}

impl Calls {
    #[expect(clippy::disallowed_methods, reason = "names a run; nothing is decided by it")]
    pub(super) fn new<T: Clone + Unpin>(wire: &Wire<T>, profile: Profile) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            create: wire.method("/gateway_protocol.Gateway/CreateProcessInstance"),
            complete: wire.method("/gateway_protocol.Gateway/CompleteJob"),
            stream: wire.method("/gateway_protocol.Gateway/StreamActivatedJobs"),
            activate: wire.method("/gateway_protocol.Gateway/ActivateJobs"),
            creation: creation(profile.process()),
            job_type: model::job_type(profile.process()),
            last: format!("step{}", profile.jobs()),
            run: u64::try_from(now.as_millis()).unwrap_or(0),
        }
    }

    pub(super) fn create(&mut self, wire: &mut Wire<Tag>, number: u64) {
        self.creation.variables = format!(r#"{{"run":{},"n":{number}}}"#, self.run);
        wire.call(&self.create, &self.creation, Tag::Create(number));
    }

    pub(super) fn complete(&self, wire: &mut Wire<Tag>, job_key: i64, tag: Tag) {
        wire.call(&self.complete, &CompleteJobRequest { job_key, ..Default::default() }, tag);
    }

    /// Opens the worker's stream, on which jobs arrive as they become ready.
    pub(super) fn stream_jobs(&self, wire: &mut Wire<Tag>) {
        let request = StreamActivatedJobsRequest {
            r#type: self.job_type.clone(),
            worker: WORKER.to_owned(),
            timeout: LEASE_MS,
            ..Default::default()
        };
        wire.open(&self.stream, &request, Tag::Jobs);
    }

    /// Asks, without waiting, for jobs that were ready before the stream or given back by it.
    pub(super) fn activate_jobs(&self, wire: &mut Wire<Tag>) {
        let request = ActivateJobsRequest {
            r#type: self.job_type.clone(),
            worker: WORKER.to_owned(),
            timeout: LEASE_MS,
            max_jobs_to_activate: BACKLOG,
            request_timeout: -1,
            ..Default::default()
        };
        wire.open(&self.activate, &request, Tag::Backlog);
    }
}

fn creation(process: &str) -> CreateProcessInstanceRequest {
    CreateProcessInstanceRequest {
        bpmn_process_id: process.to_owned(),
        version: -1,
        ..Default::default()
    }
}

/// Deploys the BPMN file of a process. The same file twice is one version.
///
/// # Errors
/// The server cannot be reached or refuses the model.
pub(in crate::bench) async fn deploy(
    route: &Route,
    process: &str,
    model: Vec<u8>,
) -> anyhow::Result<()> {
    let mut wire = Wire::connect(route).await?;
    let method = wire.method("/gateway_protocol.Gateway/DeployResource");
    let resources = vec![Resource { name: format!("{process}.bpmn"), content: model }];
    wire.call(&method, &DeployResourceRequest { resources, ..Default::default() }, ());
    answer(&mut wire).await?.with_context(|| format!("`{process}` cannot be deployed"))?;
    Ok(())
}

async fn answer(wire: &mut Wire<()>) -> anyhow::Result<Result<Bytes, Status>> {
    match wire.next().await? {
        Event::Answer { result, .. } => Ok(result),
        _ => bail!("the connection brought a stream that nobody opened"),
    }
}

/// Creates the instances that wait while the others run.
///
/// # Errors
/// The server cannot be reached or refuses them.
pub(in crate::bench) async fn create_waiting(
    route: &Route,
    options: &Options,
) -> anyhow::Result<()> {
    deploy(route, model::WAITING, model::process(model::WAITING, 1)).await?;
    let mut wire = Wire::connect(route).await?;
    let method = wire.method("/gateway_protocol.Gateway/CreateProcessInstance");
    let request = creation(model::WAITING);
    let progress = Progress::new(Until::Count(options.waiting));
    let (mut started, mut created) = (0, 0);
    while created < options.waiting {
        while started < options.waiting && wire.in_flight() < options.in_flight {
            wire.call(&method, &request, ());
            started += 1;
        }
        match answer(&mut wire).await? {
            Ok(_) => created += 1,
            Err(status) if status.code() == Code::ResourceExhausted => {
                started -= 1;
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            Err(status) => return Err(status.into()),
        }
        if created % 1_000 == 0 {
            progress.at(created);
        }
    }
    progress.finish();
    Ok(())
}

/// The whole number that a JSON object holds under `name`, at its first level or deeper. Reading
/// all of the text would cost more than the rest of the call.
pub(super) fn number(json: &str, name: &str) -> Option<u64> {
    let mut rest = json;
    loop {
        let (before, after) = rest.split_once(name)?;
        rest = after;
        let Some(value) = after.strip_prefix('"') else { continue };
        let Some(value) = value.trim_start().strip_prefix(':') else { continue };
        if !before.ends_with('"') {
            continue;
        }
        let value = value.trim_start();
        let end = value.find(|char: char| !char.is_ascii_digit()).unwrap_or(value.len());
        return value[..end].parse().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_found_by_their_whole_name() {
        let json = r#"{"n1": 1, "run" : 1700000000000,"an":"n", "n": 42}"#;
        assert_eq!(number(json, "run"), Some(1_700_000_000_000));
        assert_eq!(number(json, "n"), Some(42));
        assert_eq!(number("{}", "n"), None);
        assert_eq!(number(r#"{"n":"x"}"#, "n"), None);
    }
}
