//! Jobs for external workers, as the handle offers them.
//!
//! Boundary: streams and polls are served by the shard's dispatcher. Jobs that come when nobody
//! waits for them any more go back (LSD-1).
//! Read first: [`Node::open_stream`], then [`Node::activate_jobs`].

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use engine::Command;
use engine::ids::{InstanceKey, JobKey};
use engine::instance::Activation;
use feel::Context;
use store::Member;
use tokio::sync::{mpsc, oneshot};

use crate::cluster::Post;
use crate::cluster::follow::{MOST, Ways, follow, jobs_of};
use crate::cluster::wire::{self, Request};
use crate::error::Error;
use crate::handle::Node;
use crate::input::{Input, JobFailure};
use crate::logical;
use crate::stream::{JobLease, JobStream, Leased, WorkerRequest};

/// Jobs on their way to one stream.
const STREAM_CAPACITY: usize = 512;
/// How long another server may take to say which jobs are ready.
const OTHERS: Duration = Duration::from_secs(2);
/// How long an answer that comes too late is waited for, to give its jobs back.
const LATE: Duration = Duration::from_secs(30);

/// Jobs that a shard leases for somebody who may give up waiting.
struct Coming {
    jobs: oneshot::Receiver<Vec<Activation>>,
    post: Post,
}

impl Coming {
    /// They are given back if this is dropped.
    async fn jobs(mut self) -> Leased {
        // A dropped reply says that there were none.
        let jobs = (&mut self.jobs).await.unwrap_or_default();
        Leased::new(jobs, &self.post)
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        // The shard gives back what comes later.
        self.jobs.close();
        if let Ok(jobs) = self.jobs.try_recv() {
            drop(Leased::new(jobs, &self.post));
        }
    }
}

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
            let ways = Ways {
                routes: self.inner.routes.clone(),
                transport: self.inner.transport.clone(),
                post: around.post.clone(),
                streams: around.streams.clone(),
            };
            self.go_on(follow(ways, end));
        }
        Ok(stream)
    }

    /// Lets something go on that does not end with the call that began it.
    fn go_on(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut following = self.inner.following.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are not kept.
        while following.try_join_next().is_some() {}
        following.spawn(task);
    }

    /// Gives back leases of jobs that have not reached their worker.
    pub fn give_back(&self, jobs: impl IntoIterator<Item = JobLease>) {
        self.inner.around.post.release(jobs);
    }

    /// Leases up to `most` ready jobs; waits at most `patience` for the first one. Dropping the
    /// future gives back what was leased.
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
        let mut jobs = self.activate_now(&request, most).await.deliver();
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
        let coming = Coming { jobs, post: self.inner.around.post.clone() };
        let answer = tokio::time::timeout(patience, coming.jobs()).await;
        Ok(answer.map(Leased::deliver).unwrap_or_default())
    }

    /// Ready jobs of the shards that are served here; none is waited for.
    pub(crate) async fn activate_here(&self, request: &WorkerRequest, most: usize) -> Leased {
        let post = &self.inner.around.post;
        let mut all = Leased::new([], post);
        for shard in self.inner.routes.local_in_turn() {
            let most = most.saturating_sub(all.len());
            if most == 0 {
                break;
            }
            let (reply, jobs) = oneshot::channel();
            let request = request.clone();
            // A shard that has no room has no time for jobs either.
            if shard.try_send(Input::Activate { request, most, wait: false, reply }).is_ok() {
                all.take_in(Coming { jobs, post: post.clone() }.jobs().await);
            }
        }
        all
    }

    /// Ready jobs of all servers; none is waited for. This server and the others are asked in
    /// turn, so that what piles up at one of them does not hide what another one has.
    async fn activate_now(&self, request: &WorkerRequest, most: usize) -> Leased {
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
        Leased::new([], &self.inner.around.post)
    }

    /// Ready jobs of another server, a few at a time, so that not many are on their way at once.
    async fn activate_at(
        &self,
        other: &Arc<Member>,
        request: &WorkerRequest,
        most: usize,
    ) -> Leased {
        let mut all = Leased::new([], &self.inner.around.post);
        let until = crate::clock::instant() + OTHERS;
        while all.len() < most {
            let number = MOST.min(most - all.len());
            let jobs = self.ask_for_jobs(other.clone(), request.clone(), number);
            // What it has is offered again when it can be asked.
            let Ok(Ok(jobs)) = tokio::time::timeout_at(until, jobs).await else { break };
            let is_last = jobs.len() < number;
            all.take_in(jobs);
            if is_last {
                break;
            }
        }
        all
    }

    /// Asks another server for jobs that are ready. If the answer comes when nobody waits for it
    /// any more, its jobs are given back.
    fn ask_for_jobs(
        &self,
        other: Arc<Member>,
        worker: WorkerRequest,
        most: usize,
    ) -> oneshot::Receiver<Leased> {
        let (reply, jobs) = oneshot::channel();
        let asked =
            wire::write(&Request::Activate { worker, most: u32::try_from(most).unwrap_or(1) });
        let (transport, post) = (self.inner.transport.clone(), self.inner.around.post.clone());
        self.go_on(async move {
            let answer = transport.call(&other, asked, LATE).await;
            if let Some(jobs) = jobs_of(answer, &post) {
                // Dropping them gives them back.
                drop(reply.send(jobs));
            }
        });
        jobs
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
