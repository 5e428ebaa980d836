//! Jobs for external workers, as the handle offers them.
//!
//! Boundary: streams and polls are served by the shard's dispatcher.
//! Read first: [`Node::open_stream`], then [`Node::activate_jobs`].

use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::Command;
use engine::ids::{InstanceKey, JobKey};
use engine::instance::Activation;
use feel::Context;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::handle::Node;
use crate::input::{Input, JobFailure};
use crate::stream::{JobStream, WorkerRequest};

/// Jobs on their way to one stream.
const STREAM_CAPACITY: usize = 512;

impl Node {
    /// Opens a stream of jobs that become ready, and of those that already are.
    ///
    /// # Errors
    /// [`Error::Overloaded`], [`Error::Unavailable`].
    pub fn open_stream(&self, request: WorkerRequest) -> Result<JobStream, Error> {
        let id = self.inner.streams.fetch_add(1, Ordering::Relaxed);
        let (end, stream) = JobStream::open(id, request, STREAM_CAPACITY, self.inner.shard.clone());
        self.send(Input::OpenStream(end))?;
        Ok(stream)
    }

    /// Leases up to `most` ready jobs; waits at most `patience` for the first one.
    ///
    /// # Errors
    /// [`Error::Overloaded`], [`Error::Unavailable`].
    pub async fn activate_jobs(
        &self,
        request: WorkerRequest,
        most: usize,
        patience: Option<Duration>,
    ) -> Result<Vec<Activation>, Error> {
        let (reply, jobs) = oneshot::channel();
        let wait = patience.is_some();
        self.send(Input::Activate { request, most, wait, reply })?;
        let answer = match patience {
            // Giving up drops the receiver; jobs leased in that moment are given back.
            Some(patience) => tokio::time::timeout(patience, jobs).await.unwrap_or(Ok(Vec::new())),
            None => jobs.await,
        };
        // A dropped reply says that there were none.
        Ok(answer.unwrap_or_default())
    }

    /// The worker is done.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the job is gone, [`Error::State`] if it has failed.
    pub async fn complete_job(&self, job: JobKey, variables: Context) -> Result<(), Error> {
        self.command(InstanceKey(job.0), Command::CompleteJob { job, variables }).await
    }

    /// The worker failed.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`].
    pub async fn fail_job(&self, job: JobKey, failure: JobFailure) -> Result<(), Error> {
        let JobFailure { retries, message, back_off_ms, variables } = failure;
        let command = Command::FailJob { job, retries, message, back_off_ms, variables };
        self.command(InstanceKey(job.0), command).await
    }

    /// The worker found a business error.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`].
    pub async fn throw_error(
        &self,
        job: JobKey,
        code: &str,
        message: &str,
        variables: Context,
    ) -> Result<(), Error> {
        let (code, message) = (code.into(), message.into());
        let command = Command::ThrowError { job, code, message, variables };
        self.command(InstanceKey(job.0), command).await
    }

    /// Sets the tries left of a job.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`].
    pub async fn update_retries(&self, job: JobKey, retries: i32) -> Result<(), Error> {
        self.command(InstanceKey(job.0), Command::UpdateRetries { job, retries }).await
    }

    /// Gives a leased job `timeout_ms` from now.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`].
    pub async fn update_timeout(&self, job: JobKey, timeout_ms: i64) -> Result<(), Error> {
        let deadline_ms = self.now_ms().saturating_add(timeout_ms);
        self.command(InstanceKey(job.0), Command::UpdateDeadline { job, deadline_ms }).await
    }
}
