//! Serving jobs: ready ones to polls, streams and services; what the store has to the window.
//!
//! Boundary: the index of what is ready is the dispatcher's; leasing is a command to the instance.
//! DSP-1 is kept by the engine (a leased job is not leased again), DSP-2 by [`Shard::serve`].
//! Read first: [`Shard::serve`].

use engine::Command;
use engine::ids::{InstanceKey, JobKey};
use engine::instance::Activation;
use feel::Str;
use host::package::LoggingLevel;

use crate::catalog::SERVICE_PREFIX;
use crate::error::Error;
use crate::stream::JobLease;

use super::Shard;
use super::dispatch::Poll;
use super::services::CallDone;

/// Rows of one page when a job index is read.
const PAGE: u32 = 1_000;

impl Shard {
    /// Hands ready jobs of a type to whoever wants them.
    pub(super) async fn serve(&mut self, job_type: &Str) -> Result<(), Error> {
        loop {
            let queue = self.dispatcher.queue(job_type);
            queue.polls.retain(|poll| !poll.reply.is_closed());
            let is_wanted = !queue.polls.is_empty()
                || !queue.streams.is_empty()
                || job_type.starts_with(SERVICE_PREFIX);
            if queue.ready.is_empty() && !(is_wanted && self.read_ready(job_type).await?) {
                return Ok(());
            }
            let queue = self.dispatcher.queue(job_type);
            if let Some(poll) = queue.polls.pop_front() {
                if self.serve_poll(job_type, poll).await? {
                    continue;
                }
                return Ok(());
            }
            let Some(taker) = self.dispatcher.taker(job_type) else { return Ok(()) };
            let Some(job) = self.dispatcher.queue(job_type).ready.pop_front() else {
                return Ok(());
            };
            self.hand_over(owner(job), job, taker).await?;
        }
    }

    /// Leases jobs to one poll. Answers whether it got any.
    async fn serve_poll(&mut self, job_type: &Str, poll: Poll) -> Result<bool, Error> {
        let Poll { request, most, wait, reply } = poll;
        let mut jobs = Vec::new();
        while jobs.len() < most {
            let Some(job) = self.dispatcher.queue(job_type).ready.pop_front() else {
                if self.read_ready(job_type).await? {
                    continue;
                }
                break;
            };
            let worker = request.worker.clone();
            let deadline_ms = self.now_ms.saturating_add(request.timeout_ms);
            let command = Command::LeaseJob { job, worker, deadline_ms };
            if let Ok(Some(mut activation)) = self.tell(owner(job), command).await? {
                keep_only(&mut activation, &request.fetch);
                jobs.push(activation);
            }
        }
        if jobs.is_empty() {
            let queue = self.dispatcher.queue(job_type);
            queue.polls.push_front(Poll { request, most, wait, reply });
            return Ok(false);
        }
        self.batch.after.polls.push((reply, jobs));
        Ok(true)
    }

    /// Reads more ready jobs of a type from the store. Answers whether there are any now. Those
    /// that cannot be read yet are looked for again as soon as their unit is durable.
    async fn read_ready(&mut self, job_type: &Str) -> Result<bool, Error> {
        let landed = self.landed;
        let shard = self.lease.shard;
        if !self.dispatcher.queue(job_type).partial {
            return Ok(false);
        }
        loop {
            while !self.dispatcher.queue(job_type).read_all {
                let after = self.dispatcher.queue(job_type).read_to;
                let rows = self.store.jobs_ready(shard, job_type, after, PAGE).await?;
                let leased: Vec<bool> =
                    rows.iter().map(|row| self.dispatcher.is_leased(row.job)).collect();
                let queue = self.dispatcher.queue(job_type);
                queue.read_all = rows.len() < PAGE as usize;
                queue.read_to = rows.last().map(|row| row.job).or(after);
                let free = rows.iter().zip(leased).filter(|(_, leased)| !leased);
                queue.ready.extend(free.map(|(row, _)| row.job));
                if !queue.ready.is_empty() {
                    return Ok(true);
                }
            }
            let queue = self.dispatcher.queue(job_type);
            if !queue.read_again(landed) {
                if queue.partial {
                    self.dispatcher.crave(job_type);
                }
                return Ok(false);
            }
        }
    }

    /// Serves the types that are run as services.
    pub(super) async fn serve_services(&mut self) -> Result<(), Error> {
        let mut types: Vec<Str> = self
            .dispatcher
            .queues
            .iter()
            .filter(|(job_type, queue)| {
                job_type.starts_with(SERVICE_PREFIX) && (!queue.ready.is_empty() || queue.partial)
            })
            .map(|(job_type, _)| job_type.clone())
            .collect();
        types.sort_unstable();
        for job_type in types {
            self.serve(&job_type).await?;
        }
        Ok(())
    }

    /// A service call has ended.
    pub(super) async fn call_done(&mut self, done: CallDone) -> Result<(), Error> {
        match done {
            CallDone::Job { instance, command, printed } => {
                let level = match command {
                    Command::CompleteJob { .. } => LoggingLevel::All,
                    _ => LoggingLevel::Errors,
                };
                self.dispatcher.services_running =
                    self.dispatcher.services_running.saturating_sub(1);
                // A job that was withdrawn in the meantime needs no answer.
                let gone = self.tell(instance, command).await?;
                if let (Some(output), true) = (printed, gone.is_ok()) {
                    self.note_output(instance, level, &output);
                }
                self.settle().await?;
            }
            CallDone::Trigger { entry, row, failure } => self.conclude_call(entry, row, failure),
        }
        self.serve_services().await?;
        self.settle().await
    }

    /// Gives a job back whose holder is gone.
    pub(super) async fn release(&mut self, lease: JobLease) -> Result<(), Error> {
        let JobLease { job, attempt, .. } = lease;
        // A job that is done or leased to somebody else stays as it is (JOB-4).
        let _stale = self.tell(owner(job), Command::ReleaseJob { job, attempt }).await?;
        self.settle().await
    }
}

/// The instance that a job's key leads to: any key of a block names its instance.
fn owner(job: JobKey) -> InstanceKey {
    InstanceKey(job.0)
}

/// Keeps only the variables that a worker asked for; none asked for: all.
pub(super) fn keep_only(activation: &mut Activation, fetch: &[Str]) {
    if !fetch.is_empty() {
        activation.variables.retain(|name, _| fetch.contains(name));
    }
}
