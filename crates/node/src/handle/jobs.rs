//! Jobs for external workers, as the handle offers them.
//!
//! Boundary: streams and polls are served by the shard's dispatcher.
//! Read first: [`Node::open_stream`], then [`Node::activate_jobs`].

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use engine::Command;
use engine::ids::{InstanceKey, JobKey};
use engine::instance::Activation;
use feel::Context;
use store::Member;
use tokio::sync::{mpsc, oneshot};

use crate::cluster::follow::{Ways, follow};
use crate::cluster::wire::{self, Answer, Request};
use crate::error::Error;
use crate::handle::Node;
use crate::input::{Input, JobFailure};
use crate::logical;
use crate::stream::{JobStream, WorkerRequest};

/// Jobs on their way to one stream.
const STREAM_CAPACITY: usize = 512;
/// How long another server may take to say which jobs are ready.
const OTHERS: Duration = Duration::from_secs(2);

impl Node {
    /// Opens a stream of jobs that become ready, and of those that already are, of all servers.
    ///
    /// # Errors
    /// [`Error::Overloaded`], [`Error::Invalid`].
    pub fn open_stream(&self, request: WorkerRequest) -> Result<JobStream, Error> {
        for_workers(&request)?;
        self.open_with(request, STREAM_CAPACITY)
    }

    pub(crate) fn open_with(
        &self,
        request: WorkerRequest,
        capacity: usize,
    ) -> Result<JobStream, Error> {
        let around = &self.inner.around;
        let (end, stream) = around.streams.open(request, capacity, around)?;
        if self.inner.routes.has_way() {
            let mut following = self.inner.following.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that have ended are not kept.
            while following.try_join_next().is_some() {}
            let ways = Ways {
                routes: self.inner.routes.clone(),
                transport: self.inner.transport.clone(),
                post: around.post.clone(),
            };
            following.spawn(follow(ways, end));
        }
        Ok(stream)
    }

    /// Leases up to `most` ready jobs; waits at most `patience` for the first one.
    ///
    /// # Errors
    /// [`Error::Overloaded`], [`Error::Unavailable`], [`Error::Invalid`].
    pub async fn activate_jobs(
        &self,
        request: WorkerRequest,
        most: usize,
        patience: Option<Duration>,
    ) -> Result<Vec<Activation>, Error> {
        for_workers(&request)?;
        let table = self.inner.routes.table();
        if let (Some(patience), 1, true) = (patience, table.local.len(), table.others().is_empty())
        {
            // The only shard is here: it answers as soon as it has something.
            return self.wait_here(request, most, patience).await;
        }
        let mut jobs = self.activate_now(&request, most).await;
        let Some(patience) = patience.filter(|_| jobs.is_empty()) else { return Ok(jobs) };
        let mut stream = self.open_with(request, most)?;
        // Giving up drops the stream; jobs leased in that moment are given back.
        let _late = tokio::time::timeout(patience, stream.next(&mut jobs, most)).await;
        Ok(jobs)
    }

    async fn wait_here(
        &self,
        request: WorkerRequest,
        most: usize,
        patience: Duration,
    ) -> Result<Vec<Activation>, Error> {
        let table = self.inner.routes.table();
        let Some(shard) = table.local.values().next() else { return Ok(Vec::new()) };
        let (reply, jobs) = oneshot::channel();
        send(shard, Input::Activate { request, most, wait: true, reply })?;
        // Giving up drops the receiver; jobs leased in that moment are given back.
        let answer = tokio::time::timeout(patience, jobs).await;
        Ok(answer.ok().and_then(Result::ok).unwrap_or_default())
    }

    /// Ready jobs of the shards that are served here; none is waited for.
    pub(crate) async fn activate_here(
        &self,
        request: &WorkerRequest,
        most: usize,
    ) -> Vec<Activation> {
        let mut all = Vec::new();
        for shard in self.inner.routes.local_in_turn() {
            let most = most.saturating_sub(all.len());
            if most == 0 {
                break;
            }
            let (reply, jobs) = oneshot::channel();
            let request = request.clone();
            // A shard that has no room has no time for jobs either; a dropped reply says that
            // there were none.
            if shard.try_send(Input::Activate { request, most, wait: false, reply }).is_ok() {
                all.extend(jobs.await.unwrap_or_default());
            }
        }
        all
    }

    /// Ready jobs of all servers; none is waited for. This server and the others are asked in
    /// turn, so that what piles up at one of them does not hide what another one has.
    async fn activate_now(&self, request: &WorkerRequest, most: usize) -> Vec<Activation> {
        let others = self.inner.routes.table().others();
        let mut servers: Vec<Option<Arc<Member>>> = vec![None];
        servers.extend(others.into_iter().map(Some));
        let turn = self.inner.routes.turn(servers.len());
        servers.rotate_left(turn);
        for server in servers {
            let jobs = match server {
                None => self.activate_here(request, most).await,
                Some(other) => self.activate_at(&other, request, most).await,
            };
            if !jobs.is_empty() {
                return jobs;
            }
        }
        Vec::new()
    }

    async fn activate_at(
        &self,
        other: &Member,
        request: &WorkerRequest,
        most: usize,
    ) -> Vec<Activation> {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let asked = wire::write(&Request::Activate { worker: request.clone(), most });
        let called = self.inner.transport.call(other, asked, OTHERS).await;
        match called.map(|bytes| wire::read::<Answer>(&bytes)) {
            Ok(Ok(Answer::Jobs(jobs))) => jobs.into_iter().map(Activation::from).collect(),
            // What it has is offered again when it can be asked.
            _ => Vec::new(),
        }
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

/// Jobs of logical servers are for the servers that host them.
fn for_workers(request: &WorkerRequest) -> Result<(), Error> {
    match logical::server_of(&request.job_type) {
        None => Ok(()),
        Some(server) => {
            let detail = format!("jobs of logical server `{server}` are not for workers");
            Err(Error::Invalid { detail })
        }
    }
}

fn send(shard: &mpsc::Sender<Input>, input: Input) -> Result<(), Error> {
    shard.try_send(input).map_err(|refused| match refused {
        mpsc::error::TrySendError::Full(_) => Error::Overloaded,
        mpsc::error::TrySendError::Closed(_) => Error::Unavailable { doing: "moving a shard" },
    })
}
